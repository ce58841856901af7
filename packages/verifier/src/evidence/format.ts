import { fromBase64, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import type { SlotOpening } from "../payload/commitment.ts";
import type { RowOpening } from "../payload/rows.ts";
import { canonicalBytes, isObject, parseCanonicalObject, type Json, type JsonObject } from "../statement/canonical.ts";
import { anyText, anything, demand, integer, listOf, object, oneOf, type Shape } from "../statement/schema.ts";
import { HASH_BYTES } from "../tlog/merkle.ts";
import { QUESTIONS, type Ask } from "./report.ts";

const MAX_FILE_BYTES = 67_108_864;
const MAX_DEPTH = 16;
/** Of each list: every item becomes a finding, and millions of them would fill the memory of whoever looks. */
const MAX_ITEMS = 65_536;

/** An entry's bytes and its inclusion proof in the tree of the checkpoint. */
export interface EvidenceEntry {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** The content of one slot, or one row of the plain payload, of the entry at `index`. */
export type OpenedSlot = SlotOpening & { readonly index: number };
export type OpenedRow = RowOpening & { readonly index: number };
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

const index = integer();
export const HASHES = listOf(anyText, MAX_ITEMS);
const SLOT = object({ index, path: HASHES, salt: anyText, slot: index, "value?": anyText });
const ROW = object({ index, path: HASHES, row: index, value: anyText });
/** An entry with its place, as evidence and proofs of misbehaviour show one. */
export const ENTRY = object({ entry: anyText, index, proof: HASHES });
const opening: Shape = (value) => (isObject(value) && Object.hasOwn(value, "row") ? ROW : SLOT)(value);
/** The member `opened` of evidence and of receipts. */
export const OPENED = listOf(opening, MAX_ITEMS);
const EVIDENCE = object({
  anchors: listOf(anything, MAX_ITEMS),
  ask: oneOf(...QUESTIONS, "lineage"),
  checkpoint: anyText,
  entries: listOf(ENTRY, MAX_ITEMS),
  format: anyText,
  log: object({ origin: anyText, vkey: anyText }),
  opened: OPENED,
  registers: listOf(index, MAX_ITEMS),
});

/** What the shapes above let through. */
interface EvidenceJson extends Pick<Evidence, "log" | "checkpoint" | "registers" | "anchors" | "ask"> {
  readonly entries: readonly EntryJson[];
  readonly opened: readonly OpenedJson[];
}
export type EntryJson = { readonly entry: string; readonly index: number; readonly proof: readonly string[] };
export type OpenedJson = { readonly index: number; readonly path: readonly string[] } & (
  | { readonly slot: number; readonly salt: string; readonly value?: string }
  | { readonly row: number; readonly value: string }
);

/**
 * Throws `file/too-large`, `bytes/…`, `canonical/…`, `evidence/format`; and `file/version` for a format that this version does not
 * know, which is "not checked" and no failure.
 */
export function parseEvidence(bytes: Uint8Array): Evidence {
  const file = parseFile<EvidenceJson>(bytes, "spur-evidence/v1", EVIDENCE);
  const byIndex = (one: { readonly index: number }) => [one.index];
  return {
    ...{ log: file.log, checkpoint: file.checkpoint, anchors: file.anchors, ask: file.ask },
    entries: rising(file.entries.map(parseShown), byIndex, "entries"),
    opened: parseOpened(file.opened),
    registers: rising(file.registers, (index) => [index], "registers"),
  };
}

/** Throws `bytes/base64`, `evidence/format`. */
export function parseShown({ index, entry, proof }: EntryJson): EvidenceEntry {
  return { index, entry: fromBase64(entry), proof: proof.map(parseHash) };
}

/** The outermost object of one of our files, of the format and shape that are wanted. Throws as `parseEvidence`. */
export function parseFile<T>(bytes: Uint8Array, format: string, shape: Shape): T {
  if (bytes.length > MAX_FILE_BYTES) throw new VerifyError("file/too-large", `${bytes.length} bytes`);
  const file = parseCanonicalObject(bytes, MAX_DEPTH);
  if (typeof file["format"] !== "string") throw new VerifyError("evidence/format", "no format");
  if (file["format"] !== format) throw new VerifyError("file/version", JSON.stringify(file["format"]));
  demand(shape, file, "evidence/format", "file");
  return file as T;
}

/** Sorted and each place once: or a file could show two contents for one slot and leave the choice to the reader. */
export function parseOpened(opened: readonly OpenedJson[]): Opened[] {
  const parsed = opened.map((one): Opened => {
    const place = { index: one.index, path: one.path.map(parseHash) };
    if ("row" in one) return { ...place, row: one.row, value: fromBase64(one.value) };
    const value = one.value === undefined ? {} : { value: fromBase64(one.value) };
    return { ...place, slot: one.slot, salt: fromBase64(one.salt), ...value };
  });
  return rising(parsed, (one) => ("slot" in one ? [one.index, 0, one.slot] : [one.index, 1, one.row]), "opened");
}

function rising<L extends readonly unknown[]>(items: L, key: (item: L[number]) => readonly number[], where: string): L {
  for (let i = 1; i < items.length; i++) {
    const [before, after] = [key(items[i - 1]), key(items[i])];
    const at = after.findIndex((n, k) => n !== before[k]);
    if (at === -1 || (after[at] as number) < (before[at] as number))
      throw new VerifyError("evidence/format", `${where}: not rising, or twice the same`);
  }
  return items;
}

/** Throws `bytes/base64`, and `evidence/format` for another length. */
export function parseHash(base64: string): Uint8Array {
  const bytes = fromBase64(base64);
  if (bytes.length !== HASH_BYTES) throw new VerifyError("evidence/format", "not a hash");
  return bytes;
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
