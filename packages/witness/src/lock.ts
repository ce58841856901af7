import { statfsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SpurError } from "./errors.ts";

const SQLITE_BUSY = 5;

/** One writer per folder: an exclusive transaction that never ends. The operating system lets go of it when the process ends, however it ends. */
export function lockFolder(folder: string): { release(): void } {
  refuseNetworkFolder(folder);
  const database = new DatabaseSync(join(folder, "lock.sqlite"));
  try {
    // Not in WAL mode: there an exclusive transaction would let another process read, and start.
    database.exec("pragma journal_mode = delete; pragma busy_timeout = 0; begin exclusive;");
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause;
    throw new SpurError("data/locked", `another process works on ${folder}`, {
      status: 409,
      hint: "Stop the other one, or give this one its own --data folder.",
      cause,
    });
  }
  return { release: () => database.close() };
}

// statfs(2) f_type of file systems whose locks or fsync other machines do not see: NFS, SMB, SMB2, CIFS, Ceph, 9p, AFS.
const NETWORK_FILE_SYSTEMS = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x00c36400, 0x01021997, 0x5346414f]);

/** Throws `data/network-folder` where one-writer locks and fsync cannot be relied on. */
function refuseNetworkFolder(folder: string): void {
  const { type } = statfsSync(folder);
  if (!NETWORK_FILE_SYSTEMS.has(type >>> 0)) return;
  throw new SpurError("data/network-folder", `${folder} is on a network file system (type 0x${type.toString(16)})`, {
    hint: "Put the folder on a local disk: locks and syncs are not reliable over a network.",
  });
}
