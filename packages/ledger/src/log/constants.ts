/** Hashes in a full tile, entries in a full bundle (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
/** Levels of the tree in one tile. */
export const TILE_HEIGHT = 8;
/** Beyond this many entries or this long without a publication, ordinary writes are refused (formats §4). */
export const MAX_UNPUBLISHED_ENTRIES = 1_000_000;
export const MAX_UNPUBLISHED_MS = 600_000;
