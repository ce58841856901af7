import type { DatabaseSync } from "node:sqlite";
import { Bug } from "../errors.ts";

/** Where a record stands, and who may open it. */
export interface Place {
  readonly idx: number;
  readonly owner: string;
}

export type RecIndex = ReturnType<typeof sqliteRecIndex>;

const REC_BYTES = 16;
const BUCKETS = 256;
/** Ids held in the tail before they begin to move: some megabytes of memory, and a few hundredths of a second at a start. */
const TAIL = 32_768;
/** The most that moves in one commit, whoever chose the ids. */
const MOVED_AT_ONCE = 1024;
const CACHED = 1024;

/**
 * Which record stands at which index. Ids are random: put into a table sorted by id as they come, each would rewrite a page of its own,
 * many times what the entry itself needs. So a commit appends its ids to `rec_tail`, one row for all of them, and holds them in memory;
 * once there are many, those that begin with the next of the 256 first bytes move to the sorted table `recs`, where they are neighbours.
 * An id is in exactly one of the two. Both writes are part of the commit, so a crash finds them as they were.
 */
export function sqliteRecIndex(database: DatabaseSync) {
  const selectRec = database.prepare("select idx, owner from recs where rec = ?");
  const insertRec = database.prepare("insert into recs values (?, ?, ?)");
  const insertTail = database.prepare("insert into rec_tail values (?, ?, ?)");
  const deleteTail = database.prepare("delete from rec_tail where last < ?");
  const setMoved = database.prepare("insert or replace into rec_moved values (1, ?, ?)");
  const tail = new Map<string, Place>();
  const buckets: string[][] = Array.from({ length: BUCKETS }, () => []);
  /** Of each bucket: ids of entries below this index have moved. */
  const movedBelow = new Float64Array(BUCKETS);
  const cache = new Map<string, Place>();
  let cursor = 0;
  readTail();

  function readTail(): void {
    const moved = database.prepare("select cursor, below from rec_moved").get() as { cursor: number; below: Uint8Array } | undefined;
    if (moved !== undefined) {
      cursor = moved.cursor;
      movedBelow.set(new Float64Array(moved.below.slice().buffer));
    }
    for (const row of database.prepare("select last, recs, owners from rec_tail order by last").iterate()) {
      const { last, recs, owners } = row as { last: number; recs: Uint8Array; owners: string };
      const hex = Buffer.from(recs).toString("hex");
      const ownerOf = owners.split("\n");
      const count = recs.length / REC_BYTES;
      for (let i = 0; i < count; i++) {
        const idx = last - count + 1 + i;
        const bucket = recs[REC_BYTES * i] as number;
        if (idx < (movedBelow[bucket] as number)) continue;
        put(hex.slice(2 * REC_BYTES * i, 2 * REC_BYTES * (i + 1)), bucket, { idx, owner: ownerOf[i] as string });
      }
    }
  }

  function put(rec: string, bucket: number, place: Place): void {
    (buckets[bucket] as string[]).push(rec);
    tail.set(rec, place);
  }

  /** Moves the oldest ids of the bucket at the cursor; how many. */
  function move(size: number): number {
    const bucket = buckets[cursor] as string[];
    const recs = bucket.splice(0, MOVED_AT_ONCE);
    const left = bucket[0];
    movedBelow[cursor] = left === undefined ? size : (tail.get(left) as Place).idx;
    for (const rec of recs.toSorted()) {
      const { idx, owner } = tail.get(rec) as Place;
      insertRec.run(Buffer.from(rec, "hex"), idx, owner);
    }
    for (const rec of recs) tail.delete(rec);
    cursor = (cursor + 1) % BUCKETS;
    return recs.length;
  }

  return {
    find(rec: string): Place | undefined {
      const known = tail.get(rec) ?? cache.get(rec);
      if (known !== undefined) return known;
      const found = selectRec.get(Buffer.from(rec, "hex")) as unknown as Place | undefined;
      if (found !== undefined) {
        if (cache.size >= CACHED) cache.clear();
        cache.set(rec, found);
      }
      return found;
    },

    /** Inside the transaction that writes these entries; their indexes follow on one another. */
    add(entries: readonly { readonly rec: string; readonly owner: string; readonly index: number }[]): void {
      const end = entries.at(-1);
      if (end === undefined) return;
      const recs = Buffer.from(entries.map(({ rec }) => rec).join(""), "hex");
      if (recs.length !== REC_BYTES * entries.length) throw new Bug("a rec is not 16 bytes");
      insertTail.run(end.index, recs, entries.map(({ owner }) => owner).join("\n"));
      entries.forEach(({ rec, owner, index }, i) => {
        put(rec, recs[REC_BYTES * i] as number, { idx: index, owner });
      });
      if (tail.size <= TAIL) return;
      for (let moved = 0, tried = 0; tail.size > TAIL && moved < MOVED_AT_ONCE && tried < BUCKETS; tried++) moved += move(end.index + 1);
      setMoved.run(cursor, Buffer.from(movedBelow.buffer.slice(0)));
      deleteTail.run(Math.min(...movedBelow));
    },
  };
}
