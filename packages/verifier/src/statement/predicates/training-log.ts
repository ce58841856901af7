import { decimal, integer, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Metrics of a part of a run: a plain payload of JSON lines, and the loss on held-out text at its end. */
export const trainingLog: Predicate = {
  type: "spur:training-log/v1",
  register: "training-logs",
  slots: [],
  digests: ["sha256", "spurRowsV1"],
  shape: object({
    run: reference,
    fromStep: integer(),
    toStep: integer(),
    rows: integer(),
    "loss?": decimal,
    "heldOutLoss?": decimal,
    state: oneOf("running", "complete", "failed", "killed"),
  }),
  targets: { run: ["spur:training-run/v1"] },
};
