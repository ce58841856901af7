// The one writer and its witnesses: what is published, when, and what is never signed. The witnesses are real, on loopback.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { equalBytes } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { openNote, parseNote } from "@spur/verifier/note/note";
import { parsePolicy, quorumMet } from "@spur/verifier/trust/policy";
import { Core } from "@spur/ledger/core";
import type { CoreOptions } from "@spur/ledger/core/types";
import type { Fetch } from "@spur/ledger/witness/request";
import {
  allFiles, appendAll, auditFolder, codeOf, commitOne, copyPair, grow, newPair, ORIGIN, plainDraft, ready, removalDraft,
  removeFolders, sealedDraft, type Pair,
} from "./log-support.ts"; // prettier-ignore
import {
  closePeers, hangs, movedClock, parseAsked, policyOf, startPeer, startRealWitness, type Asked, type RealWitness,
} from "./witness-support.ts"; // prettier-ignore

const folder = mkdtempSync(join(tmpdir(), "spur-witnesses-"));
const witnesses: RealWitness[] = [];
const cores: Core[] = [];
/** How far the clocks of all witnesses are ahead. */
let laterMs = 0;

afterEach(async () => {
  for (const core of cores.splice(0)) await core.close().catch(() => undefined);
});
afterAll(async () => {
  for (const one of witnesses) await one.stop();
  await closePeers();
  removeFolders();
  rmSync(folder, { recursive: true, force: true });
});

/** Each test's log has the same origin, so each has witnesses of its own too. */
async function newWitness(): Promise<RealWitness> {
  const one = await startRealWitness(mkdtempSync(join(folder, "w-")), `w${witnesses.length}.invalid`, () => laterMs);
  witnesses.push(one);
  return one;
}

interface World {
  readonly pair: Pair;
  readonly w: readonly RealWitness[];
  readonly policy: string;
  /** Every checkpoint that any process showed a witness. */
  readonly shown: Asked[];
  readonly clock: ReturnType<typeof movedClock>;
  /** Called around every request. */
  around: (asked: Asked, when: "before" | "after") => void;
  open(pair?: Pair, more?: Partial<CoreOptions>): Promise<Core>;
  close(core: Core): Promise<void>;
}

/** A new log of ten entries, and `count` witnesses of whom `threshold` are needed; all know it. */
async function newWorld(threshold = 2, count = 3): Promise<World> {
  const pair = newPair();
  const w = await Promise.all(Array.from({ length: count }, newWitness));
  const policy = policyOf(threshold, w);
  const clock = movedClock();
  const shown: Asked[] = [];
  const world: World = {
    pair, w, policy, shown, clock,
    around: () => undefined,
    async open(at = pair, more = {}) {
      const watched: Fetch = async (url, init) => {
        const asked = parseAsked(url, init.body as string);
        shown.push(asked);
        world.around(asked, "before");
        const response = await fetch(url, init);
        world.around(asked, "after");
        return response;
      };
      const core = await Core.open({
        ...at, origin: ORIGIN, now: () => clock.now(),
        witnesses: { policy, own: [], detectOnly: false },
        witnessing: { outside: { clock, fetch: watched }, limits: { graceMs: 300, requestMs: 2_000, roundMs: 3_000 } },
        ...more,
      });
      cores.push(core);
      return core;
    },
    async close(core) {
      cores.splice(cores.indexOf(core), 1);
      await core.close();
    },
  }; // prettier-ignore
  const core = await world.open();
  for (const one of w) one.knows(ORIGIN, core.info.vkey);
  grow(core, 10);
  await core.publication.publish();
  await world.close(core);
  return world;
}

const checkpointOf = (pair: Pair): string => readFileSync(join(pair.data, "log", "checkpoint"), "utf8");
const sizeOf = (pair: Pair): number => parseCheckpoint(parseNote(checkpointOf(pair)).text).size;

/** Names in the policy of those whose cosignature stands on the published checkpoint. */
function cosignersOf(world: World, pair = world.pair): string[] {
  const policy = parsePolicy(world.policy);
  const opened = openNote(
    parseNote(checkpointOf(pair)),
    [...policy.witnesses.values()].map(({ key }) => key),
  );
  expect(opened.invalid).toEqual([]);
  const keys = opened.verified.map(({ key }) => key);
  const names = [...policy.witnesses].filter(([, { key }]) => keys.includes(key)).map(([name]) => name);
  expect(quorumMet(policy, new Set(names))).toBe(true);
  return names;
}

/** No size was ever shown to anybody with two roots. */
function holdsTogether(shown: readonly Asked[]): void {
  const roots = new Map<number, string>();
  for (const { size, text } of shown) {
    const root = text.split("\n")[2] as string;
    expect(`${size} ${roots.get(size) ?? root}`).toBe(`${size} ${root}`);
    roots.set(size, root);
  }
}

describe("publication under a policy", () => {
  it("carries the log's signature and the cosignatures of all who answered", async () => {
    const world = await newWorld();
    expect(cosignersOf(world)).toEqual(["w1", "w2", "w3"]);
    const before = world.shown.length;
    const core = await world.open();
    // What is published says where they stood: one request each tells that they know of nothing more.
    expect(world.shown.slice(before).map(({ old, size }) => [old, size])).toEqual([[10, 10], [10, 10], [10, 10]]); // prettier-ignore
    grow(core, 700);
    await core.publication.publish();
    expect(sizeOf(world.pair)).toBe(710);
    expect(cosignersOf(world)).toEqual(["w1", "w2", "w3"]);
    expect(core.head()).toMatchObject({ published: 710, witnesses: { quorum: "met", witnesses: [{ size: 710 }, { size: 710 }, { size: 710 }] } }); // prettier-ignore
    expect(core.head().failed).toBeUndefined();
    auditFolder(world.pair.data, core.info.vkey);
    // After the comparison at the start nobody had to be told twice where he stands.
    expect(world.shown.filter(({ size }) => size === 710).map(({ old }) => old)).toEqual([10, 10, 10]);
    holdsTogether(world.shown);
  });

  it("waits for the quorum: nothing is published, all is recorded, and health says who is missing", async () => {
    const world = await newWorld();
    const core = await world.open();
    await world.w[0]?.stop();
    await world.w[1]?.stop();
    const before = checkpointOf(world.pair);
    grow(core, 5);
    expect(await codeOf(() => core.publication.publish())).toBe("log/no-quorum");
    expect(checkpointOf(world.pair)).toBe(before);
    grow(core, 5);
    expect(core.size).toBe(20);
    expect(core.head()).toMatchObject({
      published: 10,
      witnesses: {
        quorum: "not-met",
        waiting: { size: 15 },
        witnesses: [{ failing: { reason: "unreachable" } }, { failing: { reason: "unreachable" } }, { size: 15 }],
      },
    });
    expect(core.head().failed).toContain("size 15 waits for witnesses: w1: unreachable");
    expect(core.dead).toBeUndefined();
    await world.w[1]?.start();
    world.clock.by += 5_000;
    expect(await core.publication.publish()).toMatchObject({ size: 20 });
    expect([sizeOf(world.pair), cosignersOf(world)]).toEqual([20, ["w2", "w3"]]);
    expect(core.head().failed).toBeUndefined();
    expect(core.head().witnesses?.waiting).toBeUndefined();
  });

  it("needs no moment at which a quorum is there: one candidate is gathered for, while the log grows over tiles", async () => {
    const world = await newWorld();
    const core = await world.open();
    const [w1, w2, w3] = world.w as [RealWitness, RealWitness, RealWitness];
    await w2.stop();
    await w3.stop();
    grow(core, 240);
    expect(await codeOf(() => core.publication.publish())).toBe("log/no-quorum");
    grow(core, 400); // its partial tiles are full ones by now
    await core.publication.settled();
    await w1.stop();
    await w3.start();
    world.clock.by += 5_000;
    // 250 has its quorum now, w1 then and w3 now; 650 has not.
    expect(await codeOf(() => core.publication.publish())).toBe("log/no-quorum");
    expect([sizeOf(world.pair), cosignersOf(world)]).toEqual([250, ["w1", "w3"]]);
    expect(core.head()).toMatchObject({ published: 250, witnesses: { waiting: { size: 650 } } });
    auditFolder(world.pair.data, core.info.vkey);
    await w1.start();
    world.clock.by += 120_000;
    expect(await core.publication.publish()).toMatchObject({ size: 650 });
    auditFolder(world.pair.data, core.info.vkey);
    holdsTogether(world.shown);
  });

  it("stays away too long: ordinary writes are refused, removals and answers pass, until there is a quorum again", async () => {
    const world = await newWorld();
    const core = await world.open();
    const sealed = sealedDraft();
    appendAll(core, [sealed]);
    await core.publication.publish();
    for (const one of world.w) await one.stop();
    grow(core, 1);
    expect(await codeOf(() => core.publication.publish())).toBe("log/no-quorum");
    world.clock.by += 599_000;
    expect(await codeOf(() => core.publication.publish())).toBe("log/no-quorum");
    grow(core, 1);
    world.clock.by += 2_000;
    expect(await codeOf(() => grow(core, 1))).toBe("log/not-published");
    commitOne(core, await ready(world.pair, removalDraft(sealed.rec), { orders: sealed.rec }));
    for (const one of world.w) await one.start();
    world.clock.by += 120_000;
    await core.publication.publish();
    grow(core, 1);
    await core.publication.publish();
    expect(sizeOf(world.pair)).toBe(core.size);
  });

  it("asks nobody about an empty log, and about one that rests only now and then", async () => {
    const world = await newWorld();
    const empty = await world.open(newPair());
    const count = world.shown.length;
    await empty.publication.publish();
    expect(world.shown).toHaveLength(count);
    const core = await world.open();
    await core.publication.publish(); // once after a start
    const first = world.shown.length;
    for (let i = 0; i < 5; i++) await core.publication.publish();
    expect(world.shown).toHaveLength(first);
    // A witness repeats itself for five seconds (ours does); after that its time is a new one.
    const before = core.head().witnesses?.witnesses[0]?.atMs ?? 0;
    laterMs += 6_000;
    world.clock.by += 3_600_000;
    await core.publication.publish();
    expect(core.head().witnesses?.witnesses[0]?.atMs).toBeGreaterThan(before);
    expect(world.shown).toHaveLength(first + 3);
    // Nobody there: what is published stays as good as it was.
    for (const one of world.w) await one.stop();
    const published = checkpointOf(world.pair);
    world.clock.by += 3_600_000;
    await core.publication.publish();
    expect([checkpointOf(world.pair), core.head().failed, core.head().witnesses?.waiting]).toEqual([published, undefined, undefined]); // prettier-ignore
  });

  it("of a log that had no policy before begins with the head that it has", async () => {
    const pair = newPair();
    const alone = await Core.open({ ...pair, origin: ORIGIN, now: () => performance.now() });
    grow(alone, 300);
    await alone.publication.publish();
    await alone.close();
    const world = await newWorld();
    for (const one of world.w) await one.stop();
    const fresh = await Promise.all([newWitness(), newWitness()]);
    for (const one of fresh) one.knows(ORIGIN, alone.info.vkey);
    const policy = policyOf(2, fresh);
    const core = await world.open(pair, { witnesses: { policy, own: [], detectOnly: false } });
    expect(core.head().witnesses?.quorum).toBe("not-met");
    await core.publication.publish();
    expect(cosignersOf({ ...world, policy }, pair)).toEqual(["w1", "w2"]);
    expect(sizeOf(pair)).toBe(300);
  });

  it("is refused at the start under a policy of other logs, or of a quorum that two heads can have", async () => {
    const world = await newWorld();
    const other = await world.open(newPair());
    const wrong = (policy: string) => codeOf(() => world.open(world.pair, { witnesses: { policy, own: [], detectOnly: false } })); // prettier-ignore
    expect(await wrong(`log ${other.info.vkey}\n${world.policy}`)).toBe("witnesses/other-log");
    expect(await wrong(policyOf(1, world.w))).toBe("witnesses/quorum-splits");
    const core = await world.open(world.pair, {
      witnesses: { policy: policyOf(1, world.w), own: [], detectOnly: true },
    });
    expect(core.head().witnesses?.detectOnly).toBe(true);
  });

  it("does not keep a ledger from closing", async () => {
    const peer = await startPeer(hangs);
    const world = await newWorld();
    const policy = policyOf(1, [{ vkey: world.w[0]?.vkey ?? "", url: peer.url }]);
    const core = await world.open(newPair(), { witnesses: { policy, own: [], detectOnly: false } });
    grow(core, 3);
    const publishing = codeOf(() => core.publication.publish());
    await new Promise((resolve) => setTimeout(resolve, 100));
    const began = performance.now();
    core.publication.letGoOfWitnesses();
    expect(await publishing).toBe("log/no-quorum");
    await world.close(core);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe("an older copy, or a second one, signs nothing", () => {
  it("that starts: the witnesses know more, and it is left as it was", async () => {
    const world = await newWorld();
    const copy = copyPair(world.pair);
    const core = await world.open();
    grow(core, 1);
    await core.publication.publish();
    const before = fingerprint(copy);
    expect(await codeOf(() => world.open(copy))).toBe("log/rolled-back");
    expect(fingerprint(copy)).toEqual(before);
    holdsTogether(world.shown);
  });

  it("that starts is told so even where no quorum is wanted", async () => {
    const world = await newWorld();
    const copy = copyPair(world.pair);
    const core = await world.open();
    grow(core, 1);
    await core.publication.publish();
    const settings = { witnesses: { policy: policyOf("none", world.w), own: [], detectOnly: false } };
    expect(await codeOf(() => world.open(copy, settings))).toBe("log/rolled-back");
  });

  it("that starts while nobody can be asked: it signs nothing until they answer, and then it stops for good", async () => {
    const world = await newWorld();
    const copy = copyPair(world.pair);
    const core = await world.open();
    grow(core, 5);
    await core.publication.publish();
    await world.close(core);
    for (const one of world.w) await one.stop();
    const second = await world.open(copy);
    grow(second, 3);
    const shown = world.shown.length;
    for (let i = 0; i < 3; i++) {
      world.clock.by += 120_000;
      expect(await codeOf(() => second.publication.publish())).toBe("log/no-quorum");
    }
    // What they would have got is the checkpoint that was published before the copy was made: no new signature.
    expect(world.shown.slice(shown).every(({ size }) => size === 10)).toBe(true);
    expect(second.head().failed).toContain("too few witnesses have said that they know of nothing newer");
    await world.w[2]?.start();
    world.clock.by += 120_000;
    expect(await codeOf(() => second.publication.publish())).toBe("log/rolled-back");
    expect(second.dead?.code).toBe("log/rolled-back");
    expect(await codeOf(() => appendAll(second, [plainDraft()]))).toBe("log/rolled-back");
    expect(await codeOf(() => second.publication.publish())).toBe("log/rolled-back");
    expect(await codeOf(() => second.publication.signReceipts(["x\n"]))).toBe("log/rolled-back");
    holdsTogether(world.shown);
  });

  it.each([
    ["the same size", 5, "log/forked"],
    ["a larger size", 9, "log/rolled-back"],
    ["a smaller size", 2, "log/rolled-back"],
  ])("that runs beside the first and comes second with %s", async (_name, more, code) => {
    const world = await newWorld();
    const copy = copyPair(world.pair);
    const [first, second] = [await world.open(), await world.open(copy)];
    grow(first, 5);
    await first.publication.publish();
    const before = checkpointOf(copy);
    grow(second, more);
    expect(await codeOf(() => second.publication.publish())).toBe(code);
    expect(second.dead?.code).toBe(code);
    expect(checkpointOf(copy)).toBe(before);
    grow(first, 1);
    await first.publication.publish();
    expect(sizeOf(world.pair)).toBe(16);
  });
});

describe("a process that is killed", () => {
  it("at any moment of a publication goes on with what was signed, and no two signatures conflict", async () => {
    const world = await newWorld();
    const core = await world.open();
    const moments: { name: string; pair: Pair }[] = [];
    const take = (name: string): void => void moments.push({ name, pair: copyPair(world.pair) });
    let nth = 0;
    world.around = ({ size }, when) => {
      if (size > 10) take(`${when} request ${nth++} of size ${size}`);
    };
    grow(core, 280);
    take("before the publication");
    await core.publication.publish();
    grow(core, 7);
    take("between two publications");
    await core.publication.publish();
    world.around = () => undefined;
    await world.close(core);
    expect(moments.length).toBeGreaterThan(12);
    const vkey = core.info.vkey;
    const whole = auditFolder(world.pair.data, vkey);
    // The witnesses stand at 297 now, so only what is as far may go on; all others are older copies and must stop.
    const after: string[] = [];
    for (const { name, pair } of moments) {
      const code = await codeOf(async () => {
        const again = await world.open(pair);
        await again.publication.publish();
        const audited = auditFolder(pair.data, vkey);
        expect([name, equalBytes(audited.root, whole.root)]).toEqual([name, true]);
        await world.close(again);
      });
      after.push(`${code} ${/size 297/.test(name) ? "late" : "early"}`);
    }
    expect(new Set(after)).toEqual(new Set(["log/rolled-back early", "none late"]));
    holdsTogether(world.shown);
  });

  it.each(["before", "after"] as const)(
    "%s the witnesses have stored what they cosign: the next start publishes the same root",
    async (when) => {
      const world = await newWorld();
      const core = await world.open();
      let left: Pair | undefined;
      world.around = ({ size }, now) => {
        if (size === 30 && now === when) left ??= copyPair(world.pair);
      };
      grow(core, 20);
      await core.publication.publish();
      const [text] = checkpointOf(world.pair).split("\n\n");
      await world.close(core);
      world.around = () => undefined;
      expect(existsSync(join((left as Pair).data, "log", "checkpoint")) && sizeOf(left as Pair)).toBe(10);
      const again = await world.open(left);
      expect(await again.publication.publish()).toMatchObject({ size: 30 });
      expect(checkpointOf(left as Pair).split("\n\n")[0]).toBe(text);
      expect(cosignersOf(world, left as Pair)).toHaveLength(3);
      // And grown on from there.
      grow(again, 3);
      await again.publication.publish();
      expect(sizeOf(left as Pair)).toBe(33);
      holdsTogether(world.shown);
    },
  );

  it("before the first publication of all begins again", async () => {
    const w = [await newWitness()];
    const pair = newPair();
    const first = await Core.open({ ...pair, origin: ORIGIN, now: () => performance.now() });
    (w[0] as RealWitness).knows(ORIGIN, first.info.vkey);
    grow(first, 3);
    await first.close();
    const settings = { witnesses: { policy: policyOf(1, w), own: [], detectOnly: false } };
    let left: Pair | undefined;
    const fetching: Fetch = async (url, init) => {
      const response = await fetch(url, init);
      left ??= copyPair(pair);
      return response;
    };
    const core = await Core.open({ ...pair, origin: ORIGIN, now: () => performance.now(), ...settings, witnessing: { outside: { fetch: fetching } } }); // prettier-ignore
    await core.publication.publish();
    await core.close();
    const again = await Core.open({ ...(left as Pair), origin: ORIGIN, now: () => performance.now(), ...settings });
    grow(again, 2);
    expect(await again.publication.publish()).toMatchObject({ size: 5 });
    await again.close();
  });
});

/** Every file's bytes, but those of SQLite's own bookkeeping beside an open database. */
function fingerprint(pair: Pair): string[] {
  return allFiles(pair.data, pair.keys)
    .filter(({ path }) => !/-(wal|shm|journal)$/.test(path) && !path.includes("lock.sqlite"))
    .map(({ path, bytes }) => `${path.slice(path.lastIndexOf("data"))} ${Buffer.from(bytes).toString("base64")}`)
    .sort();
}
