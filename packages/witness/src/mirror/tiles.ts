import { concatBytes, equalBytes, toHex } from "@spur/verifier/bytes";
import { EMPTY_ROOT, rootOf } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { formatTilePath, parseHashTile, subtreeRoot, TILE_WIDTH, tileWidth, type Tile } from "@spur/verifier/tlog/tile";

const CACHED = 64;

/** Bytes of a tile, and what to throw where they are not those of the tree. */
export interface ReadTile {
  readonly bytes: Uint8Array;
  readonly wrong: (why: string) => Error;
}

/** The tiles of one signed tree; each is verified against the root before anybody sees it. */
export interface VerifiedTiles {
  readonly size: number;
  /** The tile as wide as it is in this tree, which must have it. Throws what `wrong` makes. */
  tile(level: number, index: number): Promise<readonly Uint8Array[]>;
  /** The root that this same tree had at a smaller size. */
  rootAt(size: number): Promise<Uint8Array>;
}

/**
 * Begins at the right edge: the partial tiles of all levels together give the root. Below it every full tile hashes to an item of the tile
 * above. So no tile needs another witness than its own tree, and a lie shows at the tile that it stands in.
 */
export async function openTiles(
  size: number,
  root: Uint8Array,
  read: (tile: Tile) => Promise<ReadTile>,
): Promise<VerifiedTiles> {
  /** edge[l]: the hashes that no full tile of level l holds. */
  const edge: Uint8Array[][] = [];
  let wrong: ReadTile["wrong"] | undefined;
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const index = edgeIndex(level, size);
    const width = tileWidth(level, index, size);
    if (width === 0) {
      edge.push([]);
      continue;
    }
    const got = await read({ level, index, width });
    wrong = got.wrong;
    edge.push(hashesOf(got, { level, index, width }));
  }
  const given = rootOver(edge);
  if (!equalBytes(given, root)) {
    const why = `the right edge of size ${size} gives the root ${toHex(given)}, not ${toHex(root)}`;
    throw wrong?.(why) ?? new Error(why);
  }

  const cache = new Map<string, Promise<readonly Uint8Array[]>>();

  async function readFull(level: number, index: number): Promise<readonly Uint8Array[]> {
    const above = await tile(level + 1, Math.floor(index / TILE_WIDTH));
    const wanted = { level, index, width: TILE_WIDTH };
    const got = await read(wanted);
    const hashes = hashesOf(got, wanted);
    if (!equalBytes(subtreeRoot(hashes), above[index % TILE_WIDTH] ?? EMPTY_ROOT))
      throw got.wrong(`${formatTilePath(wanted)} is not what the tile above it says`);
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

  const prover = createProver(size, async ({ level, index }) => concatBytes(...(await tile(level, index))));
  return { size, tile, rootAt: (at) => prover.root(at) };
}

function edgeIndex(level: number, size: number): number {
  return Math.floor(Math.floor(size / TILE_WIDTH ** level) / TILE_WIDTH);
}

function hashesOf(got: ReadTile, tile: Tile): Uint8Array[] {
  if (got.bytes.length !== tile.width * 32) throw got.wrong(`${formatTilePath(tile)} has ${got.bytes.length} bytes`);
  return parseHashTile(got.bytes, tile.width);
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
