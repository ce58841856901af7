import { digest, integer, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A model made available behind the gateway: what is served, by whom, for how long contents are kept. */
export const deployment: Predicate = {
  type: "spur:deployment/v1",
  register: "deployments",
  slots: ["model name", "upstream", "note"],
  digests: [],
  shape: object({
    "model?": reference,
    operator: oneOf("self", "third-party", "unknown"),
    "served?": digest,
    check: oneOf("matched", "mismatch", "not-checked"),
    contentDays: integer(0, 36_500),
  }),
  targets: { model: ["spur:model/v1"] },
};
