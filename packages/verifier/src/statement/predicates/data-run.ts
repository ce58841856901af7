import { digest, integer, listOf, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** One processing step over data: what went in, with which code, how it ended. */
export const dataRun: Predicate = {
  type: "spur:data-run/v1",
  register: "data-runs",
  slots: ["job", "parameters", "log"],
  digests: [],
  shape: object({
    inputs: listOf(reference),
    code: digest,
    outcome: oneOf("complete", "failed", "aborted"),
    rowsIn: integer(),
    rowsOut: integer(),
  }),
  targets: { inputs: ["spur:source/v1", "spur:dataset/v1"] },
};
