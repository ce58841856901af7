import { concatBytes, equalBytes } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import type { VerifierKey } from "@spur/verifier/note/note";
import { leafHash } from "@spur/verifier/tlog/merkle";
import {
  formatBundle,
  formatBundlePath,
  formatTilePath,
  parseBundle,
  TILE_WIDTH,
  tileWidth,
  type Tile,
} from "@spur/verifier/tlog/tile";
import { SpurError } from "../errors.ts";
import { damaged, openSigned, withheldMark, type MirrorFolder, type Signed } from "./folder.ts";
import type { LogSource } from "./source.ts";
import { openTiles, type ReadTile, type VerifiedTiles } from "./tiles.ts";

/** Bundles that are fetched at the same time: a network's delay is paid once for several. One has at most 16 MiB. */
const AHEAD = 4;

/** What a round did. */
export interface Mirrored {
  readonly origin: string;
  readonly from: number;
  readonly size: number;
  /** Bundles that the log withholds by law: their leaf hashes are here, their entries not. */
  readonly withheld: number;
}

export interface MirrorOptions {
  readonly origin: string;
  readonly key: VerifierKey;
  /** Called with entries copied, and their number at the end. */
  readonly progress?: (done: number, of: number) => void;
  /** Ends the round between two bundles; the next one goes on there. */
  readonly signal?: AbortSignal;
}

/** The log broke its word. Both checkpoints are signed by its key; the files keep them. */
export class CaughtError extends SpurError {
  readonly held: Signed;
  readonly served: Signed;
  readonly files: readonly string[];

  constructor(
    code: "mirror/forked" | "mirror/shrank",
    detail: string,
    { held, served, files }: Pick<CaughtError, "held" | "served" | "files">,
  ) {
    super(code, detail, { hint: "Show both to others who watch this log. The copy stays as it is." });
    this.held = held;
    this.served = served;
    this.files = files;
  }
}

/**
 * Brings a copy up to what the log shows now. Everything is verified before it is written, in this order: the checkpoint under the log's
 * key; that it extends the newest one seen; each tile against the root; each entry against its tile. A crash anywhere leaves verified files,
 * which the next round reads again in place of fetching them.
 *
 * Throws `mirror/forked` and `mirror/shrank` (both checkpoints are kept as files), `mirror/refuted` (what it serves is not what it signed),
 * `mirror/not-signed`, `mirror/damaged` (the copy), `mirror/no-space`, and what the source throws.
 */
export async function mirrorOnce(copy: MirrorFolder, source: LogSource, options: MirrorOptions): Promise<Mirrored> {
  const { origin, key } = options;
  const done = copy.signed("checkpoint", origin, key);
  const pending = copy.signed("pending", origin, key);
  const held = pending ?? done;
  const served = openSigned(await source.checkpoint(), origin, key, source.where);
  const from = done?.size ?? 0;

  if (held !== undefined && served.size <= held.size) await refuseOther(copy, held, done, served);
  // Until the log has shown that it extends what it showed before, it speaks for itself alone: a fork must not look like a damaged copy.
  // After that each tile comes from the copy where it is there already, and is verified all the same.
  let extends_ = held?.size === served.size;
  const tiles = await openTiles(served.size, served.root, (tile) =>
    readTile(extends_ ? copy : undefined, source, tile),
  );
  if (held !== undefined && !extends_ && !equalBytes(await tiles.rootAt(held.size), held.root)) {
    throw caught(copy, held, served, "mirror/forked", `size ${served.size} does not extend size ${held.size}`);
  }
  extends_ = true;
  // From here on the log is held to it, whatever becomes of this round.
  if (served.size > (held?.size ?? -1)) copy.writeSigned("pending", served);

  const withheld = await copyBundles(copy, source, tiles, from, options);
  await copyUpperTiles(copy, tiles, from);
  await copy.flush();
  // Crash before: the old checkpoint, and files that the next round finds. After: the new one.
  if (done === undefined || served.size > done.size || moreSignatures(served, done))
    copy.writeSigned("checkpoint", served);
  copy.dropPending();
  for (const size of [from, pending?.size ?? 0]) dropPartials(copy, size, served.size);
  return { origin, from, size: served.size, withheld };
}

/** The log shows no more than it did before: then it must show the same. */
async function refuseOther(copy: MirrorFolder, held: Signed, done: Signed | undefined, served: Signed): Promise<void> {
  if (served.size === held.size) {
    if (equalBytes(served.root, held.root)) return;
    throw caught(copy, held, served, "mirror/forked", `two roots are signed for size ${held.size}`);
  }
  if (done !== undefined && served.size <= done.size) {
    const own = await openTiles(done.size, done.root, (tile) => readOwn(copy, tile));
    if (!equalBytes(await own.rootAt(served.size), served.root)) {
      throw caught(
        copy,
        held,
        served,
        "mirror/forked",
        `size ${served.size} is not what stands at the beginning of size ${held.size}`,
      );
    }
  }
  throw caught(copy, held, served, "mirror/shrank", `it had signed size ${held.size}, and now shows ${served.size}`);
}

function caught(
  copy: MirrorFolder,
  held: Signed,
  served: Signed,
  code: "mirror/forked" | "mirror/shrank",
  why: string,
): CaughtError {
  const files = copy.keepConflict(held, served);
  return new CaughtError(code, `${held.origin}: ${why}; both checkpoints are kept: ${files.join(", ")}`, {
    held,
    served,
    files,
  });
}

/** The same tree with more cosignatures on it is worth keeping; with fewer, it is what somebody would show who wants to hide them. */
function moreSignatures(served: Signed, done: Signed): boolean {
  return served.note !== done.note && served.note.split("\n").length >= done.note.split("\n").length;
}

async function readTile(copy: MirrorFolder | undefined, source: LogSource, tile: Tile): Promise<ReadTile> {
  const own = await copy?.read(formatTilePath(tile));
  if (own !== undefined) return { bytes: own, wrong: damaged };
  return { bytes: await fetched(() => source.tile(tile)), wrong: refuted };
}

async function readOwn(copy: MirrorFolder, tile: Tile): Promise<ReadTile> {
  const exact = await copy.read(formatTilePath(tile));
  const bytes = exact ?? (await copy.read(formatTilePath({ ...tile, width: TILE_WIDTH })));
  if (bytes === undefined) throw damaged(`${formatTilePath(tile)} is missing in ${copy.folder}`);
  return { bytes: bytes.subarray(0, tile.width * 32), wrong: damaged };
}

/** What can't be read as a tile or bundle is a lie like one that is wrong. */
async function fetched<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof VerifyError) throw refuted(error.detail, error);
    throw error;
  }
}

function refuted(why: string, cause?: unknown): SpurError {
  return new SpurError("mirror/refuted", `what the log serves is not what it signed: ${why}`, {
    hint: "Nothing of it was kept. Try again; if it stays so, the log is broken or lies.",
    cause,
  });
}

/** Entries and the tiles right above them. How many bundles are withheld. */
async function copyBundles(
  copy: MirrorFolder,
  source: LogSource,
  tiles: VerifiedTiles,
  from: number,
  { progress, signal }: MirrorOptions,
): Promise<number> {
  const first = Math.floor(from / TILE_WIDTH);
  const count = Math.ceil(tiles.size / TILE_WIDTH) - first;
  let withheld = 0;
  const bundles = readAhead(count, AHEAD, (i) => verifiedBundle(copy, source, tiles, first + i));
  for await (const { index, width, leaves, bytes } of bundles) {
    signal?.throwIfAborted();
    const path = formatBundlePath({ index, width });
    await copy.put(formatTilePath({ level: 0, index, width }), concatBytes(...leaves));
    if (bytes === undefined) withheld++;
    await copy.put(bytes === undefined ? withheldMark(path) : path, bytes ?? new Uint8Array(0));
    progress?.(index * TILE_WIDTH + width, tiles.size);
  }
  return withheld;
}

async function verifiedBundle(copy: MirrorFolder, source: LogSource, tiles: VerifiedTiles, index: number) {
  const width = tileWidth(0, index, tiles.size);
  const leaves = await tiles.tile(0, index);
  const path = formatBundlePath({ index, width });
  const own = await copy.read(path);
  const entries =
    own === undefined ? await fetched(() => source.bundle({ index, width })) : entriesOf(own, width, path);
  const wrong = own === undefined ? refuted : damaged;
  if (entries === undefined) return { index, width, leaves };
  for (let i = 0; i < width; i++) {
    const entry = entries[i];
    const leaf = leaves[i];
    if (entry === undefined || leaf === undefined || entries.length !== width || !equalBytes(leafHash(entry), leaf))
      throw wrong(`entry ${index * TILE_WIDTH + i} is not what its tile says`);
  }
  return { index, width, leaves, bytes: own ?? formatBundle(entries) };
}

function entriesOf(bytes: Uint8Array, width: number, path: string): readonly Uint8Array[] {
  try {
    return parseBundle(bytes, width);
  } catch (cause) {
    throw damaged(`${path} is no bundle of ${width} entries`, cause);
  }
}

/** The tiles that the new entries have changed, on every level above the first. */
async function copyUpperTiles(copy: MirrorFolder, tiles: VerifiedTiles, from: number): Promise<void> {
  for (let level = 1; TILE_WIDTH ** level <= tiles.size; level++) {
    for (let index = Math.floor(from / TILE_WIDTH ** (level + 1)); ; index++) {
      const width = tileWidth(level, index, tiles.size);
      if (width === 0) break;
      await copy.put(formatTilePath({ level, index, width }), concatBytes(...(await tiles.tile(level, index))));
    }
  }
}

/** The partial tiles that the tree had at `size`, where they are full ones now. */
function dropPartials(copy: MirrorFolder, size: number, now: number): void {
  for (let level = 0; TILE_WIDTH ** level <= size; level++) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    if (tileWidth(level, index, now) < TILE_WIDTH) continue;
    copy.dropPartials(formatTilePath({ level, index, width: TILE_WIDTH }));
    if (level === 0) copy.dropPartials(formatBundlePath({ index, width: TILE_WIDTH }));
  }
}

/** Reads `count` things in order, a few at the same time. The first error ends it. */
async function* readAhead<T>(count: number, ahead: number, read: (i: number) => Promise<T>): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  let next = 0;
  while (next < count || waiting.length > 0) {
    while (next < count && waiting.length < ahead) {
      const started = read(next++);
      started.catch(() => {}); // told when its turn comes
      waiting.push(started);
    }
    const first = waiting.shift();
    if (first !== undefined) yield await first;
  }
}
