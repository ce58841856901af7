import { integer, object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Where training data came from. Its name, address and licence are sealed. */
export const source: Predicate = {
  type: "spur:source/v1",
  register: "sources",
  slots: ["name", "location", "licence", "note"],
  digests: ["sha256", "spurRowsV1"],
  shape: object({
    kind: oneOf("web", "third-party", "user", "public", "synthetic", "own", "other"),
    bytes: integer(),
    "rows?": integer(),
  }),
  targets: {},
};
