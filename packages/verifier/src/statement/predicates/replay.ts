import { digest, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A segment of a run computed again, from one checkpoint to a later one, and whether the weights came out the same. */
export const replay: Predicate = {
  type: "spur:replay/v1",
  register: "replays",
  slots: ["environment", "note"],
  digests: [],
  shape: object({
    run: reference,
    from: reference,
    to: reference,
    recomputed: digest,
    result: oneOf("same", "different"),
  }),
  targets: { run: ["spur:training-run/v1"], from: ["spur:checkpoint/v1"], to: ["spur:checkpoint/v1"] },
};
