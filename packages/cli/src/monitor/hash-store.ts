import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { HASH_BYTES } from "@spur/verifier/tlog/merkle";
import { parseHashTile, subtreeRoot, TILE_WIDTH, tileWidth, type Tile } from "@spur/verifier/tlog/tile";
import { CliError } from "../errors.ts";
import { writeAll } from "./files.ts";

/** One level of tiles: the hashes of complete subtrees of 256^level entries, one after the other. */
interface Level {
  readonly fd: number;
  /** Hashes on disk. */
  stored: number;
  /** Hashes behind these, not yet on disk: so many, at the beginning of a buffer that grows. */
  waiting: number;
  tail: Buffer;
}

/**
 * Every tile of the part of a log that was read: 32 bytes an entry, and a little above them. With them an older checkpoint is held against
 * what is known without asking anybody, so a log cannot keep itself from being convicted by not serving tiles any more.
 */
export class HashStore {
  readonly #folder: string;
  readonly #levels: Level[] = [];
  #size: number;

  /** Opens the hashes of the first `size` entries; what a crash left behind them is cut off. Throws `monitor/state` where some are missing. */
  constructor(folder: string, size: number) {
    this.#folder = folder;
    this.#size = size;
    for (let level = 0; TILE_WIDTH ** level <= size; level++) this.#open(Math.floor(size / TILE_WIDTH ** level));
  }

  close(): void {
    for (const { fd } of this.#levels) closeSync(fd);
  }

  get size(): number {
    return this.#size;
  }

  /** The leaf hash of the next entry. */
  put(leaf: Uint8Array): void {
    this.#size++;
    this.#push(0, leaf);
  }

  /** All hashes are durable when it returns. */
  flush(): void {
    for (const level of this.#levels) {
      if (level.waiting === 0) continue;
      writeAll(level.fd, level.tail.subarray(0, level.waiting * HASH_BYTES), level.stored * HASH_BYTES);
      fsyncSync(level.fd);
      level.stored += level.waiting;
      level.waiting = 0;
    }
  }

  /** As wide as asked for, which must not be wider than what was read. Throws `monitor/open` for what was not. */
  tile(tile: Tile): Uint8Array {
    const level = this.#levels[tile.level];
    if (level === undefined || tile.width > tileWidth(tile.level, tile.index, this.#size))
      throw new CliError("monitor/open", "this part of the log was not read yet");
    return this.#read(level, tile.index * TILE_WIDTH, tile.width);
  }

  #push(at: number, hash: Uint8Array): void {
    const level = this.#levels[at] ?? this.#open(0);
    const end = level.waiting * HASH_BYTES;
    if (end === level.tail.length) level.tail = Buffer.concat([level.tail, Buffer.alloc(end)]);
    level.tail.set(hash, end);
    level.waiting++;
    const count = level.stored + level.waiting;
    if (count % TILE_WIDTH !== 0) return;
    const tile = this.#read(level, count - TILE_WIDTH, TILE_WIDTH);
    this.#push(at + 1, subtreeRoot(parseHashTile(tile, TILE_WIDTH)));
  }

  /** Hashes of a level, from disk and from what waits. */
  #read(level: Level, from: number, count: number): Uint8Array {
    const onDisk = Math.max(0, Math.min(count, level.stored - from));
    const bytes = Buffer.alloc(count * HASH_BYTES);
    for (let done = 0; done < onDisk * HASH_BYTES;) {
      const read = readSync(level.fd, bytes, done, onDisk * HASH_BYTES - done, from * HASH_BYTES + done);
      if (read === 0) throw damaged(this.#folder);
      done += read;
    }
    const skipped = Math.max(0, from - level.stored) * HASH_BYTES;
    level.tail.copy(bytes, onDisk * HASH_BYTES, skipped, skipped + (count - onDisk) * HASH_BYTES);
    return bytes;
  }

  #open(stored: number): Level {
    const path = join(this.#folder, `hashes-${this.#levels.length}`);
    closeSync(openSync(path, "a", 0o600)); // made if it was not there
    const level = { fd: openSync(path, "r+"), stored, waiting: 0, tail: Buffer.alloc(TILE_WIDTH * HASH_BYTES) };
    this.#levels.push(level);
    if (fstatSync(level.fd).size < stored * HASH_BYTES) throw damaged(this.#folder);
    ftruncateSync(level.fd, stored * HASH_BYTES);
    return level;
  }
}

function damaged(folder: string): CliError {
  return new CliError("monitor/state", `hashes are missing in ${folder}`, {
    hint: "move the folder away and begin anew; keep its evidence",
  });
}
