import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { utf8 } from "@spur/verifier/bytes";
import { slotSalts } from "@spur/verifier/payload/commitment";
import type { Core } from "../src/core.ts";
import { prepare } from "../src/prepare.ts";
import { unseal } from "../src/vault/seal.ts";
import type { Draft } from "../src/draft.ts";
import { parseEntry } from "@spur/verifier/statement/entry";
import { diskError, listen, watchSqlite, type Step } from "./durable-points.ts";
import {
  auditFolder, codeOf, commitOne, copyPair, filesHolding, grow, newPair, NOW_MS, openCore, ready, removalDraft, removeFolders, removeFolder, removeNow, sealedDraft, type Pair,
} from "./log-support.ts"; // prettier-ignore

vi.mock("node:fs", async (original) => (await import("./durable-points.ts")).watchedFs(await original()));
vi.mock("node:fs/promises", async (original) =>
  (await import("./durable-points.ts")).watchedFsPromises(await original()),
);

beforeAll(watchSqlite);
afterEach(() => {
  listen(undefined);
});
afterAll(removeFolders);

/** Text of which no 12 bytes come by chance anywhere else. */
const secret = (name: string, bytes: number): Uint8Array => {
  let text = "";
  for (let i = 0; text.length < bytes; i++) text += `${name}-${i * 7919}-whispered;`;
  return utf8(text);
};

interface Sealed {
  readonly draft: Draft;
  /** Plaintexts, data key, salts. */
  readonly secrets: readonly Uint8Array[];
}

/** Records content of every size and gives its secrets, which only a test keeps. */
async function recordSealed(pair: Pair, core: Core, name: string, sizes: readonly number[]): Promise<Sealed> {
  const draft = sealedDraft(sizes.map((bytes, i) => secret(`${name}${i}`, bytes)));
  const one = await ready(pair, draft);
  commitOne(core, one);
  const dek = (one.sealed as { dek: Uint8Array }).dek;
  return {
    draft,
    secrets: [...(draft.slots as Uint8Array[]).map((value) => value.subarray(0, 4000)), dek, ...slotSalts(dek, 4)],
  };
}

function openAll(pair: Pair, core: Core, draft: Draft): Uint8Array[] {
  const found = core.vault.unwrap(draft.rec);
  const entry = parseEntry(core.read(found.index, 1)[0] as Uint8Array);
  const ct = found.ct ?? readFileSync(join(pair.data, found.file as string));
  const blobs = JSON.parse(found.blobs ?? "{}") as Record<string, string>;
  return unseal(
    Buffer.from(draft.rec, "hex"),
    { dek: found.dek, ct, commitment: entry.commitment as Uint8Array, slots: entry.slots },
    (slot) => readFileSync(join(pair.data, blobs[String(slot)] as string)),
  ).filter((value) => value !== undefined);
}

const opens = (pair: Pair, core: Core, { draft }: Sealed): boolean =>
  openAll(pair, core, draft).every((value, i) =>
    Buffer.from(value).equals(Buffer.from(draft.slots?.[i] as Uint8Array)),
  );

const SMALL = [300];
const MIDDLE = [20_000, 400];
const LARGE = [90_000, 1_300_000];

describe("a removal", () => {
  it(
    "leaves no trace of text, data key or salt in any file, running, closed and restarted; what survives still opens",
    { timeout: 120_000 },
    async () => {
      const pair = newPair();
      let core = await openCore(pair);
      const doomed: Sealed[] = [];
      const kept: Sealed[] = [];
      for (let i = 0; i < 6; i++) {
        doomed.push(await recordSealed(pair, core, `doomed${i}`, [SMALL, MIDDLE, LARGE][i % 3] as number[]));
        kept.push(await recordSealed(pair, core, `kept${i}`, [SMALL, MIDDLE, LARGE][i % 3] as number[]));
      }
      const all = [...doomed, ...kept];
      // Never on disk, at no time.
      expect(filesHolding(all.flatMap(({ secrets }) => secrets), pair.data, pair.keys)).toEqual([]); // prettier-ignore
      expect(all.every((one) => opens(pair, core, one))).toBe(true);
      const cts = doomed.flatMap(({ draft }) => {
        const { ct, file } = core.vault.unwrap(draft.rec);
        return [Buffer.from(ct ?? readFileSync(join(pair.data, file as string))).subarray(0, 64)];
      });
      const roots = readdirSync(pair.keys).filter((name) => name.startsWith("root."));
      const rootKey = readFileSync(join(pair.keys, roots[0] as string)).subarray(-65, -1);
      await removeNow(core, doomed.map(({ draft }) => draft.rec)); // prettier-ignore
      const look = (): void => {
        expect(filesHolding(all.flatMap(({ secrets }) => secrets), pair.data, pair.keys)).toEqual([]); // prettier-ignore
        expect(filesHolding([...cts, rootKey], pair.data, pair.keys)).toEqual([]);
        for (const { draft } of doomed) {
          expect(core.vault.locate(draft.rec)?.removal).toBe("completed");
          expect(
            readdirSync(join(pair.data, "payloads"), { recursive: true }).some((name) =>
              String(name).includes(draft.rec),
            ),
          ).toBe(false);
        }
        expect(kept.every((one) => opens(pair, core, one))).toBe(true);
      };
      look();
      for (const { draft } of doomed) expect(await codeOf(() => core.vault.unwrap(draft.rec))).toBe("record/removed");
      await core.publication.publish();
      await core.close();
      core = await openCore(pair);
      look();
      auditFolder(pair.data, core.info.vkey);
      expect(readdirSync(pair.keys).filter((name) => name.startsWith("root."))).toHaveLength(1);
      await core.close();
    },
  );

  it("voids every older backup of the data folder, and only what was removed is gone from the true one", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const doomed = await recordSealed(pair, core, "doomed", SMALL);
    const kept = await recordSealed(pair, core, "kept", SMALL);
    await core.publication.publish();
    const then = copyPair(pair);
    const backup = then.data;
    await removeNow(core, [doomed.draft.rec]);
    await core.publication.publish();
    const later = copyPair(pair);
    await core.close();
    // The backup beside the keys as they are now; even with `seen` as it was then, its keys do not unwrap.
    const keys = newPair().keys;
    cpSync(pair.keys, keys, { recursive: true });
    cpSync(join(then.keys, "seen"), join(keys, "seen"));
    expect(await codeOf(() => openCore({ data: backup, keys }))).toBe("vault/root-missing");
    // With the newer root under the old one's name, neither.
    const [now] = readdirSync(keys).filter((name) => name.startsWith("root."));
    const old = await codeOf(() => openCore({ data: backup, keys }));
    expect(old).toBe("vault/root-missing");
    expect(now).toBeDefined();
    const again = await openCore(later);
    expect(opens(later, again, kept)).toBe(true);
    await again.close();
  });

  it("is done once: a second order, a second destruction and a second completion change nothing", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const doomed = await recordSealed(pair, core, "doomed", LARGE);
    const order = removalDraft(doomed.draft.rec);
    const marked = { ...prepare(order, NOW_MS).draft, orders: doomed.draft.rec };
    commitOne(core, marked);
    expect(await codeOf(() => core.vault.unwrap(doomed.draft.rec))).toBe("record/removed"); // from the order on
    expect(
      await codeOf(() =>
        commitOne(core, { ...prepare(removalDraft(doomed.draft.rec), NOW_MS).draft, orders: doomed.draft.rec }),
      ),
    ).toBe("removal/already");
    const unknown = "0".repeat(32);
    expect(
      await codeOf(() =>
        commitOne(core, { ...prepare(removalDraft(doomed.draft.rec), NOW_MS).draft, orders: unknown }),
      ),
    ).toBe("record/unknown");
    expect(core.destroy([doomed.draft.rec])).toEqual([{ rec: doomed.draft.rec, had: true }]);
    expect(core.destroy([doomed.draft.rec])).toEqual([{ rec: doomed.draft.rec, had: true }]);
    expect(core.vault.openRemovals()).toHaveLength(1);
    commitOne(core, {
      ...prepare(removalDraft(doomed.draft.rec, order.rec), NOW_MS).draft,
      completes: doomed.draft.rec,
    });
    expect(core.vault.openRemovals()).toEqual([]);
    await core.close();
  });

  it("of a record whose content was never kept says so", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const draft = { ...sealedDraft([utf8("never kept")]), keepNothing: true };
    commitOne(core, prepare(draft, NOW_MS).draft);
    commitOne(core, { ...prepare(removalDraft(draft.rec), NOW_MS).draft, orders: draft.rec });
    expect(core.destroy([draft.rec])).toEqual([{ rec: draft.rec, had: false }]);
    await core.close();
  });

  it("goes on with what an error left half destroyed when the next one is made", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const first = await recordSealed(pair, core, "first", LARGE);
    const second = await recordSealed(pair, core, "second", LARGE);
    for (const { draft } of [first, second])
      commitOne(core, { ...prepare(removalDraft(draft.rec), NOW_MS).draft, orders: draft.rec });
    listen((step) => {
      if (step.what === "unlink" && step.when === "before") throw diskError("EIO", "unlink");
    });
    expect(await codeOf(() => core.destroy([first.draft.rec]))).toBe("EIO");
    listen(undefined);
    expect(core.destroy([first.draft.rec, second.draft.rec]).map(({ had }) => had)).toEqual([true, true]);
    expect(
      readdirSync(join(pair.data, "payloads"), { recursive: true }).filter((name) => String(name).includes(".")),
    ).toEqual([]);
    expect(readdirSync(pair.keys).filter((name) => name.startsWith("root."))).toHaveLength(1);
    await core.close();
  });

  it("rewraps survivors over many shards' worth of records without losing one", { timeout: 120_000 }, async () => {
    const pair = newPair();
    let core = await openCore(pair);
    const drafts = Array.from({ length: 4200 }, (_, i) => sealedDraft([utf8(`text ${i}`)]));
    for (let at = 0; at < drafts.length; at += 1050)
      core.commit(
        drafts.slice(at, at + 1050).map((draft) => ({ kind: "append", drafts: [prepare(draft, NOW_MS).draft] })),
      );
    const doomed = [0, 1, 4095, 4096, 4199].map((i) => (drafts[i] as Draft).rec);
    await removeNow(core, doomed);
    await core.close();
    core = await openCore(pair);
    for (const [i, draft] of drafts.entries()) {
      if (doomed.includes(draft.rec)) expect(await codeOf(() => core.vault.unwrap(draft.rec))).toBe("record/removed");
      else if (i % 50 === 0 || i > 4090)
        expect(Buffer.from(openAll(pair, core, draft)[0] as Uint8Array).toString()).toBe(`text ${i}`);
      else core.vault.unwrap(draft.rec);
    }
    await core.close();
  });
});

describe("a destruction that breaks", () => {
  /** A ledger with an order on record, about to destroy. */
  async function ordered() {
    const pair = newPair();
    const core = await openCore(pair);
    const kept = await recordSealed(pair, core, "kept", LARGE);
    const doomed = await recordSealed(pair, core, "doomed", MIDDLE);
    const large = await recordSealed(pair, core, "large", LARGE);
    grow(core, 10);
    const recs = [doomed, large].map(({ draft }) => draft.rec);
    for (const rec of recs) commitOne(core, { ...prepare(removalDraft(rec), NOW_MS).draft, orders: rec });
    await core.publication.publish();
    return { pair, core, kept, gone: [doomed, large], recs };
  }

  async function resume(pair: Pair, made: Awaited<ReturnType<typeof ordered>>): Promise<void> {
    const core = await openCore(pair);
    const open = core.vault.openRemovals();
    expect(open.map(({ rec }) => rec).sort()).toEqual([...made.recs].sort());
    for (const rec of made.recs) expect(await codeOf(() => core.vault.unwrap(rec))).toBe("record/removed");
    expect(core.destroy(made.recs).every(({ had }) => had)).toBe(true);
    expect(opens(pair, core, made.kept)).toBe(true);
    expect(filesHolding([...made.gone, made.kept].flatMap(({ secrets }) => secrets), pair.data, pair.keys)).toEqual([]); // prettier-ignore
    expect(
      readdirSync(join(pair.data, "payloads"), { recursive: true }).some((name) =>
        made.recs.some((rec) => String(name).includes(rec)),
      ),
    ).toBe(false);
    for (const { rec, order } of open) {
      const { rec: orderRec } = parseEntry(core.read(order, 1)[0] as Uint8Array);
      commitOne(core, { ...prepare(removalDraft(rec, orderRec), NOW_MS).draft, completes: rec });
    }
    await core.publication.publish();
    auditFolder(pair.data, core.info.vkey);
    await core.close();
    const again = await openCore(pair);
    expect(again.vault.openRemovals()).toEqual([]);
    expect(opens(pair, again, made.kept)).toBe(true);
    await again.close();
    // The stray root of a destruction that broke before its transaction wraps nothing; the old one is gone.
    expect(readdirSync(pair.keys).filter((name) => name.startsWith("root.")).length).toBeLessThanOrEqual(2);
  }

  it("by a kill at any step goes on at the next start, and twice in a row", { timeout: 120_000 }, async () => {
    const made = await ordered();
    const left: { step: Step; pair: Pair }[] = [];
    listen((step) => left.push({ step, pair: copyPair(made.pair) }));
    made.core.destroy(made.recs);
    listen(undefined);
    await made.core.close();
    expect(left.map(({ step }) => step.what)).toEqual(
      expect.arrayContaining(["write", "sync", "rename", "commit", "checkpoint", "unlink"]),
    );
    for (const { pair } of left) {
      await resume(pair, made);
      removeFolder(pair);
    }
  });

  it.each(["before", "after"] as const)(
    "by EIO %s any step goes on at the next call or start",
    { timeout: 120_000 },
    async (when) => {
      const dry = await ordered();
      const steps: Step[] = [];
      listen((step) => steps.push(step));
      dry.core.destroy(dry.recs);
      listen(undefined);
      await dry.core.close();
      for (const chosen of steps.filter((step) => step.when === when)) {
        const made = await ordered();
        listen((step) => {
          if (step.at === chosen.at) throw diskError("EIO", step.what);
        });
        expect(await codeOf(() => made.core.destroy(made.recs))).not.toBe("none");
        listen(undefined);
        const left = copyPair(made.pair);
        if (made.core.dead === undefined) {
          expect(made.core.destroy(made.recs).every(({ had }) => had)).toBe(true);
          expect(opens(made.pair, made.core, made.kept)).toBe(true);
        }
        await made.core.close();
        await resume(left, made);
        removeFolder(made.pair);
        removeFolder(left);
      }
    },
  );
});

describe("after a kill -9", () => {
  it("no file holds anything of a removed record", { timeout: 120_000 }, async () => {
    const pair = newPair();
    mkdirSync(pair.data, { recursive: true });
    const source = `
      import { createInterface } from "node:readline";
      const { openCore, sealedDraft, ready, commitOne, removeNow, grow } = await import(${JSON.stringify(new URL("./log-support.ts", import.meta.url).href)});
      const pair = ${JSON.stringify(pair)};
      const core = await openCore(pair);
      const text = "kill-nine-secret-" + "0123456789abcdef".repeat(4000);
      const drafts = [sealedDraft([Buffer.from(text.slice(0, 500))]), sealedDraft([Buffer.from(text), Buffer.from(text.repeat(20))])];
      const deks = [];
      for (const draft of drafts) { const one = await ready(pair, draft); deks.push(Buffer.from(one.sealed.dek).toString("hex")); commitOne(core, one); }
      await removeNow(core, drafts.map(({ rec }) => rec));
      grow(core, 50);
      process.stdout.write(JSON.stringify(deks) + "\\n");
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    const deks = JSON.parse(await new Promise<string>((resolve) => child.stdout.once("data", (bytes) => { resolve(String(bytes)); }))) as string[]; // prettier-ignore
    const keys = deks.map((hex) => Buffer.from(hex, "hex"));
    const secrets = [
      Buffer.from("kill-nine-secret-0123456789abcdef0123"),
      ...keys,
      ...keys.flatMap((dek) => slotSalts(dek, 4)),
    ];
    expect(filesHolding(secrets, pair.data, pair.keys)).toEqual([]);
    child.kill("SIGKILL");
    await gone;
    expect(existsSync(join(pair.data, "ledger.sqlite-wal"))).toBe(true);
    expect(filesHolding(secrets, pair.data, pair.keys)).toEqual([]);
    const core = await openCore(pair);
    expect(filesHolding(secrets, pair.data, pair.keys)).toEqual([]);
    await core.close();
  });
});
