import { existsSync, readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { equalBytes, toHex } from "@spur/verifier/bytes";
import { leafHash, type Root } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { formatBundlePath, formatTilePath, subtreeRoot } from "@spur/verifier/tlog/tile";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { SpurError } from "../errors.ts";
import { readIfThere } from "../storage/durable-file.ts";
import { TILE_WIDTH } from "./constants.ts";
import { readFullBundle, readFullTile, readTile } from "./read-log.ts";
import { EMPTY_TREE, rootOfTree, treeFromPartials, type Tree } from "./tree.ts";

export interface StoredLog {
  readonly size: number;
  readonly root: Root;
  rows(from: number, count: number): { idx: number; bytes: Uint8Array }[];
  firstRow(): number | undefined;
}

/** The edge of the tree and what recovery must write again. */
export interface Recovered {
  readonly tree: Tree;
  /** Entries of the last, partial bundle. */
  readonly tail: Buffer[];
  /** Full tiles' worth of entries still held as rows: from this index on, files must be written again. */
  readonly rowsFrom: number;
  /** Leaf hashes of the rows. */
  readonly leaves: ReadonlyMap<number, Uint8Array>;
}

export const NOTHING_RECOVERED: Recovered = { tree: EMPTY_TREE, tail: [], rowsFrom: 0, leaves: new Map() };

const damaged = (what: string): SpurError =>
  new SpurError("log/damaged", what, {
    status: 503,
    hint: "Something under the log was changed or lost. Nothing was written. `npx spur audit DIR` says what; restore the files, or see `npx spur recover --help`.",
  });

/**
 * Reads the right edge again and holds it against the head: the last bundle entry by entry, the last tile of every level, and
 * so every tile that they hash. Throws `log/damaged`; deletes and writes nothing.
 */
export function readEdge(folder: string, log: StoredLog): Recovered {
  const { size } = log;
  const rowsFrom = log.firstRow() ?? size;
  if (rowsFrom > Math.floor(size / TILE_WIDTH) * TILE_WIDTH) {
    if (rowsFrom !== size || size % TILE_WIDTH !== 0) throw damaged("entries of the last bundle are missing");
  }
  const leaves = new Map<number, Uint8Array>();
  const partial: Uint8Array[][] = [];
  const tailFrom = Math.floor(size / TILE_WIDTH) * TILE_WIDTH;
  const tail: Buffer[] = [];
  for (let at = rowsFrom; at < size; at += 1024) {
    for (const { idx, bytes } of log.rows(at, 1024)) {
      if (idx < at || idx >= size) continue;
      leaves.set(idx, leafHash(bytes));
      if (idx >= tailFrom) tail.push(Buffer.from(bytes));
    }
  }
  if (leaves.size !== size - rowsFrom) throw damaged("rows of entries are missing");
  partial.push(Array.from({ length: size - tailFrom }, (_, i) => leaves.get(tailFrom + i) as Uint8Array));
  for (
    let level = 1, below = Math.floor(size / TILE_WIDTH);
    below > 0;
    level++, below = Math.floor(below / TILE_WIDTH)
  ) {
    const first = Math.floor(below / TILE_WIDTH) * TILE_WIDTH;
    const hashes: Uint8Array[] = [];
    for (let index = first; index < below; index++) hashes.push(tileRoot(folder, level - 1, index, rowsFrom, leaves));
    partial.push(hashes);
  }
  const tree = treeFromPartials(size, partial);
  if (!equalBytes(rootOfTree(tree), log.root))
    throw damaged(`the stored entries do not hash to the head of size ${size}`);
  checkLastBundle(folder, size, rowsFrom);
  return { tree, tail, rowsFrom, leaves };
}

// A full tile of level l is hashed from its file; where its entries are still rows, the file may not exist yet.
function tileRoot(
  folder: string,
  level: number,
  index: number,
  rowsFrom: number,
  leaves: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const span = TILE_WIDTH ** (level + 1);
  if (index * span < rowsFrom && (index + 1) * span <= rowsFrom) {
    try {
      return subtreeRoot(readFullTile(folder, level, index));
    } catch (cause) {
      throw damaged(`tile ${level}/${index}: ${(cause as Error).message}`);
    }
  }
  return subtreeRoot(hashesOverRows(folder, level, index, rowsFrom, leaves));
}

/** The hashes of a full tile from what lies below it: its own file may not have been written yet. */
function hashesOverRows(
  folder: string,
  level: number,
  index: number,
  rowsFrom: number,
  leaves: ReadonlyMap<number, Uint8Array>,
): Uint8Array[] {
  const first = index * TILE_WIDTH;
  return Array.from({ length: TILE_WIDTH }, (_, i) =>
    level === 0 ? (leaves.get(first + i) as Uint8Array) : tileRoot(folder, level - 1, first + i, rowsFrom, leaves),
  );
}

/** The tree at a size that is a multiple of 256, from its full tiles' files. */
export function treeFromFiles(folder: string, size: number): Tree {
  const partial: Uint8Array[][] = [[]];
  for (let level = 1, below = size / TILE_WIDTH; below > 0; level++, below = Math.floor(below / TILE_WIDTH)) {
    const first = Math.floor(below / TILE_WIDTH) * TILE_WIDTH;
    const hashes: Uint8Array[] = [];
    for (let index = first; index < below; index++) hashes.push(tileRoot(folder, level - 1, index, size, new Map()));
    partial.push(hashes);
  }
  return treeFromPartials(size, partial);
}

function checkLastBundle(folder: string, size: number, rowsFrom: number): void {
  const last = Math.floor(Math.min(size, rowsFrom) / TILE_WIDTH) - 1;
  if (last < 0) return;
  try {
    const hashes = readFullBundle(folder, last).map(leafHash);
    if (!readFullTile(folder, 0, last).every((hash, i) => equalBytes(hash, hashes[i] as Uint8Array)))
      throw new Error("differs from its tile");
  } catch (cause) {
    throw damaged(`bundle ${last}: ${(cause as Error).message}`);
  }
}

/** A head that was once known outside the database: it must be a prefix of the log as it stands. */
export interface Memory {
  /** Where it was found, for the message. */
  readonly where: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** Throws `log/rolled-back` if a memory knows more than the log, and `log/forked` if it knows another history. */
export async function holdAgainst(
  memories: readonly Memory[],
  folder: string,
  recovered: Recovered,
  log: StoredLog,
): Promise<void> {
  for (const memory of memories) {
    if (memory.size > log.size) {
      throw new SpurError(
        "log/rolled-back",
        `the log has ${log.size} entries; ${memory.where} has seen ${memory.size}`,
        {
          status: 503,
          hint: "This is an older copy of the data folder. Nothing was signed, written or deleted. Put the newest copy back, or see `npx spur recover --help`.",
        },
      );
    }
    const root = await prefixRoot(memory.size, folder, recovered, log);
    if (!equalBytes(root, memory.root)) {
      throw new SpurError(
        "log/forked",
        `at size ${memory.size} the log has root ${toHex(root)}, ${memory.where} has seen ${toHex(memory.root)}`,
        {
          status: 503,
          hint: "This data folder holds another history than the one that was signed. Nothing was signed, written or deleted.",
        },
      );
    }
  }
}

async function prefixRoot(
  size: number,
  folder: string,
  { tree, rowsFrom, leaves }: Recovered,
  log: StoredLog,
): Promise<Root> {
  const prover = createProver(log.size, (tile) => {
    // The partial tiles of the head are in memory; tiles over rows are hashed from the rows; all others are files.
    if (tile.width < TILE_WIDTH) return Promise.resolve(Buffer.concat(tree.partial[tile.level] as Uint8Array[]));
    if ((tile.index + 1) * TILE_WIDTH ** (tile.level + 1) > rowsFrom) {
      return Promise.resolve(Buffer.concat(hashesOverRows(folder, tile.level, tile.index, rowsFrom, leaves)));
    }
    try {
      return Promise.resolve(readTile(folder, tile));
    } catch (cause) {
      return Promise.reject(damaged(`${formatTilePath(tile)}: ${(cause as Error).message}`));
    }
  });
  return prover.root(size);
}

/** Throws `log/rolled-back` if the folder of the log holds files of a larger log: they are written after the commit they belong to. */
export function refuseNewerFiles(folder: string, size: number): void {
  const last = { level: 0, index: Math.floor(size / TILE_WIDTH), width: TILE_WIDTH };
  const paths = [formatTilePath(last), formatBundlePath(last)].map((path) => join(folder, path));
  const newer = paths.some(
    (path) =>
      existsSync(path) ||
      (existsSync(`${path}.p`) && readdirSync(`${path}.p`).some((width) => Number(width) > size % TILE_WIDTH)),
  );
  if (!newer) return;
  throw new SpurError("log/rolled-back", `the log has ${size} entries, but ${folder} holds tiles of a larger one`, {
    status: 503,
    hint: "The database is an older copy than the files beside it. Nothing was signed, written or deleted. Put the newest copy back, or see `npx spur recover --help`.",
  });
}

/** The last entry; undefined for an empty log. It has been held against the head before. */
export function lastEntry(folder: string, { tail, rowsFrom }: Recovered, log: StoredLog): Uint8Array | undefined {
  if (log.size === 0) return undefined;
  return (
    tail.at(-1) ??
    (rowsFrom < log.size
      ? log.rows(log.size - 1, 1)[0]?.bytes
      : readFullBundle(folder, log.size / TILE_WIDTH - 1).at(-1))
  );
}

/** What the published checkpoint remembers; throws `log/damaged` if it is not ours or not whole. */
export function checkpointMemory(folder: string, vkey: string): Memory | undefined {
  const bytes = readIfThere(join(folder, "checkpoint"));
  if (bytes === undefined) return undefined;
  try {
    const note = parseNote(bytes.toString("utf8"));
    const key = parseVkey(vkey);
    if (openNote(note, [key]).verified.length !== 1) throw new Error("not signed by the log's key");
    const { size, root, origin } = parseCheckpoint(note.text);
    if (origin !== key.name) throw new Error("of another origin");
    return { where: "the published checkpoint", size, root };
  } catch (cause) {
    throw damaged(`the published checkpoint: ${(cause as Error).message}`);
  }
}

/** Removes `.tmp` files that crashes left, once the checks have passed. */
export function sweepTemporary(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    const path = join(folder, name);
    if (name.endsWith(".tmp") && statSync(path).isFile()) unlinkSync(path);
  }
}
