import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatBundlePath, formatTilePath, parseBundle, parseHashTile, type Tile } from "@spur/verifier/tlog/tile";
import { TILE_WIDTH } from "./constants.ts";

/** Reads a hash tile: the partial one, or the full one it has grown into, cut to the width that was asked for. */
export function readTile(folder: string, tile: Tile): Uint8Array {
  const partial = tile.width === TILE_WIDTH ? undefined : readOr(join(folder, formatTilePath(tile)));
  const bytes = partial ?? readFileSync(join(folder, formatTilePath({ ...tile, width: TILE_WIDTH })));
  return bytes.subarray(0, tile.width * 32);
}

/** The hashes of a full tile; throws if it is not there or malformed. */
export function readFullTile(folder: string, level: number, index: number): Uint8Array[] {
  return parseHashTile(readFileSync(join(folder, formatTilePath({ level, index, width: TILE_WIDTH }))), TILE_WIDTH);
}

/** The entries of a full bundle. */
export function readFullBundle(folder: string, index: number): Uint8Array[] {
  return parseBundle(readFileSync(join(folder, formatBundlePath({ index, width: TILE_WIDTH }))), TILE_WIDTH);
}

function readOr(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
