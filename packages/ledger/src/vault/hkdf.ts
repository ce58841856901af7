import { hash } from "node:crypto";

// HKDF-SHA-256 (RFC 5869) from one-shot hashes. Node's `hkdfSync` makes a key object for each call, at three times the cost of the
// hashing itself; sealing a record needs nine blocks of output.

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const INNER = Buffer.alloc(BLOCK_BYTES, 0x36);
const OUTER = Buffer.alloc(BLOCK_BYTES, 0x5c);

/** HMAC (RFC 2104) under a key of at most one block. */
function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  const inner = Buffer.allocUnsafe(BLOCK_BYTES + message.length);
  const outer = Buffer.allocUnsafe(BLOCK_BYTES + HASH_BYTES);
  inner.set(INNER);
  outer.set(OUTER);
  for (let i = 0; i < key.length; i++) {
    inner[i] = 0x36 ^ (key[i] as number);
    outer[i] = 0x5c ^ (key[i] as number);
  }
  inner.set(message, BLOCK_BYTES);
  // Through a string of one character a byte: Node gives that out at half the cost of a new Buffer.
  outer.write(hash("sha256", inner, "binary"), BLOCK_BYTES, "latin1");
  return Buffer.from(hash("sha256", outer, "binary"), "latin1");
}

/** RFC 5869 §2.2 with an empty salt, which is 32 zero bytes. */
export function extract(ikm: Uint8Array): Buffer {
  return hmac(new Uint8Array(HASH_BYTES), ikm);
}

/** RFC 5869 §2.3. `length` in bytes, at most 8160. */
export function expand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  const out = Buffer.allocUnsafeSlow(Math.ceil(length / HASH_BYTES) * HASH_BYTES);
  const message = Buffer.allocUnsafe(HASH_BYTES + info.length + 1);
  message.set(info, HASH_BYTES);
  for (let i = 0; i * HASH_BYTES < length; i++) {
    message[message.length - 1] = i + 1;
    const block = hmac(prk, i === 0 ? message.subarray(HASH_BYTES) : message);
    out.set(block, i * HASH_BYTES);
    message.set(block);
  }
  return out.subarray(0, length);
}
