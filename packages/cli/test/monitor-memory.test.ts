// What a monitor keeps on disk: it survives whatever happens to the process, and a liar gets nothing into it.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAudit, createAuditState } from "@spur/verifier/audit/fold";
import { toHex } from "@spur/verifier/bytes";
import { useSha256 } from "@spur/verifier/hash";
import { rootOf } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { makeStory } from "../../verifier/test/make-log.ts";
import { EntryStore } from "../src/monitor/entry-store.ts";
import { HashStore } from "../src/monitor/hash-store.ts";
import {
  cleanUp,
  longLog,
  openStand,
  openWatch,
  otherLog,
  temporary,
  type Stand,
  type Watch,
} from "./monitor-stand.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const long = longLog(900);
let stand: Stand;
let watch: Watch | undefined;
beforeEach(async () => {
  stand = await openStand();
});
afterEach(async () => {
  watch?.close();
  watch = undefined;
  await stand.close();
});
afterAll(cleanUp);

const SEED = () => crypto.getRandomValues(new Uint32Array(4));

describe("record ids on disk", () => {
  const recOf = (n: number) => createHash("sha256").update(String(n)).digest("hex").slice(0, 32);

  it("answer like a map, across growth, flushes and starts", () => {
    const file = join(temporary(), "entries");
    let state = createAuditState();
    let store = new EntryStore(file, 0, state, SEED());
    const map = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      // Every seventh has none, every eleventh one that is there already.
      const rec = recOf(i % 11 === 10 ? i - 5 : i);
      if (i % 7 !== 0) {
        expect(store.add(rec, i)).toBe(map.get(rec));
        if (!map.has(rec)) map.set(rec, i);
      }
      store.put(i, i % 23, i % 100 === 0 ? "unknown" : undefined);
      if (i % 997 === 0) store.flush();
      if (i % 6_000 !== 5_999) continue;
      store.flush();
      store.close();
      state = createAuditState();
      store = new EntryStore(file, i + 1, state, SEED());
    }
    store.flush();
    store.close();
    state = createAuditState();
    store = new EntryStore(file, 20_000, state, SEED());
    for (let i = 0; i < 20_000; i++) {
      if (store.get(recOf(i)) !== map.get(recOf(i)) || state.types[i] !== i % 23) throw new Error(`entry ${i}`);
    }
    expect([...state.opaque.keys()]).toEqual(Array.from({ length: 200 }, (_, i) => i * 100));
    store.close();
  });

  it("of a part that was not saved are forgotten, and a file that is too short is told", () => {
    const file = join(temporary(), "entries");
    let store = new EntryStore(file, 0, createAuditState(), SEED());
    for (let i = 0; i < 10; i++) {
      store.add(recOf(i), i);
      store.put(i, 1, undefined);
    }
    store.flush();
    store.close();
    store = new EntryStore(file, 4, createAuditState(), SEED());
    expect([store.get(recOf(3)), store.get(recOf(4)), readFileSync(file).length]).toEqual([3, undefined, 4 * 18]);
    store.close();
    expect(() => new EntryStore(file, 5, createAuditState(), SEED())).toThrow("monitor/state");
  });

  it("let an audit go on as if it had never stopped", () => {
    const { log } = makeStory({ witnesses: 0 });
    log.close();
    const root = rootOf(log.entries.map((one) => one.leaf));
    const whole = createAudit(log.origin);
    for (const { index, bytes } of log.entries) whole.add(index, bytes);
    for (let cut = 0; cut < log.entries.length; cut++) {
      const state = createAuditState();
      const first = createAudit(log.origin, state);
      for (const { index, bytes } of log.entries.slice(0, cut)) first.add(index, bytes);
      const second = createAudit(log.origin, state);
      for (const { index, bytes } of log.entries.slice(cut)) second.add(index, bytes);
      expect(second.finish(log.entries.length, { root, signer: "trusted" })).toEqual(
        cut === 0
          ? whole.finish(log.entries.length, { root, signer: "trusted" })
          : expect.objectContaining({ exit: 0, root }),
      );
    }
  });
});

describe("tiles on disk", () => {
  it("give every root there was, across starts", async () => {
    const folder = temporary();
    const leaves = long.entries.map(({ leaf }) => leaf);
    let store = new HashStore(folder, 0);
    for (const [i, leaf] of leaves.entries()) {
      store.put(leaf);
      if (i % 100 === 99) {
        store.flush();
        store.close();
        store = new HashStore(folder, i + 1);
      }
    }
    const prover = createProver(900, async (tile) => Promise.resolve(store.tile(tile)));
    for (const size of [1, 255, 256, 257, 512, 600, 899, 900])
      expect(toHex(await prover.root(size)), String(size)).toBe(toHex(rootOf(leaves.slice(0, size))));
    expect(() => store.tile({ level: 0, index: 3, width: 133 })).toThrow("monitor/open");
    expect(() => store.tile({ level: 2, index: 0, width: 1 })).toThrow("monitor/open");
    store.close();
  });

  it("beyond 65,536 entries too", async () => {
    const folder = temporary();
    const leaves = Array.from({ length: 66_000 }, (_, i) => createHash("sha256").update(`${i}`).digest());
    let store = new HashStore(folder, 0);
    for (const [i, leaf] of leaves.entries()) {
      store.put(leaf);
      if (i % 30_000 === 0) store.flush();
    }
    store.flush();
    store.close();
    store = new HashStore(folder, 66_000);
    const prover = createProver(66_000, async (tile) => Promise.resolve(store.tile(tile)));
    for (const size of [65_535, 65_536, 65_537, 66_000])
      expect(toHex(await prover.root(size)), String(size)).toBe(toHex(rootOf(leaves.slice(0, size))));
    store.close();
    store = new HashStore(folder, 65_000); // what came after was never saved
    store.put(leaves[65_000] as Buffer);
    expect(store.tile({ level: 0, index: 253, width: 233 }).subarray(-32)).toEqual(leaves[65_000]);
    store.close();
  });

  it("convict a log that does not serve its tiles any more", async () => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long, { reread: 0 });
    expect((await watch.round()).exit).toBe(0);
    await watch.again();
    stand.lie = (path, response) => path.includes("tile") && !!response.writeHead(404).end();
    stand.checkpoint = otherLog(700).checkpoint(500);
    const seen = await watch.round();
    expect(seen.raised).toEqual(["monitor/split-view"]);
    expect(existsSync(join(watch.folder, seen.alarms[0]?.file ?? "none"))).toBe(true);
  });
});

describe("a folder", () => {
  it("has one monitor at a time", async () => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long);
    await expect(openWatch(stand.url, long, { folder: watch.folder })).rejects.toMatchObject({
      code: "monitor/locked",
    });
    await watch.round();
    await watch.again();
    expect((await watch.round()).exit).toBe(0);
  });

  it.each([
    ["state.json", (file: string) => writeFileSync(file, "{")],
    ["state.json", (file: string) => writeFileSync(file, '{"format":"other"}')],
    ["entries", (file: string) => truncateSync(file, 100)],
    ["hashes-0", (file: string) => truncateSync(file, 100)],
    ["hashes-1", (file: string) => truncateSync(file, 0)],
  ])("that was damaged is not gone on with: %s", async (name, damage) => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long);
    await watch.round();
    const { folder } = watch;
    watch.close();
    watch = undefined;
    damage(join(folder, name));
    await expect(openWatch(stand.url, long, { folder })).rejects.toMatchObject({ code: "monitor/state" });
  });

  it("whose key is no longer trusted is not gone on with", async () => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long);
    await watch.round();
    const { folder } = watch;
    watch.close();
    watch = undefined;
    const stranger = longLog(3, { seed: "stranger" });
    await expect(openWatch(stand.url, stranger, { folder })).rejects.toMatchObject({ code: "monitor/state" });
  });

  it("with rows that no state knows of is gone on with", async () => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long);
    await watch.round();
    for (const name of ["entries", "hashes-0", "hashes-1"])
      appendFileSync(join(watch.folder, name), new Uint8Array(12_345).fill(7));
    await watch.again();
    stand.show(long, 900);
    expect((await watch.round()).end).toMatchObject({ exit: 0, good: 900 });
  });

  it("made under other rules is read again, and forgets no checkpoint", async () => {
    stand.show(long, 600);
    watch = await openWatch(stand.url, long);
    await watch.round();
    const file = join(watch.folder, "state.json");
    const state = JSON.parse(readFileSync(file, "utf8")) as { rules: string };
    const { folder } = watch;
    watch.close();
    writeFileSync(file, JSON.stringify({ ...state, rules: "older" }));
    watch = await openWatch(stand.url, long, { folder, reread: 0 });
    stand.asked();
    stand.checkpoint = long.checkpoint(500);
    expect(await watch.round()).toMatchObject({
      exit: 1,
      raised: ["monitor/shrank"],
      end: { size: 600, followed: 600 },
    });
    expect(stand.asked().filter((path) => path.includes("entries"))).toHaveLength(3);
  });
});

describe("what was found but not yet told", () => {
  it("is told by the next process, if the first one ended in between", async () => {
    stand.show(long, 600);
    let dead = false;
    watch = await openWatch(stand.url, long, {
      tell: () => {
        if (dead) throw new Error("the process ends here");
      },
    });
    await watch.round().catch(() => undefined);
    stand.checkpoint = long.checkpoint(500);
    dead = true;
    await expect(watch.round()).rejects.toThrow("the process ends here");
    const { folder } = watch;
    watch.close();
    watch = await openWatch(stand.url, long, { folder });
    expect(await watch.round()).toMatchObject({ exit: 1, raised: ["monitor/shrank"] });
    await watch.again();
    expect(await watch.round()).toMatchObject({ exit: 1, raised: [] });
  });
});
