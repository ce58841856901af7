import { object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Every outcome that an answer can have. */
export const OUTCOMES = ["complete", "partial", "refused", "cancelled", "interrupted", "failed", "cached"] as const;

/** One answer of a model. All that was said, to whom and when is sealed. */
export const output: Predicate = {
  type: "spur:output/v1",
  register: "outputs",
  slots: ["request", "response", "caller", "usage", "timing", "label", "reserved 6", "reserved 7"],
  digests: [],
  shape: object({ deployment: reference, outcome: oneOf(...OUTCOMES) }),
  targets: { deployment: ["spur:deployment/v1"] },
};
