import { randomBytes } from "node:crypto";
import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SpurError } from "../errors.ts";
import { readIfThere, syncFolder, writeDurable } from "../storage/durable-file.ts";

/** The root key lives beside the data folder, never in it: a copy of the data folder alone opens nothing. */
export interface RootKey {
  readonly id: string;
  readonly key: Buffer;
}

const HEADER = "spur-root/v1\n";
const file = (folder: string, id: string): string => join(folder, `root.${id}`);

/** Makes a new root key, durable in the keys folder when this returns. */
export function createRoot(folder: string): RootKey {
  const root = { id: randomBytes(8).toString("hex"), key: randomBytes(32) };
  writeDurable(file(folder, root.id), Buffer.from(`${HEADER}${root.key.toString("hex")}\n`), 0o600);
  return root;
}

/** Reads the root key `id`; throws `vault/root-missing`. */
export function readRoot(folder: string, id: string): RootKey {
  const text = readIfThere(file(folder, id))?.toString("latin1");
  const hex = text?.slice(HEADER.length).trimEnd();
  if (text === undefined || !text.startsWith(HEADER) || hex === undefined || !/^[0-9a-f]{64}$/.test(hex)) {
    throw new SpurError("vault/root-missing", `${file(folder, id)} is ${text === undefined ? "missing" : "damaged"}`, {
      status: 503,
      hint: "This data folder needs the root key it names. A backup older than the last removal has none: see `spur recover --help`. Nothing was changed.",
    });
  }
  return { id, key: Buffer.from(hex, "hex") };
}

/** Destroys a retired root key. Done when this returns: the name is gone and the folder synced. Idempotent. */
export function destroyRoot(folder: string, id: string): void {
  try {
    unlinkSync(file(folder, id));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  syncFolder(folder);
}

/** Ids of the root keys that lie in the folder. */
export function rootIds(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => /^root\.([0-9a-f]{16})$/.exec(name)?.[1] ?? []);
}
