import { formatBundle, formatBundlePath, formatTilePath, tileWidth } from "@spur/verifier/tlog/tile";
import { concatBytes } from "@spur/verifier/bytes";
import { join } from "node:path";
import { TILE_WIDTH } from "./constants.ts";
import type { FullTile, Tree } from "./tree.ts";

/** A file of the published log, below its folder. */
export interface LogFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The file of a full hash tile. */
export function tileFile(folder: string, tile: FullTile): LogFile {
  const path = formatTilePath({ level: tile.level, index: tile.index, width: TILE_WIDTH });
  return { path: join(folder, path), bytes: concatBytes(...tile.hashes) };
}

/** The file of the bundle of entries that a tile of level 0 covers. */
export function bundleFile(folder: string, index: number, entries: readonly Uint8Array[]): LogFile {
  return {
    path: join(folder, formatBundlePath({ index, width: entries.length })),
    bytes: formatBundle(entries),
  };
}

/** Folders of the partial tiles of size `before` (and of their bundle) that are full at `size`. */
export function outgrownPartials(folder: string, before: number, size: number): string[] {
  const outgrown: string[] = [];
  for (let level = 0; TILE_WIDTH ** level <= before; level++) {
    const tile = { level, index: Math.floor(before / TILE_WIDTH ** (level + 1)), width: TILE_WIDTH };
    if (tileWidth(level, tile.index, before) === 0 || tileWidth(level, tile.index, size) < TILE_WIDTH) continue;
    outgrown.push(join(folder, `${formatTilePath(tile)}.p`));
    if (level === 0) outgrown.push(join(folder, `${formatBundlePath(tile)}.p`));
  }
  return outgrown;
}

/** The partial tiles of a tree (C2SP: those of every published size must be served; empty ones must not exist), and its partial bundle. */
export function partialFiles(folder: string, tree: Tree, lastEntries: readonly Uint8Array[]): LogFile[] {
  const files: LogFile[] = [];
  tree.partial.forEach((hashes, level) => {
    if (hashes.length === 0) return;
    const index = Math.floor(tree.size / TILE_WIDTH ** (level + 1));
    const path = formatTilePath({ level, index, width: hashes.length });
    files.push({ path: join(folder, path), bytes: concatBytes(...hashes) });
  });
  if (lastEntries.length > 0) files.push(bundleFile(folder, Math.floor(tree.size / TILE_WIDTH), lastEntries));
  return files;
}
