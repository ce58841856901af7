import type { Holds, RecShape } from "./rec-runs.ts";

/** 512 chains for each bucket: about one for each id. */
const CHAIN_BITS = 9;

/**
 * The youngest ids, by their hash, in memory only: what they were made of stands in `rec_ids`. Chains are ordered by the first bits of
 * the hash, so that the ids of one bucket are read without sorting.
 */
export class RecTail {
  /** Log index of the first id. */
  readonly first: number;
  count = 0;
  readonly #bits: number;
  readonly #bucketBits: number;
  /** Of each chain its last id, and of each id the one before it in its chain; counted from 1, 0 ends. */
  readonly #heads: Int32Array;
  readonly #before: Int32Array;
  readonly #hashes: Uint32Array;

  constructor(first: number, { bucketBits, bucketIds }: RecShape) {
    const size = bucketIds << bucketBits;
    this.first = first;
    this.#bits = bucketBits + CHAIN_BITS;
    this.#bucketBits = bucketBits;
    this.#heads = new Int32Array(1 << this.#bits);
    this.#before = new Int32Array(size);
    this.#hashes = new Uint32Array(2 * size);
  }

  /** How many more ids it takes. */
  get room(): number {
    return this.#before.length - this.count;
  }

  put(h1: number, h2: number): void {
    const chain = h1 >>> (32 - this.#bits);
    this.#hashes[2 * this.count] = h1;
    this.#hashes[2 * this.count + 1] = h2;
    this.#before[this.count++] = this.#heads[chain] as number;
    this.#heads[chain] = this.count;
  }

  /** The index of an id with this hash, confirmed. */
  find(rec: string, h1: number, h2: number, holds: Holds): number | undefined {
    const hashes = this.#hashes;
    for (let at = this.#heads[h1 >>> (32 - this.#bits)] as number; at !== 0; at = this.#before[at - 1] as number) {
      if (hashes[2 * at - 1] !== h2 || hashes[2 * at - 2] !== h1) continue;
      const index = this.first + at - 1;
      if (holds(index, rec)) return index;
    }
    return undefined;
  }

  /** Every id of a bucket: its hash, and its place in the tail counted from 1. */
  each(bucket: number, take: (h1: number, h2: number, place: number) => void): void {
    const width = 1 << (this.#bits - this.#bucketBits);
    for (let chain = bucket * width; chain < (bucket + 1) * width; chain++)
      for (let at = this.#heads[chain] as number; at !== 0; at = this.#before[at - 1] as number)
        take(this.#hashes[2 * at - 2] as number, this.#hashes[2 * at - 1] as number, at);
  }
}
