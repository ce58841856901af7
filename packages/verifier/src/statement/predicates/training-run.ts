import { digest, integer, listOf, object, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A training run, recorded before its first step: data, code, configuration and seed cannot be chosen afterwards. */
export const trainingRun: Predicate = {
  type: "spur:training-run/v1",
  register: "training-runs",
  slots: ["name", "environment", "parameters"],
  digests: [],
  shape: object({
    datasets: listOf(reference),
    "base?": reference,
    code: digest,
    config: digest,
    steps: integer(),
    seed: integer(),
  }),
  targets: { datasets: ["spur:dataset/v1"], base: ["spur:model/v1", "spur:checkpoint/v1"] },
};
