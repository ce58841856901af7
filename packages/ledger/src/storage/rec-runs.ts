import type { DatabaseSync } from "node:sqlite";
import { Bug } from "../errors.ts";
import { blockOf, clear, mark, mayHold, newFilter, type RecFilter } from "./rec-filter.ts";
import { wordsOf, type Holds, type RecShape } from "./rec-shape.ts";
import type { RecTail } from "./rec-tail.ts";

/** An id on a page: two words of hash, and its place in the run counted from 1. 0: no more ids on this page. */
const ID_WORDS = 3;
/** Places are words. */
const MAX_RUN = 2 ** 32 - 1;

/**
 * The ids that left the tail, on pages by their hash. A tail becomes a run of level 0: a page for each value of the first bits of the
 * hash. Once there are 2^fanoutBits runs of a level, they become one run of the next: page b of each of them together hold exactly the
 * ids of as many neighbouring pages of the new one, so that a step reads a few rows and writes the same rows again, at the same length.
 * No row is deleted or moves; which rows a run has follows from the number of pages written and steps done. Between two steps any time
 * may pass: below the bucket that was reached the new run is asked, from there on the old ones.
 */
export class RecRuns {
  readonly #shape: RecShape;
  readonly #holds: Holds;
  readonly #statements;
  /** Pages written by tails; then, of each level, pages that went into the next. */
  readonly #steps: number[];
  /** Of the rows that each tail wrote. */
  readonly #filters: (RecFilter | undefined)[] = [];
  readonly #out: Page[];

  constructor(database: DatabaseSync, shape: RecShape, holds: Holds) {
    this.#shape = shape;
    this.#holds = holds;
    this.#statements = {
      read: database.prepare("select ids from rec_pages where slot = ?"),
      insert: database.prepare("insert into rec_pages (ids, slot) values (?, ?)"),
      update: database.prepare("update rec_pages set ids = ? where slot = ?"),
      count: database.prepare("insert or replace into rec_steps values (?, ?)"),
    };
    const pages = database.prepare("select coalesce(max(slot) + 1, 0) as pages from rec_pages").get();
    const steps = database.prepare("select steps from rec_steps order by level").all();
    this.#steps = [pages?.["pages"] as number, ...steps.map((row) => row["steps"] as number)];
    this.#out = Array.from({ length: 1 << shape.fanoutBits }, () => new Page(shape.pageIds));
    for (const row of database.prepare("select slot, ids from rec_pages limit ?").iterate(shape.pagesAtStart))
      this.#mark(row["slot"] as number, wordsOf(row["ids"] as Uint8Array));
  }

  /** How many ids have left the tails: all of a tail at once, with its last page. */
  get size(): number {
    return this.#runs(0) * this.#idsOf(0);
  }

  /** The index of an id with this hash, confirmed. */
  find(rec: string, h1: number, h2: number): number | undefined {
    const { bucketBits, fanoutBits } = this.#shape;
    const block = blockOf(this.#shape, h1);
    for (let level = 0, moved = false; ; level++) {
      // With the run that is being made, as far as it is.
      const runs = this.#runs(level) + (moved ? 1 : 0);
      if (runs === 0) return undefined;
      const pages = this.#pagesOf(level);
      const merged = this.#runs(level + 1);
      const bucket = this.#bucket(level, h1);
      moved = bucket < (this.#steps[level + 1] ?? 0) - merged * pages;
      let run = (moved ? merged + 1 : merged) << fanoutBits;
      for (let slot = this.#slot(level, run, bucket); run < runs; run++, slot += pages) {
        const filter = this.#filters[slot >>> bucketBits] ?? this.#filterOf(slot);
        if (filter[block] === 0) this.#mark(slot, this.#read(slot));
        if (!mayHold(filter, block, h2)) continue;
        const found = this.#lookUp(slot, run * this.#idsOf(level), rec, h1, h2);
        if (found !== undefined) return found;
      }
    }
  }

  /** A step with a tail that is full: writes its next pages; true if they were its last. In a transaction, as {@link merge}. */
  append(tail: RecTail): boolean {
    const run = this.#runs(0);
    for (const page of this.#out) {
      const slot = this.#steps[0] as number;
      const bucket = slot - run * this.#pagesOf(0);
      tail.each(bucket, (h1, h2, place) => {
        page.add(h1, h2, place);
      });
      this.#statements.insert.run(page.take(), slot);
      this.#steps[0] = slot + 1;
      if (bucket + 1 < this.#pagesOf(0)) continue;
      this.#filters[run] = tail.filter;
      return true;
    }
    return false;
  }

  /** The steps that are due when the log grows from one size to another. */
  merge(before: number, after: number): void {
    for (let level = 0; this.#runs(level) > 0; level++) {
      let due = this.due(level + 1, before, after);
      if (due === 0 || !this.#ripe(level)) continue;
      for (; due > 0 && this.#ripe(level); due--) this.#step(level);
      this.#statements.count.run(level, this.#steps[level + 1] as number);
    }
  }

  /** How many steps of a kind are due between two sizes of the log: twice as many as keep up, and each kind at its own moments. */
  due(kind: number, before: number, after: number): number {
    const every = (this.#shape.bucketIds << this.#shape.fanoutBits) / 2;
    const shift = Math.floor(((kind * 0.618) % 1) * every);
    return Math.floor((after + shift) / every) - Math.floor((before + shift) / every);
  }

  /** True if the runs that the next step takes from are complete. */
  #ripe(level: number): boolean {
    const wanted = (this.#runs(level + 1) + 1) << this.#shape.fanoutBits;
    return this.#runs(level) >= wanted && this.#idsOf(level + 1) <= MAX_RUN;
  }

  #step(level: number): void {
    const group = this.#runs(level + 1);
    const step = this.#steps[level + 1] ?? 0;
    const bucket = step - group * this.#pagesOf(level);
    const slots = this.#out.map((_, i) => this.#slot(level, group * this.#out.length + i, bucket));
    slots.forEach((slot, i) => {
      const words = this.#read(slot);
      for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS) {
        const h1 = words[at] as number;
        const page = this.#out[this.#bucket(level + 1, h1) % this.#out.length] as Page;
        page.add(h1, words[at + 1] as number, (words[at + 2] as number) + i * this.#idsOf(level));
      }
    });
    slots.forEach((slot, i) => {
      const words = (this.#out[i] as Page).take();
      this.#statements.update.run(words, slot);
      clear(this.#filterOf(slot), this.#shape, slot % this.#pagesOf(0));
      this.#mark(slot, words);
    });
    this.#steps[level + 1] = step + 1;
  }

  /** Looks for an id on a page, of a run whose first id has index `first`. */
  #lookUp(slot: number, first: number, rec: string, h1: number, h2: number): number | undefined {
    const words = this.#read(slot);
    for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS) {
      if (words[at] !== h1 || words[at + 1] !== h2) continue;
      const index = first + (words[at + 2] as number) - 1;
      if (this.#holds(index, rec)) return index;
    }
    return undefined;
  }

  #read(slot: number): Uint32Array {
    const ids = this.#statements.read.get(slot)?.["ids"] as Uint8Array | undefined;
    if (ids === undefined) throw new Bug(`page ${slot} of the ids is missing`);
    return wordsOf(ids);
  }

  #mark(slot: number, words: Uint32Array): void {
    const filter = this.#filterOf(slot);
    for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS)
      mark(filter, blockOf(this.#shape, words[at] as number), words[at + 1] as number);
  }

  #filterOf(slot: number): RecFilter {
    return (this.#filters[slot >>> this.#shape.bucketBits] ??= newFilter(this.#shape));
  }

  /** The row of a bucket of a run. A run has the rows of the runs that it was made of, and its buckets go round them. */
  #slot(level: number, run: number, bucket: number): number {
    const { fanoutBits } = this.#shape;
    let slot = run * this.#pagesOf(level);
    for (let below = level - 1; below >= 0; below--) {
      slot += (bucket & ((1 << fanoutBits) - 1)) * this.#pagesOf(below);
      bucket >>>= fanoutBits;
    }
    return slot + bucket;
  }

  #bucket(level: number, h1: number): number {
    return h1 >>> (32 - this.#shape.bucketBits - level * this.#shape.fanoutBits);
  }

  #pagesOf(level: number): number {
    return 1 << (this.#shape.bucketBits + level * this.#shape.fanoutBits);
  }

  #idsOf(level: number): number {
    return this.#shape.bucketIds * this.#pagesOf(level);
  }

  /** How many runs of a level were completed, ever. */
  #runs(level: number): number {
    return Math.floor((this.#steps[level] ?? 0) / this.#pagesOf(level === 0 ? 0 : level - 1));
  }
}

/** A page that is put together; used again and again. */
class Page {
  readonly #room: number;
  #words: Uint32Array;
  #at = 0;

  constructor(ids: number) {
    this.#room = ids * ID_WORDS;
    this.#words = new Uint32Array(this.#room);
  }

  add(h1: number, h2: number, place: number): void {
    if (this.#at === this.#words.length) {
      const more = new Uint32Array(2 * this.#at);
      more.set(this.#words);
      this.#words = more;
    }
    this.#words[this.#at] = h1;
    this.#words[this.#at + 1] = h2;
    this.#words[this.#at + 2] = place;
    this.#at += ID_WORDS;
  }

  /** Its words, filled up with zeros; good until the next `add`, which begins a new page. */
  take(): Uint32Array {
    const length = Math.max(this.#at, this.#room);
    this.#words.fill(0, this.#at);
    this.#at = 0;
    return this.#words.subarray(0, length);
  }
}
