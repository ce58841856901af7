/** A block has 256 bits. */
export const BLOCK_WORDS = 8;
/** Odd numbers, at random: each gives its word of the block a hash of its own. */
const FACTORS = [
  0xb4a7f1c9, 0x6d2e58a3, 0x93c51f6b, 0xe8317d45, 0x2f9b64d7, 0x5ac0e38f, 0xc7d6932d, 0x1e85ab71,
] as const;

/**
 * A Bloom filter in blocks (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"): an id sets one bit in each of
 * the eight words of one block, so that a question touches one line of the cache. A block whose first word is 0 holds no id.
 */
export function mark(filter: Uint32Array, at: number, hash: number): void {
  for (let i = 0; i < BLOCK_WORDS; i++)
    filter[at + i] = (filter[at + i] as number) | (1 << (Math.imul(hash, FACTORS[i] as number) >>> 27));
}

/** False only if no id with this hash was marked in the block at `at`. */
export function mayHold(filter: Uint32Array, at: number, hash: number): boolean {
  for (let i = 0; i < BLOCK_WORDS; i++)
    if ((((filter[at + i] as number) >>> (Math.imul(hash, FACTORS[i] as number) >>> 27)) & 1) === 0) return false;
  return true;
}
