// What only the ledger does, sealing and key wrapping, here with WebCrypto: vectors of it are run where no ledger is, in a browser too.
import { concatBytes, equalBytes, fromHex, readU64be, toHex, u64be, utf8 } from "../src/bytes.ts";
import { hkdfSha256, sha256 } from "../src/hash.ts";
import {
  chunkDigest,
  CHUNK_BYTES,
  chunkHead,
  commitment,
  Present,
  slotDigest,
  slotSalts,
} from "../src/payload/commitment.ts";
import type { LeafHash } from "../src/tlog/merkle.ts";
import { check, same, valueOf, type Case, type Vector } from "./vector-runner.ts";

const TAG_BYTES = 16;
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes); // WebCrypto's types want no shared memory
const derive = (key: Uint8Array, ...info: Uint8Array[]): Uint8Array => hkdfSha256(key, concatBytes(...info), 32);

async function openGcm(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ct: Uint8Array): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", own(key), "AES-GCM", false, ["decrypt"]);
  const parameters = { name: "AES-GCM", iv: own(nonce), additionalData: own(aad) };
  return new Uint8Array(await crypto.subtle.decrypt(parameters, imported, own(ct)));
}

const encKey = (rec: Uint8Array, dek: Uint8Array, c: Uint8Array): Uint8Array =>
  derive(dek, utf8("spur/v1/enc"), rec, c);
const encAad = (rec: Uint8Array, c: Uint8Array): Uint8Array => concatBytes(utf8("spur-sealed/v1"), rec, c);
const streamKey = (rec: Uint8Array, dek: Uint8Array, slot: number): Uint8Array =>
  derive(dek, utf8("spur/v1/stream"), Uint8Array.of(slot), rec);
const chunkNonce = (j: number, last: boolean): Uint8Array =>
  concatBytes(new Uint8Array(3), u64be(j), Uint8Array.of(last ? 1 : 0));

interface Held {
  readonly present: number;
  readonly held: Uint8Array;
}

/** The slots of a sealed payload, their commitment recomputed. Throws whatever is wrong. */
async function open(rec: Uint8Array, dek: Uint8Array, c: Uint8Array, n: number, ct: Uint8Array): Promise<Held[]> {
  const plain = await openGcm(encKey(rec, dek, c), new Uint8Array(12), encAad(rec, c), ct);
  check(plain[0] === n, "number of slots");
  const salts = slotSalts(dek, n);
  const slots: Held[] = [];
  let at = 1;
  for (let i = 0; i < n; i++) {
    check(at + 10 <= plain.length && plain[at] === i, `slot ${i}`);
    const present = plain[at + 1] as number;
    const length = readU64be(plain, at + 2);
    check(present <= 2 && (present !== 0 || length === 0) && (present !== 2 || length === 54), `form of slot ${i}`);
    check(at + 10 + length <= plain.length, `length of slot ${i}`);
    slots.push({ present, held: plain.subarray(at + 10, at + 10 + length) });
    at += 10 + length;
  }
  check(at === plain.length, "bytes behind the last slot");
  const digests = slots.map(({ present, held }, i) => slotDigest(salts[i] as Uint8Array, i, present as Present, held));
  check(equalBytes(commitment(digests), c), "sealed_mismatch");
  return slots;
}

async function openBlob(
  rec: Uint8Array,
  dek: Uint8Array,
  slot: number,
  salt: Uint8Array,
  head: Uint8Array,
  blob: Uint8Array,
) {
  const step = CHUNK_BYTES + TAG_BYTES;
  const aad = concatBytes(utf8("spur-chunk/v1"), rec, Uint8Array.of(slot));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < blob.length; at += step) {
    const nonce = chunkNonce(chunks.length, at + step >= blob.length);
    chunks.push(await openGcm(streamKey(rec, dek, slot), nonce, aad, blob.subarray(at, at + step)));
  }
  const value = concatBytes(...chunks);
  const digests: LeafHash[] = chunks.map((chunk, j) => chunkDigest(salt, j, chunk));
  check(equalBytes(chunkHead(value.length, digests), head), "chunks");
  return value;
}

/** Makes the blob of a value, to be compared with a vector by its digest. */
async function sealBlob(rec: Uint8Array, dek: Uint8Array, slot: number, value: Uint8Array): Promise<Uint8Array[]> {
  const key = await crypto.subtle.importKey("raw", own(streamKey(rec, dek, slot)), "AES-GCM", false, ["encrypt"]);
  const aad = own(concatBytes(utf8("spur-chunk/v1"), rec, Uint8Array.of(slot)));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < value.length; at += CHUNK_BYTES) {
    const iv = own(chunkNonce(chunks.length, at + CHUNK_BYTES >= value.length));
    const chunk = own(value.subarray(at, at + CHUNK_BYTES));
    chunks.push(new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad }, key, chunk)));
  }
  return chunks;
}

/** The blob after one of the edits of sealed.json. */
export function editBlob(chunks: readonly Uint8Array[], edit: Vector, honest = chunks): Uint8Array {
  const list = [...chunks];
  if (edit.swap !== undefined) {
    const [a, b] = edit.swap as [number, number];
    [list[a], list[b]] = [list[b] as Uint8Array, list[a] as Uint8Array];
  }
  if (edit.drop !== undefined) list.splice(edit.drop, 1);
  if (edit.repeat !== undefined) list.splice(edit.repeat, 0, list[edit.repeat] as Uint8Array);
  let blob = concatBytes(...list);
  if (edit.cut !== undefined) blob = blob.subarray(0, edit.cut);
  if (edit.flip !== undefined) blob[edit.flip] = (blob[edit.flip] as number) ^ 1;
  if (edit.append !== undefined) blob = concatBytes(blob, fromHex(edit.append));
  check(!equalBytes(blob, concatBytes(...honest)), "an edit that changes nothing");
  return blob;
}

async function rejects(what: () => Promise<unknown>): Promise<void> {
  let opened: unknown;
  try {
    opened = await what();
  } catch {
    return;
  }
  throw new Error(`opened: ${JSON.stringify(opened)?.slice(0, 200)}`);
}

async function sealedValid(v: Vector): Promise<void> {
  const [rec, dek, c] = [fromHex(v.rec), fromHex(v.dek), fromHex(v.commitment)];
  same(toHex(encKey(rec, dek, c)), v.kEnc, "k_enc");
  same(toHex(encAad(rec, c)), v.aad, "aad");
  same(toHex(sha256(fromHex(v.ct))), v.ctSha256, "sha256(ct)");
  same(
    toHex(await openGcm(fromHex(v.kEnc), new Uint8Array(12), fromHex(v.aad), fromHex(v.ct))),
    v.plaintext,
    "plaintext",
  );
  const slots = await open(rec, dek, c, v.slots.length, fromHex(v.ct));
  const salts = slotSalts(dek, v.slots.length);
  for (const [i, { present, held }] of slots.entries()) {
    const value = valueOf(v.slots[i]);
    same(present === Present.absent, value === undefined, `slot ${i} absent`);
    if (value === undefined) continue;
    if (present === Present.inline) {
      same(toHex(held), toHex(value), `slot ${i}`);
      continue;
    }
    const blob = v.blobs.find((one: Vector) => one.slot === i);
    const chunks = await sealBlob(rec, dek, i, value);
    const bytes = concatBytes(...chunks);
    same(toHex(streamKey(rec, dek, i)), blob.kStream, "k_str");
    same(toHex(chunkNonce(0, false)), blob.firstNonce, "first nonce");
    same(toHex(chunkNonce(chunks.length - 1, true)), blob.lastNonce, "last nonce");
    same([chunks.length, bytes.length], [blob.chunks, blob.bytes], "blob");
    same(toHex(chunks.at(-1) as Uint8Array), blob.lastChunk, "last chunk");
    same(toHex(sha256(bytes)), blob.sha256, "sha256(blob)");
    const opened = await openBlob(rec, dek, i, salts[i] as Uint8Array, held, bytes);
    check(equalBytes(opened, value), "value of the blob");
  }
}

function sealedCases(file: Vector): Case[] {
  const chunked = file.valid.find((v: Vector) => v.blobs !== undefined);
  return [
    ...file.valid.map((v: Vector) => ({ name: `valid: ${v.name}`, run: () => sealedValid(v) })),
    ...file.invalid.map((v: Vector) => ({
      name: `invalid: ${v.name}`,
      run: () => rejects(() => open(fromHex(v.rec), fromHex(v.dek), fromHex(v.commitment), v.slots, fromHex(v.ct))),
    })),
    ...file.blobs.invalid.map((v: Vector) => ({
      name: `invalid blob: ${v.name}`,
      run: async () => {
        const [rec, dek, c] = [fromHex(chunked.rec), fromHex(chunked.dek), fromHex(chunked.commitment)];
        const slot = chunked.blobs[0].slot as number;
        const n = chunked.slots.length as number;
        const held = (await open(rec, dek, c, n, fromHex(chunked.ct)))[slot]?.held as Uint8Array;
        const value = valueOf(chunked.slots[slot]) as Uint8Array;
        const honest = await sealBlob(rec, dek, slot, value);
        if (v.edit.valueFlip !== undefined) value[v.edit.valueFlip] = (value[v.edit.valueFlip] as number) ^ 1;
        const chunks = v.edit.valueFlip === undefined ? honest : await sealBlob(rec, dek, slot, value);
        const salt = slotSalts(dek, n)[slot] as Uint8Array;
        await rejects(() => openBlob(rec, dek, slot, salt, held, editBlob(chunks, v.edit, honest)));
      },
    })),
  ];
}

async function unwrap(kek: Uint8Array, wrapped: Uint8Array): Promise<Uint8Array> {
  check(wrapped.length === 40, "a wrapped 32-byte key has 40 bytes");
  const under = await crypto.subtle.importKey("raw", own(kek), "AES-KW", false, ["unwrapKey"]);
  const key = await crypto.subtle.unwrapKey("raw", own(wrapped), under, "AES-KW", "AES-GCM", true, ["decrypt"]);
  return new Uint8Array(await crypto.subtle.exportKey("raw", key));
}

function journalOpen(v: Vector): Promise<Uint8Array> {
  const key = derive(fromHex(v.dek), utf8("spur/v1/journal"), fromHex(v.rec));
  return openGcm(key, new Uint8Array(12), new Uint8Array(0), fromHex(v.ct));
}

/** Cases of sealed.json, wrapping.json and journal.json. */
export function sealCases(name: "sealed" | "wrapping" | "journal", file: Vector): Case[] {
  if (name === "sealed") return sealedCases(file);
  const [open, field] =
    name === "wrapping"
      ? [(v: Vector) => unwrap(fromHex(v.kek), fromHex(v.wrapped)), "key"]
      : [journalOpen, "plaintext"];
  return [
    ...file.valid.map((v: Vector) => ({
      name: `valid: ${v.name}`,
      run: async () => {
        same(toHex(await open(v)), v[field], field);
        if (v.key !== undefined && name === "journal") {
          same(toHex(derive(fromHex(v.dek), utf8("spur/v1/journal"), fromHex(v.rec))), v.key, "key");
        }
      },
    })),
    ...file.invalid.map((v: Vector) => ({ name: `invalid: ${v.name}`, run: () => rejects(() => open(v)) })),
  ];
}
