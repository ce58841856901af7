import type { Plain } from "@spur/verifier/audit/fold";
import { VerifyError } from "@spur/verifier/errors";
import { EVIDENCE_LEVELS, hourMs, RETENTIONS, type EvidenceLevel } from "@spur/verifier/statement/entry";
import type { Predicate } from "@spur/verifier/statement/predicate";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { readPredicate } from "./audit-predicate.ts";

// A log is mostly entries of one frame, with a predicate in the middle. `parseEntry` makes the JSON again from its value to see that it
// was canonical, and looks at each member; a regular expression sees both in one pass, at a tenth of the cost. It has only one answer: yes.
// Whatever it does not know, `parseEntry` judges.

// Written out: counting the turns of a loop would take the engine longer than the digits do.
const HASH = "[0-9a-f]".repeat(64);
const REC = "[0-9a-f]".repeat(32);
// Below 2^53 for certain; larger ones are for `parseEntry`.
const NUMBER = "(?:0|[1-9][0-9]{0,14})";
/** A comma exactly where another member stands before. */
const NEXT = `(?:(?<=\\{)|(?<="),)`;

/** Members in the order of canonical JSON, each in its one form. Nothing in it but printable ASCII. */
const FRAME = new RegExp(
  [
    String.raw`^\{"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z)"`,
    `,"evidence":"(${EVIDENCE_LEVELS.join("|")})"`,
    `(?:,"prev":(${NUMBER}))?`,
    `,"rec":"(${REC})"`,
    `,"reg":"([a-z][a-z0-9-]{0,63})"`,
    `,"retention":"(?:${RETENTIONS.join("|")})"`,
    `(,"sealed":\\{"ct":"${HASH}"\\})?`,
    `,"seq":([1-9][0-9]{0,14})`,
    String.raw`,"statement":\{"_type":"https://in-toto\.io/Statement/v1"`,
    String.raw`,"predicate":(\{[\x20-\x7e]*?\})`,
    `,"predicateType":"(spur:[a-z-]+/v[0-9]+)"`,
    String.raw`,"subject":\[\{"digest":\{`,
    `("sha256":"${HASH}")?(${NEXT}"spurCommitmentV1":"${HASH}")?(${NEXT}"spurRowsV1":"${HASH}")?`,
    String.raw`\},"name":"\4"\}\]\},"v":"spur-entry/v1"\}$`,
  ].join(""),
);

// Groups of the frame.
const [AT, EVIDENCE, PREV, REC_ID, REG, SEALED, SEQ, PREDICATE, TYPE, SHA256, COMMITMENT, ROWS] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as const; // prettier-ignore

/**
 * What `parseEntry` makes of this entry, one byte a character, as far as a fold of plain entries looks at it. Undefined where it may throw,
 * or where only it can tell.
 */
export function plainEntry(text: string): Plain | undefined {
  const found = FRAME.exec(text);
  if (found === null) return undefined;
  // One by one: taking the array apart in one statement goes through its iterator, at the price of the match.
  const at = found[AT] as string;
  const prev = found[PREV];
  const seq = Number(found[SEQ]);
  const reg = found[REG] as string;
  const predicateType = found[TYPE] as string;
  const rows = found[ROWS] !== undefined;
  const known = PREDICATES.get(predicateType);
  if (known?.register !== reg || (seq === 1) !== (prev === undefined)) return undefined;
  const digests = [found[SHA256] !== undefined, found[COMMITMENT] !== undefined, rows] as const;
  if (!digestsFit(known, found[SEALED] !== undefined, ...digests)) return undefined;
  const references = readPredicate(known, found[PREDICATE] as string, rows);
  if (references === undefined || !isHour(at)) return undefined;
  const own = { rec: found[REC_ID] as string, reg, seq, at, evidence: found[EVIDENCE] as EvidenceLevel };
  return prev === undefined
    ? { ...own, predicateType, references }
    : { ...own, prev: Number(prev), predicateType, references };
}

function isHour(at: string): boolean {
  try {
    hourMs(at);
    return true;
  } catch (error) {
    if (error instanceof VerifyError) return false;
    throw error;
  }
}

/** Which digests stand beside which predicate (formats §1). */
function digestsFit(known: Predicate, sealed: boolean, sha256: boolean, commitment: boolean, rows: boolean): boolean {
  const seals = known.slots.length > 0;
  if (commitment !== seals || sealed !== seals) return false;
  if (!sha256 && !commitment && !rows) return false;
  if (sha256 && !known.digests.includes("sha256")) return false;
  return !rows || (sha256 && known.digests.includes("spurRowsV1"));
}
