import { integer, object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Something an auditor must not overlook, told by the ledger about itself. */
export const alert: Predicate = {
  type: "spur:alert/v1",
  register: "alerts",
  slots: ["detail"],
  digests: [],
  shape: object({ kind: oneOf("lost-by-restore", "recovered", "clock", "integrity"), count: integer() }),
  targets: {},
};
