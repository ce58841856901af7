import { unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { SpurError } from "../errors.ts";
import { syncFolder } from "../storage/durable-file.ts";
import type { VaultStore } from "../storage/vault-store.ts";
import type { Keyring } from "./keyring.ts";
import { createRoot, destroyRoot, rootIds } from "./root-key.ts";

export interface DestroyDeps {
  readonly store: VaultStore;
  readonly keyring: Keyring;
  readonly dataFolder: string;
  readonly keysFolder: string;
  /** One transaction of the log store. */
  transaction(work: () => void): void;
}

/**
 * (1) and (2) of a destruction (formats §6), for records whose removal is ordered; the caller goes on with {@link finishDestruction}.
 * A crash anywhere leaves a state from which that can go on: before (2) only a stray root file, after it the rows name what is still to be unlinked.
 */
export function destroyContents(deps: DestroyDeps, targets: readonly { rec: string; idx: number }[]): void {
  const { store, keyring } = deps;
  const root = createRoot(deps.keysFolder); // (1) durable before anything is wrapped by it
  deps.transaction(() => {
    // (2)
    const serials = targets.flatMap(({ idx }) => store.payloadOf(idx)?.serial ?? []);
    keyring.destroyDeks(serials, root);
    for (const serial of serials) store.dropCiphertext(serial);
    for (const { rec } of targets) store.setTombstone(rec, "destroyed");
  });
}

/** (3) and (4): nothing of what was deleted stays in the write-ahead log, in a file, or under an old root key. Idempotent. */
export function finishDestruction(deps: DestroyDeps, targets: readonly { idx: number }[]): void {
  const { store } = deps;
  if (!store.truncateWal()) {
    throw new SpurError("removal/busy", "the write-ahead log could not be emptied", {
      status: 503,
      hint: "Another connection reads the vault file; the removal goes on at the next start or call.",
    });
  }
  const folders = new Set<string>();
  for (const { idx } of targets) {
    const payload = store.payloadOf(idx);
    if (payload === undefined) continue;
    for (const file of payloadFiles(payload)) {
      const path = join(deps.dataFolder, file);
      try {
        unlinkSync(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      folders.add(dirname(path));
    }
  }
  for (const folder of folders) syncFolder(folder);
  destroyOtherRoots(deps);
  deps.transaction(() => {
    for (const id of store.retiredRoots()) store.forgetRetiredRoot(id);
    for (const { idx } of targets) {
      const payload = store.payloadOf(idx);
      if (payload !== undefined) store.forgetFiles(payload.serial);
    }
  });
}

/**
 * Of all root keys only the one in use stays: what a copy of the data folder may hold under any other one can be read no more. Besides
 * retired ones there are those that a destruction made before it ended without its transaction, and those of a folder that was given up.
 */
function destroyOtherRoots({ store, keyring, keysFolder }: DestroyDeps): void {
  const others = new Set([...store.retiredRoots(), ...rootIds(keysFolder)]);
  others.delete(keyring.rootId);
  for (const id of others) destroyRoot(keysFolder, id);
}

/** The files of a payload, relative to the data folder. */
export function payloadFiles(payload: { file: string | null; blobs: string | null }): string[] {
  const blobs = payload.blobs === null ? [] : Object.values(JSON.parse(payload.blobs) as Record<string, string>);
  return payload.file === null ? blobs : [payload.file, ...blobs];
}
