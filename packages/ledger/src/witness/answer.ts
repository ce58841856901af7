import { openNote, parseNote, type NoteSignature } from "@spur/verifier/note/note";
import type { Candidate } from "./candidate.ts";
import type { PolicyWitness } from "./policy.ts";
import { printable, Trouble, type Answer } from "./request.ts";

/** A verified cosignature of a witness, by its name in the policy. */
export interface Cosigned {
  readonly name: string;
  readonly signature: NoteSignature;
  /** By the witness's clock, in seconds since 1970. */
  readonly timestamp: number;
}

/** What a witness's answer means. */
export type Meaning =
  | { readonly kind: "cosigned"; readonly cosigned: readonly Cosigned[] }
  /** It last cosigned this size. */
  | { readonly kind: "stands-at"; readonly size: number; readonly said: string }
  /** It does not take our proof from the size where it stands. */
  | { readonly kind: "proof-refused"; readonly said: string }
  /** It holds another root of the size that we sent. */
  | { readonly kind: "other-root"; readonly said: string };

/**
 * Reads the answer to `add-checkpoint` (C2SP tlog-witness). Witnesses differ in their status codes: an unknown log is 404 or 403, another root
 * of the same size is 422, or 409 without a size. Throws {@link Trouble} for all that leaves the witness no use at present.
 */
export function readAnswer(
  answer: Answer,
  candidate: Candidate,
  old: number,
  witnesses: readonly PolicyWitness[],
): Meaning {
  const { status, type, body, retryAfterMs } = answer;
  const said = `it answers ${status}${body === "" ? "" : ` "${printable(body.trimEnd())}"`}`;
  switch (status) {
    case 200:
      return { kind: "cosigned", cosigned: readCosignatures(body, candidate, witnesses) };
    case 409:
      if (type === "text/x.tlog.size") return { kind: "stands-at", size: readSize(body, said), said };
      if (old === candidate.size) return { kind: "other-root", said };
      throw new Trouble("conflict", `${said} to a checkpoint of ${candidate.size} from ${old}, without a size`);
    case 422:
      return { kind: old === candidate.size ? "other-root" : "proof-refused", said };
    case 403:
    case 404:
      throw new Trouble("unknown-log", `${said}: it does not know this log, or not its key`);
    case 429:
    case 503:
      throw new Trouble("busy", said, retryAfterMs);
    default:
      throw new Trouble("refused", said, retryAfterMs);
  }
}

function readSize(body: string, said: string): number {
  const size = /^(0|[1-9][0-9]{0,15})\n?$/.test(body) ? Number(body) : Number.NaN;
  // No log has that many entries: whoever says so says nothing about this one.
  if (!Number.isSafeInteger(size)) throw new Trouble("malformed", `${said}, which is no size`);
  return size;
}

/** Lines by other keys are passed over; one by a key of the witness that does not verify spoils the answer (C2SP signed-note). */
function readCosignatures(body: string, candidate: Candidate, witnesses: readonly PolicyWitness[]): Cosigned[] {
  const opened = open(body, candidate, witnesses);
  const [wrong] = opened.invalid;
  if (wrong !== undefined) throw new Trouble("wrong-signature", `a signature by ${wrong.key.name} does not verify`);
  const cosigned = opened.verified.flatMap(({ key, signature, timestamp }): Cosigned[] => {
    const witness = witnesses.find((one) => one.key === key);
    if (witness === undefined) return [];
    // The time must not be left out, which a 0 would be.
    if (timestamp === undefined || timestamp === 0)
      throw new Trouble("wrong-signature", "a cosignature without a time");
    if (timestamp < candidate.notBefore) {
      throw new Trouble(
        "clock",
        `it cosigned at ${utc(timestamp)}, before the last entry's hour: its clock or ours is wrong`,
      );
    }
    return [{ name: witness.name, signature, timestamp }];
  });
  if (cosigned.length === 0) throw new Trouble("no-signature", "no line of its answer is by its key");
  return cosigned;
}

function open(body: string, { text }: Candidate, witnesses: readonly PolicyWitness[]) {
  const keys = witnesses.map(({ key }) => key);
  try {
    const note = parseNote(`${text}\n${body}`);
    // An empty line in the answer would move the end of what is signed: a good signature under another text than ours.
    if (note.text !== text) throw new Error("an empty line among the signatures");
    return openNote(note, keys);
  } catch (error) {
    throw new Trouble("malformed", printable((error as Error).message));
  }
}

function utc(seconds: number): string {
  return seconds > 8_640_000_000_000 ? `second ${seconds}` : new Date(seconds * 1000).toISOString();
}
