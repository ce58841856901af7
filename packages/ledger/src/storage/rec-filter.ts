import type { RecShape } from "./rec-shape.ts";

const WORDS = 8;
/** Odd numbers, at random: each gives its word of a block a hash of its own. */
const FACTORS = [
  0xb4a7f1c9, 0x6d2e58a3, 0x93c51f6b, 0xe8317d45, 0x2f9b64d7, 0x5ac0e38f, 0xc7d6932d, 0x1e85ab71,
] as const;

/**
 * Bloom filters in blocks of 256 bits (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"), one after another,
 * for the pages of one tail. An id sets a bit in each of the eight words of one block, so that a question touches one line of the cache;
 * in a block whose first word is 0 no id was marked.
 */
export type RecFilter = Uint32Array;

export const newFilter = ({ filterBlocks, bucketBits }: RecShape): RecFilter =>
  new Uint32Array((filterBlocks * WORDS) << bucketBits);

/** Where the block of a hash begins: on the page of its bucket, which its first bits say, by its last ones. */
export const blockOf = ({ bucketBits, filterBlocks }: RecShape, h1: number): number =>
  ((h1 >>> (32 - bucketBits)) * filterBlocks + (((h1 & 0xffff) * filterBlocks) >>> 16)) * WORDS;

/** Marks an id in its block. */
export function mark(filter: RecFilter, block: number, h2: number): void {
  for (let i = 0; i < WORDS; i++)
    filter[block + i] = (filter[block + i] as number) | (1 << (Math.imul(h2, FACTORS[i] as number) >>> 27));
}

/** False only if no id with this hash was marked in this block. */
export function mayHold(filter: RecFilter, block: number, h2: number): boolean {
  for (let i = 0; i < WORDS; i++)
    if ((((filter[block + i] as number) >>> (Math.imul(h2, FACTORS[i] as number) >>> 27)) & 1) === 0) return false;
  return true;
}

/** Forgets the ids of a page. */
export function clear(filter: RecFilter, { filterBlocks }: RecShape, page: number): void {
  filter.fill(0, page * filterBlocks * WORDS, (page + 1) * filterBlocks * WORDS);
}
