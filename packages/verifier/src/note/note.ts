import { concatBytes, equalBytes, fromBase64, readU32be, toBase64, toHex, u32be, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { verifyCosignature } from "./cosignature.ts";
import { verifyEd25519 } from "./ed25519.ts";

/** Signature types of C2SP signed-note that we verify; lines under keys of any other type count as unknown. */
export const TYPE_ED25519 = 0x01;
export const TYPE_COSIGNATURE_V1 = 0x04;
const TYPE_ECDSA = 0x02;

/** The spec asks for at least 16; 64 leaves room for witnesses and a second algorithm. */
const MAX_SIGNATURES = 64;
const MAX_NOTE = 1_000_000;
const MAX_NAME = 1_024;
/** Room for the largest post-quantum keys. */
const MAX_VKEY = 8_192;

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** What follows the key id: for type 1 the signature, for cosignatures a timestamp before it. */
  readonly signature: Uint8Array;
  /** As it stands in the note, without its newline. */
  readonly line: string;
}

export interface Note {
  /** What is signed, with its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface VerifierKey {
  readonly name: string;
  readonly keyId: number;
  readonly type: number;
  readonly publicKey: Uint8Array;
}

/** Nothing in it is believed yet: `openNote` says which lines verify. Throws `note/format`, `note/too-large`, `note/too-many-signatures`. */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE) throw new VerifyError("note/too-large", `${note.length} characters`);
  checkCharacters(note, "note/format");
  // The text may hold empty lines itself, so the last one counts.
  const split = note.lastIndexOf("\n\n");
  if (split === -1) throw new VerifyError("note/format", "no blank line before signatures");
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw new VerifyError("note/too-many-signatures", `${lines.length}`);
  const signatures = lines.map(parseSignature);
  // Refuses whatever the lines above passed over: a missing last newline, something behind a signature.
  if (formatNote(text, signatures) !== note) throw new VerifyError("note/format", "does not re-encode to itself");
  return { text, signatures };
}

function parseSignature(line: string): NoteSignature {
  const [dash, name, base64] = line.split(" ");
  if (dash !== "—" || name === undefined || base64 === undefined || !isKeyName(name)) {
    throw new VerifyError("note/format", `signature line ${JSON.stringify(line.slice(0, 200))}`);
  }
  const blob = fromBase64(base64, "note/format");
  if (blob.length < 5)
    throw new VerifyError("note/format", `signature of ${name} is ${blob.length} bytes with its key id`);
  return { name, keyId: readU32be(blob), signature: blob.subarray(4), line };
}

/** `text` ends in a newline. The inverse of `parseNote`. */
export function formatNote(text: string, signatures: readonly Omit<NoteSignature, "line">[]): string {
  const lines = signatures.map((s) => `— ${s.name} ${toBase64(concatBytes(u32be(s.keyId), s.signature))}\n`);
  return `${text}\n${lines.join("")}`;
}

/** `name+hex8(key id)+base64(type ‖ public key)`. Throws `note/vkey`. */
export function parseVkey(vkey: string): VerifierKey {
  const bad = (why: string) => new VerifyError("note/vkey", `${why}: ${JSON.stringify(vkey.slice(0, 200))}`);
  if (vkey.length > MAX_VKEY) throw bad("too long");
  const [name, id, ...rest] = vkey.split("+"); // base64 has "+" too
  if (name === undefined || id === undefined || !isKeyName(name)) throw bad("no key name and id");
  checkCharacters(vkey, "note/vkey");
  const encoded = fromBase64(rest.join("+"), "note/vkey");
  const type = encoded[0];
  const publicKey = encoded.subarray(1);
  if (type === undefined || publicKey.length === 0) throw bad("no key");
  if ((type === TYPE_ED25519 || type === TYPE_COSIGNATURE_V1) && publicKey.length !== 32) throw bad("not 32 bytes");
  // Also refuses a key id that is not the key's: names on screen would mean nothing otherwise.
  if (formatVkey({ name, type, publicKey }) !== vkey) throw bad("does not re-encode to itself");
  return { name, keyId: keyIdOf(name, type, publicKey), type, publicKey };
}

export function formatVkey(key: Omit<VerifierKey, "keyId">): string {
  const id = toHex(u32be(keyIdOf(key.name, key.type, key.publicKey)));
  return `${key.name}+${id}+${toBase64(concatBytes(Uint8Array.of(key.type), key.publicKey))}`;
}

/** Four bytes, no strong hash: it tells keys apart, it does not name one. */
export function keyIdOf(name: string, type: number, publicKey: Uint8Array): number {
  // For ECDSA the spec hashes the SPKI encoding alone.
  if (type === TYPE_ECDSA) return readU32be(sha256(publicKey));
  return readU32be(sha256(concatBytes(utf8(`${name}\n`), Uint8Array.of(type), publicKey)));
}

export interface OpenedNote {
  /** `timestamp` (seconds since 1970) where the signature is a cosignature. Each key at most once, however many lines it has. */
  readonly verified: readonly { key: VerifierKey; signature: NoteSignature; timestamp?: number }[];
  /** Keys that stand here with a line that does not verify. Such a key may be in `verified` too: the caller should refuse the note. */
  readonly invalid: readonly { key: VerifierKey }[];
  /** Lines that say nothing: no key given for them, or one of a type that we can't verify. */
  readonly unknown: readonly { name: string; keyId: number }[];
}

/**
 * Sorts the signature lines by what they are worth under the keys that the caller trusts; the caller judges. Every line of a known key is
 * verified: the spec demands it, and skipping a second line would let a bad one hide. Throws `note/ambiguous-key` if two different keys
 * were given that have one name and id.
 */
export function openNote(note: Note, keys: readonly VerifierKey[]): OpenedNote {
  const verified = new Map<VerifierKey, OpenedNote["verified"][number]>();
  const invalid = new Set<VerifierKey>();
  const unknown: { name: string; keyId: number }[] = [];
  for (const signature of note.signatures) {
    const key = findKey(keys, signature);
    if (key?.type !== TYPE_ED25519 && key?.type !== TYPE_COSIGNATURE_V1) {
      unknown.push({ name: signature.name, keyId: signature.keyId });
      continue;
    }
    const result = verifySignature(key, note.text, signature.signature);
    if (result === undefined) invalid.add(key);
    else if (!verified.has(key)) verified.set(key, { key, signature, ...result });
  }
  return { verified: [...verified.values()], invalid: [...invalid].map((key) => ({ key })), unknown };
}

function findKey(keys: readonly VerifierKey[], { name, keyId }: NoteSignature): VerifierKey | undefined {
  const [first, ...others] = keys.filter((key) => key.name === name && key.keyId === keyId);
  for (const other of others) {
    if (first === undefined || other.type !== first.type || !equalBytes(other.publicKey, first.publicKey)) {
      throw new VerifyError("note/ambiguous-key", `${name} ${toHex(u32be(keyId))}`);
    }
  }
  return first;
}

function verifySignature(key: VerifierKey, text: string, blob: Uint8Array): { timestamp?: number } | undefined {
  if (key.type === TYPE_COSIGNATURE_V1) return verifyCosignature(key, text, blob);
  return verifyEd25519(key.publicKey, utf8(text), blob) ? {} : undefined;
}

function isKeyName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_NAME && !/[+\p{White_Space}]/u.test(name);
}

/** Valid UTF-8 (here: no lone surrogate) and no control character below U+0020 but newline. */
function checkCharacters(text: string, code: string): void {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) throw new VerifyError(code, `control character at ${i}`);
  }
  if (/\p{Surrogate}/u.test(text)) throw new VerifyError(code, "lone surrogate");
}
