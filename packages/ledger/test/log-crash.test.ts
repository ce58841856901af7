// A crash and a failure before and after every durable step of a whole story: made, appended, published, pruned, removed.
// Every copy is opened again and audited from outside.
import { utf8 } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Core } from "../src/core.ts";
import { prepare } from "../src/prepare.ts";
import { diskError, listen, watchSqlite, type Step } from "./durable-points.ts";
import {
  appendAll, auditEntries, auditFolder, codeOf, commitOne, copyPair, grow, newPair, NOW_MS, openCore, plainDraft, ready, removalDraft, removeFolder, removeFolders, removeNow, sealedDraft,
  type Pair,
} from "./log-support.ts"; // prettier-ignore

vi.mock("node:fs", async (original) => (await import("./durable-points.ts")).watchedFs(await original()));
vi.mock("node:fs/promises", async (original) =>
  (await import("./durable-points.ts")).watchedFsPromises(await original()),
);

/** What the story has promised to its callers so far. */
interface Promised {
  readonly acknowledged: Map<string, number>;
  readonly removed: Set<string>;
  checkpoint?: { size: number; root: Uint8Array };
}

const promised = (): Promised => ({ acknowledged: new Map(), removed: new Set() });
const promise = (to: Promised, recs: readonly { rec: string; index: number }[]): void => {
  for (const { rec, index } of recs) to.acknowledged.set(rec, index);
};

const LARGE = utf8("a large secret value ").length;
const secret = (name: string, bytes = 200): Uint8Array => utf8(`${name} `.repeat(Math.ceil(bytes / (name.length + 1))));

/** The whole life of a small log. `told` is what callers were told, at every moment. */
async function story(pair: Pair, told: Promised): Promise<Core> {
  let core = await openCore(pair);
  promise(told, appendAll(core, [plainDraft(), plainDraft()]));
  await core.publication.publish();
  const keep = sealedDraft([secret("kept")]);
  const small = sealedDraft([secret("small")]);
  const large = sealedDraft([secret("large", 80_000), secret("huge", 1_100_000 + LARGE)]);
  for (const draft of [keep, small, large]) promise(told, [commitOne(core, await ready(pair, draft))]);
  // Over the first full tile, in two transactions.
  promise(
    told,
    appendAll(
      core,
      Array.from({ length: 250 }, () => plainDraft()),
    ),
  );
  promise(
    told,
    appendAll(
      core,
      Array.from({ length: 20 }, () => plainDraft()),
    ),
  );
  await core.publication.publish();
  core.publication.prune();
  core.publication.signReceipts(["a receipt\n"]);
  await removeNow(core, [small.rec, large.rec]);
  told.removed.add(small.rec).add(large.rec);
  await core.publication.publish();
  await core.close();
  core = await openCore(pair);
  promise(told, appendAll(core, [plainDraft()]));
  await core.publication.publish();
  expect(core.vault.unwrap(keep.rec).dek).toHaveLength(32);
  return core;
}

/** Opens what is left and holds it against what was told before. */
async function auditLeft(left: Pair, told: Promised): Promise<void> {
  const core = await openCore(left);
  try {
    for (const [rec, index] of told.acknowledged) expect(core.vault.locate(rec)?.index).toBe(index);
    auditEntries(core.read(0, core.size));
    const open = core.vault.openRemovals();
    if (open.length > 0) {
      core.destroy(open.map(({ rec }) => rec));
      for (const { rec, order } of open) {
        const orderRec = (JSON.parse(Buffer.from(core.read(order, 1)[0] as Uint8Array).toString()) as { rec: string })
          .rec;
        commitOne(core, await ready(left, removalDraft(rec, orderRec), { completes: rec }));
      }
    }
    for (const rec of [...told.removed, ...open.map(({ rec }) => rec)])
      expect(await codeOf(() => core.vault.unwrap(rec))).toBe("record/removed");
    appendAll(core, [plainDraft()]);
    await core.publication.publish();
    const audited = auditFolder(left.data, core.info.vkey);
    expect(audited.size).toBe(core.size);
    const { checkpoint } = told;
    if (checkpoint !== undefined) expect(audited.size).toBeGreaterThan(checkpoint.size);
  } finally {
    await core.close();
  }
  expect(existsSync(join(left.data, "log", "checkpoint"))).toBe(true);
}

function publishedIn(pair: Pair): { size: number; root: Uint8Array } | undefined {
  const path = join(pair.data, "log", "checkpoint");
  return existsSync(path) ? parseCheckpoint(parseNote(readFileSync(path, "utf8")).text) : undefined;
}

beforeAll(watchSqlite);
afterEach(() => {
  listen(undefined);
});
afterAll(removeFolders);

const describeStep = ({ at, what, path, when }: Step): string =>
  `${when} ${what} ${path.split("/").slice(-3).join("/")} (step ${at})`;

describe("a crash", () => {
  it(
    "at any durable step leaves a folder that starts again, loses nothing that was promised, and passes an audit",
    { timeout: 120_000 },
    async () => {
      const pair = newPair();
      const told = promised();
      const left: { step: string; pair: Pair; told: Promised }[] = [];
      listen((step) => {
        // The same folders twice in a row say nothing new: "after" one step is "before" the next.
        if (step.when === "after" && step.what !== "commit") return;
        const checkpoint = publishedIn(pair);
        left.push({
          step: describeStep(step),
          pair: copyPair(pair),
          told: {
            acknowledged: new Map(told.acknowledged),
            removed: new Set(told.removed),
            ...(checkpoint === undefined ? {} : { checkpoint }),
          },
        });
      });
      const core = await story(pair, told);
      listen(undefined);
      await core.close();
      expect(left.length).toBeGreaterThan(100);
      const faults: string[] = [];
      for (const one of left) {
        const code = await codeOf(() => auditLeft(one.pair, one.told));
        if (code !== "none") faults.push(`crash ${one.step}: ${code}`);
        removeFolder(one.pair);
      }
      expect(faults).toEqual([]);
    },
  );
});

describe.each(["EIO", "ENOSPC"] as const)("%s", (code) => {
  it("at any durable step is told, and nothing that was promised is lost", { timeout: 120_000 }, async () => {
    const steps: Step[] = [];
    listen((step) => steps.push(step));
    const dry = await story(newPair(), promised());
    listen(undefined);
    await dry.close();
    const faults: string[] = [];
    // Every step fails once: EIO after it was done (a sync that lies), ENOSPC before.
    const when = code === "EIO" ? "after" : "before";
    for (const chosen of steps.filter(
      (step) => step.when === when && (step.at % 6 === 0 || ["commit", "checkpoint", "unlink"].includes(step.what)),
    )) {
      const pair = newPair();
      const told = promised();
      listen((step) => {
        if (step.at === chosen.at) throw diskError(code, step.what);
      });
      let open: Core | undefined;
      const fault = await codeOf(async () => {
        open = await story(pair, told);
      });
      listen(undefined);
      const checkpoint = publishedIn(pair);
      const left = copyPair(pair);
      await open?.close().catch(() => undefined);
      const audit = await codeOf(() =>
        auditLeft(left, { ...told, ...(checkpoint === undefined ? {} : { checkpoint }) }),
      );
      removeFolder(pair);
      removeFolder(left);
      if (audit !== "none") faults.push(`${code} ${describeStep(chosen)} (told: ${fault}): ${audit}`);
    }
    expect(faults).toEqual([]);
  });
});

describe("files that cannot be written", () => {
  it("stop publication and ordinary writes; both go on when the disk does", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    grow(core, 10);
    await core.publication.publish();
    listen((step) => {
      if (step.what === "sync" && step.path.includes("tile")) throw diskError("ENOSPC", "fsync");
    });
    grow(core, 600);
    expect(await codeOf(() => core.publication.publish())).not.toBe("none");
    expect(core.head().failed).toContain("ENOSPC");
    expect(await codeOf(() => appendAll(core, [plainDraft()]))).toBe("log/not-published");
    expect(core.publication.prune()).toBe(false);
    // Ends of answers and removals still pass, many of them: they wait for no file.
    for (let i = 0; i < 40; i++) {
      core.commit([
        {
          kind: "append",
          essential: true,
          drafts: Array.from({ length: 256 }, () => prepare(plainDraft(), NOW_MS).draft),
        },
      ]);
    }
    expect(await codeOf(() => core.publication.publish())).not.toBe("none");
    expect(core.publication.behind).toBe(false);
    listen(undefined);
    await core.publication.publish();
    expect(core.head().failed).toBeUndefined();
    grow(core, 600);
    await core.publication.publish();
    while (core.publication.prune());
    expect(auditFolder(pair.data, core.info.vkey).size).toBe(1210 + 40 * 256);
    expect(core.read(0, 20_000)).toHaveLength(1210 + 40 * 256);
    await core.close();
    const again = await openCore(pair);
    expect(again.size).toBe(1210 + 40 * 256);
    await again.close();
  });

  it("a commit that fails is the last word of its process: nothing is read or written on that handle", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const [known] = appendAll(core, [plainDraft()]);
    listen((step) => {
      if (step.what === "commit" && step.when === "before") throw diskError("EIO", "fsync");
    });
    const lost = plainDraft();
    expect(await codeOf(() => appendAll(core, [lost]))).toBe("log/commit-unknown");
    listen(undefined);
    expect(await codeOf(() => appendAll(core, [plainDraft()]))).toBe("log/commit-unknown");
    expect(await codeOf(() => core.publication.publish())).toBe("log/commit-unknown");
    expect(await codeOf(() => core.vault.locate(lost.rec))).toBe("log/commit-unknown");
    expect(await codeOf(() => core.read(0, 9))).toBe("log/commit-unknown");
    expect(await codeOf(() => core.vault.unwrap(lost.rec))).toBe("log/commit-unknown");
    expect(await codeOf(() => core.publication.signReceipts(["x\n"]))).toBe("log/commit-unknown");
    await core.close();
    const again = await openCore(pair);
    expect(again.vault.locate((known as { rec: string }).rec)?.index).toBe(0);
    expect(again.size).toBe(1);
    await again.close();
  });
});
