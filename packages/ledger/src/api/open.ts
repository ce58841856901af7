import { canonicalText } from "@spur/verifier/statement/canonical";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { SpurError } from "../errors.ts";
import { newRec, type Ledger, type Opened } from "../record.ts";
import type { AccessKey } from "./access.ts";

export type Purpose = "open" | "evidence" | "audit";

/**
 * Opens a record's content for somebody, after an `access` entry says so. The key that wrote the record may, and scope
 * `open`; to everybody else the record does not exist.
 */
export async function openRecorded(
  ledger: Ledger,
  rec: string,
  key: AccessKey,
  purpose: Purpose,
  reason: string,
): Promise<Opened> {
  const place = await placeFor(ledger, rec, key);
  if (place.removal !== undefined) throw new SpurError("record/removed", rec, { status: 410 });
  await ledger.record([
    {
      rec: newRec(),
      predicateType: "spur:access/v1",
      predicate: { purpose },
      slots: [Buffer.from(rec), Buffer.from(reason), Buffer.from(canonicalText({ key: key.id, label: key.label }))],
      evidence: "observed",
      retention: "people",
      owner: "",
    },
  ]);
  return ledger.openInside(rec);
}

/** Where the record is, for a key that may open it; `record/unknown` for all others, before anything else about it is judged. */
export async function placeFor(ledger: Ledger, rec: string, key: AccessKey) {
  const place = await ledger.thread.call("locate", rec);
  if (place === undefined || (place.owner !== key.id && !key.scopes.has("open"))) throw unknown(rec);
  return place;
}

/** The same bytes for what is not there and for what is somebody else's. */
export function unknown(rec: string): SpurError {
  return new SpurError("record/unknown", `no record ${rec}`, { status: 404 });
}

/** Slot numbers of a predicate type from names; throws `record/slots`. */
export function slotNumbers(predicateType: string, names: readonly string[]): number[] {
  const slots = PREDICATES.get(predicateType)?.slots ?? [];
  return names.map((name) => {
    const at = slots.indexOf(name);
    if (at < 0)
      throw new SpurError(
        "record/slots",
        `${predicateType} has no slot "${name}"; it has ${slots.join(", ") || "none"}`,
        { status: 422 },
      );
    return at;
  });
}
