import type { DatabaseSync } from "node:sqlite";
import { Bug } from "../errors.ts";
import { keyedHash } from "./rec-hash.ts";
import { RecRuns } from "./rec-runs.ts";
import { SHAPE, wordsOf } from "./rec-shape.ts";
import { RecTail } from "./rec-tail.ts";

const REC_BYTES = 16;
/** Ids in a row of `rec_ids`: they fit one page of the database. */
const ROW_IDS = 500;
const CACHED = 1024;

export type RecIndex = ReturnType<typeof sqliteRecIndex>;

/** An entry as the index sees it. */
export interface Indexed {
  /** 32 hex digits. */
  readonly rec: string;
  readonly owner: string;
  readonly index: number;
}

/**
 * Ids in the order of the log, by the index of a row's last one; their hashes on pages; for each level of runs, its pages that went into
 * the next. The secret comes from SQLite, which takes its randomness from the operating system.
 */
export const REC_TABLES = `
create table rec_ids (last integer primary key, ids blob not null);
create table rec_pages (slot integer primary key, ids blob not null);
create table rec_steps (level integer primary key, steps integer not null);
insert into meta values ('rec_secret', randomblob(8));`;

/**
 * Which record stands at which index, and who may open it. Every commit asks whether its ids are new, and ids are random: a table sorted
 * by id would have to read and rewrite a page for each. So `rec_ids` holds the ids as they come, in the order of the log, and is what
 * counts; all else says where in it to look, and is never believed without a look. The youngest ids are found in memory ({@link RecTail}),
 * all others on pages by their hash, with filters before them ({@link RecRuns}). Every write is part of the commit that it belongs to, and
 * proportional to it, so a crash finds the index as it was, and no commit waits for work that earlier ones left.
 */
export function sqliteRecIndex(database: DatabaseSync, shape = SHAPE) {
  const selectId = database.prepare(
    "select hex(substr(ids, length(ids) - 16 * (last - ?1) - 15, 16)) as id from rec_ids where last >= ?1 order by last limit 1",
  );
  const insertIds = database.prepare("insert into rec_ids values (?, ?)");
  const selectOwner = database.prepare("select owner from owners where first <= ? order by first desc limit 1");
  const insertOwner = database.prepare("insert into owners values (?, ?)");
  const hash = keyedHash(
    database.prepare("select value from meta where name = 'rec_secret'").get()?.["value"] as Uint8Array,
  );
  const runs = new RecRuns(database, shape, holds);
  const asked = Buffer.alloc(REC_BYTES);
  const askedWords = wordsOf(asked);
  const hashed = new Uint32Array(2);
  /** What was found lately: records refer to the same few again and again. */
  const cache = new Map<string, number>();
  /** A tail that is full, while its pages are written. */
  let full: RecTail | undefined;
  let tail = new RecTail(runs.size, shape);
  let lastOwner = (selectOwner.get(Number.MAX_SAFE_INTEGER) as { owner: string } | undefined)?.owner;
  for (const row of database.prepare("select ids from rec_ids where last >= ? order by last").iterate(runs.size)) {
    const ids = wordsOf(row["ids"] as Uint8Array);
    for (let at = 0; at < ids.length; at += REC_BYTES / 4) {
      makeRoom();
      hash(ids, at, hashed);
      tail.put(hashed[0] as number, hashed[1] as number);
    }
  }

  function makeRoom(): void {
    if (tail.room > 0) return;
    while (full !== undefined) writePages(full);
    full = tail;
    tail = new RecTail(full.next, shape);
  }

  function writePages(oldest: RecTail): void {
    if (runs.append(oldest)) full = undefined;
  }

  function holds(index: number, rec: string): boolean {
    return selectId.get(index)?.["id"] === rec.toUpperCase();
  }

  /** Where the id stands whose hash is in `hashed`. */
  function locate(rec: string): number | undefined {
    const h1 = hashed[0] as number;
    const h2 = hashed[1] as number;
    return tail.find(rec, h1, h2, holds) ?? full?.find(rec, h1, h2, holds) ?? runs.find(rec, h1, h2);
  }

  /** At most as many as a row and the tail have room for. */
  function addSome(entries: readonly Indexed[], first: number): void {
    const ids = Buffer.from(entries.map(({ rec }) => rec).join(""), "hex");
    if (ids.length !== REC_BYTES * entries.length) throw new Bug("a rec is not 16 bytes");
    if (first !== tail.next) throw new Bug(`the index of ids goes to ${tail.next}`);
    const after = first + entries.length;
    insertIds.run(after - 1, ids);
    const words = wordsOf(ids);
    entries.forEach(({ rec }, i) => {
      hash(words, (i * REC_BYTES) / 4, hashed);
      if (locate(rec) !== undefined) throw new Bug(`the id ${rec} comes twice`);
      tail.put(hashed[0] as number, hashed[1] as number);
    });
    for (let due = runs.due(0, first, after); due > 0 && full !== undefined; due--) writePages(full);
    runs.merge(first, after);
  }

  return {
    find(rec: string): number | undefined {
      const known = cache.get(rec);
      if (known !== undefined) return known;
      if (rec.length !== 2 * REC_BYTES || asked.write(rec, "hex") !== REC_BYTES) return undefined;
      hash(askedWords, 0, hashed);
      const found = locate(rec);
      if (found !== undefined) {
        if (cache.size >= CACHED) cache.clear();
        cache.set(rec, found);
      }
      return found;
    },

    /** The owner of the entry at `idx`. */
    ownerOf: (idx: number): string => (selectOwner.get(idx) as { owner: string } | undefined)?.owner ?? "",

    /** Inside the transaction that writes these entries; their indexes follow on one another. */
    add(entries: readonly Indexed[]): void {
      for (let at = 0; at < entries.length;) {
        makeRoom();
        const some = entries.slice(at, at + Math.min(ROW_IDS, tail.room));
        addSome(some, (entries[0] as Indexed).index + at);
        at += some.length;
      }
      for (const { owner, index } of entries) {
        if (owner === lastOwner) continue;
        insertOwner.run(index, owner);
        lastOwner = owner;
      }
    },
  };
}
