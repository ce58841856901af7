import { concatBytes, equalBytes, toHex } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import type { Checkpoint } from "@spur/verifier/note/checkpoint";
import { EMPTY_ROOT, rootOf } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { formatTilePath, parseHashTile, subtreeRoot, TILE_WIDTH, tileWidth, type Tile } from "@spur/verifier/tlog/tile";

/** Tiles above the entries that are kept at hand: 4 MiB. */
const CACHED = 512;

/** The tiles of one signed tree, each verified against its root before anybody sees it. */
export interface SignedTree {
  readonly size: number;
  readonly root: Uint8Array;
  /** As wide as it is in this tree. Throws `monitor/tile` for one that is not of this tree, and what the reader throws. */
  tile(level: number, index: number): Promise<readonly Uint8Array[]>;
  /** The same, as bytes. */
  readTile(tile: Tile): Promise<Uint8Array>;
  /** The root that this same tree had at a smaller size. */
  rootAt(size: number): Promise<Uint8Array>;
}

/**
 * Begins at the right edge: the partial tiles of all levels together give the root. Below it every full tile hashes to an item of the tile
 * above. So whatever enters the monitor's memory was signed, however much the log lies afterwards.
 */
export async function openTree(
  { size, root }: Pick<Checkpoint, "size" | "root">,
  read: (tile: Tile) => Promise<Uint8Array>,
): Promise<SignedTree> {
  /** edge[l]: the hashes that no full tile of level l holds. */
  const edge: (readonly Uint8Array[])[] = [];
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const tile = { level, index: edgeIndex(level, size), width: 0 };
    tile.width = tileWidth(level, tile.index, size);
    edge.push(tile.width === 0 ? [] : parseHashTile(await read(tile), tile.width));
  }
  const given = rootOver(edge);
  if (!equalBytes(given, root)) {
    const why = `the tiles at the right edge of size ${size} give the root ${toHex(given)}, and ${toHex(root)} was signed`;
    throw new VerifyError("monitor/tile", why);
  }
  const cache = new Map<string, Promise<readonly Uint8Array[]>>();

  async function readFull(level: number, index: number): Promise<readonly Uint8Array[]> {
    const above = await tile(level + 1, Math.floor(index / TILE_WIDTH));
    const wanted = { level, index, width: TILE_WIDTH };
    const hashes = parseHashTile(await read(wanted), TILE_WIDTH);
    if (!equalBytes(subtreeRoot(hashes), above[index % TILE_WIDTH] ?? EMPTY_ROOT)) {
      throw new VerifyError("monitor/tile", `${formatTilePath(wanted)} is not what the tile above it says`);
    }
    return hashes;
  }

  function tile(level: number, index: number): Promise<readonly Uint8Array[]> {
    if (index === edgeIndex(level, size)) return Promise.resolve(edge[level] ?? []);
    const key = `${level}/${index}`;
    const hashes = cache.get(key) ?? readFull(level, index);
    cache.delete(key); // and set again: the first is the one used longest ago
    cache.set(key, hashes);
    hashes.catch(() => cache.delete(key));
    for (const oldest of cache.keys()) {
      if (cache.size <= CACHED) break;
      cache.delete(oldest);
    }
    return hashes;
  }

  const readTile = async ({ level, index }: Tile) => concatBytes(...(await tile(level, index)));
  return { size, root, tile, readTile, rootAt: (at) => createProver(size, readTile).root(at) };
}

function edgeIndex(level: number, size: number): number {
  return Math.floor(Math.floor(size / TILE_WIDTH ** level) / TILE_WIDTH);
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
