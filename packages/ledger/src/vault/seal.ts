import { createCipheriv, createDecipheriv, createSecretKey, hash, randomBytes, type KeyObject } from "node:crypto";
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
import { expand, extract } from "./hkdf.ts";

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

const NOTHING = new Uint8Array(0);
const SLOT_HEAD_BYTES = 43;
const INFO_SLOTS = utf8("spur/v1/slots");
const INFO_ENC = utf8("spur/v1/enc");
const AAD_SEALED = utf8("spur-sealed/v1");
const ZERO_NONCE = new Uint8Array(12);
const TAG_BYTES = 16;

/** As an object: with a key of bytes Node's ciphers take several times as long. */
function derive(dek: Uint8Array, info: Uint8Array): KeyObject {
  return createSecretKey(expand(extract(dek), info, 32));
}

const infoOfSlots = (n: number): Uint8Array => concatBytes(INFO_SLOTS, Uint8Array.of(n));

/**
 * Seals `slots` for the record `rec` (16 bytes). `dek` is fresh random bytes and never used again: the nonce is zero.
 * Written for speed, since every output passes here; {@link unseal} recomputes the commitment with the verifier's own functions.
 */
export function seal(rec: Uint8Array, slots: Slots, dek: Uint8Array = randomBytes(32)): Sealed {
  const prk = extract(dek);
  const salts = expand(prk, infoOfSlots(slots.length), 32 * slots.length);
  const digests: LeafHash[] = [];
  const parts: Uint8Array[] = [Uint8Array.of(slots.length)];
  const blobs: { slot: number; bytes: Buffer; sha256: Buffer }[] = [];
  slots.forEach((value, slot) => {
    const salt = salts.subarray(32 * slot, 32 * slot + 32);
    let present: Present = value === undefined ? Present.absent : Present.inline;
    let held = value ?? NOTHING;
    if (held.length > MAX_INLINE_BYTES) {
      const stream = sealStream(rec, slot, salt, dek, held);
      blobs.push({ slot, bytes: stream.bytes, sha256: sha256(stream.bytes) });
      present = Present.chunked;
      held = stream.head;
    }
    // 0x02 ‖ s_i is hashed before what is encrypted: u8 i ‖ u8 present ‖ u64be len ‖ value.
    const leaf = Buffer.allocUnsafe(SLOT_HEAD_BYTES + held.length);
    leaf[0] = 0x02;
    leaf.set(salt, 1);
    leaf[33] = slot;
    leaf[34] = present;
    leaf.writeUInt16BE(0, 35);
    leaf.writeUIntBE(held.length, 37, 6);
    leaf.set(held, SLOT_HEAD_BYTES);
    digests.push(sha256(leaf) as Uint8Array as LeafHash);
    parts.push(leaf.subarray(33));
  });
  const c = commitment(digests);
  const key = createSecretKey(expand(prk, concatBytes(INFO_ENC, rec, c), 32));
  const cipher = createCipheriv("aes-256-gcm", key, ZERO_NONCE);
  cipher.setAAD(concatBytes(AAD_SEALED, rec, c));
  const ct = Buffer.concat([cipher.update(Buffer.concat(parts)), cipher.final(), cipher.getAuthTag()]);
  return { dek, commitment: c, ct, ctSha256: sha256(ct), blobs };
}

/** Opens what {@link seal} made; throws `vault/sealed-mismatch` unless every byte and the commitment are as they were. */
export function unseal(
  rec: Uint8Array,
  sealed: {
    readonly dek: Uint8Array;
    readonly ct: Uint8Array;
    readonly commitment: Uint8Array;
    readonly slots: number;
  },
  readBlob: (slot: number) => Uint8Array,
): (Uint8Array | undefined)[] {
  const { dek, ct, commitment: c, slots: n } = sealed;
  const plain = decrypt(derive(dek, concatBytes(INFO_ENC, rec, c)), ZERO_NONCE, concatBytes(AAD_SEALED, rec, c), ct);
  if (plain[0] !== n) throw mismatch("number of slots"); // it comes from the predicate, never from what was stored
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

function unsealStream(
  rec: Uint8Array,
  slot: number,
  salt: Uint8Array,
  dek: Uint8Array,
  head: Uint8Array,
  blob: Uint8Array,
): Uint8Array {
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

function decrypt(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, ct: Uint8Array): Buffer {
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
  return new SpurError("vault/sealed-mismatch", `${what}: the stored payload is not what was committed`, {
    status: 500,
    cause,
  });
}

// Through a string of one character a byte: Node gives that out at half the cost of a new Buffer.
const sha256 = (bytes: Uint8Array): Buffer => Buffer.from(hash("sha256", bytes, "binary"), "latin1");

/** Seals a journal row: one AES-GCM, no slots, no commitment (formats §2). */
export function sealJournal(rec: Uint8Array, plain: Uint8Array): { dek: Buffer; ct: Buffer } {
  const dek = randomBytes(32);
  const cipher = createCipheriv("aes-256-gcm", derive(dek, concatBytes(utf8("spur/v1/journal"), rec)), ZERO_NONCE);
  return { dek, ct: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]) };
}

/** Opens a journal row. */
export function unsealJournal(rec: Uint8Array, dek: Uint8Array, ct: Uint8Array): Buffer {
  return decrypt(derive(dek, concatBytes(utf8("spur/v1/journal"), rec)), ZERO_NONCE, NOTHING, ct);
}
