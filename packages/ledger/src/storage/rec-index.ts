import type { DatabaseSync } from "node:sqlite";
import { Bug } from "../errors.ts";

const REC_BYTES = 16;
const BUCKETS = 256;
/** Ids held in the tail before they begin to move: two megabytes of memory, and a few hundredths of a second at a start. */
const TAIL = 32_768;
/** The most that moves in one commit, whoever chose the ids. */
const MOVED_AT_ONCE = 1024;
const CACHED = 1024;

export type RecIndex = ReturnType<typeof sqliteRecIndex>;

/**
 * Which record stands at which index, and who may open it. Ids are random: put into a table sorted by id as they come, each would rewrite
 * a page of its own, many times what the entry itself needs. So a commit appends its ids to `rec_tail`, one row for all of them, and
 * holds them in memory; once there are many, those that begin with the next of the 256 first bytes move to the sorted table `recs`,
 * where they are neighbours. An id is in exactly one of the two. Both writes are part of the commit, so a crash finds them as they were.
 */
export function sqliteRecIndex(database: DatabaseSync) {
  const selectRec = database.prepare("select idx from recs where rec = ?");
  const insertRec = database.prepare("insert into recs values (?, ?)");
  const insertTail = database.prepare("insert into rec_tail values (?, ?)");
  const deleteTail = database.prepare("delete from rec_tail where last < ?");
  const setMoved = database.prepare("insert or replace into rec_moved values (1, ?, ?)");
  const selectOwner = database.prepare("select owner from owners where first <= ? order by first desc limit 1");
  const insertOwner = database.prepare("insert into owners values (?, ?)");
  /** Indexes of the ids that have not moved. */
  const tail = new Map<string, number>();
  /** The same ids by their first byte, the oldest first. */
  const buckets: string[][] = Array.from({ length: BUCKETS }, () => []);
  /** Of each bucket: ids of entries below this index have moved. */
  const movedBelow = new Float64Array(BUCKETS);
  /** What was found in `recs` lately: records refer to the same few again and again. */
  const cache = new Map<string, number>();
  let cursor = 0;
  let lastOwner = (selectOwner.get(Number.MAX_SAFE_INTEGER) as { owner: string } | undefined)?.owner;
  readTail();

  function readTail(): void {
    const moved = database.prepare("select cursor, below from rec_moved").get() as
      { cursor: number; below: Uint8Array } | undefined;
    if (moved !== undefined) {
      cursor = moved.cursor;
      movedBelow.set(new Float64Array(moved.below.slice().buffer));
    }
    for (const row of database.prepare("select last, recs from rec_tail order by last").iterate()) {
      const { last, recs } = row as { last: number; recs: Uint8Array };
      put(Buffer.from(recs), last + 1 - recs.length / REC_BYTES);
    }
  }

  function put(recs: Buffer, first: number): void {
    for (let at = 0, idx = first; at < recs.length; at += REC_BYTES, idx++) {
      const bucket = recs[at] as number;
      if (idx < (movedBelow[bucket] as number)) continue;
      const rec = recs.toString("latin1", at, at + REC_BYTES);
      (buckets[bucket] as string[]).push(rec);
      tail.set(rec, idx);
    }
  }

  /** Moves the oldest ids of the bucket at the cursor; how many. */
  function move(size: number): number {
    const bucket = buckets[cursor] as string[];
    const recs = bucket.splice(0, MOVED_AT_ONCE);
    const left = bucket[0];
    movedBelow[cursor] = left === undefined ? size : (tail.get(left) as number);
    for (const rec of recs.toSorted()) {
      const idx = tail.get(rec) as number;
      insertRec.run(Buffer.from(rec, "latin1"), idx);
      tail.delete(rec);
    }
    cursor = (cursor + 1) % BUCKETS;
    return recs.length;
  }

  return {
    find(rec: string): number | undefined {
      const bytes = Buffer.from(rec, "hex");
      // As 16 characters, a byte each: half of what the hex digits need.
      const name = bytes.toString("latin1");
      const known = tail.get(name) ?? cache.get(name);
      if (known !== undefined) return known;
      const found = (selectRec.get(bytes) as { idx: number } | undefined)?.idx;
      if (found !== undefined) {
        if (cache.size >= CACHED) cache.clear();
        cache.set(name, found);
      }
      return found;
    },

    /** The owner of the entry at `idx`. */
    ownerOf: (idx: number): string => (selectOwner.get(idx) as { owner: string } | undefined)?.owner ?? "",

    /** Inside the transaction that writes these entries; their indexes follow on one another. */
    add(entries: readonly { readonly rec: string; readonly owner: string; readonly index: number }[]): void {
      const first = entries[0]?.index;
      if (first === undefined) return;
      const size = first + entries.length;
      const recs = Buffer.from(entries.map(({ rec }) => rec).join(""), "hex");
      if (recs.length !== REC_BYTES * entries.length) throw new Bug("a rec is not 16 bytes");
      insertTail.run(size - 1, recs);
      put(recs, first);
      for (const { owner, index } of entries) {
        if (owner === lastOwner) continue;
        insertOwner.run(index, owner);
        lastOwner = owner;
      }
      if (tail.size <= TAIL) return;
      for (let moved = 0, tried = 0; tail.size > TAIL && moved < MOVED_AT_ONCE && tried < BUCKETS; tried++)
        moved += move(size);
      setMoved.run(cursor, Buffer.from(movedBelow.buffer.slice(0)));
      deleteTail.run(Math.min(...movedBelow));
    },
  };
}
