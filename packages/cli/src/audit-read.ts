import type { Audit } from "@spur/verifier/audit/fold";
import { TILE_WIDTH, tileWidth } from "@spur/verifier/tlog/tile";
import type { BundleDigest } from "./audit-bundle.ts";
import { openBundles, threadsFor } from "./audit-workers.ts";
import type { LogReader } from "./fetch-log.ts";
import type { Progress } from "./progress.ts";
import { readAhead } from "./read-ahead.ts";
import type { TreeCheck } from "./tree-check.ts";

export interface Reading {
  readonly log: LogReader;
  readonly size: number;
  /** The size whose root is asked for. */
  readonly watched: number | undefined;
  readonly threads: number | undefined;
}

/** Feeds every entry to both checks, in order. Throws what reading throws, when all before it was fed. */
export async function readEntries(
  { log, size, watched, threads }: Reading,
  audit: Audit,
  tree: TreeCheck,
  progress: Progress,
): Promise<void> {
  let index = 0;
  const count = Math.ceil(size / TILE_WIDTH);
  const source = openBundles(log, threads ?? threadsFor(count));
  try {
    const runs = readAhead(Math.ceil(count / source.run), source.ahead, (nth) => {
      const first = nth * source.run;
      const wanted = Array.from({ length: Math.min(source.run, count - first) }, (_, i) => ({
        index: first + i,
        width: tileWidth(0, first + i, size),
        leaves: watched !== undefined && Math.ceil(watched / TILE_WIDTH) === first + i + 1,
      }));
      return source.read(wanted);
    });
    for await (const { digests, error } of runs) {
      for (const bundle of digests) {
        await tree.join(bundle);
        addBundle(audit, index, bundle);
        index += bundle.width;
      }
      progress.at(index, size);
      if (error !== undefined) throw error;
    }
    await tree.end();
  } finally {
    await source.close();
  }
}

function addBundle(audit: Audit, first: number, { items, leaves, subtree }: BundleDigest): void {
  if (items === undefined) {
    for (const [i, leaf] of leaves.entries()) audit.withheld(first + i, leaf);
    return;
  }
  if (subtree === undefined) for (const [i, leaf] of leaves.entries()) audit.take(first + i, leaf);
  else audit.take(first, subtree, items.length);
  for (const [i, item] of items.entries()) audit.read(first + i, item);
}
