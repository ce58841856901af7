import { integer, listOf, object, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A dataset as it was used: its rows are committed one by one, so that a single row can be shown. */
export const dataset: Predicate = {
  type: "spur:dataset/v1",
  register: "datasets",
  slots: ["name", "manifest"],
  digests: ["sha256", "spurRowsV1"],
  shape: object({
    "run?": reference,
    sources: listOf(reference),
    bytes: integer(),
    rows: integer(),
    "heldOut?": integer(),
  }),
  targets: { run: ["spur:data-run/v1"], sources: ["spur:source/v1", "spur:dataset/v1"] },
};
