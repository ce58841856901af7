import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { backupRunning } from "../src/backup.ts";
import type { LedgerThread } from "../src/ledger-thread.ts";
import { auditEntries, auditFolder, grow, newPair, openCore, removeFolders } from "./log-support.ts";
import { cpSync } from "node:fs";
import { leafHash, rootOf } from "@spur/verifier/tlog/merkle";
import { writeSeen } from "../src/log/seen.ts";

afterAll(removeFolders);

describe("a backup of a running ledger", () => {
  it("holds every entry of its head, though entries leave the database and tiles come while it is made", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    grow(core, 700);
    await core.publication.publish();
    const churn = async (): Promise<void> => {
      grow(core, 600);
      await core.publication.publish();
      while (core.publication.prune());
    };
    const to = join(pair.data, "..", "backup");
    // Stands between the two copies, where a busy ledger does just this.
    const busy = {
      call: async (name: string, path: string) => {
        if (name === "head") return core.head();
        await churn();
        core.backupDatabase(path);
        await churn();
        return undefined;
      },
    };
    await backupRunning(busy as unknown as LedgerThread, pair.data, to);
    const root = rootOf(core.read(0, 1300).map(leafHash));
    await core.close();
    // Beside its keys as they were then: nothing that left the ledger is newer.
    const keys = join(pair.data, "..", "keys-then");
    cpSync(pair.keys, keys, { recursive: true });
    writeSeen(keys, { size: 1300, root });
    cpSync(join(pair.data, "lock.sqlite"), join(to, "lock.sqlite"));
    const restored = await openCore({ data: to, keys });
    expect(restored.size).toBe(1300);
    auditEntries(restored.read(0, 1300));
    await restored.publication.publish();
    expect(auditFolder(to, restored.info.vkey).size).toBe(1300);
    await restored.close();
  });
});
