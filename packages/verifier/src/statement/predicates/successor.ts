import { digest, integer, keyId, object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** This log goes on under another origin, or goes on from one; `sha256` of the subject is that of the other log's vkey. */
export const successor: Predicate = {
  type: "spur:successor/v1",
  register: "successors",
  slots: [],
  digests: ["sha256"],
  shape: object({ direction: oneOf("from", "to"), keyId, size: integer(), root: digest }),
  targets: {},
};
