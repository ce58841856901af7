import type { Core } from "../core.ts";
import { pageOf, type Page } from "../projections/page.ts";
import type { AccessKey } from "./access-keys.ts";
import type { Closed, CoreDraft } from "./types.ts";

/** What the main thread may ask of the one writer, besides commits and what worker.ts takes in turns (publication, receipts, closing). */
export const CALLS = {
  head: (core: Core) => core.head(),
  read: (core: Core, from: number, count: number) => core.read(from, count),
  /** For a reader of many: in one piece, which the caller's thread gets without a copy. */
  readPage: (core: Core, from: number, count: number): Page => pageOf(core.read(from, count)),
  locate: (core: Core, rec: string) => core.vault.locate(rec),
  unwrap: (core: Core, rec: string) => core.vault.unwrap(rec),
  openJournal: (core: Core) => core.vault.openJournal(),
  openRemovals: (core: Core) => core.vault.openRemovals(),
  due: (core: Core, nowMs: number) => core.vault.due(nowMs),
  custodyPage: (core: Core, from: number, limit: number) => core.vault.custodyPage(from, limit),
  destroy: (core: Core, recs: readonly string[]) => core.destroy(recs),
  accessKeys: (core: Core) => core.accessKeys.all(),
  addAccessKey: (core: Core, key: Omit<AccessKey, "revokedMs">) => {
    core.accessKeys.add(key);
  },
  revokeAccessKey: (core: Core, id: string, atMs: number) => core.accessKeys.revoke(id, atMs),
  backupDatabase: (core: Core, to: string) => {
    core.backupDatabase(to);
  },
  meta: (core: Core, name: string) => core.meta(name),
  closeLog: (core: Core, drafts: readonly CoreDraft[], state: Closed) => {
    core.closeLog(drafts, state);
  },
  /** The key for receipts that the entry `rec` is to announce: nothing is signed with it before it is settled. */
  makeReceiptsKey: (core: Core, rec: string) => {
    const { vkey, publicKey } = core.receiptsKeys.make(rec);
    return { vkey, publicKey };
  },
  /** What was announced takes its place. */
  settleReceiptsKey: (core: Core) => {
    core.receiptsKeys.settle((index) => core.read(index, 1)[0] as Uint8Array);
  },
  setMeta: (core: Core, name: string, value: string) => {
    core.setMeta(name, value);
  },
} as const;
