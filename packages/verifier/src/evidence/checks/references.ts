import { PREDICATES } from "../../statement/predicates.ts";
import type { Reference } from "../../statement/schema.ts";
import type { Entry, Outer } from "../../statement/entry.ts";
import type { Findings } from "../findings.ts";
import { auditCommand, put, type Edge, type Edges, type Held } from "./checked.ts";

/** Every reference of every entry: it holds only if the entry at that index is in the file, has that rec, and is of a type that may stand there. */
export function checkReferences(held: ReadonlyMap<number, Held>, origin: string, findings: Findings): Edges {
  const [out, into] = [new Map<number, Edge[]>(), new Map<number, Edge[]>()];
  const byRec = new Map([...held.values()].flatMap(({ index, outer }) => (outer ? [[outer.rec, index]] : [])));
  for (const { index, entry } of held.values()) {
    for (const { role, target } of entry?.references ?? []) {
      const other = held.get(target.index);
      // The record that is meant may be in the file, at another index: a decision that names none would be overlooked otherwise.
      const elsewhere = (byRec.get(target.rec) ?? target.index) !== target.index;
      const error = elsewhere ? "reference/rec" : entry && wrong(entry, index, role, target, other);
      const values = { index, role, target: target.index };
      const known = other?.entry !== undefined;
      const finding =
        error !== undefined
          ? findings.fail("reference", "reference/refuted", { ...values, error })
          : known
            ? findings.pass("reference", "reference/ok", values)
            : findings.notChecked("reference", "reference/absent", values, auditCommand(origin));
      const edge = { from: index, role, to: target.index, finding, holds: error === undefined && known };
      put(out, index, edge);
      put(into, target.index, edge);
    }
  }
  return { from: (index) => out.get(index) ?? [], to: (index) => into.get(index) ?? [] };
}

/** The code of what is wrong with a reference, as far as it can be seen; `other` is the entry at its index, if the file has it. */
export function wrong(
  entry: Pick<Entry, "predicateType">,
  index: number,
  role: string,
  target: Reference,
  other: { readonly outer?: Pick<Outer, "rec">; readonly entry?: Pick<Entry, "predicateType"> } | undefined,
): string | undefined {
  if (target.index >= index) return "reference/forward";
  if (other?.outer !== undefined && other.outer.rec !== target.rec) return "reference/rec";
  const allowed = PREDICATES.get(entry.predicateType ?? "")?.targets[role];
  if (other?.entry !== undefined && allowed?.includes(other.entry.predicateType ?? "dsse") === false)
    return "reference/type";
  return undefined;
}
