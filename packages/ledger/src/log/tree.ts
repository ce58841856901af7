import { nodeHash, type Root, EMPTY_ROOT } from "@spur/verifier/tlog/merkle";
import { TILE_HEIGHT, TILE_WIDTH } from "./constants.ts";

/** A hash tile that became full, ready to be written for ever. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
}

/**
 * The right edge of the tree, as much as is needed to append: the roots of the complete subtrees (largest first), and the
 * hashes of the last, partial tile of each tile level. A value: `append` gives a new one.
 */
export interface Tree {
  readonly size: number;
  /** Roots of the complete subtrees of sizes 2^k that make up [0, size), left to right: one for each 1-bit of size. */
  readonly peaks: readonly Uint8Array[];
  /** partial[l] = hashes in the last tile of tile level l, 0..255 of them. */
  readonly partial: readonly (readonly Uint8Array[])[];
}

export const EMPTY_TREE: Tree = { size: 0, peaks: [], partial: [] };

/** Appends leaf hashes; tells which hash tiles became full, lower levels first. */
export function append(tree: Tree, leaves: readonly Uint8Array[]): { tree: Tree; full: FullTile[] } {
  const peaks = [...tree.peaks];
  const partial = tree.partial.map((level) => [...level]);
  const full: FullTile[] = [];
  let size = tree.size;
  const pushToTile = (level: number, hash: Uint8Array): void => {
    const hashes = (partial[level] ??= []);
    hashes.push(hash);
    if (hashes.length < TILE_WIDTH) return;
    full.push({ level, index: (size + 1) / TILE_WIDTH ** (level + 1) - 1, hashes });
    partial[level] = [];
  };
  for (const leaf of leaves) {
    let hash = leaf;
    let height = 0;
    pushToTile(0, leaf);
    // Each trailing 1-bit of the old size is a complete subtree that the new leaf completes to a larger one.
    for (let n = size; n % 2 === 1; n = Math.floor(n / 2)) {
      hash = nodeHash(peaks.pop() as Uint8Array, hash);
      // Eight levels up stands the root of a full tile: a hash of the tile level above.
      if (++height % TILE_HEIGHT === 0) pushToTile(height / TILE_HEIGHT, hash);
    }
    peaks.push(hash);
    size++;
  }
  return { tree: { size, peaks, partial }, full };
}

/** Root of 2^k hashes. */
function subtree(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes;
  while (row.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) next.push(nodeHash(row[i] as Uint8Array, row[i + 1] as Uint8Array));
    row = next;
  }
  return row[0] as Uint8Array;
}

/** RFC 6962 §2.1: the root, from the peaks. */
export function rootOfTree(tree: Tree): Root {
  if (tree.size === 0) return EMPTY_ROOT;
  let root = tree.peaks[tree.peaks.length - 1] as Uint8Array;
  for (let i = tree.peaks.length - 2; i >= 0; i--) root = nodeHash(tree.peaks[i] as Uint8Array, root);
  return root as Root;
}

/** Builds the edge again from what is stored: the hashes in the last tile of every level. */
export function treeFromPartials(size: number, partial: readonly (readonly Uint8Array[])[]): Tree {
  const peaks: Uint8Array[] = [];
  for (let level = partial.length - 1; level >= 0; level--) {
    const hashes = partial[level] as readonly Uint8Array[];
    let at = 0;
    for (let width = TILE_WIDTH / 2; width >= 1; width /= 2) {
      if (Math.floor(hashes.length / width) % 2 === 0) continue;
      peaks.push(subtree(hashes.slice(at, at + width)));
      at += width;
    }
  }
  return { size, peaks, partial };
}
