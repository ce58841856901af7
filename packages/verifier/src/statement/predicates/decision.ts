import { integer, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Who let one output through or held it back: one accountable actor; rule, score, person and reason are sealed. */
export const decision: Predicate = {
  type: "spur:decision/v1",
  register: "decisions",
  slots: ["detail"],
  digests: [],
  shape: object({
    output: reference,
    actor: oneOf("rule", "model", "person"),
    verdict: oneOf("released", "withheld", "altered", "not-delivered"),
    policy: reference,
    policyVersion: integer(1),
  }),
  targets: { output: ["spur:output/v1"], policy: ["spur:policy/v1"] },
};
