import { concatBytes, isSafeSize, readU16be, u16be } from "../bytes.ts";
import { Bug, VerifyError } from "../errors.ts";
import { HASH_BYTES, rootOf } from "./merkle.ts";

/** Items of a full tile or bundle. */
export const TILE_WIDTH = 256;
const MAX_LEVEL = 63;
const MAX_PATH = 64;
const MAX_ENTRY = 65_535;

/** A hash tile of C2SP tlog-tiles: hashes index·256 … index·256+width-1 of subtrees of 256^level entries. `width` is 1..256. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** An entry bundle: entries index·256 … index·256+width-1. */
export interface Bundle {
  readonly index: number;
  readonly width: number;
}

/** `tile/0/x001/x234/067.p/44`. Throws `tile/path` for what is no tile. */
export function formatTilePath(tile: Tile): string {
  if (!isSafeSize(tile.level) || tile.level > MAX_LEVEL) throw new VerifyError("tile/path", `level ${tile.level}`);
  return `tile/${tile.level}/${formatPosition(tile)}`;
}

/** `tile/entries/x001/x234/067.p/44`. Throws `tile/path`. */
export function formatBundlePath(bundle: Bundle): string {
  return `tile/entries/${formatPosition(bundle)}`;
}

function formatPosition({ index, width }: Bundle): string {
  if (!isSafeSize(index)) throw new VerifyError("tile/path", `index ${index}`);
  if (!isSafeSize(width) || width < 1 || width > TILE_WIDTH) throw new VerifyError("tile/path", `width ${width}`);
  const group = (n: number) => String(n % 1000).padStart(3, "0");
  let path = group(index);
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) path = `x${group(rest)}/${path}`;
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** The inverse of `formatTilePath`, and of nothing else. Throws `tile/path`. */
export function parseTilePath(path: string): Tile {
  const [, level = ""] = /^tile\/([0-9]{1,2})\//.exec(path) ?? [];
  const tile = { level: Number(level), ...parsePosition(path, `tile/${level}/`) };
  if (formatTilePath(tile) !== path) throw new VerifyError("tile/path", JSON.stringify(path));
  return tile;
}

/** The inverse of `formatBundlePath`, and of nothing else. Throws `tile/path`. */
export function parseBundlePath(path: string): Bundle {
  const bundle = parsePosition(path, "tile/entries/");
  if (formatBundlePath(bundle) !== path) throw new VerifyError("tile/path", JSON.stringify(path));
  return bundle;
}

function parsePosition(path: string, prefix: string): Bundle {
  const short = path.slice(0, MAX_PATH);
  const [, groups, width] = /^((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(short.slice(prefix.length)) ?? [];
  if (groups === undefined) throw new VerifyError("tile/path", JSON.stringify(short));
  return { index: Number(groups.replace(/[x/]/g, "")), width: width === undefined ? TILE_WIDTH : Number(width) };
}

/** How many hashes the tile has in a tree of `size`: 256 if full, 0 if it doesn't exist. Level 0 also gives the width of a bundle. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/** The hashes of a tile, as views of `bytes`. Throws `tile/hashes` unless the length is exactly 32·width. */
export function parseHashTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * HASH_BYTES)
    throw new VerifyError("tile/hashes", `${bytes.length} bytes for ${width} hashes`);
  return Array.from({ length: width }, (_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

/** The entries of a bundle (u16be length ‖ entry, repeated), as views of `bytes`. Throws `tile/bundle` unless there are exactly `width`. */
export function parseBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && entries.length < width) {
    if (at + 2 > bytes.length) throw new VerifyError("tile/bundle", `cut at byte ${at}`);
    const end = at + 2 + readU16be(bytes, at);
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (at !== bytes.length || entries.length !== width) {
    throw new VerifyError("tile/bundle", `${entries.length} of ${width} entries end at byte ${at} of ${bytes.length}`);
  }
  return entries;
}

/** Throws `tile/bundle` for an entry over 65,535 bytes, or more than 256 entries. */
export function formatBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length > TILE_WIDTH) throw new VerifyError("tile/bundle", `${entries.length} entries`);
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY) throw new VerifyError("tile/bundle", `an entry of ${entry.length} bytes`);
    parts.push(u16be(entry.length), entry);
  }
  return concatBytes(...parts);
}

/** The hash of the complete subtree over 1, 2, 4 … hashes: of a full tile, its item in the level above. */
export function subtreeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (!Number.isInteger(Math.log2(hashes.length))) throw new Bug(`${hashes.length} hashes are no complete subtree`);
  return rootOf(hashes);
}
