import { object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A key of this log, announced before its first use; `sha256` of the subject is that of the 32 public bytes. */
export const key: Predicate = {
  type: "spur:key/v1",
  register: "keys",
  slots: [],
  digests: ["sha256"],
  shape: object({
    purpose: oneOf("log", "receipts", "statements"),
    algorithm: oneOf("ed25519"),
    state: oneOf("active", "retired", "compromised"),
  }),
  targets: {},
};
