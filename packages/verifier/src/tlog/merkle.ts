import { equalBytes, isSafeSize, toHex } from "../bytes.ts";
import { Bug, VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";

declare const leaf: unique symbol;
declare const root: unique symbol;
/** SHA-256(0x00 ‖ entry). */
export type LeafHash = Uint8Array & { readonly [leaf]: true };
/** The Merkle tree hash of a whole tree. */
export type Root = Uint8Array & { readonly [root]: true };

/** Entries [start, end). */
export type Range = readonly [start: number, end: number];

export const HASH_BYTES = 32;

/** RFC 9162 §2.1.1: the hash of a tree without entries. */
export const EMPTY_ROOT = sha256(new Uint8Array(0)) as Root;

/** RFC 9162 §2.1.1. The prefixes keep a leaf from being passed off as a node. */
export function leafHash(entry: Uint8Array): LeafHash {
  const data = new Uint8Array(1 + entry.length);
  data.set(entry, 1);
  return prefixedLeafHash(data);
}

/** {@link leafHash} of an entry that stands behind its prefix byte already: nothing is copied. */
export function prefixedLeafHash(data: Uint8Array): LeafHash {
  if (data[0] !== 0) throw new Bug("no leaf prefix");
  return sha256(data) as LeafHash;
}

const nodeData = new Uint8Array(1 + 2 * HASH_BYTES);

/** RFC 9162 §2.1.1: SHA-256(0x01 ‖ left ‖ right). Both must be 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES) throw new Bug("a node hash is not 32 bytes");
  nodeData[0] = 1;
  nodeData.set(left, 1);
  nodeData.set(right, 1 + HASH_BYTES);
  return sha256(nodeData);
}

/** The largest power of two below n: where RFC 9162 §2.1.1 splits a tree of n > 1 entries. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The root over leaf hashes in order. Level by level, an odd last one moving up unchanged: that is the tree of RFC 9162 §2.1.1. */
export function rootOf(leaves: readonly Uint8Array[]): Root {
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i];
      const right = level[i + 1];
      if (left === undefined) throw new Bug("hole in a tree");
      above.push(right === undefined ? left : nodeHash(left, right));
    }
    level = above;
  }
  const top = level[0] ?? EMPTY_ROOT;
  if (top.length !== HASH_BYTES) throw new Bug("a leaf hash is not 32 bytes");
  return top as Root;
}

/**
 * The root that a leaf hash and its inclusion proof lead to (RFC 9162 §2.1.3.2). Throws `proof/size`, `proof/index`, `proof/hash`,
 * `proof/length`. Whether that root is the right one is the caller's question.
 */
export function rootFromInclusion(leaf: Uint8Array, index: number, size: number, proof: readonly Uint8Array[]): Root {
  checkSize(size);
  // `index` comes from the prover: bounded here, before it chooses sides below.
  if (!isSafeSize(index) || index >= size) throw new VerifyError("proof/index", `${index} in a tree of ${size}`);
  const sides = siblingSides(index, size - 1);
  checkLength(proof, sides.length);
  checkHashes([leaf, ...proof]);
  return proof.reduce(
    (hash, sibling, i) => (sides[i] === "left" ? nodeHash(sibling, hash) : nodeHash(hash, sibling)),
    leaf,
  ) as Root;
}

/** Returns if the leaf hash stands at `index` of the tree with this size and root. Throws as `rootFromInclusion`, and `proof/wrong-root`. */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  const computed = rootFromInclusion(leaf, index, size, proof);
  if (!equalBytes(computed, root)) {
    throw new VerifyError("proof/wrong-root", `entry ${index} in a tree of ${size}: proof leads to ${toHex(computed)}`);
  }
}

/**
 * Returns if the tree of `size2` begins with the tree of `size1` (RFC 9162 §2.1.4.2). Throws `proof/size`, `proof/order` (size1 above
 * size2), `proof/empty-tree` (every tree extends the empty one: a proof from size 0 says nothing, so don't ask for one), `proof/hash`,
 * `proof/length`, `proof/wrong-root`.
 */
export function verifyConsistency(
  size1: number,
  root1: Uint8Array,
  size2: number,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): void {
  checkOrder(size1, size2);
  let [hash1, hash2] = [root1, root1];
  // Of equal sizes nothing is hashed: the roots are equal or not, whatever they are.
  if (size1 === size2) checkLength(proof, 0);
  else {
    checkHashes([root1, root2]);
    // A small tree of 2^k entries is a subtree itself: the verifier knows its hash, and the proof leaves it out.
    const known = size1 === 1 || splitPoint(size1) * 2 === size1;
    [hash1, hash2] = rootsFromSubtrees(size1, size2, known ? [root1, ...proof] : proof);
  }
  if (!equalBytes(hash1, root1)) throw new VerifyError("proof/wrong-root", `${size1} to ${size2}: root of ${size1}`);
  if (!equalBytes(hash2, root2)) throw new VerifyError("proof/wrong-root", `${size1} to ${size2}: root of ${size2}`);
}

/**
 * The roots of the trees of m and n > m entries from the subtrees that the large one falls into where the small one ends:
 * the consistency proof of RFC 9162 §2.1.4.1, in its order, but with the small tree's own hash first where it has 2^k entries. Throws as
 * `verifyConsistency`. Hashes that lead to a large root are those of its tree, so that no other small root can come out of them.
 */
export function rootsFromSubtrees(m: number, n: number, hashes: readonly Uint8Array[]): [Uint8Array, Uint8Array] {
  checkOrder(m, n);
  // Up from the last entry of the small tree to the root of the largest complete subtree that it closes: there the proof begins.
  let [at, last] = [m - 1, n - 1];
  for (; at % 2 === 1; at = half(at)) last = half(last);
  const sides = siblingSides(at, last);
  checkLength(hashes, sides.length + 1);
  checkHashes(hashes);
  let [small, large] = [hashes[0] as Uint8Array, hashes[0] as Uint8Array];
  for (const [i, side] of sides.entries()) {
    const sibling = hashes[i + 1] as Uint8Array;
    // The small tree ends to the left of what stands on the right.
    if (side === "left") small = nodeHash(sibling, small);
    large = side === "left" ? nodeHash(sibling, large) : nodeHash(large, sibling);
  }
  return [small, large];
}

/** On which side the sibling stands, from node `at` up to the root, where `last` is the last node of the level. */
function siblingSides(at: number, last: number): ("left" | "right")[] {
  const sides: ("left" | "right")[] = [];
  while (last > 0) {
    if (at % 2 === 1) sides.push("left");
    else if (at < last) sides.push("right");
    // Else it is the odd last one, which moves up without a sibling.
    at = half(at);
    last = half(last);
  }
  return sides;
}

/** For each hash of the inclusion proof of `index` in a tree of `size`, in proof order, the entries that it hashes. Throws `proof/index`. */
export function inclusionRanges(index: number, size: number): Range[] {
  checkSize(size);
  if (!isSafeSize(index) || index >= size) throw new VerifyError("proof/index", `${index} in a tree of ${size}`);
  return descend(index, size, (start, end) => end - start === 1).siblings.reverse();
}

/** For each hash of the consistency proof from size m to n, in proof order, the entries that it hashes. Throws `proof/order`, `proof/empty-tree`. */
export function consistencyRanges(m: number, n: number): Range[] {
  checkOrder(m, n);
  const { siblings, stop } = descend(m - 1, n, (_, end) => end === m);
  // A subtree that begins at 0 is the small tree itself.
  return (stop[0] === 0 ? siblings : [...siblings, stop]).reverse();
}

/** From the root towards entry `target` until `done`: the range where it stopped, and what it passed by, the highest first. */
function descend(target: number, size: number, done: (start: number, end: number) => boolean) {
  const siblings: Range[] = [];
  let start = 0;
  let end = size;
  while (!done(start, end)) {
    const middle = start + splitPoint(end - start);
    if (target < middle) {
      siblings.push([middle, end]);
      end = middle;
    } else {
      siblings.push([start, middle]);
      start = middle;
    }
  }
  return { siblings, stop: [start, end] as Range };
}

/** The inclusion proof of RFC 9162 §2.1.3.1 from all leaf hashes; for large trees use `createProver`. Throws `proof/index`. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  return inclusionRanges(index, leaves.length).map((range) => rootOf(leaves.slice(...range)));
}

/** The consistency proof of RFC 9162 §2.1.4.1 from size m to all leaves. Throws `proof/empty-tree`, `proof/order`. */
export function consistencyProof(leaves: readonly Uint8Array[], m: number): Uint8Array[] {
  return consistencyRanges(m, leaves.length).map((range) => rootOf(leaves.slice(...range)));
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function checkSize(size: number): void {
  if (!isSafeSize(size)) throw new VerifyError("proof/size", `${size} is not a tree size`);
}

function checkOrder(small: number, large: number): void {
  checkSize(small);
  checkSize(large);
  if (small > large) throw new VerifyError("proof/order", `${small} is larger than ${large}`);
  if (small === 0) throw new VerifyError("proof/empty-tree", `from 0 to ${large}`);
}

function checkLength(proof: readonly Uint8Array[], length: number): void {
  if (proof.length !== length) throw new VerifyError("proof/length", `${proof.length} hashes instead of ${length}`);
}

function checkHashes(hashes: readonly Uint8Array[]): void {
  for (const hash of hashes) {
    if (hash.length !== HASH_BYTES) throw new VerifyError("proof/hash", `a hash of ${hash.length} bytes`);
  }
}
