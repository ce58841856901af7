import type { JsonObject } from "./canonical.ts";
import type { Shape } from "./schema.ts";

/** One predicate version: where it is registered, which slots its sealed payload has, which plain digests its subject may carry. */
export interface Predicate {
  /** "spur:output/v1" */
  readonly type: string;
  /** The register that numbers its entries without gaps. */
  readonly register: string;
  /** Names of the slots of the sealed payload, in order; empty where the predicate seals nothing. */
  readonly slots: readonly string[];
  /** Digests that may stand beside (or, without slots, must stand in place of) the commitment. */
  readonly digests: readonly ("sha256" | "spurRowsV1")[];
  /** The public part. */
  readonly shape: Shape;
  /** Which predicate types a reference under this member may point to. */
  readonly targets: { readonly [role: string]: readonly string[] };
  /** What the shape alone cannot say; `sha256` is the subject's plain digest. Throws `statement/…`. */
  readonly also?: (predicate: JsonObject, sha256: string | undefined) => void;
}
