import { cp, mkdir, readdir } from "node:fs/promises";
import { existsSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseBundlePath, parseTilePath, TILE_WIDTH, tileWidth } from "@spur/verifier/tlog/tile";
import { SpurError } from "./errors.ts";
import type { LedgerThread } from "./ledger-thread.ts";
import { peekHead } from "./storage/database.ts";
import { makeFolder, syncFolder } from "./storage/durable-file.ts";
import { lockFolder } from "./storage/lock.ts";

/** What a backup tells. */
export interface BackupResult {
  readonly to: string;
  readonly size: number;
  readonly note: string;
}

const NOTE =
  "Its content can be read only until the next completed removal; entries and proofs for ever. The root key is not in it.";

/** Copies a running ledger's data. The checkpoint goes first: what it promises is in the database that follows. */
export async function backupRunning(thread: LedgerThread, data: string, to: string): Promise<BackupResult> {
  refuseInside(to, data);
  await emptyFolder(to);
  await copyLog(data, to);
  await thread.call("backupDatabase", join(to, "ledger.sqlite"));
  await completeLog(data, to);
  await copyPayloads(data, to);
  syncFolder(to);
  return { to, size: (await thread.call("head")).size, note: NOTE };
}

/** Copies the data of a ledger that is not running; a running one is asked through its API. */
export async function backup({ data, to }: { data: string; to: string }): Promise<BackupResult> {
  if (!existsSync(join(data, "ledger.sqlite")))
    throw new SpurError("data/none", `${data} holds no ledger`, { hint: "Name the data folder with --data." });
  let lock;
  try {
    lock = lockFolder(data);
  } catch (cause) {
    throw new SpurError("backup/running", `a ledger runs on ${data}`, { status: 409, hint: "Ask it: npx spur backup --url http://127.0.0.1:7787 --to ./spur-backup (needs its operator key).", cause }); // prettier-ignore
  }
  try {
    await emptyFolder(to);
    await copyLog(data, to);
    const database = new DatabaseSync(join(data, "ledger.sqlite"));
    try {
      database.prepare("vacuum into ?").run(join(to, "ledger.sqlite"));
      await copyPayloads(data, to);
      syncFolder(to);
      const { size } = database.prepare("select size from head").get() as { size: number };
      return { to, size, note: NOTE };
    } finally {
      database.close();
    }
  } finally {
    lock.release();
  }
}

/** A backup inside the folder it is of would be part of the next one, and of the published log. */
function refuseInside(to: string, data: string): void {
  for (const folder of [data, `${data}-keys`]) {
    if (to !== folder && !to.startsWith(`${folder}/`)) continue;
    throw new SpurError("backup/inside", `${to} is inside ${folder}`, {
      status: 422,
      hint: "Name a folder elsewhere, best on another disk.",
    });
  }
}

async function emptyFolder(to: string): Promise<void> {
  if (existsSync(to) && (await readdir(to)).length > 0)
    throw new SpurError("backup/not-empty", `${to} is not empty`, { status: 409, hint: "Name a new folder." });
  makeFolder(to);
}

async function copyLog(data: string, to: string): Promise<void> {
  await mkdir(join(to, "log"), { recursive: true });
  const checkpoint = join(data, "log", "checkpoint");
  if (existsSync(checkpoint)) await cp(checkpoint, join(to, "log", "checkpoint"));
  if (existsSync(join(data, "log", "tile")))
    await cp(join(data, "log", "tile"), join(to, "log", "tile"), { recursive: true, filter: finished });
}

/** Not a file that is being written: it is renamed, or swept, before the copy comes to it. */
const finished = (source: string): boolean => !source.endsWith(".tmp");

/**
 * Entries may have left the database between the copy of the files and its own: the full tiles and bundles that hold them are added.
 * None of a larger log: a database beside newer files is taken for an older copy.
 */
async function completeLog(data: string, to: string): Promise<void> {
  const { size } = peekHead(join(to, "ledger.sqlite"));
  const folder = join(data, "log");
  if (!existsSync(join(folder, "tile"))) return;
  await cp(join(folder, "tile"), join(to, "log", "tile"), {
    recursive: true,
    force: false,
    filter: (source) =>
      statSync(source, { throwIfNoEntry: false })?.isDirectory() === true ||
      isFullBelow(relative(folder, source), size),
  });
}

function isFullBelow(path: string, size: number): boolean {
  try {
    const { level, index, width } = path.startsWith("tile/entries/")
      ? { level: 0, ...parseBundlePath(path) }
      : parseTilePath(path);
    return width === TILE_WIDTH && tileWidth(level, index, size) === TILE_WIDTH;
  } catch {
    return false; // a temporary file
  }
}

async function copyPayloads(data: string, to: string): Promise<void> {
  for (const folder of ["payloads", "public"]) {
    if (existsSync(join(data, folder)))
      await cp(join(data, folder), join(to, folder), { recursive: true, filter: finished });
  }
}
