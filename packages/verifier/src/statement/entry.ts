import { fromHex } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { isObject, parseCanonicalObject, type Json, type JsonObject } from "./canonical.ts";
import { parseEnvelope, type Envelope } from "./dsse.ts";
import { PREDICATES } from "./predicates.ts";
import { anyText, anything, demand, digest, integer, listOf, matching, object, oneOf, recId } from "./schema.ts";
import type { Reference } from "./schema.ts";

/** The longest entry, in bytes: a C2SP bundle holds a u16 length. */
export const MAX_ENTRY_BYTES = 65_535;
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
export const EVIDENCE_LEVELS = ["observed", "reported", "imported"] as const;
export type EvidenceLevel = (typeof EVIDENCE_LEVELS)[number];
export const RETENTIONS = ["data", "training", "service", "output", "people", "system"] as const;
export type Retention = (typeof RETENTIONS)[number];

/** Which ciphertexts hold the record's sealed payload: SHA-256 of the small one and of each chunked slot's blob. */
export interface SealedDigests {
  readonly ct: Uint8Array;
  readonly blobs: readonly { readonly slot: number; readonly sha256: Uint8Array }[];
}

/** The outer members of an entry: the operator's word. What an audit can hold an entry to whose predicate it does not know. */
export interface Outer {
  readonly rec: string;
  readonly reg: string;
  readonly seq: number;
  readonly prev?: number;
  /** The hour: "2026-11-22T04Z". */
  readonly at: string;
  readonly evidence: EvidenceLevel;
  readonly retention: Retention;
  readonly sealed?: SealedDigests;
}

/** A log entry (formats §1) of a known version. The outer members are the operator's word, the statement is the author's. */
export interface Entry extends Outer {
  /** Absent where a foreign envelope stands in place of a statement. */
  readonly predicateType?: string;
  readonly predicate: JsonObject;
  /** Slots of the predicate; 0 for an envelope. */
  readonly slots: number;
  readonly commitment?: Uint8Array;
  readonly sha256?: Uint8Array;
  readonly rowsRoot?: Uint8Array;
  readonly references: readonly { readonly role: string; readonly target: Reference }[];
  readonly dsse?: Envelope;
}

const HOUR = /^([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])Z$/;
const MEMBERS = {
  v: anyText,
  rec: recId,
  reg: matching(/^[a-z][a-z0-9-]{0,63}$/, "the name of a register"),
  seq: integer(1),
  "prev?": integer(),
  at: anyText,
  evidence: oneOf(...EVIDENCE_LEVELS),
  retention: oneOf(...RETENTIONS),
  "sealed?": anything,
  "statement?": anything,
  "dsse?": anything,
};
const OUTER = object(MEMBERS);
const OUTER_NAMES = Object.keys(MEMBERS).map((name) => name.replace("?", ""));
const SEALED = object({ ct: digest, "blobs?": listOf(object({ sha256: digest, slot: integer() })) });
const STATEMENT = object({
  _type: oneOf(STATEMENT_TYPE),
  predicate: (value) => (isObject(value) ? undefined : ": an object"),
  predicateType: anyText,
  subject: anything,
});
const SUBJECT = listOf(
  object({ digest: object({ "sha256?": digest, "spurCommitmentV1?": digest, "spurRowsV1?": digest }), name: recId }),
  1,
);

/** What the shapes above let through. */
interface EntryJson extends Omit<Outer, "sealed"> {
  readonly v: string;
  readonly sealed?: Json;
  readonly statement?: Json;
  readonly dsse?: Json;
}
interface SealedJson {
  readonly ct: string;
  readonly blobs?: readonly { readonly sha256: string; readonly slot: number }[];
}
interface StatementJson {
  readonly predicate: JsonObject;
  readonly predicateType: string;
  readonly subject: Json;
}
type SubjectJson = readonly {
  readonly digest: { readonly [name in "sha256" | "spurCommitmentV1" | "spurRowsV1"]?: string };
  readonly name: string;
}[];

/** Codes of what this version does not know: "not checked", never "fail". */
export const UNKNOWN_CODES: readonly string[] = ["entry/version", "entry/predicate-type", "entry/unknown-register"];

/**
 * Parses one entry and holds it against the schema of its predicate.
 * Throws one of `UNKNOWN_CODES` for what this version does not know (to be told as "not checked"), and
 * `bytes/…`, `canonical/…`, `entry/…`, `statement/…`, `dsse/…` for what is wrong.
 */
export function parseEntry(bytes: Uint8Array): Entry {
  const json = parseJson(bytes);
  const { statement, dsse } = json;
  const outer = readOuter(json);
  if (statement !== undefined) return { ...outer, ...readStatement(statement, outer) };
  if (outer.reg !== "foreign") throw new VerifyError("entry/register", "an envelope stands in register foreign");
  if (outer.sealed !== undefined) throw new VerifyError("entry/sealed", "an envelope seals nothing");
  return { ...outer, predicate: {}, slots: 0, references: [], dsse: parseEnvelope(dsse ?? null) };
}

/** The outer members alone, for an entry whose predicate type is unknown. Throws as `parseEntry` does for them. */
export function parseOuter(bytes: Uint8Array): Outer {
  return readOuter(parseJson(bytes));
}

let lastHour = { at: "", ms: 0 };

/** The beginning of the hour of `at`, in milliseconds since 1970. Throws `entry/hour` for an hour that no calendar has. */
export function hourMs(at: string): number {
  if (at === lastHour.at) return lastHour.ms; // thousands of entries of one hour follow one another
  const [, year, month, day, hour] = HOUR.exec(at) ?? [];
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
  // Date.UTC takes February 30th for March, and the year 22 for 1922.
  if (Number.isNaN(ms) || Number(year) < 100 || (Number(day) > 28 && new Date(ms).getUTCDate() !== Number(day))) {
    throw new VerifyError("entry/hour", at);
  }
  lastHour = { at, ms };
  return ms;
}

function parseJson(bytes: Uint8Array): EntryJson {
  if (bytes.length > MAX_ENTRY_BYTES) throw new VerifyError("entry/too-long", `${bytes.length} bytes`);
  const object = parseCanonicalObject(bytes);
  if (object["v"] !== "spur-entry/v1") throw new VerifyError("entry/version", JSON.stringify(object["v"] ?? null));
  demand(OUTER, object, "entry/member", "entry");
  if (Object.hasOwn(object, "statement") === Object.hasOwn(object, "dsse"))
    throw new VerifyError("entry/member", "exactly one of statement, dsse");
  return object as unknown as EntryJson;
}

function readOuter({ rec, reg, seq, prev, at, evidence, retention, sealed }: EntryJson): Outer {
  hourMs(at);
  if ((seq === 1) !== (prev === undefined)) throw new VerifyError("entry/prev", "prev is absent exactly at seq 1");
  return {
    ...{ rec, reg, seq, at, evidence, retention },
    ...(prev === undefined ? {} : { prev }),
    ...(sealed === undefined ? {} : { sealed: readSealed(sealed) }),
  };
}

function readSealed(json: Json): SealedDigests {
  demand(SEALED, json, "entry/sealed", "sealed");
  const { ct, blobs } = json as unknown as SealedJson;
  if (blobs?.every(({ slot }, i) => slot > (blobs[i - 1]?.slot ?? -1)) === false || blobs?.length === 0) {
    throw new VerifyError("entry/sealed", "blobs are sorted by slot, and not listed where there are none");
  }
  return { ct: fromHex(ct), blobs: (blobs ?? []).map(({ slot, sha256 }) => ({ slot, sha256: fromHex(sha256) })) };
}

function readStatement(json: Json, outer: Outer): Omit<Entry, keyof Outer> {
  demand(STATEMENT, json, "statement/form", "statement");
  const { predicateType, predicate, subject } = json as unknown as StatementJson;
  // Before the register is looked at: a predicate that came later brings a register that this version does not know.
  const known = PREDICATES.get(predicateType);
  if (known === undefined) throw new VerifyError("entry/predicate-type", JSON.stringify(predicateType));
  if (known.register !== outer.reg) throw new VerifyError("entry/register", `${predicateType} in ${outer.reg}`);
  const slots = known.slots.length;
  // An outer name inside a predicate could pass for the operator's word in a careless reader. No shape has one; the code says why.
  const outerName = OUTER_NAMES.some((name) => Object.hasOwn(predicate, name));
  demand(known.shape, predicate, outerName ? "statement/outer-name" : "statement/schema", "predicate");

  demand(SUBJECT, subject, "statement/subject", "subject");
  const [one] = subject as unknown as SubjectJson;
  if (one?.name !== outer.rec) throw new VerifyError("statement/subject", "exactly one, named by its rec");
  const { sha256, spurCommitmentV1: commitment, spurRowsV1: rowsRoot } = one.digest;
  const allowed: readonly string[] = slots > 0 ? [...known.digests, "spurCommitmentV1"] : known.digests;
  const names = Object.keys(one.digest);
  if (names.length === 0 || names.some((name) => !allowed.includes(name))) {
    throw new VerifyError("statement/subject", `digests: ${names.join(", ")}`);
  }
  if ((commitment !== undefined) !== slots > 0 || (outer.sealed !== undefined) !== slots > 0) {
    throw new VerifyError(
      "entry/sealed",
      "commitment and ciphertext digest stand exactly where the predicate has slots",
    );
  }
  if (outer.sealed?.blobs.some(({ slot }) => slot >= slots)) throw new VerifyError("entry/sealed", "slot of a blob");
  if (rowsRoot !== undefined && (predicate["rows"] === undefined || sha256 === undefined)) {
    throw new VerifyError("statement/subject", "a rows root stands beside the number of rows and the payload's digest");
  }
  known.also?.(predicate, sha256);
  return {
    ...{ predicateType, predicate, slots, references: referencesIn(predicate) },
    ...(commitment === undefined ? {} : { commitment: fromHex(commitment) }),
    ...(sha256 === undefined ? {} : { sha256: fromHex(sha256) }),
    ...(rowsRoot === undefined ? {} : { rowsRoot: fromHex(rowsRoot) }),
  };
}

/** Every reference inside a predicate of a known shape, with the member it stands under ("sources", "order", …). */
export function referencesIn(predicate: JsonObject): { role: string; target: Reference }[] {
  const found: { role: string; target: Reference }[] = [];
  const walk = (value: Json, role: string): void => {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) for (const item of value) walk(item as Json, role);
    // No shape of ours but a reference has a member of this name.
    else if (Object.hasOwn(value, "rec")) found.push({ role, target: value as unknown as Reference });
    else for (const name of Object.keys(value)) walk((value as JsonObject)[name] as Json, name);
  };
  walk(predicate, "");
  return found;
}
