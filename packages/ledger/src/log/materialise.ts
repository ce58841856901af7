import { rm } from "node:fs/promises";
import { TILE_WIDTH } from "./constants.ts";
import { bundleFile, tileFile, type LogFile } from "./tiles.ts";
import type { FullTile } from "./tree.ts";

/**
 * Writes full tiles and bundles, off the thread that commits, in order; each file is synced, read back and compared before
 * its rows may be pruned. Crash: the rows are still there, and recovery writes the same files again.
 */
export class Materialiser {
  readonly #folder: string;
  readonly #write: (files: readonly LogFile[]) => Promise<void>;
  #last: Promise<void> = Promise.resolve();
  #waiting: {
    readonly files: readonly LogFile[];
    readonly from: number;
    readonly upTo: number;
    readonly bundles: number;
  }[] = [];
  #pendingBundles = 0;
  /** Entries below this index are in full bundles, on disk, without a gap. */
  done: number;
  /** The first error: nothing is pruned or published after it, until {@link restart}. */
  failed: Error | undefined;

  /** `write`: resolves when all files are durable; rejects where one is there with other bytes. */
  constructor(folder: string, done: number, write: (files: readonly LogFile[]) => Promise<void>) {
    this.#folder = folder;
    this.#write = write;
    this.done = done;
  }

  /** `bundles`: entries of each level-0 tile in `full`, in the same order. */
  enqueue(full: readonly FullTile[], bundles: readonly (readonly Uint8Array[])[]): void {
    if (full.length === 0) return;
    this.#pendingBundles += bundles.length;
    const files: LogFile[] = full.map((tile) => tileFile(this.#folder, tile));
    const level0 = full.filter((tile) => tile.level === 0);
    level0.forEach((tile, i) => files.push(bundleFile(this.#folder, tile.index, bundles[i] as readonly Uint8Array[])));
    const from = (level0[0]?.index ?? 0) * TILE_WIDTH;
    const upTo = ((level0.at(-1)?.index ?? -1) + 1) * TILE_WIDTH;
    this.#waiting.push({ files, from, upTo, bundles: bundles.length });
    // What comes while others are written is written together, next: their folders are synced once.
    if (this.#waiting.length === 1) this.#last = this.#last.then(() => this.#writeWaiting());
  }

  async #writeWaiting(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      if (this.failed !== undefined) return;
      await this.#write(waiting.flatMap(({ files }) => files));
      for (const { from, upTo } of waiting) {
        // What follows a gap is counted when the gap has been filled, and written again: rows below `done` are pruned.
        if (from <= this.done) this.done = Math.max(this.done, upTo);
      }
    } catch (error) {
      this.failed = error as Error;
    } finally {
      for (const { bundles } of waiting) this.#pendingBundles -= bundles;
    }
  }

  /** Writes other files of the log in the same order: a partial tile must not meet the removal of its folder. */
  async write(files: readonly LogFile[]): Promise<void> {
    const turn = this.#last.then(() => this.#write(files));
    this.#last = turn.catch(() => undefined);
    await turn;
  }

  /** More than 32 bundles wait in memory: appends should wait too. */
  get behind(): boolean {
    return this.#pendingBundles > 32;
  }

  /** Waits for all that was enqueued and forgets the error: the caller enqueues again what is not done. */
  async restart(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.#last; await last) last = this.#last;
    this.failed = undefined;
  }

  /** Resolves when all that was enqueued is on disk; rejects with the first error. */
  async settled(): Promise<void> {
    await this.#last;
    if (this.failed !== undefined) throw this.failed;
  }
}

/**
 * Removes folders of partial tiles whose full tiles are published: readers fall back to those (C2SP tlog-tiles). Not before: until a
 * checkpoint covers the full tile, nothing of it may be served, and the partial one is all that readers of the last checkpoint have.
 */
export async function dropPartials(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}
