import { parseEntry } from "@spur/verifier/statement/entry";
import type { Recorded } from "../draft.ts";
import { newRec, type Ledger } from "../record.ts";
import type { Projector } from "../projections/projector.ts";

/** Writes a closing: the last number and index of every register, so that "that is all" can be checked up to here (formats §1). */
export async function closeRegisters(ledger: Ledger): Promise<Recorded> {
  const [recorded] = await ledger.record([
    {
      rec: newRec(),
      predicateType: "spur:registers/v1",
      predicate: {},
      evidence: "observed",
      retention: "system",
      owner: "",
    },
  ]);
  return recorded as Recorded;
}

/** Seconds since the newest closing matter only roughly: once a day is asked for. */
export async function closingIsDue(ledger: Ledger, projector: Projector, nowMs: number): Promise<boolean> {
  const newest = await projector.query("last", "spur:registers/v1");
  if (newest === undefined) return true;
  const { at } = parseEntry(await ledger.entryBytes(newest.index));
  return nowMs - Date.parse(at.replace("Z", ":00:00Z")) > 86_400_000;
}
