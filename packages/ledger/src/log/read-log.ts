import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
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

/** A part of a file, and how long the whole file is, in bytes. */
export interface Piece {
  readonly bytes: Buffer;
  readonly size: number;
}

/**
 * Up to `most` bytes of a file from `from` on, without blocking the thread; undefined where there is no such file. It is closed again
 * before this resolves: who reads slowly keeps no file open. Files of the log never change, so pieces of two readings fit together.
 */
export async function readPiece(path: string, from: number, most: number): Promise<Piece | undefined> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(most, size - from)));
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return { bytes: bytes.subarray(0, at), size };
  } finally {
    await file.close();
  }
}

function readOr(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
