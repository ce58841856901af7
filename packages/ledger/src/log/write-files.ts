import { closeSync, fsync, openSync, renameSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { SpurError } from "../errors.ts";
import {
  makeFolder,
  readIfThere,
  syncFolder,
  syncManyDurable,
  temporaryName,
  writeAll,
} from "../storage/durable-file.ts";
import type { LogFile } from "./tiles.ts";

/** Open at once: more would gain nothing, and fail where few descriptors are allowed. */
const AT_ONCE = 32;
const sync = promisify(fsync);

/**
 * Writes files of the log, which never change: one that is there must hold the same bytes. Each is synced, and read back. Blocks the thread
 * for all but the syncs, which run side by side: several hundred files a second cost less so than by a promise for each step.
 */
export async function writeImmutable(files: readonly LogFile[]): Promise<void> {
  const missing: LogFile[] = [];
  const present: string[] = [];
  for (const file of files) {
    const there = readIfThere(file.path);
    if (there === undefined) missing.push(file);
    else if (there.equals(file.bytes)) present.push(file.path);
    else throw differs(file.path, "is there with other bytes");
  }
  await syncManyDurable(present);
  for (const folder of new Set(missing.map(({ path }) => dirname(path)))) makeFolder(folder);
  for (let at = 0; at < missing.length; at += AT_ONCE) await writeSome(missing.slice(at, at + AT_ONCE));
  for (const folder of new Set(missing.map(({ path }) => dirname(path)))) syncFolder(folder);
  for (const file of missing) {
    if (readIfThere(file.path)?.equals(file.bytes) !== true) throw differs(file.path, "reads back with other bytes");
  }
}

async function writeSome(files: readonly LogFile[]): Promise<void> {
  const open: { fd: number; temporary: string; path: string }[] = [];
  try {
    for (const { path, bytes } of files) {
      const temporary = temporaryName(path);
      open.push({ fd: openSync(temporary, "wx", 0o644), temporary, path });
      writeAll((open.at(-1) as { fd: number }).fd, bytes);
    }
    // All end before the first error is told: who tries again must not meet the writes of his last try.
    const synced = await Promise.allSettled(open.map(({ fd }) => sync(fd)));
    for (const one of synced) if (one.status === "rejected") throw one.reason;
    for (let one = open.shift(); one !== undefined; one = open.shift()) {
      closeSync(one.fd);
      renameSync(one.temporary, one.path);
    }
  } finally {
    for (const { fd, temporary } of open) {
      closeSync(fd);
      unlinkSync(temporary);
    }
  }
}

const differs = (path: string, how: string): SpurError =>
  new SpurError("log/tile-differs", `${path} ${how}`, {
    status: 503,
    hint: "Nothing was replaced. Compare the file with a mirror or backup, put the true one back, and start again.",
  });
