import { integer, keyId, object, oneOf } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** Statement types from elsewhere that are named in public; every other one is "other". */
export const FOREIGN_TYPES = [
  "https://slsa.dev/provenance/v1",
  "https://model_signing/signature/v1.0",
  "https://in-toto.io/attestation/vulns/v0.1",
  "https://spdx.dev/Document/v2.3",
  "https://cyclonedx.org/bom",
] as const;

/** A statement or signed envelope made elsewhere, carried as the bytes received. */
export const foreign: Predicate = {
  type: "spur:foreign/v1",
  register: "foreign",
  slots: ["bytes"],
  digests: [],
  shape: object({
    form: oneOf("statement", "dsse", "openlineage", "mlflow", "other"),
    predicateType: oneOf("other", ...FOREIGN_TYPES),
    "signer?": keyId,
    bytes: integer(),
  }),
  targets: {},
};
