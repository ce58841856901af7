import { closeSync, fsyncSync, ftruncateSync, fstatSync, openSync, readSync } from "node:fs";
import type { AuditState } from "@spur/verifier/audit/fold";
import type { RecIndex } from "@spur/verifier/audit/rec-index";
import { CliError } from "../errors.ts";
import { writeAll } from "./files.ts";

/** u8 flags ‖ u8 type ‖ rec[16], one row an entry. */
const ROW = 18;
const HAS_REC = 1;
const WITHHELD = 2;
const UNKNOWN = 4;

/** A slot holds index + 1 in 32 bits. */
const MAX_ROWS = 2 ** 32 - 2;
const CHUNK_ROWS = 65_536;

/**
 * What an audit must remember of every entry, on disk: its record id, its type, and whether it could be read. The rows are only ever
 * appended. In memory is a table of hashes, some 13 bytes an entry; it is made again from the rows at a start. The hash is seeded anew each
 * time, so a log cannot choose ids that meet in it.
 */
export class EntryStore implements RecIndex {
  readonly #fd: number;
  readonly #seed: Uint32Array;
  /** Rows that are on disk. */
  #stored: number;
  /** Rows with those that wait in `#tail`. */
  #rows: number;
  #tail = Buffer.alloc(ROW * 1024);
  /** Open addressing; 0 is free, else index + 1, and beside it the whole hash, so that the table grows without the disk. */
  #slots = new Uint32Array(4096);
  #hashes = new Uint32Array(4096);
  #used = 0;
  readonly #one = Buffer.alloc(16);

  /**
   * Opens the first `rows` rows of a file and tells `state` what they say; what a crash left behind them is cut off. `random`: 4 numbers of 32
   * bits that nobody can guess. Throws `monitor/state` if the file is shorter.
   */
  constructor(path: string, rows: number, state: AuditState, random: Uint32Array) {
    this.#seed = random;
    this.#stored = this.#rows = rows;
    closeSync(openSync(path, "a", 0o600)); // made if it was not there
    this.#fd = openSync(path, "r+");
    const { size } = fstatSync(this.#fd);
    if (size < rows * ROW) {
      throw new CliError("monitor/state", `${path} has ${size} bytes, and should have ${rows * ROW}`, {
        hint: "move the state folder away and begin anew; keep its evidence",
      });
    }
    ftruncateSync(this.#fd, rows * ROW);
    this.#load(state);
  }

  close(): void {
    closeSync(this.#fd);
  }

  get(rec: string): number | undefined {
    const bytes = Buffer.from(rec, "hex");
    return this.#find(bytes, this.#hashOf(bytes));
  }

  add(rec: string, index: number): number | undefined {
    const bytes = Buffer.from(rec, "hex");
    const hash = this.#hashOf(bytes);
    const other = this.#find(bytes, hash);
    if (other !== undefined) return other;
    const at = this.#tailRow(index);
    this.#tail[at] = HAS_REC;
    bytes.copy(this.#tail, at + 2);
    this.#insert(hash, index);
    return undefined;
  }

  /** Ends the row of an entry that the audit has taken. */
  put(index: number, type: number, opaque: "withheld" | "unknown" | undefined): void {
    if (index >= MAX_ROWS) {
      throw new CliError("monitor/too-large", `a log of more than ${MAX_ROWS} entries cannot be followed`, {
        hint: "audit it from time to time",
      });
    }
    const at = this.#tailRow(index);
    const flag = opaque === "withheld" ? WITHHELD : opaque === "unknown" ? UNKNOWN : 0;
    this.#tail[at] = (this.#tail[at] ?? 0) | flag;
    this.#tail[at + 1] = type;
    this.#rows = index + 1;
  }

  /** All rows are durable when it returns. A crash before the next state is saved leaves rows behind its end, which nobody reads. */
  flush(): void {
    const bytes = (this.#rows - this.#stored) * ROW;
    if (bytes === 0) return;
    writeAll(this.#fd, this.#tail.subarray(0, bytes), this.#stored * ROW);
    fsyncSync(this.#fd);
    this.#stored = this.#rows;
    this.#tail.fill(0, 0, bytes);
  }

  /** Where the row of the next entry stands in the tail. */
  #tailRow(index: number): number {
    const at = (index - this.#stored) * ROW;
    while (at + ROW > this.#tail.length) this.#tail = Buffer.concat([this.#tail, Buffer.alloc(this.#tail.length)]);
    return at;
  }

  #load(state: AuditState): void {
    const rows = this.#stored;
    const types = new Uint8Array(Math.max(1024, rows));
    const chunk = Buffer.alloc(ROW * CHUNK_ROWS);
    for (let from = 0; from < rows; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows - from);
      readFully(this.#fd, chunk, count * ROW, from * ROW);
      for (let i = 0; i < count; i++) {
        const flags = chunk[i * ROW] ?? 0;
        types[from + i] = chunk[i * ROW + 1] ?? 0;
        if ((flags & HAS_REC) !== 0) this.#insert(this.#hashOf(chunk, i * ROW + 2), from + i);
        if ((flags & WITHHELD) !== 0) state.opaque.set(from + i, "withheld");
        if ((flags & UNKNOWN) !== 0) state.opaque.set(from + i, "unknown");
      }
    }
    state.types = types;
  }

  #find(rec: Buffer, hash: number): number | undefined {
    const mask = this.#slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = this.#slots[at] ?? 0;
      if (slot === 0) return undefined;
      if (this.#hashes[at] === hash && this.#recAt(slot - 1).equals(rec)) return slot - 1;
    }
  }

  #recAt(index: number): Buffer {
    if (index >= this.#stored) {
      const at = (index - this.#stored) * ROW + 2;
      return this.#tail.subarray(at, at + 16);
    }
    readFully(this.#fd, this.#one, 16, index * ROW + 2);
    return this.#one;
  }

  #insert(hash: number, index: number): void {
    if (this.#used * 10 >= this.#slots.length * 7) this.#grow();
    place(this.#slots, this.#hashes, hash, index + 1);
    this.#used++;
  }

  #grow(): void {
    const [slots, hashes] = [this.#slots, this.#hashes];
    this.#slots = new Uint32Array(slots.length * 2);
    this.#hashes = new Uint32Array(slots.length * 2);
    for (let at = 0; at < slots.length; at++) {
      const slot = slots[at] ?? 0;
      if (slot !== 0) place(this.#slots, this.#hashes, hashes[at] ?? 0, slot);
    }
  }

  /** Each word is mixed with a secret of its own before the next one comes, so that no two ids are known to meet. */
  #hashOf(bytes: Buffer, from = 0): number {
    let hash = 0;
    for (let i = 0; i < 4; i++) {
      hash = Math.imul(hash ^ bytes.readUInt32LE(from + 4 * i) ^ (this.#seed[i] ?? 0), 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
      hash ^= hash >>> 13;
    }
    return hash >>> 0;
  }
}

function place(slots: Uint32Array, hashes: Uint32Array, hash: number, slot: number): void {
  const mask = slots.length - 1;
  let at = hash & mask;
  while (slots[at] !== 0) at = (at + 1) & mask;
  slots[at] = slot;
  hashes[at] = hash;
}

function readFully(fd: number, into: Buffer, bytes: number, from: number): void {
  for (let done = 0; done < bytes;) {
    const read = readSync(fd, into, done, bytes - done, from + done);
    if (read === 0)
      throw new CliError("monitor/state", "the rows of entries end too early", {
        hint: "is somebody else writing there?",
      });
    done += read;
  }
}
