import { isSafeSize } from "../bytes.ts";
import { Bug } from "../errors.ts";
import { nodeHash } from "./merkle.ts";

export { consistencyRanges, inclusionRanges, type Range } from "./merkle.ts";

/** The complete subtree over entries [index·2^level, (index+1)·2^level). */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/** The fewest complete subtrees that cover entries [start, end), left to right. */
export function coverNodes(start: number, end: number): Node[] {
  if (!isSafeSize(start) || !isSafeSize(end) || start > end) throw new Bug(`range ${start}..${end}`);
  const nodes: Node[] = [];
  for (let at = start; at < end;) {
    let [level, span] = [0, 1];
    for (; at % (span * 2) === 0 && at + span * 2 <= end; span *= 2) level++;
    nodes.push({ level, index: at / span });
    at += span;
  }
  return nodes;
}

/**
 * The Merkle tree hash of a range from the hashes of `coverNodes`. Right for ranges as RFC 9162 makes them: beginning at 0 or at a
 * split point, so that the subtrees shrink from left to right.
 */
export function foldRange(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) throw new Bug("nothing to fold");
  return hashes.reduceRight((right, left) => nodeHash(left, right));
}
