import { fromBase64, fromUtf8, isSafeSize } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { parseCheckpoint, type Checkpoint } from "@spur/verifier/note/checkpoint";
import {
  openNote,
  parseNote,
  TYPE_ML_DSA_44,
  type Note,
  type NoteSignature,
  type OpenedNote,
  type VerifierKey,
} from "@spur/verifier/note/note";
import { HASH_BYTES, type Root } from "@spur/verifier/tlog/merkle";
import { SpurError } from "./errors.ts";
import "./ml-dsa.ts";

/** C2SP tlog-witness: no tree that fits 64 bits needs a longer proof. */
const MAX_PROOF = 63;

/** Room for 63 hashes and a note with sixteen post-quantum signatures of 5 kB. */
export const MAX_REQUEST = 128 * 1024;

/** The body of an `add-checkpoint` request, well-formed. Nothing in it is believed yet. */
export interface AddCheckpoint {
  readonly old: number;
  readonly proof: readonly Uint8Array[];
  readonly note: Note;
  /** At size 0 its root may be any: whether that is refused depends on the origin and the signature, which are looked at first. */
  readonly checkpoint: Checkpoint;
}

/** Throws `witness/request` (400) for whatever is not exactly of the form that C2SP tlog-witness prescribes. */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint {
  try {
    const text = fromUtf8(body);
    // Ours are the lines up to the first empty one; the note has empty lines of its own.
    const end = text.indexOf("\n\n");
    if (end === -1) throw malformed("no empty line before the checkpoint");
    const [first = "", ...lines] = text.slice(0, end).split("\n");
    if (lines.length > MAX_PROOF) throw malformed(`${lines.length} proof lines`);
    const note = parseNote(respelled(text.slice(end + 2)));
    return { old: parseOld(first), proof: lines.map(parseHash), note, checkpoint: looselyParsed(note.text) };
  } catch (error) {
    if (error instanceof VerifyError) throw malformed(`${error.code}: ${error.detail}`, error);
    throw error;
  }
}

/**
 * Signature lines in the one spelling that base64 has for their bytes. Go's decoder passes over unused bits that are set, and with it most
 * logs and witnesses; for them such a line holds a signature like any other, right or wrong.
 */
function respelled(note: string): string {
  const lines = note.lastIndexOf("\n\n") + 2;
  const respell = (line: string, head: string, base64: string): string =>
    base64.length % 4 === 0 ? head + Buffer.from(base64, "base64").toString("base64") : line;
  return note.slice(0, lines) + note.slice(lines).replace(/^(— [^ \n]+ )([A-Za-z0-9+/]+={0,2})$/gm, respell);
}

function malformed(why: string, cause?: unknown): SpurError {
  return new SpurError("witness/request", why, { cause });
}

function parseOld(line: string): number {
  const size = Number(line.slice("old ".length));
  // Compared with what it must be written as: refuses 01, +1, 1e3, and sizes from 2^53 on, which no number holds.
  if (!isSafeSize(size) || line !== `old ${size}`)
    throw malformed(`old size line ${JSON.stringify(line.slice(0, 40))}`);
  return size;
}

function parseHash(line: string): Uint8Array {
  const hash = fromBase64(line);
  if (hash.length !== HASH_BYTES) throw malformed(`a proof line of ${hash.length} bytes`);
  return hash;
}

/** As `parseCheckpoint`, but a size of 0 with the root of something is told later, as 422 and not as 400. */
function looselyParsed(noteText: string): Checkpoint {
  try {
    return parseCheckpoint(noteText);
  } catch (error) {
    if (!(error instanceof VerifyError) || error.code !== "checkpoint/empty-root") throw error;
    const [origin = "", , root = "", ...extensions] = noteText.slice(0, -1).split("\n");
    return { origin, size: 0, root: fromBase64(root) as Root, extensions };
  }
}

/**
 * The lines of the note that verify under the log's keys. Throws `witness/signature` (403) if there is none, or if a line bears the name
 * and id of a trusted key and does not verify: such a note is malformed; `witness/request` for extension lines that none covers. Lines of unknown keys are ignored and go nowhere: one that bears
 * the witness's own name would otherwise be stored and shown as its cosignature.
 */
export function verifiedLines({ note, checkpoint }: AddCheckpoint, keys: readonly VerifierKey[]): NoteSignature[] {
  const verified = new Map<VerifierKey, NoteSignature>();
  const seen = new Set<string>();
  for (const signature of note.signatures) {
    // One line at a time, and never the same one twice: sixty bad lines must not cost sixty verifications.
    if (seen.has(signature.line)) continue;
    seen.add(signature.line);
    const opened = openedLine(note.text, signature, keys);
    const [wrong] = opened.invalid;
    if (wrong !== undefined) {
      throw new SpurError("witness/signature", `the signature of ${wrong.key.name} does not verify`, { status: 403 });
    }
    for (const { key } of opened.verified) if (!verified.has(key)) verified.set(key, signature);
  }
  // ML-DSA-44 does not sign extension lines: those of a stranger would be cosigned as if they were the log's.
  if (
    checkpoint.extensions.length > 0 &&
    [...verified.keys()].every(({ type }) => type === TYPE_ML_DSA_44) &&
    verified.size > 0
  )
    throw new SpurError("witness/request", "extension lines that no signature covers");
  if (verified.size === 0) {
    throw new SpurError("witness/signature", "no signature of a key that is trusted for this log", { status: 403 });
  }
  return [...verified.values()];
}

function openedLine(text: string, signature: NoteSignature, keys: readonly VerifierKey[]): OpenedNote {
  try {
    return openNote({ text, signatures: [signature] }, keys);
  } catch (error) {
    // ML-DSA-44 signs the tree and not the text: of size 0 with the root of something it can sign nothing.
    if (error instanceof VerifyError)
      throw new SpurError("witness/signature", `${error.code}: ${error.detail}`, { status: 403, cause: error });
    throw error;
  }
}
