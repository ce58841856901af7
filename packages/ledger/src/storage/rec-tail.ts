import { blockOf, mark, mayHold, newFilter, type RecFilter } from "./rec-filter.ts";
import type { Holds, RecShape } from "./rec-shape.ts";

/** 256 chains for each bucket: half as many as ids. */
const CHAIN_BITS = 8;

/**
 * The youngest ids by their hash, in memory only: what they were made of stands in `rec_ids`. Chains are in the order of the first bits
 * of the hash, so that the ids of one bucket are read without sorting.
 */
export class RecTail {
  /** Log index of the first id. */
  readonly first: number;
  /** Of the pages that it will become. */
  readonly filter: RecFilter;
  readonly #shape: RecShape;
  readonly #chainBits: number;
  #count = 0;
  /** Of each chain its last id, and of each id the one before it in its chain; counted from 1, 0 ends. */
  readonly #heads: Int32Array;
  readonly #before: Int32Array;
  readonly #hashes: Uint32Array;

  constructor(first: number, shape: RecShape) {
    const size = shape.bucketIds << shape.bucketBits;
    this.first = first;
    this.filter = newFilter(shape);
    this.#shape = shape;
    this.#chainBits = shape.bucketBits + CHAIN_BITS;
    this.#heads = new Int32Array(1 << this.#chainBits);
    this.#before = new Int32Array(size);
    this.#hashes = new Uint32Array(2 * size);
  }

  /** Log index of the id that comes next. */
  get next(): number {
    return this.first + this.#count;
  }

  /** How many more ids it takes. */
  get room(): number {
    return this.#before.length - this.#count;
  }

  put(h1: number, h2: number): void {
    const at = this.#count++;
    const chain = h1 >>> (32 - this.#chainBits);
    this.#hashes[2 * at] = h1;
    this.#hashes[2 * at + 1] = h2;
    this.#before[at] = this.#heads[chain] as number;
    this.#heads[chain] = at + 1;
    mark(this.filter, blockOf(this.#shape, h1), h2);
  }

  /** The index of an id with this hash, confirmed. */
  find(rec: string, h1: number, h2: number, holds: Holds): number | undefined {
    const chain = h1 >>> (32 - this.#chainBits);
    if (!mayHold(this.filter, blockOf(this.#shape, h1), h2)) return undefined;
    for (let at = this.#heads[chain] as number; at !== 0; at = this.#before[at - 1] as number) {
      if (this.#hashes[2 * at - 2] !== h1 || this.#hashes[2 * at - 1] !== h2) continue;
      const index = this.first + at - 1;
      if (holds(index, rec)) return index;
    }
    return undefined;
  }

  /** Every id of a bucket: its hash, and its place in the tail counted from 1. */
  each(bucket: number, take: (h1: number, h2: number, place: number) => void): void {
    for (let chain = bucket << CHAIN_BITS; chain < (bucket + 1) << CHAIN_BITS; chain++)
      for (let at = this.#heads[chain] as number; at !== 0; at = this.#before[at - 1] as number)
        take(this.#hashes[2 * at - 2] as number, this.#hashes[2 * at - 1] as number, at);
  }
}
