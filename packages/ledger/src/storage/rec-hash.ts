const ROUNDS = 11;
const LENGTH = 16 << 24;

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/**
 * HalfSipHash-1-3 (Aumasson, Bernstein: SipHash) of 16 bytes, as two words of 32 bits each. Whoever sends records chooses their ids;
 * with a secret of 8 bytes that never leaves the database nobody can choose ids that fall together in the index.
 */
export function keyedHash(secret: Uint8Array): (words: Uint32Array, at: number, out: Uint32Array) => void {
  const view = new DataView(secret.buffer, secret.byteOffset, 8);
  const [k0, k1] = [view.getInt32(0, true), view.getInt32(4, true)];
  return (words, at, out) => {
    let [v0, v1, v2, v3] = [k0, k1 ^ 0xee, k0 ^ 0x6c796765, k1 ^ 0x74656462];
    for (let round = 0; round < ROUNDS; round++) {
      const word = round < 4 ? (words[at + round] as number) : round === 4 ? LENGTH : 0;
      v3 ^= word;
      if (round === 5) v2 ^= 0xee;
      if (round === 8) {
        out[0] = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
      v0 ^= word;
    }
    out[1] = v1 ^ v3;
  };
}
