import { isSafeSize } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { EMPTY_ROOT, type Root } from "./merkle.ts";
import { consistencyRanges, coverNodes, foldRange, inclusionRanges, type Range } from "./range.ts";
import { parseHashTile, subtreeRoot, TILE_WIDTH, tileWidth, type Tile } from "./tile.ts";

/** A tile spans 8 levels of the binary tree. */
const TILE_LEVELS = 8;

export type Prover = ReturnType<typeof createProver>;

/**
 * Makes proofs for a tree of `size`, and for every smaller one, from hash tiles. `readTile` is asked for tiles with the width they have
 * in a tree of `size` and must give exactly that many hashes; where a partial tile is gone, it cuts the full one. Tiles are taken as they come:
 * what is made from wrong tiles fails in `verifyInclusion` or `verifyConsistency` against a signed root.
 */
export function createProver(size: number, readTile: (tile: Tile) => Promise<Uint8Array>, cacheTiles = 64) {
  checkWithin(size, Number.MAX_SAFE_INTEGER);
  const cache = new Map<string, Promise<Uint8Array[]>>();

  function hashesOf(tile: Tile): Promise<Uint8Array[]> {
    const key = `${tile.level}/${tile.index}`;
    const hashes = cache.get(key) ?? readTile(tile).then((bytes) => parseHashTile(bytes, tile.width));
    cache.delete(key); // and set again: a Map keeps the order of setting, so its first key is the one used longest ago
    cache.set(key, hashes);
    hashes.catch(() => {
      if (cache.get(key) === hashes) cache.delete(key);
    });
    for (const oldest of cache.keys()) {
      if (cache.size <= cacheTiles) break;
      cache.delete(oldest);
    }
    return hashes;
  }

  /** The hash of the complete subtree over entries [index·2^level, (index+1)·2^level). Throws `tile/range` if the tree hasn't got it. */
  async function node(level: number, index: number): Promise<Uint8Array> {
    const tileLevel = Math.floor(level / TILE_LEVELS);
    const span = 2 ** (level % TILE_LEVELS);
    const first = index * span;
    const tileIndex = Math.floor(first / TILE_WIDTH);
    const offset = first % TILE_WIDTH;
    const width = tileWidth(tileLevel, tileIndex, size);
    if (!isSafeSize(level) || !isSafeSize(index) || !isSafeSize(first) || offset + span > width) {
      throw new VerifyError("tile/range", `node ${level}/${index} in a tree of ${size}`);
    }
    const hashes = await hashesOf({ level: tileLevel, index: tileIndex, width });
    return subtreeRoot(hashes.slice(offset, offset + span));
  }

  async function rangeHash([start, end]: Range): Promise<Uint8Array> {
    return foldRange(await Promise.all(coverNodes(start, end).map((n) => node(n.level, n.index))));
  }

  async function root(atSize = size): Promise<Root> {
    checkWithin(atSize, size);
    return atSize === 0 ? EMPTY_ROOT : ((await rangeHash([0, atSize])) as Root);
  }

  /** Throws `proof/index`, `proof/size`. */
  async function inclusion(index: number, atSize = size): Promise<Uint8Array[]> {
    checkWithin(atSize, size);
    return Promise.all(inclusionRanges(index, atSize).map(rangeHash));
  }

  /** From size m ≥ 1 to n. Throws `proof/order`, `proof/empty-tree`, `proof/size`. */
  async function consistency(m: number, n = size): Promise<Uint8Array[]> {
    checkWithin(n, size);
    return Promise.all(consistencyRanges(m, n).map(rangeHash));
  }

  return { node, root, inclusion, consistency };
}

function checkWithin(size: number, largest: number): void {
  if (!isSafeSize(size) || size > largest) throw new VerifyError("proof/size", `${size}, known up to ${largest}`);
}
