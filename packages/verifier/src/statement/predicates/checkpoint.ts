import { digest, integer, object, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Weights at one step of a run; `sha256` of the subject is that of the weights file. Each names the one before it. */
export const checkpoint: Predicate = {
  type: "spur:checkpoint/v1",
  register: "checkpoints",
  slots: [],
  digests: ["sha256"],
  shape: object({ run: reference, "parent?": reference, step: integer(), state: digest, bytes: integer() }),
  targets: { run: ["spur:training-run/v1"], parent: ["spur:checkpoint/v1"] },
};
