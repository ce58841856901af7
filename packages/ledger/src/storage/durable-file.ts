import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { open, mkdir, rename } from "node:fs/promises";
import { randomBytes } from "node:crypto";

/** Synced names end in nothing; a crash leaves files that end in `.tmp`, which nobody reads and the next start sweeps. */
export const temporaryName = (path: string): string => `${path}.${randomBytes(4).toString("hex")}.tmp`;

/** Syncs a folder, so that the names in it survive a power loss. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file so that after a crash it is there whole, with its old bytes, or not at all.
 * Crash after write: a .tmp remains. After rename, before the folder's sync: old or new, both whole.
 */
export function writeDurable(path: string, bytes: Uint8Array, mode = 0o644): void {
  const temporary = temporaryName(path);
  const fd = openSync(temporary, "wx", mode);
  try {
    writeAll(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    closeSync(fd);
    unlinkSync(temporary);
    throw error;
  }
  closeSync(fd);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** `writeSync` may write less than it was given: a full disk shows so before it shows as an error. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    const wrote = writeSync(fd, bytes, at, bytes.length - at);
    if (wrote === 0) throw new Error("nothing was written");
    at += wrote;
  }
}

/** Folders whose names this thread has synced, each with all above it. */
const named = new Set<string>();
const MAX_NAMED = 4096;

/**
 * Makes a folder and every missing parent; the names of all of them are durable when it returns. Also of those that are there: an earlier
 * process, or another caller, may have made them and not come to the sync.
 */
export function makeFolder(folder: string, mode = 0o755): void {
  const made = mkdirSync(folder, { recursive: true, mode });
  const unnamed = unnamedOf(folder, made);
  for (const at of unnamed) {
    try {
      syncFolder(dirname(at));
    } catch (error) {
      passOver(error, at, made);
    }
  }
  remember(unnamed);
}

/** From the folder upwards, as far as names may not be durable. `made`: the uppermost that was just made. */
function unnamedOf(folder: string, made: string | undefined): string[] {
  const unnamed: string[] = [];
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    if (!isNew(at, made) && named.has(at)) break;
    unnamed.push(at);
  }
  return unnamed;
}

const isNew = (at: string, made: string | undefined): boolean => made !== undefined && at.length >= made.length;

/** A folder in which nobody like us could have made anything is somebody else's: its names are as old as they are durable. */
function passOver(error: unknown, at: string, made: string | undefined): void {
  const refused = ["EACCES", "EPERM", "EROFS", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "");
  if (!refused || isNew(at, made)) throw error;
}

function remember(folders: readonly string[]): void {
  if (named.size > MAX_NAMED) named.clear();
  for (const folder of folders) named.add(folder);
}

/** Like {@link writeDurable} for many files at once, off the thread that commits: each folder is synced once. Rejects when all have ended. */
export async function writeManyDurable(files: readonly { path: string; bytes: Uint8Array }[]): Promise<void> {
  const folders = new Set(files.map((file) => dirname(file.path)));
  for (const folder of folders) await makeFolderAsync(folder);
  // All end before the first error is told: who tries again must not meet the writes of his last try.
  const written = await Promise.allSettled(
    files.map(async ({ path, bytes }) => {
      const temporary = temporaryName(path);
      const handle = await open(temporary, "wx", 0o644);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    }),
  );
  for (const one of written) if (one.status === "rejected") throw one.reason;
  for (const folder of folders) await syncFolderAsync(folder);
}

/** Syncs files that are there, and the folders that name them: a crash or an error may have come between their rename and that sync. */
export async function syncManyDurable(paths: readonly string[]): Promise<void> {
  for (const path of paths) await syncFolderAsync(path);
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    await syncFolderAsync(folder);
    await makeFolderAsync(folder);
  }
}

/** {@link makeFolder}, off the thread. */
async function makeFolderAsync(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  const unnamed = unnamedOf(folder, made);
  for (const at of unnamed) {
    await syncFolderAsync(dirname(at)).catch((error: unknown) => {
      passOver(error, at, made);
    });
  }
  remember(unnamed);
}

async function syncFolderAsync(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Names in a folder; none if there is no such folder. */
export function readFolderIfThere(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The file's bytes, or nothing if there is no such file. Any other error is thrown: "unreadable" is not "absent". */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
