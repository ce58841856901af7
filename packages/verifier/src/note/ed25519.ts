import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes, toHex } from "../bytes.ts";

const Point = ed25519.Point;
const ORDER = Point.Fn.ORDER;

type EdPoint = InstanceType<typeof Point>;

/**
 * Whether an Ed25519 signature verifies (RFC 8032 §5.1.7). Never throws; a wrong length is false.
 *
 * Verifiers in the wild disagree about signatures that only a dishonest key holder can make, and he would use that: "valid" for one
 * auditor's program, "forged" for the next one's. So we accept only what all of them accept (measured on the vectors of C2SP/CCTV):
 * - S·B - k·A must encode to R byte for byte, without the cofactor: as Go and OpenSSL (Node), and stricter than noble, whose `verify`
 *   multiplies by 8 in both of its modes and so passes signatures that Go and Node refuse;
 * - A must be canonical and not of low order: as noble's `zip215: false` and OpenSSL, and stricter than Go. Under a key of low order
 *   one signature fits many messages;
 * - R must not be of low order: as OpenSSL, and stricter than Go and noble.
 */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const R = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  const A = keyPoint(publicKey);
  if (A === undefined) return false;
  const k = littleEndian(sha512(concatBytes(R, publicKey, message))) % ORDER;
  // Not constant time, and needs not be: nothing here is secret.
  const expected = Point.BASE.multiplyUnsafe(s).subtract(A.multiplyUnsafe(k));
  return equalBytes(expected.toBytes(), R) && !expected.isSmallOrder();
}

/** Auditors see the same few keys again and again: from its third use, a key gets a table that makes it more than twice as fast. */
const known = new Map<string, { point: EdPoint; uses: number }>();
const MAX_KNOWN = 16;

function keyPoint(publicKey: Uint8Array): EdPoint | undefined {
  const name = toHex(publicKey);
  let key = known.get(name);
  if (key === undefined) {
    const point = decodeKey(publicKey);
    if (point === undefined) return undefined;
    if (known.size >= MAX_KNOWN) known.clear();
    key = { point, uses: 0 };
    known.set(name, key);
  }
  if (++key.uses === 3) key.point.precompute(5);
  return key.point;
}

function decodeKey(publicKey: Uint8Array): EdPoint | undefined {
  try {
    const point = Point.fromBytes(publicKey, false);
    return point.isSmallOrder() ? undefined : point;
  } catch {
    return undefined; // not on the curve, or not canonical
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  // A copy: `slice` of a Buffer would be the caller's own bytes.
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}
