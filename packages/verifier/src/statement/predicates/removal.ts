import { VerifyError } from "../../errors.ts";
import { isObject } from "../canonical.ts";
import { object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** The removal of one record's content: ordered first, destroyed then, and the result told. */
export const removal: Predicate = {
  type: "spur:removal/v1",
  register: "removals",
  slots: ["request", "reason", "who"],
  digests: [],
  shape: object({
    target: reference,
    kind: oneOf("content", "entry"),
    basis: oneOf("erasure-request", "consent-withdrawn", "unlawful-content", "retention-end", "purpose-end", "other"),
    state: oneOf("ordered", "completed", "failed"),
    "order?": reference,
    "custodians?": object({ vault: oneOf("destroyed", "failed", "had-none") }),
  }),
  targets: { order: ["spur:removal/v1"] },
  also(predicate) {
    const later = predicate["state"] !== "ordered";
    if (later !== "order" in predicate || later !== "custodians" in predicate) {
      throw new VerifyError(
        "statement/schema",
        "order and custodians stand exactly where a removal is completed or failed",
      );
    }
    const custodians = predicate["custodians"];
    if (isObject(custodians) && (custodians["vault"] === "failed") !== (predicate["state"] === "failed")) {
      throw new VerifyError("statement/schema", "a removal has failed exactly where a custodian has");
    }
  },
};
