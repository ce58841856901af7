import { fromHex } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { isObject, parseCanonicalObject, type Json, type JsonObject } from "./canonical.ts";
import { parseEnvelope, type Envelope } from "./dsse.ts";
import { PREDICATES } from "./predicates.ts";
import { referencesIn, type Reference } from "./schema.ts";

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

const OUTER = new Set(["v", "rec", "reg", "seq", "prev", "at", "evidence", "retention", "sealed", "statement", "dsse"]);
const HOUR = /^([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])Z$/;

/** Codes of what this version does not know: "not checked", never "fail". */
export const UNKNOWN_CODES: readonly string[] = ["entry/version", "entry/predicate-type", "entry/unknown-register"];

/**
 * Parses one entry and holds it against the schema of its predicate.
 * Throws one of `UNKNOWN_CODES` for what this version does not know (to be told as "not checked"), and
 * `bytes/…`, `canonical/…`, `entry/…`, `statement/…`, `dsse/…` for what is wrong.
 */
export function parseEntry(bytes: Uint8Array): Entry {
  const object = parseObject(bytes);
  const outer = readOuter(object);
  if (object["dsse"] === undefined) return { ...outer, ...parseStatement(object["statement"], outer) };
  if (outer.reg !== "foreign") throw new VerifyError("entry/register", "an envelope stands in register foreign");
  if (outer.sealed !== undefined) throw new VerifyError("entry/sealed", "an envelope seals nothing");
  return { ...outer, predicate: {}, slots: 0, references: [], dsse: parseEnvelope(object["dsse"]) };
}

/** The outer members alone, for an entry whose predicate type is unknown. Throws as `parseEntry` does for them. */
export function parseOuter(bytes: Uint8Array): Outer {
  return readOuter(parseObject(bytes));
}

/** The beginning of the hour of `at`, in milliseconds since 1970. Throws `entry/hour` for an hour that no calendar has. */
export function hourMs(at: string): number {
  const [, year, month, day, hour] = HOUR.exec(at) ?? [];
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
  // Date.UTC takes February 30th for March, and the year 22 for 1922.
  if (Number.isNaN(ms) || Number(year) < 100 || (Number(day) > 28 && new Date(ms).getUTCDate() !== Number(day))) {
    throw new VerifyError("entry/hour", at);
  }
  return ms;
}

function parseObject(bytes: Uint8Array): JsonObject {
  if (bytes.length > MAX_ENTRY_BYTES) throw new VerifyError("entry/too-long", `${bytes.length} bytes`);
  const object = parseCanonicalObject(bytes);
  if (object["v"] !== "spur-entry/v1") throw new VerifyError("entry/version", JSON.stringify(object["v"] ?? null));
  for (const name of Object.keys(object)) if (!OUTER.has(name)) throw new VerifyError("entry/member", name);
  if ("statement" in object === "dsse" in object)
    throw new VerifyError("entry/member", "exactly one of statement, dsse");
  return object;
}

function readOuter(object: JsonObject): Outer {
  const outer = {
    rec: text(object, "rec", /^[0-9a-f]{32}$/),
    reg: text(object, "reg", /^[a-z][a-z0-9-]{0,63}$/),
    seq: count(object, "seq", 1),
    ...(object["prev"] === undefined ? {} : { prev: count(object, "prev", 0) }),
    at: hourOf(object),
    evidence: word(object, "evidence", EVIDENCE_LEVELS),
    retention: word(object, "retention", RETENTIONS),
    ...(object["sealed"] === undefined ? {} : { sealed: parseSealed(object["sealed"]) }),
  };
  if ((outer.seq === 1) !== (outer.prev === undefined)) {
    throw new VerifyError("entry/prev", "prev is absent exactly at seq 1");
  }
  return outer;
}

function parseStatement(value: Json | undefined, outer: Outer) {
  if (!isObject(value)) throw new VerifyError("statement/form", "not an object");
  exactly(value, ["_type", "predicate", "predicateType", "subject"], "statement/form");
  if (value["_type"] !== STATEMENT_TYPE) throw new VerifyError("statement/form", "_type is not in-toto Statement v1");
  const { predicateType, predicate, subject } = value;
  if (typeof predicateType !== "string" || !isObject(predicate)) throw new VerifyError("statement/form", "predicate");
  // Before the register is looked at: a predicate that came later brings a register that this version does not know.
  const known = PREDICATES.get(predicateType);
  if (known === undefined) throw new VerifyError("entry/predicate-type", JSON.stringify(predicateType));
  if (known.register !== outer.reg) throw new VerifyError("entry/register", `${predicateType} in ${outer.reg}`);
  // An outer name inside a predicate could pass for the operator's word in a careless reader.
  for (const name of OUTER) {
    if (Object.hasOwn(predicate, name)) throw new VerifyError("statement/outer-name", name);
  }
  known.shape(predicate, "predicate");
  known.also?.(predicate);
  const one: Json | undefined = Array.isArray(subject) && subject.length === 1 ? (subject[0] as Json) : undefined;
  if (!isObject(one)) throw new VerifyError("statement/subject", "exactly one subject");
  exactly(one, ["digest", "name"], "statement/subject");
  const digests = one["digest"];
  if (one["name"] !== outer.rec || !isObject(digests)) throw new VerifyError("statement/subject", "named by its rec");
  const names = Object.keys(digests);
  const allowed: string[] = [...known.digests, ...(known.slots.length > 0 ? ["spurCommitmentV1"] : [])];
  if (names.length === 0 || names.some((name) => !allowed.includes(name))) {
    throw new VerifyError("statement/subject", `digests: ${names.join(", ")}`);
  }
  const sealed = names.includes("spurCommitmentV1");
  if (sealed !== known.slots.length > 0 || sealed !== (outer.sealed !== undefined)) {
    throw new VerifyError(
      "entry/sealed",
      "commitment and ciphertext digest stand exactly where the predicate has slots",
    );
  }
  if (outer.sealed?.blobs.some((blob) => blob.slot >= known.slots.length))
    throw new VerifyError("entry/sealed", "slot of a blob");
  if (names.includes("spurRowsV1") && (typeof predicate["rows"] !== "number" || !names.includes("sha256"))) {
    throw new VerifyError(
      "statement/subject",
      "a rows root without the number of rows, or without the payload's digest",
    );
  }
  return {
    predicateType,
    predicate,
    slots: known.slots.length,
    references: referencesIn(predicate),
    ...(sealed ? { commitment: digestOf(digests, "spurCommitmentV1") } : {}),
    ...(names.includes("sha256") ? { sha256: digestOf(digests, "sha256") } : {}),
    ...(names.includes("spurRowsV1") ? { rowsRoot: digestOf(digests, "spurRowsV1") } : {}),
  };
}

function parseSealed(value: Json): SealedDigests {
  if (!isObject(value)) throw new VerifyError("entry/sealed", "not an object");
  exactly(value, "blobs" in value ? ["blobs", "ct"] : ["ct"], "entry/sealed");
  const blobs: Json = value["blobs"] ?? [];
  if (!Array.isArray(blobs) || ("blobs" in value && blobs.length === 0)) throw new VerifyError("entry/sealed", "blobs");
  let last = -1;
  return {
    ct: digestOf(value, "ct"),
    blobs: (blobs as readonly Json[]).map((blob) => {
      if (!isObject(blob)) throw new VerifyError("entry/sealed", "blobs");
      exactly(blob, ["sha256", "slot"], "entry/sealed");
      const slot = blob["slot"];
      if (typeof slot !== "number" || slot <= last) throw new VerifyError("entry/sealed", "blobs sorted by slot");
      last = slot;
      return { slot, sha256: digestOf(blob, "sha256") };
    }),
  };
}

function exactly(object: JsonObject, names: readonly string[], code: string): void {
  const found = Object.keys(object);
  if (found.length !== names.length || names.some((name) => !Object.hasOwn(object, name))) {
    throw new VerifyError(code, `members ${found.join(", ")}; wanted ${names.join(", ")}`);
  }
}

function digestOf(object: JsonObject, name: string): Uint8Array {
  const value = object[name];
  if (typeof value !== "string" || value.length !== 64) throw new VerifyError("entry/digest", name);
  return fromHex(value);
}

function text(object: JsonObject, name: string, form: RegExp): string {
  const value = object[name];
  if (typeof value !== "string" || !form.test(value)) throw new VerifyError("entry/member", name);
  return value;
}

function word<T extends string>(object: JsonObject, name: string, words: readonly T[]): T {
  const value = object[name];
  if (!words.includes(value as T)) throw new VerifyError("entry/member", name);
  return value as T;
}

function hourOf(object: JsonObject): string {
  const at = object["at"];
  if (typeof at !== "string") throw new VerifyError("entry/member", "at");
  hourMs(at);
  return at;
}

function count(object: JsonObject, name: string, min: number): number {
  const value = object[name];
  if (typeof value !== "number" || value < min) throw new VerifyError("entry/member", name);
  return value;
}
