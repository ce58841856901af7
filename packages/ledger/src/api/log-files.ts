import { join } from "node:path";
import { VerifyError } from "@spur/verifier/errors";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import {
  formatBundlePath,
  formatTilePath,
  parseBundlePath,
  parseTilePath,
  TILE_WIDTH,
  tileWidth,
} from "@spur/verifier/tlog/tile";
import { diskErrorByName, SpurError } from "../errors.ts";
import { readPiece, type Piece } from "../log/read-log.ts";
import { shared, turns } from "./turns.ts";

/** Open at the same time, however many ask: the disk serves no more at once, and descriptors are few. */
const OPEN_AT_ONCE = 16;
/** The first reading of a file: most bundles whole. */
export const FIRST_BYTES = 256 * 1024;
/** Each further one: what a slow reader of a long bundle keeps in memory. */
const NEXT_BYTES = 128 * 1024;
const MAX_CHECKPOINT_BYTES = 1_000_000;
const HASH_BYTES = 32;

/** What a path of the log names: hashes of subtrees of 256^level entries, or the entries themselves (level 0). */
export interface Place {
  readonly of: "hashes" | "entries";
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** The bytes behind a path, read as they are wanted. `first` holds the first of them, `length` counts all. */
export interface Content {
  readonly length: number;
  readonly first: Buffer;
  /** What comes at `from`; at least one byte below `length`. */
  at(from: number): Promise<Buffer>;
}

/** The place that a path names in its only spelling (C2SP tlog-tiles); undefined for what names none, and so for every other file. */
export function placeOf(path: string): Place | undefined {
  try {
    return path.startsWith("tile/entries/")
      ? { of: "entries", level: 0, ...parseBundlePath(path) }
      : { of: "hashes", ...parseTilePath(path) };
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}

/**
 * The published log as its files show it, read without the ledger's thread and without its database, for any number of readers. What
 * lies in the folder beyond the published size is not there: files of unpublished entries are written ahead of their checkpoint.
 */
export class LogFiles {
  readonly #folder: string;
  readonly #turn = turns(OPEN_AT_ONCE);
  /** The published size, as far as it is known: it only grows, so what it covers is covered for ever. */
  #size = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The published checkpoint; undefined while nothing is published. Throws `log/damaged`, `data/io`. */
  readonly checkpoint = shared(async (): Promise<Buffer | undefined> => {
    const piece = await this.#read("checkpoint", 0, MAX_CHECKPOINT_BYTES);
    if (piece === undefined) return undefined;
    this.#size = Math.max(this.#size, sizeOf(piece.bytes));
    return piece.bytes;
  });

  /**
   * What the log has at a place; undefined where it has nothing there that is published. A partial tile that gave way to its full one is
   * cut from it, so that readers of every published checkpoint find all they need. Throws `log/damaged`, `data/io`.
   */
  async content(place: Place): Promise<Content | undefined> {
    if (!(await this.#covers(place, place.width))) return undefined;
    const exact = pathOf(place);
    const found = await this.#read(exact, 0, FIRST_BYTES);
    if (found !== undefined) {
      if (place.of === "hashes" && found.size !== place.width * HASH_BYTES) throw damaged(exact);
      return this.#contentOf([exact, pathOf({ ...place, width: TILE_WIDTH })], found, found.size);
    }
    const full = pathOf({ ...place, width: TILE_WIDTH });
    // Not from a full tile that is not published itself: what is served must not tell how far the log has grown.
    if (place.width === TILE_WIDTH || !(await this.#covers(place, TILE_WIDTH))) return undefined;
    const whole = await this.#read(full, 0, FIRST_BYTES);
    if (whole === undefined) throw damaged(full);
    const length = place.of === "hashes" ? place.width * HASH_BYTES : await this.#endOf(place.width, full, whole);
    if (length > whole.size) throw damaged(full);
    return this.#contentOf([full], whole, length);
  }

  #contentOf(paths: readonly string[], { bytes }: Piece, length: number): Content {
    return {
      length,
      first: bytes.subarray(0, length),
      at: async (from) => {
        for (const path of paths) {
          const piece = await this.#read(path, from, Math.min(NEXT_BYTES, length - from));
          if (piece !== undefined && piece.bytes.length > 0) return piece.bytes;
        }
        throw damaged(paths[0] as string);
      },
    };
  }

  /** Where the first `count` entries of a bundle end: each stands behind its length, in two bytes. */
  async #endOf(count: number, path: string, { bytes, size }: Piece): Promise<number> {
    let piece = { bytes, from: 0 };
    let end = 0;
    for (let i = 0; i < count; i++) {
      if (end + 2 > piece.from + piece.bytes.length && end + 2 <= size) {
        const next = await this.#read(path, end, FIRST_BYTES);
        if (next !== undefined) piece = { bytes: next.bytes, from: end };
      }
      const at = end - piece.from;
      if (at + 2 > piece.bytes.length) throw damaged(path);
      end += 2 + piece.bytes.readUInt16BE(at);
    }
    return end;
  }

  /** Whether the published tree has at least this many items in a tile. Asked beyond what is known, the checkpoint is read again. */
  async #covers({ level, index }: Place, width: number): Promise<boolean> {
    const reaches = (): boolean => tileWidth(level, index, this.#size) >= width;
    if (reaches()) return true;
    await this.checkpoint();
    return reaches();
  }

  async #read(path: string, from: number, most: number): Promise<Piece | undefined> {
    try {
      return await this.#turn(() => readPiece(join(this.#folder, path), from, most));
    } catch (error) {
      throw diskErrorByName(error);
    }
  }
}

function pathOf({ of, ...tile }: Place): string {
  return of === "entries" ? formatBundlePath(tile) : formatTilePath(tile);
}

function sizeOf(checkpoint: Buffer): number {
  try {
    return parseCheckpoint(parseNote(checkpoint.toString("utf8")).text).size;
  } catch (error) {
    if (error instanceof VerifyError) throw damaged("checkpoint");
    throw error;
  }
}

const damaged = (path: string): SpurError =>
  new SpurError("log/damaged", `${path} is not what it must be`, {
    status: 503,
    hint: "Its operator can compare the file with a mirror or a backup: `npx spur audit` names what is wrong.",
  });
