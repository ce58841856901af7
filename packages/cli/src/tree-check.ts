import { concatBytes, equalBytes } from "@spur/verifier/bytes";
import { EMPTY_ROOT, leafHash, rootOf, type LeafHash } from "@spur/verifier/tlog/merkle";
import { formatTilePath, parseHashTile, subtreeRoot, TILE_WIDTH, type Tile } from "@spur/verifier/tlog/tile";

/**
 * Builds every tile of a log again from its entries, bundle by bundle, and holds each served tile against it: at every level, full and
 * partial. Memory: one unfinished tile for each level.
 */
export interface TreeCheck {
  /**
   * The next bundle's entries and the level-0 tile served for them. Where entries are withheld (`undefined`), the leaf hashes are taken
   * from the tile: the root still covers them. Returns the leaf hashes.
   */
  add(entries: readonly Uint8Array[] | undefined, served: Uint8Array): Promise<readonly LeafHash[]>;
  /** As `add`, for a bundle that was hashed elsewhere. Its leaf hashes may be left out where it is full and holds no watched size. */
  join(bundle: HashedBundle): Promise<void>;
  /** After the last bundle: compares the partial tiles above level 0. */
  end(): Promise<void>;
  /** The root at a size that was named to be watched, once it is reached. */
  rootAt(size: number): Uint8Array | undefined;
  /** Paths of tiles that are not what the entries below them hash to. */
  readonly wrong: readonly string[];
  /** Tiles compared so far. */
  readonly tiles: number;
}

/** A bundle's part of the tree. */
export interface HashedBundle {
  readonly width: number;
  readonly leaves: readonly Uint8Array[];
  /** The root over a full bundle. */
  readonly subtree?: Uint8Array;
  /** The level-0 tile that was served holds exactly the leaf hashes. */
  readonly fits: boolean;
}

export function createTreeCheck(readTile: (tile: Tile) => Promise<Uint8Array>, watched: readonly number[]): TreeCheck {
  /** open[l]: hashes of complete subtrees of 256^l entries that are not yet part of one of 256^(l+1). */
  const open: Uint8Array[][] = [[]];
  /** Full tiles so far, by level. */
  const full: number[] = [0];
  const roots = new Map<number, Uint8Array>([[0, EMPTY_ROOT]]);
  const wrong: string[] = [];
  let size = 0;
  let tiles = 0;

  function count(tile: Tile, fits: boolean): void {
    tiles++;
    if (!fits) wrong.push(formatTilePath(tile));
  }
  const compare = (tile: Tile, hashes: readonly Uint8Array[], served: Uint8Array): void =>
    count(tile, equalBytes(concatBytes(...hashes), served));

  /** A complete subtree of 256^level entries joins its level. */
  async function rise(level: number, hash: Uint8Array): Promise<void> {
    const hashes = (open[level] ??= []);
    hashes.push(hash);
    if (hashes.length < TILE_WIDTH) return;
    const tile = { level, index: full[level] ?? 0, width: TILE_WIDTH };
    compare(tile, hashes, await readTile(tile));
    full[level] = tile.index + 1;
    open[level] = [];
    await rise(level + 1, subtreeRoot(hashes));
  }

  async function join({ width, leaves, subtree, fits }: HashedBundle): Promise<void> {
    count({ level: 0, index: full[0] ?? 0, width }, fits);
    for (const at of watched) {
      if (at > size && at <= size + width) roots.set(at, rootOver([leaves.slice(0, at - size), ...open.slice(1)]));
    }
    size += width;
    if (width < TILE_WIDTH) {
      open[0] = [...leaves];
    } else {
      full[0] = (full[0] ?? 0) + 1;
      await rise(1, subtree ?? subtreeRoot(leaves));
    }
  }

  return {
    wrong,
    join,
    get tiles() {
      return tiles;
    },
    rootAt: (at) => roots.get(at),
    async add(entries, served) {
      const hashes = entries?.map(leafHash) ?? (parseHashTile(served, served.length / 32) as LeafHash[]);
      await join({ width: hashes.length, leaves: hashes, fits: equalBytes(concatBytes(...hashes), served) });
      return hashes;
    },
    async end() {
      for (let level = 1; level < open.length; level++) {
        const hashes = open[level] ?? [];
        if (hashes.length === 0) continue;
        const tile = { level, index: full[level] ?? 0, width: hashes.length };
        compare(tile, hashes, await readTile(tile));
      }
    },
  };
}

/** RFC 9162 splits so that what is unfinished below is always the last, smaller child: it joins each level at its right end. */
function rootOver(levels: readonly (readonly Uint8Array[])[]): Uint8Array {
  let right: Uint8Array | undefined;
  for (const hashes of levels) {
    const all = right === undefined ? hashes : [...hashes, right];
    right = all.length === 0 ? undefined : rootOf(all);
  }
  return right ?? EMPTY_ROOT;
}
