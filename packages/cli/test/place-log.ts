import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { concatBytes } from "@spur/verifier/bytes";
import { formatBundle, formatBundlePath, formatTilePath, subtreeRoot, tileWidth } from "@spur/verifier/tlog/tile";
import type { MadeLog } from "../../verifier/test/make-log.ts";

/** Writes a log as a mirror would hold it: every tile and bundle that the tree of `size` has, and the checkpoint. */
export function placeLog(
  folder: string,
  log: MadeLog,
  size = log.entries.length,
  checkpoint = log.checkpoint(size),
): void {
  const put = (path: string, bytes: string | Uint8Array) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  };
  const leaves = log.entries.slice(0, size).map(({ leaf }) => leaf);
  for (let level = 0; 256 ** level <= size; level++) {
    for (let index = 0; tileWidth(level, index, size) > 0; index++) {
      const width = tileWidth(level, index, size);
      const span = 256 ** level;
      const hashes = Array.from({ length: width }, (_, i) => {
        const from = (index * 256 + i) * span;
        return subtreeRoot(leaves.slice(from, from + span));
      });
      put(formatTilePath({ level, index, width }), concatBytes(...hashes));
      const entries = log.entries.slice(index * 256, index * 256 + width).map(({ bytes }) => bytes);
      if (level === 0) put(formatBundlePath({ index, width }), formatBundle(entries));
    }
  }
  put("checkpoint", checkpoint);
}
