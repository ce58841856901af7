import type { DatabaseSync } from "node:sqlite";
import { Bug } from "../errors.ts";
import { BLOCK_WORDS, mark, mayHold } from "./rec-filter.ts";
import type { RecTail } from "./rec-tail.ts";

/** Sizes of the index. Those of a database never change: pages are found by them. */
export interface RecShape {
  /** A tail becomes 2^bucketBits pages … */
  readonly bucketBits: number;
  /** … of so many ids on average. */
  readonly bucketIds: number;
  /** So many ids have room on a page; more are as good as impossible, and only slower. */
  readonly pageIds: number;
  /** 2^fanoutBits runs of a level become one of the next. */
  readonly fanoutBits: number;
  /** Filter blocks of a page. */
  readonly filterBlocks: number;
}

/** Tails of 262,144 ids; pages of 8148 bytes, which as a row fill a leaf of the database; 16 bits of filter for an id. */
export const SHAPE: RecShape = { bucketBits: 9, bucketIds: 512, pageIds: 679, fanoutBits: 3, filterBlocks: 32 };

/** An id on a page: two words of hash, and its place in the run counted from 1. 0: no more ids on this page. */
const ID_WORDS = 3;
/** Places are words. */
const MAX_RUN = 2 ** 32 - 1;

/** Confirms, where a hash was found, that the id at this index is this one. */
export type Holds = (index: number, rec: string) => boolean;

/**
 * The ids that left the tail, on pages by their hash. A tail becomes a run of level 0: a page for each value of the first bits of the
 * hash. Once there is a group of 2^fanoutBits runs, they become one run of the next level: page b of each of them together hold exactly
 * the ids of as many neighbouring pages of the new one, so that a step reads a few rows and writes the same rows again, at the same
 * length. No row is deleted or moves; which rows a run has follows from the number of pages written and steps done. Between two steps
 * any time may pass: below the bucket that was reached the new run is asked, from there on the old ones.
 */
export class RecRuns {
  readonly #shape: RecShape;
  readonly #holds: Holds;
  readonly #statements;
  /** Pages written by tails; then, of each level, pages that went into the next. */
  readonly #steps: number[];
  /** Of each level and bucket of a group, once it is needed: the filters of its pages, block by block, so that all are asked at one place. */
  readonly #filters: (Uint32Array | undefined)[][] = [];
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
  }

  /** How many ids have left the tails: all of a tail at once, with its last page. */
  get size(): number {
    return this.#runs(0) * this.#idsOf(0);
  }

  /** The index of an id with this hash, confirmed. */
  find(rec: string, h1: number, h2: number): number | undefined {
    const { fanoutBits } = this.#shape;
    const written = (this.#steps[0] as number) % this.#pagesOf(0);
    let moved = this.#bucket(0, h1) < written ? 1 : 0;
    for (let level = 0; ; level++) {
      // With the run that is being made, as far as it is.
      const runs = this.#runs(level) + moved;
      if (runs === 0) return undefined;
      const merged = this.#runs(level + 1);
      const bucket = this.#bucket(level, h1);
      moved = bucket < (this.#steps[level + 1] ?? 0) - merged * this.#pagesOf(level) ? 1 : 0;
      for (let group = merged + moved; group << fanoutBits < runs; group++) {
        const found = this.#ask(level, group, runs, rec, h1, h2);
        if (found !== undefined) return found;
      }
    }
  }

  /** Writes some of the pages that are due of a tail that is full; true if its last one is among them. Inside a transaction, as is {@link merge}. */
  append(tail: RecTail): boolean {
    const run = this.#runs(0);
    for (let i = 0; i < this.#out.length; i++) {
      const slot = this.#steps[0] as number;
      const bucket = slot - run * this.#pagesOf(0);
      const page = this.#out[i] as Page;
      tail.each(bucket, (h1, h2, place) => {
        page.add(h1, h2, place);
      });
      const words = page.take();
      this.#statements.insert.run(words, slot);
      this.#note(0, run, bucket, words);
      this.#steps[0] = slot + 1;
      if (bucket + 1 === this.#pagesOf(0)) return true;
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

  /** Steps of some kind between two sizes of the log: twice as many as keep up, at another moment for each kind. */
  due(kind: number, before: number, after: number): number {
    const every = (this.#shape.bucketIds << this.#shape.fanoutBits) / 2;
    const shift = Math.floor(((kind * 0.618) % 1) * every);
    return Math.floor((after + shift) / every) - Math.floor((before + shift) / every);
  }

  /** True if the runs that the next step takes from are complete. */
  #ripe(level: number): boolean {
    const group = this.#runs(level + 1);
    return this.#runs(level) >= (group + 1) << this.#shape.fanoutBits && this.#idsOf(level + 1) <= MAX_RUN;
  }

  #step(level: number): void {
    const { fanoutBits } = this.#shape;
    const group = this.#runs(level + 1);
    const bucket = (this.#steps[level + 1] ?? 0) - group * this.#pagesOf(level);
    const slots = this.#out.map((_, i) => this.#slot(level, (group << fanoutBits) + i, bucket));
    slots.forEach((slot, i) => {
      const words = this.#read(slot);
      for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS) {
        const h1 = words[at] as number;
        const page = this.#out[this.#bucket(level + 1, h1) % this.#out.length] as Page;
        page.add(h1, words[at + 1] as number, (words[at + 2] as number) + i * this.#idsOf(0));
      }
    });
    slots.forEach((slot, i) => {
      const words = (this.#out[i] as Page).take();
      this.#statements.update.run(words, slot);
      this.#note(level + 1, group, (bucket << fanoutBits) + i, words);
    });
    (this.#filters[level] ?? [])[group * this.#pagesOf(level) + bucket] = undefined;
    this.#steps[level + 1] = (this.#steps[level + 1] ?? 0) + 1;
  }

  /** Looks for an id on the pages of a group, up to those of `runs`. */
  #ask(level: number, group: number, runs: number, rec: string, h1: number, h2: number): number | undefined {
    const key = group * this.#pagesOf(level) + this.#bucket(level, h1);
    const filter = this.#filters[level]?.[key] ?? this.#load(level, group, runs, this.#bucket(level, h1));
    const first = group << this.#shape.fanoutBits;
    const count = filter.length / (this.#shape.filterBlocks * BLOCK_WORDS);
    const block = this.#block(h1) * count * BLOCK_WORDS;
    for (let i = 0; i < count; i++) {
      if (!mayHold(filter, block + i * BLOCK_WORDS, h2)) continue;
      const found = this.#lookUp(level, first + i, rec, h1, h2);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #lookUp(level: number, run: number, rec: string, h1: number, h2: number): number | undefined {
    const words = this.#read(this.#slot(level, run, this.#bucket(level, h1)));
    for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS) {
      if (words[at] !== h1 || words[at + 1] !== h2) continue;
      const index = run * this.#idsOf(level) + (words[at + 2] as number) - 1;
      if (this.#holds(index, rec)) return index;
    }
    return undefined;
  }

  #read(slot: number): Uint32Array {
    const ids = this.#statements.read.get(slot)?.["ids"] as Uint8Array | undefined;
    if (ids === undefined) throw new Bug(`page ${slot} of the ids is missing`);
    return new Uint32Array(ids.buffer, ids.byteOffset, ids.length / 4);
  }

  /** The filters of a bucket of a group, which a process needs for the first time. */
  #load(level: number, group: number, runs: number, bucket: number): Uint32Array {
    const first = group << this.#shape.fanoutBits;
    for (let run = first; run < runs && run < first + this.#out.length; run++)
      this.#note(level, run, bucket, this.#read(this.#slot(level, run, bucket)));
    return this.#filters[level]?.[group * this.#pagesOf(level) + bucket] as Uint32Array;
  }

  /** Adds the filter of a page to those of its group, unless those were never needed. */
  #note(level: number, run: number, bucket: number, words: Uint32Array): void {
    const { fanoutBits, filterBlocks } = this.#shape;
    const filters = (this.#filters[level] ??= []);
    const key = (run >>> fanoutBits) * this.#pagesOf(level) + bucket;
    while (filters.length <= key) filters.push(undefined);
    const count = run % this.#out.length;
    const old = filters[key];
    if (count > 0 && old === undefined) return;
    const grown = new Uint32Array(filterBlocks * (count + 1) * BLOCK_WORDS);
    for (let block = 0; block < filterBlocks && old !== undefined; block++) {
      const from = block * count * BLOCK_WORDS;
      grown.set(old.subarray(from, from + count * BLOCK_WORDS), block * (count + 1) * BLOCK_WORDS);
    }
    for (let at = 0; at < words.length && words[at + 2] !== 0; at += ID_WORDS) {
      const block = this.#block(words[at] as number) * (count + 1) + count;
      mark(grown, block * BLOCK_WORDS, words[at + 1] as number);
    }
    filters[key] = grown;
  }

  /** The block of a hash, by its last bits: the first ones are the same all over a page. */
  #block(h1: number): number {
    return ((h1 & 0xffff) * this.#shape.filterBlocks) >>> 16;
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
