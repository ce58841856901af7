import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { concatBytes, equalBytes, u64be, utf8 } from "@spur/verifier/bytes";
import {
  CHUNK_BYTES,
  MAX_INLINE_BYTES,
  Present,
  chunkDigest,
  chunkHead,
  commitment,
  slotDigest,
  slotSalts,
} from "@spur/verifier/payload/commitment";
import type { LeafHash } from "@spur/verifier/tlog/merkle";
import { SpurError } from "../errors.ts";

/** A payload sealed under its own data key (formats §2). Nothing in it but `dek` opens it. */
export interface Sealed {
  readonly dek: Uint8Array;
  readonly commitment: Uint8Array;
  /** AES-256-GCM ciphertext ‖ 16-byte tag. */
  readonly ct: Buffer;
  readonly ctSha256: Buffer;
  /** One for each slot whose value is over 1 MiB. */
  readonly blobs: readonly { readonly slot: number; readonly bytes: Buffer; readonly sha256: Buffer }[];
}

type Slots = readonly (Uint8Array | undefined)[];

const NO_SALT = new Uint8Array(0);
const ZERO_NONCE = new Uint8Array(12);
const TAG_BYTES = 16;

function derive(dek: Uint8Array, info: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", dek, NO_SALT, info, 32));
}

/** Seals `slots` for the record `rec` (16 bytes). `dek` is fresh random bytes and never used again: the nonce is zero. */
export function seal(rec: Uint8Array, slots: Slots, dek: Uint8Array = randomBytes(32)): Sealed {
  const salts = slotSalts(dek, slots.length);
  const digests: LeafHash[] = [];
  const parts: Uint8Array[] = [Uint8Array.of(slots.length)];
  const blobs: { slot: number; bytes: Buffer; sha256: Buffer }[] = [];
  slots.forEach((value, slot) => {
    const salt = salts[slot] as Uint8Array;
    let present: Present = value === undefined ? Present.absent : Present.inline;
    let held = value ?? NO_SALT;
    if (held.length > MAX_INLINE_BYTES) {
      const stream = sealStream(rec, slot, salt, dek, held);
      blobs.push({ slot, bytes: stream.bytes, sha256: sha256(stream.bytes) });
      present = Present.chunked;
      held = stream.head;
    }
    digests.push(slotDigest(salt, slot, present, held));
    parts.push(Uint8Array.of(slot, present), u64be(held.length), held);
  });
  const c = commitment(digests);
  const cipher = createCipheriv("aes-256-gcm", derive(dek, concatBytes(utf8("spur/v1/enc"), rec, c)), ZERO_NONCE);
  cipher.setAAD(concatBytes(utf8("spur-sealed/v1"), rec, c));
  const ct = Buffer.concat([cipher.update(concatBytes(...parts)), cipher.final(), cipher.getAuthTag()]);
  return { dek, commitment: c, ct, ctSha256: sha256(ct), blobs };
}

/** Opens what {@link seal} made; throws `vault/sealed-mismatch` unless every byte and the commitment are as they were. */
export function unseal(
  rec: Uint8Array,
  sealed: { readonly dek: Uint8Array; readonly ct: Uint8Array; readonly commitment: Uint8Array },
  readBlob: (slot: number) => Uint8Array,
): (Uint8Array | undefined)[] {
  const { dek, ct, commitment: c } = sealed;
  const plain = decrypt(derive(dek, concatBytes(utf8("spur/v1/enc"), rec, c)), ZERO_NONCE, concatBytes(utf8("spur-sealed/v1"), rec, c), ct);
  const n = plain[0] ?? 0;
  const salts = slotSalts(dek, n);
  const digests: LeafHash[] = [];
  const values: (Uint8Array | undefined)[] = [];
  let at = 1;
  for (let slot = 0; slot < n; slot++) {
    if (plain[at] !== slot || at + 10 > plain.length) throw mismatch("slots");
    const present = plain[at + 1] as Present;
    const length = Number(plain.readBigUInt64BE(at + 2));
    const held = plain.subarray(at + 10, at + 10 + length);
    if (held.length !== length) throw mismatch("slot length");
    at += 10 + length;
    digests.push(slotDigest(salts[slot] as Uint8Array, slot, present, held));
    if (present === Present.absent) values.push(undefined);
    else if (present === Present.inline) values.push(held);
    else values.push(unsealStream(rec, slot, salts[slot] as Uint8Array, dek, held, readBlob(slot)));
  }
  if (at !== plain.length || !equalBytes(commitment(digests), c)) throw mismatch("commitment");
  return values;
}

function sealStream(rec: Uint8Array, slot: number, salt: Uint8Array, dek: Uint8Array, value: Uint8Array) {
  const key = derive(dek, concatBytes(utf8("spur/v1/stream"), Uint8Array.of(slot), rec));
  const aad = concatBytes(utf8("spur-chunk/v1"), rec, Uint8Array.of(slot));
  const digests: LeafHash[] = [];
  const out: Buffer[] = [];
  for (let at = 0; at < value.length; at += CHUNK_BYTES) {
    const chunk = value.subarray(at, at + CHUNK_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, chunkNonce(digests.length, at + CHUNK_BYTES >= value.length));
    cipher.setAAD(aad);
    out.push(cipher.update(chunk), cipher.final(), cipher.getAuthTag());
    digests.push(chunkDigest(salt, digests.length, chunk));
  }
  return { bytes: Buffer.concat(out), head: chunkHead(value.length, digests) };
}

function unsealStream(rec: Uint8Array, slot: number, salt: Uint8Array, dek: Uint8Array, head: Uint8Array, blob: Uint8Array): Uint8Array {
  const key = derive(dek, concatBytes(utf8("spur/v1/stream"), Uint8Array.of(slot), rec));
  const aad = concatBytes(utf8("spur-chunk/v1"), rec, Uint8Array.of(slot));
  const digests: LeafHash[] = [];
  const out: Uint8Array[] = [];
  for (let at = 0; at < blob.length; at += CHUNK_BYTES + TAG_BYTES) {
    const part = blob.subarray(at, at + CHUNK_BYTES + TAG_BYTES);
    const chunk = decrypt(key, chunkNonce(digests.length, at + part.length >= blob.length), aad, part);
    digests.push(chunkDigest(salt, digests.length, chunk));
    out.push(chunk);
  }
  const value = Buffer.concat(out);
  if (!equalBytes(chunkHead(value.length, digests), head)) throw mismatch("chunks");
  return value;
}

/** 0^3 ‖ u64be j ‖ u8 last: a chunk can neither move nor be the end where it is not. */
function chunkNonce(j: number, last: boolean): Uint8Array {
  return concatBytes(new Uint8Array(3), u64be(j), Uint8Array.of(last ? 1 : 0));
}

function decrypt(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ct: Uint8Array): Buffer {
  if (ct.length < TAG_BYTES) throw mismatch("too short");
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(ct.subarray(ct.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(ct.subarray(0, ct.length - TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw mismatch("ciphertext", cause);
  }
}

function mismatch(what: string, cause?: unknown): SpurError {
  return new SpurError("vault/sealed-mismatch", `${what}: the stored payload is not what was committed`, { status: 500, cause });
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** Seals a journal row: one AES-GCM, no slots, no commitment (formats §2). */
export function sealJournal(rec: Uint8Array, plain: Uint8Array): { dek: Buffer; ct: Buffer } {
  const dek = randomBytes(32);
  const cipher = createCipheriv("aes-256-gcm", derive(dek, concatBytes(utf8("spur/v1/journal"), rec)), ZERO_NONCE);
  return { dek, ct: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]) };
}

/** Opens a journal row. */
export function unsealJournal(rec: Uint8Array, dek: Uint8Array, ct: Uint8Array): Buffer {
  return decrypt(derive(dek, concatBytes(utf8("spur/v1/journal"), rec)), ZERO_NONCE, NO_SALT, ct);
}
