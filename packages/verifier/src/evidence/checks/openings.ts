import { fromUtf8 } from "../../bytes.ts";
import { VerifyError } from "../../errors.ts";
import { verifySlotOpening } from "../../payload/commitment.ts";
import { verifyRowOpening } from "../../payload/rows.ts";
import type { Entry } from "../../statement/entry.ts";
import { PREDICATES } from "../../statement/predicates.ts";
import type { Opened, OpenedRow, OpenedSlot } from "../format.ts";
import type { Findings } from "../findings.ts";
import type { ShownEntry } from "../report.ts";
import { put, type Held } from "./checked.ts";

export type Shown = ShownEntry["opened"][number];

/** Every content that the file opens, held against what its entry committed to. Returns what may be shown, by entry. */
export function checkOpenings(
  opened: readonly Opened[],
  held: ReadonlyMap<number, Held>,
  findings: Findings,
): ReadonlyMap<number, readonly Shown[]> {
  const shown = new Map<number, Shown[]>();
  for (const one of opened) {
    const entry = held.get(one.index)?.entry;
    const result = "slot" in one ? checkSlot(one, entry, findings) : checkRow(one, entry, findings);
    if (result !== undefined) put(shown, one.index, result);
  }
  return shown;
}

/** The number of slots and their names come from the predicate: a file that could choose them could open a second value for a slot. */
export function checkSlot(
  one: OpenedSlot,
  entry: Pick<Entry, "predicateType" | "commitment"> | undefined,
  findings: Findings,
): Shown | undefined {
  const { index, slot } = one;
  const slots = PREDICATES.get(entry?.predicateType ?? "")?.slots ?? [];
  const name = slots[slot] ?? `slot ${slot}`;
  if (entry === undefined) return void findings.notChecked("opening", "opening/no-entry", { index, name });
  try {
    if (entry.commitment === undefined) throw new VerifyError("opening/slot", "this record seals nothing");
    verifySlotOpening(one, slots.length, entry.commitment);
  } catch (error) {
    return void findings.refute("opening", "opening/refuted", { index, name }, error);
  }
  const bytes = one.value?.length ?? 0;
  findings.pass("opening", one.value === undefined ? "opening/empty" : "opening/ok", { index, name, bytes });
  return one.value === undefined ? { name, bytes, absent: true } : { name, bytes, ...asText(one.value) };
}

function checkRow(one: OpenedRow, entry: Entry | undefined, findings: Findings): Shown | undefined {
  const { index, row, value } = one;
  if (entry === undefined) return void findings.notChecked("row", "row/no-entry", { index, row });
  try {
    const rows = entry.predicate["rows"];
    if (entry.rowsRoot === undefined || typeof rows !== "number")
      throw new VerifyError("opening/row", "this record has no rows");
    verifyRowOpening(one, rows, entry.rowsRoot);
  } catch (error) {
    return void findings.refute("row", "row/refuted", { index, row }, error);
  }
  findings.pass("row", "row/ok", { index, row });
  return { name: `row ${row}`, bytes: value.length, ...asText(value) };
}

function asText(value: Uint8Array): { text?: string } {
  try {
    return { text: fromUtf8(value) };
  } catch {
    return {}; // not text: shown as bytes only
  }
}
