// The short form of `npm run faults`: some of each kind. What needs strace or root says why it is skipped.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callsRun } from "./faults/calls/calls.ts";
import { createRun } from "./faults/create.ts";
import { destroyRun } from "./faults/destroy.ts";
import { diskRun, whyNoDisk } from "./faults/full-disk.ts";
import { injectRun, whyNoStrace } from "./faults/inject.ts";
import { killRun } from "./faults/kill.ts";
import { matrixRun } from "./faults/matrix/matrix.ts";
import { KNOWN, repeatKnown } from "./faults/power/known.ts";
import { powerRun } from "./faults/power/power.ts";
import { random } from "./faults/random.ts";
import { startUpstream, type Upstream } from "./faults/upstream.ts";

const base = mkdtempSync(join(tmpdir(), "spur-faults-"));
const memory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "spur-faults-"));
const SEED = Number(process.env["SPUR_FAULTS_SEED"] ?? Date.now() % 1_000_000);
const place = (name: string) => ({ data: join(base, name, "data"), keys: join(base, name, "data-keys") });
const noStrace = whyNoStrace();
const noDisk = whyNoDisk(join(base, "disk"));
for (const [what, why] of Object.entries({
  "failing system calls and power losses": noStrace,
  "a full disk": noDisk,
})) {
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
  for (const folder of [base, memory]) rmSync(folder, { recursive: true, force: true });
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
    ]);
    expect(checked.faults).toEqual([]);
    expect(met.ended + met.refused + met["went on"]).toBe(2);
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
    "loses nothing when a system call of its story fails or kills it",
    { timeout: 200_000 },
    async () => {
      const { faults, met, all } = await callsRun(random(SEED), { count: 5, folder: join(memory, "calls") });
      expect(faults).toEqual([]);
      expect(all).toBeGreaterThan(1_500);
      expect(met).toBeGreaterThan(1);
    },
  );
});

describe("a step that fails", () => {
  it("before it is done or after, of a file, a commit or a request to a witness: is tried again, and nothing is lost", { timeout: 200_000 }, async () => {
    const { faults, met, heads } = await matrixRun({ count: 20, seed: SEED });
    expect(faults).toEqual([]);
    expect(met).toBeGreaterThan(12);
    expect(heads).toBeGreaterThan(40);
  }); // prettier-ignore

  it.skipIf(noStrace !== undefined)(
    "in a destruction, at a system call: is gone on with",
    { timeout: 200_000 },
    async () => {
      const { calls, faults } = await destroyRun(40);
      expect(faults).toEqual([]);
      expect(calls).toBeGreaterThan(1);
    },
  );

  it.skipIf(noStrace !== undefined)(
    "in the first start of all: leaves what the next one makes whole",
    { timeout: 200_000 },
    async () => {
      const { starts, faults } = await createRun(base, await upstream(), 24);
      expect(faults).toEqual([]);
      expect(starts).toBeGreaterThan(1);
    },
  );
});

describe.skipIf(noStrace !== undefined)("a power loss", () => {
  const folder = join(memory, "power");
  mkdirSync(folder);

  it("takes nothing that was acknowledged or signed, whatever it takes of what was not synced", { timeout: 200_000 }, async () => {
    const options = { count: 60, perLineage: 20, folder, image: join(memory, "left") };
    const { faults, losses, acknowledged, heads } = await powerRun(random(SEED), options);
    expect(faults).toEqual([]);
    expect(losses).toBe(60);
    expect(acknowledged).toBeGreaterThan(0);
    expect(heads).toBeGreaterThan(0);
  }); // prettier-ignore

  it.each(KNOWN.map((known, i) => [known.name, i] as const))("leaves no %s", { timeout: 200_000 }, async (_name, i) => {
    const known = KNOWN[i] as (typeof KNOWN)[number];
    const run = await repeatKnown(known, join(folder, `known-${i}`), join(memory, "left"), join(folder, "cache"));
    expect(run.faults).toEqual([]);
    expect(run.losses).toBeGreaterThan(10);
  });
});
