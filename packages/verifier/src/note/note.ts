import { concatBytes, equalBytes, fromBase64, readU32be, toBase64, toHex, u32be, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { canVerify, verifyCosignature } from "./cosignature.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { checkCharacters, formatVkey, isCosigner, isKeyName, type VerifierKey } from "./vkey.ts";

export * from "./vkey.ts";

/** The spec asks for at least 16; 64 leaves room for witnesses and a second algorithm. */
const MAX_SIGNATURES = 64;
const MAX_NOTE = 1_000_000;

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

export interface OpenedNote {
  /** `timestamp` (seconds since 1970) where the signature is a cosignature. Each key at most once, however many lines it has. */
  readonly verified: readonly { key: VerifierKey; signature: NoteSignature; timestamp?: number }[];
  /** Keys that stand here with a line that does not verify. Such a key may be in `verified` too: the caller should refuse the note. */
  readonly invalid: readonly { key: VerifierKey }[];
  /** Lines that say nothing: no key given for them, or one of a type that we can't verify. */
  readonly unknown: readonly NoteSignature[];
}

/**
 * Sorts the signature lines by what they are worth under the keys that the caller trusts; the caller judges. Every line of a known key is
 * verified: the spec demands it, and skipping a second line would let a bad one hide. Throws `note/ambiguous-key` if two different keys
 * were given that have one name and id, and `checkpoint/format` where an ML-DSA-44 key is to have signed what is no checkpoint.
 */
export function openNote(note: Note, keys: readonly VerifierKey[]): OpenedNote {
  const verified = new Map<VerifierKey, OpenedNote["verified"][number]>();
  const invalid = new Set<VerifierKey>();
  const unknown: NoteSignature[] = [];
  for (const signature of note.signatures) {
    const key = findKey(keys, signature);
    const known = key !== undefined && canVerify(key.type);
    const result = known ? verifySignature(key, note.text, signature.signature) : undefined;
    if (!known) unknown.push(signature);
    else if (result === undefined) invalid.add(key);
    else if (!verified.has(key)) verified.set(key, { key, signature, ...result });
  }
  return { verified: [...verified.values()], invalid: [...invalid].map((key) => ({ key })), unknown };
}

/** Throws `code` unless the note has one signature line and no other, which this key has made. */
export function demandSigner(note: Note, key: VerifierKey, code: string): void {
  if (note.signatures.length !== 1 || openNote(note, [key]).verified.length !== 1)
    throw new VerifyError(code, formatVkey(key));
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
  if (isCosigner(key)) return verifyCosignature(key, text, blob);
  return verifyEd25519(key.publicKey, utf8(text), blob) ? {} : undefined;
}
