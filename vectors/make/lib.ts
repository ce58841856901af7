// What the vectors are made with: RFCs read literally on node:crypto, nothing of @spur/verifier. Slow and plain on purpose,
// so that an error shared with the code under test would have to be made twice.
import { createCipheriv, createHash, createPrivateKey, createPublicKey, hkdfSync, sign as signWith } from "node:crypto";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export const utf8 = (text: string): Buffer => Buffer.from(text, "utf8");
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const unhex = (text: string): Buffer => Buffer.from(text, "hex");
export const concat = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const u8 = (n: number): Buffer => Buffer.of(n);
export const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  createHash("sha256").update(Buffer.concat(parts)).digest();

export function u32be(n: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(n);
  return out;
}

export function u64be(n: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
}

export function hkdf(ikm: Uint8Array, info: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync("sha256", ikm, Buffer.alloc(0), info, length));
}

/** Bytes that look random and are the same on every machine: for keys and ids of vectors, never for real ones. */
export function fake(label: string, length = 32): Buffer {
  return hkdf(utf8("spur vectors"), utf8(label), length);
}
export const fakeRec = (label: string): string => hex(fake(`rec ${label}`, 16));
export const fakeDigest = (label: string): string => hex(fake(`digest ${label}`));

/** byte i = i·31 mod 256: a long value that a line describes. */
export const ruleBytes = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31) % 256));

/** RFC 8785 for what Spur's documents hold: integers, strings, ASCII names. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one as Json)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const object = value as { readonly [name: string]: Json };
    const names = Object.keys(object).sort((a, b) => (a < b ? -1 : 1));
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(object[name] as Json)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

export const leafHash = (entry: Uint8Array): Buffer => sha256(u8(0), entry);

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH of RFC 9162 §2.1.1, over leaf hashes. */
export function treeRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return Buffer.from(leaves[0]!);
  const k = split(leaves.length);
  return sha256(u8(1), treeRoot(leaves.slice(0, k)), treeRoot(leaves.slice(k)));
}

/** PATH of RFC 9162 §2.1.3.1. */
export function inclusionPath(m: number, leaves: readonly Uint8Array[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...inclusionPath(m, leaves.slice(0, k)), treeRoot(leaves.slice(k))]
    : [...inclusionPath(m - k, leaves.slice(k)), treeRoot(leaves.slice(0, k))];
}

/** PROOF of RFC 9162 §2.1.4.1. */
export function consistencyPath(m: number, leaves: readonly Uint8Array[]): Buffer[] {
  const sub = (size: number, tree: readonly Uint8Array[], whole: boolean): Buffer[] => {
    if (size === tree.length) return whole ? [] : [treeRoot(tree)];
    const k = split(tree.length);
    return size <= k
      ? [...sub(size, tree.slice(0, k), whole), treeRoot(tree.slice(k))]
      : [...sub(size - k, tree.slice(k), false), treeRoot(tree.slice(0, k))];
  };
  return sub(m, leaves, true);
}

/** An Ed25519 key from its seed, under a signed-note name. */
export interface Signer {
  readonly name: string;
  readonly type: number;
  readonly seed: Buffer;
  readonly publicKey: Buffer;
  readonly keyId: Buffer;
  readonly vkey: string;
  readonly sign: (message: Uint8Array) => Buffer;
}

export function signer(name: string, type: number, seed: Buffer): Signer {
  const key = createPrivateKey({
    key: concat(unhex("302e020100300506032b657004220420"), seed), // RFC 8410 §7: PKCS #8 around 32 bytes
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  const keyId = sha256(utf8(`${name}\n`), u8(type), publicKey).subarray(0, 4);
  const vkey = `${name}+${hex(keyId)}+${b64(concat(u8(type), publicKey))}`;
  return { name, type, seed, publicKey, keyId, vkey, sign: (message) => signWith(null, message, key) };
}

/** One signature line over a note's text, of type 0x01. */
export const signatureLine = (key: Signer, text: string): string =>
  `— ${key.name} ${b64(concat(key.keyId, key.sign(utf8(text))))}\n`;

/** One line of type 0x04: cosignature/v1 at a time in seconds. */
export function cosignatureLine(key: Signer, text: string, seconds: number): string {
  const signature = key.sign(utf8(`cosignature/v1\ntime ${seconds}\n${text}`));
  return `— ${key.name} ${b64(concat(key.keyId, u64be(seconds), signature))}\n`;
}

export function aesGcm(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** RFC 3394, default initial value. */
export function aesKeyWrap(kek: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv("id-aes256-wrap", kek, Buffer.alloc(8, 0xa6));
  return concat(cipher.update(key), cipher.final());
}

export function flip(bytes: Uint8Array, at: number, mask = 1): Buffer {
  const out = Buffer.from(bytes);
  out[at]! ^= mask;
  return out;
}

// The keys of every vector: seeds that anybody can type.
const seed = (first: number): Buffer => Buffer.from(Uint8Array.from({ length: 32 }, (_, i) => first + i));
export const ORIGIN = "spur.example/log";
export const logKey = signer(ORIGIN, 1, seed(0));
export const receiptsKey = signer(`${ORIGIN}/receipts`, 1, seed(0x20));
export const witnessKey = signer("witness.example/one", 4, seed(0x40));
export const otherKey = signer(ORIGIN, 1, seed(0x60));
export const witness2Key = signer("witness.example/two", 4, seed(0x80));
