import type { RecIndex } from "@spur/verifier/audit/rec-index";

const WORDS = 4;
const UNITS = 8;
/** Random numbers of 32 bits that a table needs. */
export const SEEDS = 2 * UNITS;
/** A slot holds index + 1 in 32 bits. */
const MAX_INDEX = 2 ** 32 - 2;

/** Memory is made ready for no more. */
const MAX_EXPECTED = 2 ** 22;

/** Value of a hex digit by its character code. */
const DIGITS = new Uint8Array(128).map((_, code) => Math.max(0, "0123456789abcdef".indexOf(String.fromCharCode(code))));

/**
 * Record ids of a whole log in some 28 bytes each, a third of what a Map takes, and faster. `random`: `SEEDS` numbers that nobody could
 * know when the log was written, or its ids could be chosen to meet in one slot: the hash is multilinear and universal (16 bits of each of
 * two sums of 16-bit units), so two ids meet by chance alone. `expected`: how many ids there
 * may be, so that it need not grow for them; no promise, since it is the log that says so.
 */
export function createRecTable(random: Uint32Array, expected = 0): RecIndex {
  const room = 2 ** Math.ceil(Math.log2(Math.min(Math.max(expected, 512), MAX_EXPECTED)));
  /** Open addressing: 0 is free, else index + 1. */
  let slots = new Uint32Array(2 * room);
  /** By index, so that what follows in the log follows in memory. */
  let recs = new Uint32Array(WORDS * room);
  let used = 0;
  const rec = new Uint32Array(WORDS);

  function read(text: string): void {
    for (let w = 0; w < WORDS; w++) {
      let word = 0;
      for (let i = 8 * w; i < 8 * w + 8; i++) word = (word << 4) | (DIGITS[text.charCodeAt(i) & 127] ?? 0);
      rec[w] = word;
    }
  }

  /** The slot of the id at `words[at…]`, or the free one where it belongs. */
  function slotOf(words: Uint32Array, at: number): number {
    let [high, low] = [0, 0];
    for (let w = 0; w < WORDS; w++) {
      const word = words[at + w] ?? 0;
      const [a, b] = [word >>> 16, word & 0xffff];
      high = (high + Math.imul(random[2 * w] ?? 0, a) + Math.imul(random[2 * w + 1] ?? 0, b)) | 0;
      low = (low + Math.imul(random[UNITS + 2 * w] ?? 0, a) + Math.imul(random[UNITS + 2 * w + 1] ?? 0, b)) | 0;
    }
    const mask = slots.length - 1;
    let slot = ((high & 0xffff0000) | (low >>> 16)) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const there = slots[slot] ?? 0;
      if (there === 0) return slot;
      const o = (there - 1) * WORDS;
      if (
        recs[o] === words[at] &&
        recs[o + 1] === words[at + 1] &&
        recs[o + 2] === words[at + 2] &&
        recs[o + 3] === words[at + 3]
      )
        return slot;
    }
  }

  function grow(): void {
    const before = slots;
    slots = new Uint32Array(2 * before.length);
    for (const there of before) if (there !== 0) slots[slotOf(recs, (there - 1) * WORDS)] = there;
  }

  return {
    get(text) {
      read(text);
      const there = slots[slotOf(rec, 0)] ?? 0;
      return there === 0 ? undefined : there - 1;
    },
    add(text, index) {
      if (index > MAX_INDEX) throw new RangeError(`entry ${index} of a table of 2^32`);
      if (used >= slots.length * 0.7) grow();
      read(text);
      const slot = slotOf(rec, 0);
      const there = slots[slot] ?? 0;
      if (there !== 0) return there - 1;
      while (recs.length < (index + 1) * WORDS) {
        const longer = new Uint32Array(2 * recs.length);
        longer.set(recs);
        recs = longer;
      }
      recs.set(rec, index * WORDS);
      slots[slot] = index + 1;
      used++;
      return undefined;
    },
  };
}
