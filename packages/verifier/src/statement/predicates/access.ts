import { object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Sealed content was opened for somebody. Whose, for whom and why is sealed. */
export const access: Predicate = {
  type: "spur:access/v1",
  register: "accesses",
  slots: ["target", "reason", "who"],
  digests: [],
  shape: object({ purpose: oneOf("open", "evidence", "audit") }),
  targets: {},
};
