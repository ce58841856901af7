import { DatabaseSync } from "node:sqlite";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { SpurError } from "../errors.ts";

/** Held for life; the operating system lets go when the process ends, however it ends. */
export interface Lock {
  readonly instance: string | undefined;
  setInstance(id: string): void;
  release(): void;
}

const SQLITE_BUSY = 5;

/** One writer per folder: an exclusive transaction on `lock.sqlite`, never committed, on a file that holds the instance id. */
export function lockFolder(folder: string): Lock {
  refuseNetworkFolder(folder);
  const path = join(folder, "lock.sqlite");
  const database = new DatabaseSync(path);
  try {
    // Not in WAL mode: there an exclusive transaction would still let another process read, and start.
    // `locking_mode = exclusive`: between two transactions of ours (see setInstance) nobody can step in.
    database.exec(
      "pragma journal_mode = delete; pragma synchronous = full; pragma busy_timeout = 0; pragma locking_mode = exclusive; begin exclusive;",
    );
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause;
    throw new SpurError("data/locked", `another process works on ${folder}`, {
      status: 409,
      hint: "Stop the other Spur, or give this one its own --data folder.",
      cause,
    });
  }
  database.exec("create table if not exists instance (one integer primary key check (one = 1), id text not null)");
  const readInstance = (): string | undefined =>
    (database.prepare("select id from instance").get() as { id: string } | undefined)?.id;
  return {
    get instance() {
      return readInstance();
    },
    setInstance(id) {
      database.prepare("insert or replace into instance values (1, ?)").run(id);
      database.exec("commit; begin exclusive;");
    },
    release() {
      database.exec("rollback");
      database.close();
    },
  };
}

// statfs(2) f_type of file systems whose locks or fsync other machines do not see: NFS, SMB, SMB2, CIFS, Ceph, 9p, AFS.
const NETWORK_FILE_SYSTEMS = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x00c36400, 0x01021997, 0x5346414f]);

/** Throws `data/network-folder` where one-writer locks and fsync cannot be relied on. */
export function refuseNetworkFolder(folder: string, type = statfsSync(folder).type): void {
  if (!NETWORK_FILE_SYSTEMS.has(type >>> 0)) return;
  throw new SpurError("data/network-folder", `${folder} is on a network file system (type 0x${type.toString(16)})`, {
    hint: "Put the data folder on a local disk: locks and syncs are not reliable over a network.",
  });
}
