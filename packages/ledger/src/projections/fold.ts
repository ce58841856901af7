import type { DatabaseSync } from "node:sqlite";
import type { JsonObject } from "@spur/verifier/statement/canonical";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { referencesIn } from "@spur/verifier/statement/entry";
import { textsOf, type Page } from "./page.ts";

/** Bump it when the tables or the fold change: the file is then thrown away and folded again from the log. */
export const PROJECTION_VERSION = 1;

const SCHEMA = `
create table entries (idx integer primary key, rec text not null, type text not null, register text not null, seq integer not null,
  at text not null, evidence text not null, predicate text not null);
create unique index entries_rec on entries (rec);
create index entries_type on entries (type, idx);
create table edges (src integer not null, dst integer not null, role text not null, primary key (dst, src, role)) without rowid;
create index edges_src on edges (src);
create table removed (idx integer primary key, state text not null);
create table cursor (one integer primary key, size integer not null);
insert into cursor values (1, 0);
`;

/** Makes or reopens the tables; anything unexpected is dropped, since the log has it all. */
export function prepareProjection(database: DatabaseSync): void {
  // A power loss may take what was folded last, never leave a part of it: without any sync it left tables that answer falsely. Seldom synced,
  // since a page of random ids is changed many times until then.
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = normal; pragma wal_autocheckpoint = 4000; pragma temp_store = memory;",
  );
  const version = (database.prepare("pragma user_version").get() as { user_version: number }).user_version;
  if (version === PROJECTION_VERSION) return;
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[];
  for (const { name } of tables) database.exec(`drop table "${name}"`);
  database.exec(`${SCHEMA} pragma user_version = ${PROJECTION_VERSION};`);
}

/** One row of what a log shows to everybody. */
export interface EntryRow {
  readonly index: number;
  readonly rec: string;
  readonly type: string;
  readonly register: string;
  readonly seq: number;
  readonly at: string;
  readonly evidence: string;
  /** Canonical JSON of the public predicate. */
  readonly predicate: string;
}

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly role: string;
}

const COLUMNS = 'idx as "index", rec, type, register, seq, at, evidence, predicate';

/** Folds of the log: what is public, by entry, and which entry refers to which. No sealed content ever comes here. */
export class Projection {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    prepareProjection(database);
    this.#database = database;
  }

  size(): number {
    return (this.#database.prepare("select size from cursor").get() as { size: number }).size;
  }

  /** Folds entries `from`, `from`+1, …; does nothing if they are not next. */
  fold(from: number, page: Page): void {
    if (from !== this.size() || page.lengths.length === 0) return;
    const insert = this.#database.prepare("insert into entries values (?, ?, ?, ?, ?, ?, ?, ?)");
    const edge = this.#database.prepare("insert or ignore into edges values (?, ?, ?)");
    const remove = this.#database.prepare("insert or replace into removed values (?, ?)");
    this.#database.exec("begin");
    let index = from;
    for (const text of textsOf(page)) {
      const entry = readOwn(text);
      if (entry !== undefined) {
        const { rec, reg, seq, at, evidence, type, predicate } = entry;
        // The entry is canonical, and so is each part of it written again.
        insert.run(index, rec, type, reg, seq, at, evidence, JSON.stringify(predicate));
        for (const { role, target } of referencesIn(predicate)) edge.run(index, target.index, role);
        if (type === "spur:removal/v1") {
          const { target, state } = predicate as unknown as { target: { index: number }; state: string };
          remove.run(target.index, state);
        }
      }
      index++;
    }
    this.#database.prepare("update cursor set size = ?").run(index);
    this.#database.exec("commit");
  }

  byIndex(index: number): EntryRow | undefined {
    return this.#database.prepare(`select ${COLUMNS} from entries where idx = ?`).get(index) as EntryRow | undefined;
  }

  byRec(rec: string): EntryRow | undefined {
    return this.#database.prepare(`select ${COLUMNS} from entries where rec = ?`).get(rec) as EntryRow | undefined;
  }

  /** The newest entries first, below `before`. */
  list(limit: number, before: number, type?: string): (EntryRow & { removed: string | null })[] {
    const where = type === undefined ? "" : "and type = ?";
    const sql = `select entries.idx as "index", rec, type, register, seq, at, evidence, predicate, removed.state as removed
      from entries left join removed on removed.idx = entries.idx where entries.idx < ? ${where} order by entries.idx desc limit ?`;
    return this.#database
      .prepare(sql)
      .all(...(type === undefined ? [before, limit] : [before, type, limit])) as unknown as (EntryRow & {
      removed: string | null;
    })[];
  }

  /** The newest entry of a type below `before`. */
  last(type: string, before = Number.MAX_SAFE_INTEGER): EntryRow | undefined {
    return this.#database
      .prepare(`select ${COLUMNS} from entries where type = ? and idx < ? order by idx desc limit 1`)
      .get(type, before) as EntryRow | undefined;
  }

  referrers(index: number, type?: string): EntryRow[] {
    const where = type === undefined ? "" : "and type = ?";
    const sql = `select ${COLUMNS} from entries where idx in (select src from edges where dst = ?) ${where} order by idx limit 1000`;
    return this.#database.prepare(sql).all(...(type === undefined ? [index] : [index, type])) as unknown as EntryRow[];
  }

  /** How many entries of each type stand below `before`. */
  counts(before: number): { type: string; n: number }[] {
    return this.#database
      .prepare("select type, count(*) as n from entries where idx < ? group by type order by type")
      .all(before) as {
      type: string;
      n: number;
    }[];
  }

  /**
   * The trace of an entry back to its sources: everything it refers to, and beside each the entries that complete its story
   * (an output's decision and removals, a run's checkpoints, logs and replays), at most `limit` of them, all below `before`.
   */
  trace(index: number, before = Number.MAX_SAFE_INTEGER, limit = 400): { entries: EntryRow[]; edges: Edge[] } {
    const seen = new Map<number, EntryRow>();
    const queue = [index];
    const outward = this.#database.prepare("select dst from edges where src = ?");
    while (queue.length > 0 && seen.size < limit) {
      const at = queue.shift() as number;
      if (seen.has(at) || at >= before) continue;
      const row = this.byIndex(at);
      if (row === undefined) continue;
      seen.set(at, row);
      for (const { dst } of outward.all(at) as { dst: number }[]) queue.push(dst);
      for (const type of COMPANIONS[row.type] ?? [])
        for (const found of this.referrers(at, type).slice(-MAX_COMPANIONS)) queue.push(found.index);
    }
    const edges = this.#database.prepare('select src as "from", dst as "to", role from edges where src = ?');
    const found = [...seen.keys()]
      .flatMap((at) => edges.all(at) as unknown as Edge[])
      .filter((edge) => seen.has(edge.to));
    return { entries: [...seen.values()].sort((a, b) => a.index - b.index), edges: found };
  }
}

interface Own {
  readonly rec: string;
  readonly reg: string;
  readonly seq: number;
  readonly at: string;
  readonly evidence: string;
  readonly type: string;
  readonly predicate: JsonObject;
}

/**
 * An entry of the ledger's own log, whose form it checked before it wrote it: read without the verifier's care for strangers' bytes, which
 * would cost more than all else here. Undefined for one of a newer version: it stays in the log and out of the lists.
 */
function readOwn(text: string): Own | undefined {
  const entry = JSON.parse(text) as Own & {
    v: string;
    statement?: { predicateType: string; predicate: JsonObject };
  };
  if (entry.v !== "spur-entry/v1") return undefined;
  const type = entry.statement?.predicateType ?? "dsse";
  if (type !== "dsse" && !PREDICATES.has(type)) return undefined;
  return { ...entry, type, predicate: entry.statement?.predicate ?? {} };
}

/** The newest so many of one type: anybody may replay a run, and nobody may drown its story in replays. */
const MAX_COMPANIONS = 100;

/** Entries that refer to one of this type and belong to its story. */
const COMPANIONS: Record<string, readonly string[]> = {
  "spur:output/v1": ["spur:decision/v1", "spur:removal/v1"],
  "spur:training-run/v1": ["spur:checkpoint/v1", "spur:training-log/v1", "spur:replay/v1"],
};
