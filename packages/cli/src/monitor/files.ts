import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** A crash leaves files that end so; nobody reads them, and the next write of the same file replaces them. */
const TEMPORARY = ".tmp";

/** Makes a folder and every missing parent, each synced into its own parent. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) syncFolder(dirname(at));
}

/** After a crash the file is there whole, with its old bytes, or not at all. One process writes a folder at a time. */
export function writeDurable(path: string, content: string | Uint8Array): void {
  const bytes = Buffer.from(content);
  const fd = openSync(path + TEMPORARY, "w", 0o600);
  try {
    writeAll(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(path + TEMPORARY, path);
  syncFolder(dirname(path));
}

export function writeAll(fd: number, bytes: Uint8Array, at?: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, at === undefined ? null : at + done);
}

/** The file's bytes, or nothing if there is no such file. Any other error is thrown: "unreadable" is not "absent". */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** So that the names in it survive a power loss. Windows has no such thing, and needs none. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
