import { closeSync, openSync, readSync, statSync, type Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { VerifyError } from "@spur/verifier/errors";
import { parseNote } from "@spur/verifier/note/note";
import {
  formatBundlePath,
  formatTilePath,
  parseBundle,
  TILE_WIDTH,
  type Bundle,
  type Tile,
} from "@spur/verifier/tlog/tile";
import { baseUrl } from "./client.ts";
import { CliError } from "./errors.ts";
import { request } from "./http.ts";
import type { Io } from "./io.ts";

const MAX_CHECKPOINT = 1_000_000;
const HASH_BYTES = 32;
const MAX_TILE = TILE_WIDTH * HASH_BYTES;
const MAX_BUNDLE = TILE_WIDTH * (2 + 65_535);
const TRIES = 3;
const BUSY = [429, 500, 502, 503, 504];

/**
 * The public files of a log (C2SP tlog-tiles), over HTTP or from a folder. Nothing read here is believed: lengths are checked, contents
 * are for the caller. Sizes and times are bounded, since who serves them may mean harm.
 */
export interface LogReader {
  /** As a message names it. */
  readonly where: string;
  /** Where it is a folder of this machine: for `openFolder`. */
  readonly folder?: string;
  /** The signed note as served. */
  checkpoint(): Promise<string>;
  /** The hashes of a tile, cut from the full one where the partial is gone. Throws `log/missing`, and `tile/hashes` for another length. */
  tile(tile: Tile): Promise<Uint8Array>;
  /** The entries of a bundle; undefined where they are withheld by law (451). Throws `log/missing`, `tile/bundle`. */
  bundle(bundle: Bundle): Promise<readonly Uint8Array[] | undefined>;
}

/** Bytes, or why there are none. */
type Read = (path: string, maxBytes: number) => Promise<Uint8Array | "missing" | "withheld">;

/**
 * Opens `http(s)://…`, `file://…` or a folder. Where no checkpoint is found at the place itself, `log/` below it is tried: that is where
 * a ledger serves its log. Throws `log/no-checkpoint`.
 */
export async function openLog(io: Io, place: string, options: { timeoutMs: number }): Promise<LogReader> {
  const isHttp = /^https?:\/\//i.test(place);
  const root = isHttp ? baseUrl(place) : folderOf(io, place);
  const tried: string[] = [];
  for (const base of [root, `${root}/log`]) {
    const read = isHttp ? httpRead(io, base, options.timeoutMs) : fileRead(base);
    const bytes = await read("checkpoint", MAX_CHECKPOINT);
    tried.push(`${base}/checkpoint`);
    if (typeof bytes === "string" || !isNote(bytes)) continue;
    return {
      ...readerOf(base, read, new TextDecoder().decode(bytes)),
      ...(isHttp ? {} : { folder: base }),
    };
  }
  throw new CliError("log/no-checkpoint", `no checkpoint at ${tried.join(" or ")}`, {
    hint: "name the address or the folder under which `checkpoint` and `tile/` lie",
  });
}

/**
 * The log in a folder that `openLog` has found, for a thread that does nothing else: it waits for the disk, and a bundle or a tile that it
 * gives is overwritten by the next one.
 */
export function openFolder(folder: string): LogReader {
  return { ...readerOf(folder, folderRead(folder)), folder };
}

function readerOf(where: string, read: Read, firstCheckpoint?: string): LogReader {
  let first = firstCheckpoint;

  /** The partial file, or the full one that has taken its place. */
  async function either(exact: string, full: string, maxBytes: number) {
    const bytes = await read(exact, maxBytes);
    return bytes === "missing" && full !== exact ? read(full, maxBytes) : bytes;
  }
  const missing = (path: string) =>
    new CliError("log/missing", `${where}/${path} is not there, though the checkpoint covers it`, {
      hint: "ask who runs the log for it; without it the log cannot be audited",
    });

  return {
    where,
    async checkpoint() {
      const text = first;
      first = undefined;
      if (text !== undefined) return text;
      const bytes = await read("checkpoint", MAX_CHECKPOINT);
      if (typeof bytes === "string") throw missing("checkpoint");
      return new TextDecoder().decode(bytes);
    },
    async tile(tile) {
      const path = formatTilePath(tile);
      const bytes = await either(path, formatTilePath({ ...tile, width: TILE_WIDTH }), MAX_TILE);
      if (typeof bytes === "string") throw missing(path);
      const wanted = tile.width * HASH_BYTES;
      if (bytes.length !== wanted && bytes.length !== MAX_TILE) {
        throw new VerifyError("tile/hashes", `${path}: ${bytes.length} bytes in place of ${wanted}`);
      }
      return bytes.subarray(0, wanted);
    },
    async bundle(bundle) {
      const path = formatBundlePath(bundle);
      const bytes = await either(path, formatBundlePath({ ...bundle, width: TILE_WIDTH }), MAX_BUNDLE);
      if (bytes === "withheld") return undefined;
      if (bytes === "missing") throw missing(path);
      return entriesOf(bytes, bundle.width, path);
    },
  };
}

function entriesOf(bytes: Uint8Array, width: number, path: string): readonly Uint8Array[] {
  // A full bundle may stand in place of the partial one; a mirror may keep its files compressed.
  const shapes = [() => parseBundle(bytes, width), () => parseBundle(bytes, TILE_WIDTH).slice(0, width)];
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    shapes.push(() => parseBundle(gunzipSync(bytes, { maxOutputLength: MAX_BUNDLE }), width));
    shapes.push(() => parseBundle(gunzipSync(bytes, { maxOutputLength: MAX_BUNDLE }), TILE_WIDTH).slice(0, width));
  }
  let first: unknown;
  for (const shape of shapes) {
    try {
      return shape();
    } catch (error) {
      first ??= error;
    }
  }
  throw new VerifyError("tile/bundle", `${path}: ${first instanceof VerifyError ? first.detail : "unreadable"}`, {
    cause: first,
  });
}

function httpRead(io: Io, base: string, timeoutMs: number): Read {
  return async (path, maxBytes) => {
    const url = `${base}/${path}`;
    for (let attempt = 1; ; attempt++) {
      const answer = await request(io, url, { timeoutMs, maxBytes, redirect: "follow" }).catch((error: unknown) => {
        // A connection that broke in a long audit is worth another try; a hanging or lying server is not.
        if (
          attempt < TRIES &&
          error instanceof CliError &&
          error.code === "http/unreachable" &&
          /broke/.test(error.detail)
        )
          return undefined;
        throw error;
      });
      if (answer?.status === 200) return answer.body;
      if (answer?.status === 404 || answer?.status === 410) return "missing";
      if (answer?.status === 451) return "withheld";
      if (answer !== undefined && (attempt === TRIES || !BUSY.includes(answer.status))) {
        throw new CliError("log/status", `${url} answered ${answer.status}`, {
          hint: "try again later, or ask who runs the log",
        });
      }
      await sleep(200 * 2 ** attempt);
    }
  };
}

function fileRead(base: string): Read {
  return async (path, maxBytes) => {
    const file = `${base}/${path}`;
    try {
      checkFile(file, await stat(file), maxBytes);
      return await readFile(file);
    } catch (error) {
      return missingOr(error);
    }
  };
}

/** As `fileRead`, at a quarter of its cost for a small file: no other thread is asked, and no memory. */
function folderRead(base: string): Read {
  // Files of one limit are of one kind, and of each kind one is held at a time.
  const buffers = new Map<number, Uint8Array>();
  return (path, maxBytes) => {
    const file = `${base}/${path}`;
    try {
      const found = statSync(file);
      checkFile(file, found, maxBytes);
      let buffer = buffers.get(maxBytes);
      if (buffer === undefined || buffer.length < found.size) {
        buffer = new Uint8Array(Math.min(maxBytes, 2 * found.size));
        buffers.set(maxBytes, buffer);
      }
      return Promise.resolve(buffer.subarray(0, readInto(file, buffer.subarray(0, found.size))));
    } catch (error) {
      return Promise.resolve(missingOr(error));
    }
  };
}

/** How many bytes there were, at most those that have room. */
function readInto(file: string, buffer: Uint8Array): number {
  const fd = openSync(file, "r");
  try {
    let length = 0;
    for (let n = -1; n !== 0 && length < buffer.length; length += n)
      n = readSync(fd, buffer, length, buffer.length - length, null);
    return length;
  } finally {
    closeSync(fd);
  }
}

function checkFile(file: string, found: Stats, maxBytes: number): void {
  // A pipe or a device could keep us for ever.
  if (!found.isFile()) throw new CliError("log/status", `${file} is no file`);
  if (found.size > maxBytes)
    throw new CliError("http/too-large", `${file}: ${found.size} bytes, more than ${maxBytes}`);
}

function missingOr(error: unknown): "missing" {
  if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
    return "missing";
  throw error;
}

function folderOf(io: Io, place: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(place) && !/^file:/i.test(place)) {
    throw new CliError("http/address", `${JSON.stringify(place)} cannot be read`, {
      hint: "http://, https://, file:// or a folder",
    });
  }
  const folder = /^file:/i.test(place) ? fileURLToPath(place) : place;
  return resolve(io.cwd, folder).replace(/[/\\]+$/, "");
}

function isNote(bytes: Uint8Array): boolean {
  try {
    parseNote(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}
