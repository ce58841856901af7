// The short form of `npm run faults`: 50 kills, and one of each other kind. What needs strace or root says why it is skipped.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRun } from "./faults/create.ts";
import { destroyRun } from "./faults/destroy.ts";
import { diskRun, whyNoDisk } from "./faults/full-disk.ts";
import { injectRun, whyNoStrace } from "./faults/inject.ts";
import { killRun } from "./faults/kill.ts";
import { random } from "./faults/random.ts";
import { startUpstream, type Upstream } from "./faults/upstream.ts";

const base = mkdtempSync(join(tmpdir(), "spur-faults-"));
const SEED = Number(process.env["SPUR_FAULTS_SEED"] ?? Date.now() % 1_000_000);
const place = (name: string) => ({ data: join(base, name, "data"), keys: join(base, name, "data-keys") });
const noStrace = whyNoStrace();
const noDisk = whyNoDisk(join(base, "disk"));
for (const [what, why] of Object.entries({ "failing system calls": noStrace, "a full disk": noDisk })) {
  if (why !== undefined) process.stderr.write(`skipped: ${what}: ${why}\n`);
}

const open: Upstream[] = [];
async function upstream(): Promise<Upstream> {
  const one = await startUpstream(random(SEED + 1));
  open.push(one);
  return one;
}

beforeAll(() => {
  process.stderr.write(`faults with seed ${SEED}\n`);
});
afterAll(async () => {
  for (const one of open) await one.close();
  rmSync(base, { recursive: true, force: true });
});

describe("a ledger under load", () => {
  it("loses nothing by 50 kills at random moments", { timeout: 400_000 }, async () => {
    // Two ledgers at once: kills then fall into the pauses of a busy machine, too.
    const runs = await Promise.all(
      ["one", "two"].map(async (name, i) => killRun(place(name), await upstream(), random(SEED + i), 25)),
    );
    for (const run of runs) {
      expect(run.checked.faults).toEqual([]);
      expect(run.acknowledged).toBeGreaterThan(20);
      expect(run.checkpoints).toBeGreaterThan(3);
    }
  });

  it.skipIf(noStrace !== undefined)("loses nothing when the disk fails under it", { timeout: 200_000 }, async () => {
    const { data, keys } = place("inject");
    const { checked, met } = await injectRun({ data, keys }, await upstream(), random(SEED), [
      { call: "fsync", what: "error=EIO", when: "14" },
      { call: "pwrite64", what: "error=ENOSPC", when: "9+", path: `${data}/ledger.sqlite-wal` },
      { call: "rename", what: "error=EIO", when: "9+" },
    ]);
    expect(checked.faults).toEqual([]);
    expect(met.ended + met.refused + met["went on"]).toBe(3);
  });

  it.skipIf(noDisk !== undefined)(
    "loses nothing when the disk is full, and goes on when there is room",
    { timeout: 200_000 },
    async () => {
      const { checked, statuses } = await diskRun(join(base, "full"), await upstream(), random(SEED), {
        keysToo: true,
      });
      expect(checked.faults).toEqual([]);
      expect([...statuses.keys()].filter((status) => status.startsWith("500"))).toEqual([]);
    },
  );

  it.skipIf(noStrace !== undefined)(
    "finishes a destruction that was killed or met EIO at a system call",
    { timeout: 200_000 },
    async () => {
      const { calls, faults } = await destroyRun(16);
      expect(faults).toEqual([]);
      expect(calls).toBeGreaterThan(4);
    },
  );

  it.skipIf(noStrace !== undefined)(
    "is made whole by the next start when its first was killed",
    { timeout: 200_000 },
    async () => {
      const { starts, faults } = await createRun(base, await upstream(), 16);
      expect(faults).toEqual([]);
      expect(starts).toBeGreaterThan(2);
    },
  );
});
