import { equalBytes } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { leafHash, rootFromInclusion, rootOf, type LeafHash, type Root } from "../tlog/merkle.ts";

/** The rows of a plain payload (formats §2): what stands between newlines; a final newline ends the last row and opens none. */
export function rowsOf(payload: Uint8Array): Uint8Array[] {
  const rows: Uint8Array[] = [];
  let from = 0;
  for (let i = 0; i < payload.length; i++) {
    if (payload[i] !== 0x0a) continue;
    rows.push(payload.subarray(from, i));
    from = i + 1;
  }
  if (from < payload.length) rows.push(payload.subarray(from));
  return rows;
}

/** `spurRowsV1`: the RFC 6962 root over SHA-256(0x00 ‖ row), and the leaf hashes for proofs. */
export function rowsRoot(payload: Uint8Array): { root: Root; leaves: LeafHash[] } {
  const leaves = rowsOf(payload).map(leafHash);
  return { root: rootOf(leaves), leaves };
}

/** One row of a published dataset. The number of rows comes from the entry's predicate. */
export interface RowOpening {
  readonly row: number;
  readonly value: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Throws `opening/row` unless the row stands at its place under the rows root of the entry. */
export function verifyRowOpening(opening: RowOpening, rows: number, expected: Uint8Array): void {
  if (opening.row >= rows) throw new VerifyError("opening/row", `row ${opening.row} of ${rows}`);
  const root = rootFromInclusion(leafHash(opening.value), opening.row, rows, opening.path);
  if (opening.value.includes(0x0a)) throw new VerifyError("opening/row", "a row holds no newline");
  if (!equalBytes(root, expected)) throw new VerifyError("opening/row", `row ${opening.row} is not in the dataset`);
}
