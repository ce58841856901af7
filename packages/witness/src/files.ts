import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";

/** A crash leaves files that end so; nobody reads them, and the next round of a mirror sweeps them. */
export const TEMPORARY = ".tmp";

const temporaryName = (path: string): string => `${path}.${randomBytes(4).toString("hex")}${TEMPORARY}`;

/** Syncs a folder, so that the names in it survive a power loss. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder and every missing parent, each synced into its own parent. */
export function makeFolder(folder: string, mode = 0o755): void {
  const first = mkdirSync(folder, { recursive: true, mode });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) syncFolder(dirname(at));
}

/** After a crash the file is there whole, with its old bytes, or not at all. */
export function writeDurable(path: string, text: string, mode = 0o644): void {
  const temporary = temporaryName(path);
  const bytes = Buffer.from(text);
  const fd = openSync(temporary, "wx", mode);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** The same for many files at once: each folder is synced once. When it resolves, all of them are durable under their names. */
export async function writeManyDurable(files: readonly { path: string; bytes: Uint8Array }[]): Promise<void> {
  const folders = new Set(files.map(({ path }) => dirname(path)));
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

async function makeFolderAsync(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolderAsync(dirname(at));
}

async function syncFolderAsync(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file's bytes, or nothing if there is no such file. Any other error is thrown: "unreadable" is not "absent". */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
