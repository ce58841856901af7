import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { equalBytes } from "./bytes.ts";
import { VerifyError } from "./errors.ts";

type Sha256 = (data: Uint8Array) => Uint8Array;

let current: Sha256 = nobleSha256;

export function sha256(data: Uint8Array): Uint8Array {
  return current(data);
}

/**
 * Lets the caller hand in a faster SHA-256 (Node's, say) for audits of millions of entries. It is compared with ours around the block
 * sizes first, and must give a new array each time. Throws `hash/mismatch`, and then the old one stays.
 */
export function useSha256(fn: Sha256): void {
  const given: { ours: Uint8Array; theirs: Uint8Array }[] = [];
  for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 128, 1000, 65_537]) {
    // Inside a larger buffer, since a function that ignores the offset of a view would hash something else.
    const data = new Uint8Array(length + 7).map((_, i) => i * 31 + length).subarray(5, 5 + length);
    given.push({ ours: nobleSha256(data), theirs: fn(data) });
  }
  for (const { ours, theirs } of given) {
    if (!(theirs instanceof Uint8Array) || !equalBytes(ours, theirs)) {
      throw new VerifyError("hash/mismatch", "the SHA-256 handed in differs from ours");
    }
  }
  current = fn;
}

/** RFC 5869 with SHA-256 and an empty salt, which is 32 zero bytes. `length` in bytes, at most 8160. */
export function hkdfSha256(ikm: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdf(nobleSha256, ikm, undefined, info, length);
}
