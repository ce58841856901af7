import { integer, object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A rule set in force: for outputs, for how long contents are kept, or for what is published by field. */
export const policy: Predicate = {
  type: "spur:policy/v1",
  register: "policies",
  slots: ["text"],
  digests: [],
  shape: object({ kind: oneOf("output", "retention", "publication"), version: integer(1) }),
  targets: {},
};
