import { toBase64 } from "@spur/verifier/bytes";
import type { Recorded } from "../draft.ts";

/** What the writer of a record is told. */
export function wireRecorded({ rec, index, leafHash: leaf, commitment, known }: Recorded) {
  return {
    rec,
    index,
    leafHash: toBase64(leaf),
    ...(commitment === undefined ? {} : { commitment: toBase64(commitment) }),
    ...(known === true ? { known } : {}),
  };
}
