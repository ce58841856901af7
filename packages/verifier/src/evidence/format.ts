import { fromBase64, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { canonicalBytes, isObject, parseCanonicalObject, type Json, type JsonObject } from "../statement/canonical.ts";
import { HASH_BYTES } from "../tlog/merkle.ts";
import { QUESTIONS, type Ask } from "./report.ts";

export const MAX_FILE_BYTES = 67_108_864;
const MAX_DEPTH = 16;

/** An entry's bytes and its inclusion proof in the tree of the checkpoint. */
export interface EvidenceEntry {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** The content of one slot of an entry. `value` absent: the slot is opened as empty. */
export interface OpenedSlot {
  readonly index: number;
  readonly slot: number;
  readonly value?: Uint8Array;
  readonly salt: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** One row of an entry's plain payload. */
export interface OpenedRow {
  readonly index: number;
  readonly row: number;
  readonly value: Uint8Array;
  readonly path: readonly Uint8Array[];
}

export type Opened = OpenedSlot | OpenedRow;

/** `spur-evidence/v1` (formats §3), read and not yet believed. */
export interface Evidence {
  /** What the file says of its log: a hint, held against the key that verified. */
  readonly log: { readonly origin: string; readonly vkey: string };
  /** A signed note, whole. */
  readonly checkpoint: string;
  /** By rising index. */
  readonly entries: readonly EvidenceEntry[];
  /** By rising index; of one entry the slots first, then the rows. */
  readonly opened: readonly Opened[];
  /** Indexes of the closings that the file shows, rising. */
  readonly registers: readonly number[];
  readonly anchors: readonly Json[];
  readonly ask: Ask;
}

/**
 * Throws `file/too-large`, `bytes/…`, `canonical/…`, `evidence/format`; and `file/version` for a format that this version does not
 * know, which is "not checked" and no failure.
 */
export function parseEvidence(bytes: Uint8Array): Evidence {
  const file = parseFile(bytes, "spur-evidence/v1");
  const names = ["anchors", "ask", "checkpoint", "entries", "format", "log", "opened", "registers"];
  exactly(file, names, "the file");
  const log = file["log"];
  if (!isObject(log)) throw bad("log");
  exactly(log, ["origin", "vkey"], "log");
  const { ask } = file;
  if (ask !== "lineage" && !QUESTIONS.some((question) => question === ask)) throw bad("ask");
  return {
    log: { origin: text(log, "origin"), vkey: text(log, "vkey") },
    checkpoint: text(file, "checkpoint"),
    entries: rising(list(file, "entries").map(parseEntry), ({ index }) => [index], "entries"),
    opened: parseOpened(file),
    registers: rising(list(file, "registers").map(asIndex), (index) => [index], "registers"),
    anchors: list(file, "anchors"),
    ask: ask as Ask,
  };
}

/** The outermost object of one of our files, of the format that is wanted. Throws `file/too-large`, `file/version`, `canonical/…`. */
export function parseFile(bytes: Uint8Array, format: string): JsonObject {
  if (bytes.length > MAX_FILE_BYTES) throw new VerifyError("file/too-large", `${bytes.length} bytes`);
  const file = parseCanonicalObject(bytes, MAX_DEPTH);
  if (typeof file["format"] !== "string") throw bad("no format");
  if (file["format"] !== format) throw new VerifyError("file/version", JSON.stringify(file["format"]));
  return file;
}

/** The member `opened` of evidence and of receipts. */
export function parseOpened(file: JsonObject): Opened[] {
  // Sorted and each place once: or a file could show two contents for one slot and leave the choice to the reader.
  return rising(
    list(file, "opened").map(parseOne),
    (one) => ("slot" in one ? [one.index, 0, one.slot] : [one.index, 1, one.row]),
    "opened",
  );
}

function parseOne(value: Json): Opened {
  if (!isObject(value)) throw bad("opened");
  const { index, path } = { index: asIndex(value["index"]), path: hashes(value, "path") };
  if ("row" in value) {
    exactly(value, ["index", "path", "row", "value"], "opened");
    return { index, row: asIndex(value["row"]), value: base64(value, "value"), path };
  }
  exactly(value, ["index", "path", "salt", "slot", ...("value" in value ? ["value"] : [])], "opened");
  const shown = "value" in value ? { value: base64(value, "value") } : {};
  return { index, slot: asIndex(value["slot"]), ...shown, salt: base64(value, "salt"), path };
}

function parseEntry(value: Json): EvidenceEntry {
  if (!isObject(value)) throw bad("entries");
  exactly(value, ["entry", "index", "proof"], "entries");
  return { index: asIndex(value["index"]), entry: base64(value, "entry"), proof: hashes(value, "proof") };
}

function rising<T>(items: T[], key: (item: T) => readonly number[], where: string): T[] {
  for (let i = 1; i < items.length; i++) {
    const [before, after] = [key(items[i - 1] as T), key(items[i] as T)];
    const at = after.findIndex((n, k) => n !== before[k]);
    if (at === -1 || (after[at] as number) < (before[at] as number))
      throw bad(`${where}: not rising, or twice the same`);
  }
  return items;
}

function bad(where: string): VerifyError {
  return new VerifyError("evidence/format", where);
}

export function exactly(object: JsonObject, names: readonly string[], where: string): void {
  const found = Object.keys(object);
  if (found.length !== names.length || names.some((name) => !Object.hasOwn(object, name))) {
    throw bad(`${where} has members ${found.join(", ")}; wanted ${names.join(", ")}`);
  }
}

export function text(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== "string") throw bad(`${name} is not a text`);
  return value;
}

function list(object: JsonObject, name: string): readonly Json[] {
  const value = object[name];
  if (!Array.isArray(value)) throw bad(`${name} is not a list`);
  return value as readonly Json[];
}

function asIndex(value: Json | undefined): number {
  if (typeof value !== "number" || value < 0) throw bad("not an index");
  return value;
}

/** Strict base64: what it accepts re-encodes to itself. */
function base64(object: JsonObject, name: string): Uint8Array {
  return fromBase64(text(object, name));
}

function hashes(object: JsonObject, name: string): Uint8Array[] {
  return list(object, name).map((value) => {
    const hash = typeof value === "string" ? fromBase64(value) : undefined;
    if (hash?.length !== HASH_BYTES) throw bad(`${name}: not a hash`);
    return hash;
  });
}

/** The bytes of an evidence file. Sorts nothing: `parseEvidence` refuses what its writer left in disorder. */
export function formatEvidence(evidence: Evidence): Uint8Array {
  const { log, checkpoint, entries, opened, registers, anchors, ask } = evidence;
  return canonicalBytes({
    format: "spur-evidence/v1",
    log: { origin: log.origin, vkey: log.vkey },
    checkpoint,
    entries: entries.map(({ index, entry, proof }) => ({ index, entry: toBase64(entry), proof: proof.map(toBase64) })),
    opened: opened.map(openedJson),
    registers,
    anchors,
    ask,
  });
}

export function openedJson(one: Opened): JsonObject {
  const { index, path, value } = one;
  const place: JsonObject = "slot" in one ? { slot: one.slot, salt: toBase64(one.salt) } : { row: one.row };
  return { index, ...place, ...(value === undefined ? {} : { value: toBase64(value) }), path: path.map(toBase64) };
}
