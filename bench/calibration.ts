import { hash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { seal } from "@spur/ledger/vault/seal";
import type { Bench } from "./bench.ts";
import { measured, percent, percentile, told } from "./figures.ts";

// What this machine does without us. Every other bench measures its own calibration again, in turn with what it measures.

/** Below this an fsync cannot have reached a disk, and "durable" would mean nothing. */
export const MIN_FSYNC_US = 50;
const ROW_BYTES = 1024;
/** About what an output seals: request, response, caller, usage, timing; the last three slots are empty. */
export const SEALED_BYTES = [400, 450, 40, 60, 74];

/** Milliseconds of one fsync after a write of 4 KiB: the median. */
export function fsyncMs(folder: string, count = 200): number {
  const path = join(folder, "fsync");
  const fd = openSync(path, "w");
  const block = randomBytes(4096);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    writeSync(fd, block, 0, block.length, i * block.length);
    const before = performance.now();
    fsyncSync(fd);
    times.push(performance.now() - before);
  }
  closeSync(fd);
  rmSync(path);
  return percentile(times, 0.5);
}

/** How much of one core this machine gives to who wants all of it, now: 1 where nobody else wants it. */
export function coreShare(ms = 80): number {
  const piece = randomBytes(65_536);
  const cpu = process.threadCpuUsage();
  const before = performance.now();
  while (performance.now() - before < ms) hash("sha256", piece, "buffer");
  const { user, system } = process.threadCpuUsage(cpu);
  return (user + system) / 1000 / (performance.now() - before);
}

/** Why a time in seconds or milliseconds says nothing of Spur, if the machine was busy with other things. */
export function busy(shares: readonly number[]): { excuse?: string } {
  const least = Math.min(...shares);
  return least < 0.85 ? { excuse: `others worked on this machine: one process got ${percent(least)} of a core` } : {};
}

function openLoop(folder: string): { database: DatabaseSync; end: () => void } {
  const path = join(folder, "loop.sqlite");
  const database = new DatabaseSync(path);
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; create table rows (id integer primary key, bytes blob not null)",
  );
  return {
    database,
    end() {
      database.close();
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    },
  };
}

/** Rows a second of a bare loop of `node:sqlite`: 1 KiB rows, WAL, synchronous = full, `batch` rows a commit. */
export function sqliteLoop(folder: string, batch: number, rows = 40_000): number {
  const { database, end } = openLoop(folder);
  const insert = database.prepare("insert into rows (bytes) values (?)");
  const row = randomBytes(ROW_BYTES);
  const before = performance.now();
  for (let done = 0; done < rows; done += batch) {
    database.exec("begin immediate");
    for (let i = 0; i < batch; i++) insert.run(row);
    database.exec("commit");
  }
  const seconds = (performance.now() - before) / 1000;
  end();
  return (Math.ceil(rows / batch) * batch) / seconds;
}

/** Milliseconds of one durable commit of one 1 KiB row: the median. */
export function commitMs(folder: string, count = 300): number {
  const { database, end } = openLoop(folder);
  const insert = database.prepare("insert into rows (bytes) values (?)");
  const row = randomBytes(ROW_BYTES);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    database.exec("begin immediate");
    insert.run(row);
    database.exec("commit");
    times.push(performance.now() - before);
  }
  end();
  return percentile(times, 0.5);
}

/** Slots of one output, 1 KiB in all. */
export function outputSlots(): (Uint8Array | undefined)[] {
  return [...SEALED_BYTES.map((length) => randomBytes(length)), undefined, undefined, undefined];
}

/** Payloads of 1 KiB sealed a second, on one core. */
export function sealingRate(count = 6000): number {
  const slots = outputSlots();
  const recs = Array.from({ length: count }, () => randomBytes(16));
  const before = performance.now();
  for (const rec of recs) seal(rec, slots);
  return count / ((performance.now() - before) / 1000);
}

/** MB a second through SHA-256 on one core, in pieces of 64 KiB. */
export function sha256Rate(megabytes = 200): number {
  const piece = randomBytes(65_536);
  const count = Math.ceil((megabytes * 1e6) / piece.length);
  const before = performance.now();
  for (let i = 0; i < count; i++) hash("sha256", piece, "buffer");
  return (count * piece.length) / 1e6 / ((performance.now() - before) / 1000);
}

export const calibration: Bench = {
  name: "calibration",
  about: "what this machine does without Spur: one fsync, one durable commit, a bare SQLite loop, sealing, SHA-256",
  run({ runs, folder }) {
    const each = (measure: () => number): number[] => Array.from({ length: runs }, measure);
    sealingRate(2000);
    return Promise.resolve([
      told("one fsync after 4 KiB", measured("µs", each(() => 1000 * fsyncMs(folder)))), // prettier-ignore
      told("one durable commit of one 1 KiB row (SQLite, WAL, synchronous = full)", measured("µs", each(() => 1000 * commitMs(folder)))), // prettier-ignore
      told("bare SQLite loop, 1 KiB rows, 128 a commit", measured("rows/s", each(() => sqliteLoop(folder, 128)))), // prettier-ignore
      told("sealing alone, 1 KiB in 8 slots, one core", measured("/s", each(() => sealingRate()))), // prettier-ignore
      told("SHA-256, one core", measured("MB/s", each(() => sha256Rate()))), // prettier-ignore
    ]);
  },
};
