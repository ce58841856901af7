import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { parseVkey, type VerifierKey } from "@spur/verifier/note/note";
import { SpurError } from "./errors.ts";
import { makeFolder, syncFolder } from "./files.ts";

/** The version of what stands in the folder. */
const VERSION = 1;

const SCHEMA = `
create table meta (one integer primary key check (one = 1), instance text not null, commits integer not null);
create table logs (origin text primary key, hash text not null unique, url text, contact text, per_day integer) without rowid;
create table keys (origin text not null, vkey text not null, primary key (origin, vkey)) without rowid;
create table states (id integer primary key, origin text not null unique, size integer not null, root blob not null, note text not null,
  cosigned_s integer not null);
create table conflicts (id integer primary key, origin text not null, size integer not null, root blob not null, note text not null,
  held text not null, seen_s integer not null, unique (origin, size, root));
`;

/** Of a log that signs what it must not; more of the same would fill the disk and prove nothing more. */
const MAX_CONFLICTS = 16;

/** How a log is known. `perDay`: how many checkpoints it may have cosigned in a day. */
export interface LogInfo {
  readonly origin: string;
  readonly url?: string;
  readonly contact?: string;
  readonly perDay?: number;
}

export interface KnownLog extends LogInfo {
  readonly keys: readonly VerifierKey[];
}

/** The latest cosigned checkpoint of a log. */
export interface State {
  readonly size: number;
  readonly root: Uint8Array;
  /** With the log's verified signatures and our cosignature. */
  readonly note: string;
  /** Seconds since 1970. */
  readonly cosignedS: number;
}

/** Two notes that a log signed and that can't both be true; `held` is empty where one is enough (size 0 with the root of something). */
export interface Conflict {
  readonly origin: string;
  readonly size: number;
  readonly note: string;
  readonly held: string;
  readonly seenS: number;
}

/** How the path of a log below a monitoring prefix begins (C2SP tlog-witness). */
export function originHash(origin: string): string {
  return toHex(sha256(utf8(origin)));
}

/**
 * What a witness must never forget: one row for each log, in a SQLite database. All of it is read anew from there: nothing in memory can
 * say otherwise after a failed write.
 */
export class Store {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #parsed = new Map<string, VerifierKey>();

  /** Throws `witness/none` where `create` is not said and there is none, and `data/too-new`. */
  constructor(folder: string, { create = false }: { create?: boolean } = {}) {
    const path = join(folder, "witness.sqlite");
    if (!create && !existsSync(path)) {
      throw new SpurError("witness/none", `there is no witness in ${folder}`, {
        hint: "Name its folder with --data; a first log makes one: npx spur witness add-log VKEY",
      });
    }
    makeFolder(folder);
    this.#database = new DatabaseSync(path);
    // In WAL mode with `synchronous = full`, a commit has returned only after fsync of the log. Others may read, and add logs, beside us.
    this.#database.exec(
      "pragma page_size = 8192; pragma busy_timeout = 2000; pragma journal_mode = wal; pragma synchronous = full; pragma fullfsync = on; pragma checkpoint_fullfsync = on;",
    );
    const version = (): number => this.#get<{ user_version: number }>("pragma user_version")?.user_version ?? 0;
    if (version() === 0) {
      this.#database.exec("begin immediate");
      // Another process may have made it while we waited.
      if (version() === 0) {
        this.#database.exec(`${SCHEMA} pragma user_version = ${VERSION}`);
        this.#run("insert into meta values (1, ?, 0)", toHex(randomBytes(16)));
      }
      this.#database.exec("commit");
      syncFolder(folder);
    }
    const found = version();
    if (found > VERSION) {
      this.#database.close();
      throw new SpurError("data/too-new", `${path} has version ${found}, this program knows ${VERSION}`, {
        hint: "Start it with the newer program that wrote it.",
      });
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }

  #get<T>(sql: string, ...values: (string | bigint)[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  #all<T>(sql: string, ...values: (string | bigint)[]): T[] {
    return this.#prepare(sql).all(...values) as unknown as T[];
  }

  #run(sql: string, ...values: (string | bigint | Uint8Array | null)[]): void {
    this.#prepare(sql).run(...values);
  }

  /** A random name of this folder, and how many transactions changed a state so far: what the keys folder remembers of it. */
  meta(): { readonly instance: string; readonly commits: number } {
    return this.#get("select instance, commits from meta") as { instance: string; commits: number };
  }

  log(origin: string): KnownLog | undefined {
    const row = this.#get<LogRow>("select origin, url, contact, per_day from logs where origin = ?", origin);
    return row === undefined ? undefined : this.#logOf(row);
  }

  /** By origin, at most so many. */
  logs(most = Number.MAX_SAFE_INTEGER): KnownLog[] {
    const sql = "select origin, url, contact, per_day from logs order by origin limit ?";
    return this.#all<LogRow>(sql, BigInt(most)).map((row) => this.#logOf(row));
  }

  /** Logs that are known, and logs that were caught. */
  counts(): { readonly logs: number; readonly conflicts: number } {
    const sql =
      "select (select count(*) from logs) as logs, (select count(distinct origin) from conflicts) as conflicts";
    return this.#get(sql) as { logs: number; conflicts: number };
  }

  #logOf({ origin, url, contact, per_day }: LogRow): KnownLog {
    const rows = this.#all<{ vkey: string }>("select vkey from keys where origin = ? order by vkey", origin);
    return {
      origin,
      ...(url === null ? {} : { url }),
      ...(contact === null ? {} : { contact }),
      ...(per_day === null ? {} : { perDay: per_day }),
      keys: rows.map(({ vkey }) => this.#keyOf(vkey)),
    };
  }

  #keyOf(vkey: string): VerifierKey {
    const key = this.#parsed.get(vkey) ?? parseVkey(vkey);
    this.#parsed.set(vkey, key);
    return key;
  }

  /** A log that is known gets the key besides its others. Inside a transaction. */
  addLog(log: LogInfo, vkey: string): void {
    const { origin, url = null, contact = null, perDay } = log;
    this.#run(
      `insert into logs values (?, ?, ?, ?, ?) on conflict (origin) do update set url = coalesce(excluded.url, url),
        contact = coalesce(excluded.contact, contact), per_day = coalesce(excluded.per_day, per_day)`,
      origin, originHash(origin), url, contact, perDay === undefined ? null : BigInt(perDay),
    ); // prettier-ignore
    this.#run("insert or ignore into keys values (?, ?)", origin, vkey);
  }

  state(origin: string): State | undefined {
    return this.#get(`${SELECT_STATE} where origin = ?`, origin);
  }

  stateByHash(hash: string): State | undefined {
    return this.#get(`${SELECT_STATE} where origin = (select origin from logs where hash = ?)`, hash);
  }

  /** Inside a transaction. */
  setState(origin: string, { size, root, note, cosignedS }: State): void {
    this.#run(
      `insert into states (origin, size, root, note, cosigned_s) values (?, ?, ?, ?, ?) on conflict (origin) do update set
        size = excluded.size, root = excluded.root, note = excluded.note, cosigned_s = excluded.cosigned_s`,
      origin, BigInt(size), root, note, BigInt(cosignedS),
    ); // prettier-ignore
    this.#run("update meta set commits = commits + 1");
  }

  /** Keeps what proves that a log misbehaved; the first few of each log. Inside a transaction. */
  addConflict({ origin, size, note, held, seenS }: Conflict, root: Uint8Array): void {
    const count = this.#get<{ n: number }>("select count(*) as n from conflicts where origin = ?", origin)?.n ?? 0;
    if (count >= MAX_CONFLICTS) return;
    this.#run(
      "insert or ignore into conflicts (origin, size, root, note, held, seen_s) values (?, ?, ?, ?, ?, ?)",
      origin, BigInt(size), root, note, held, BigInt(seenS),
    ); // prettier-ignore
  }

  conflicts(): Conflict[] {
    return this.#all("select origin, size, note, held, seen_s as seenS from conflicts order by id");
  }

  /**
   * Everything in `work` or nothing, durable when it returns. Throws `data/busy` where another process keeps the database from us for
   * two seconds and `data/io` where the disk is full: nothing was written then. Any other error leaves unknown what was.
   */
  transaction<T>(work: () => T): T {
    try {
      this.#database.exec("begin immediate");
      const result = work();
      this.#database.exec("commit");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      throw told(error);
    }
  }

  close(): void {
    this.#database.close();
  }
}

interface LogRow {
  readonly origin: string;
  readonly url: string | null;
  readonly contact: string | null;
  readonly per_day: number | null;
}

const SELECT_STATE = "select size, root, note, cosigned_s as cosignedS from states";

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

function told(error: unknown): unknown {
  const result = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (result === SQLITE_BUSY) {
    return new SpurError("data/busy", "another process keeps the database locked", {
      status: 503,
      hint: "Try again; if it stays so, look who has witness.sqlite open.",
      cause: error,
    });
  }
  if (result === SQLITE_FULL) {
    return new SpurError("data/io", "the disk is full", { status: 503, hint: "Make room.", cause: error });
  }
  return error;
}
