// A log that is followed as it grows, goes back, or shows two histories.
import { createHash } from "node:crypto";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { useSha256 } from "@spur/verifier/hash";
import { createLog, makeSigner, makeStory, type MadeLog } from "../../verifier/test/make-log.ts";
import {
  cleanUp,
  filesOf,
  longLog,
  openStand,
  openWatch,
  otherLog,
  temporary,
  type Stand,
  type Watch,
} from "./monitor-stand.ts";
import { openTerminal } from "./terminal.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const long = longLog(900);
const other = otherLog(700);
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

async function open(log: MadeLog | string = long, more: Parameters<typeof openWatch>[2] = {}, place = stand.url) {
  return (watch = await openWatch(place, log, more));
}

const bundlesIn = (asked: readonly string[]) => asked.filter((path) => path.includes("/entries/"));

describe("a log that grows", () => {
  it("is followed from where it was read to, and every size is good", async () => {
    const one = await open(long, { reread: 0 });
    for (const size of [2, 255, 256, 257, 511, 512, 600, 900]) {
      stand.show(long, size);
      const { exit, end } = await one.round();
      expect([exit, end.size, end.followed, end.good, end.alarms]).toEqual([0, size, size, size, 0]);
      const from = bundlesIn(stand.asked());
      // No bundle that was whole before is read again.
      expect(from.length).toBeLessThanOrEqual(size === 900 ? 2 : size === 512 ? 1 : 2);
    }
    await one.again();
    stand.asked();
    expect((await one.round()).exit).toBe(0);
    expect(bundlesIn(stand.asked())).toEqual([]);
  });

  it("is read again, some bundles in each round, around the whole", async () => {
    stand.show(long);
    const one = await open(long, { reread: 1 });
    await one.round();
    stand.asked();
    const read: string[] = [];
    for (let i = 0; i < 4; i++) {
      expect((await one.round()).exit).toBe(0);
      read.push(...bundlesIn(stand.asked()));
    }
    expect(read).toEqual(["000", "001", "002", "003.p/132"].map((name) => `log/tile/entries/${name}`));
  });

  it("of all kinds of records, in a folder", async () => {
    const { log } = makeStory({ witnesses: 2 });
    const folder = join(temporary(), "log");
    cpSync(filesOf(log, 9), folder, { recursive: true });
    const one = await open(log.trustText(), {}, folder);
    expect((await one.round()).exit).toBe(0);
    cpSync(filesOf(log, log.entries.length), folder, { recursive: true });
    await one.again();
    expect((await one.round()).end).toMatchObject({ exit: 0, followed: log.entries.length, good: log.entries.length });
  });
});

describe("a split view", () => {
  async function convicted(one: Watch): Promise<void> {
    const seen = await one.round();
    expect([seen.exit, seen.raised]).toEqual([1, ["monitor/split-view"]]);
    const file = seen.alarms[0]?.file ?? "";
    const terminal = openTerminal();
    const ran = await terminal.spur(`verify ${join(one.folder, file)} --trust ${long.key.vkey}`);
    terminal.close();
    expect([ran.exit, ran.text]).toEqual([1, expect.stringContaining("signed histories that exclude each other")]);
    // Held is what was seen first, and the fork is told once, in a new process too.
    await one.again();
    expect(await one.round()).toMatchObject({ exit: 1, raised: [] });
  }

  it.each([600, 500, 700])("in the same place, of size %i after 600", async (n) => {
    stand.show(long, 600);
    const one = await open();
    expect((await one.round()).exit).toBe(0);
    stand.show(other, n);
    const seen = await one.round();
    expect(seen.exit).toBe(1);
    expect(seen.raised).toContain("monitor/split-view");
    expect(seen.end).toMatchObject({ size: 600, followed: 600, good: 600 });
    const [proof] = readdirSync(join(one.folder, "evidence")).filter((name) => name.endsWith(".misbehaviour.json"));
    const terminal = openTerminal();
    expect((await terminal.spur(`verify ${one.folder}/evidence/${proof} --trust ${long.key.vkey}`)).exit).toBe(1);
    terminal.close();
  });

  it.each([600, 700])("in another place, of size %i beside 600", async (n) => {
    stand.show(long, 600);
    const second = await openStand();
    second.show(other, n);
    const one = await open(long, { also: [`${second.url}/log`] });
    await convicted(one);
    await second.close();
  });

  it("at a witness's read side, below the hash of the origin", async () => {
    stand.show(long, 600);
    const hash = createHash("sha256").update(long.origin).digest("hex");
    const witness = await openStand();
    witness.lie = (path, response) => path === `${hash}/checkpoint` && !!response.end(other.checkpoint(300));
    const one = await open(long, { also: [witness.url] });
    await convicted(one);
    await witness.close();
  });

  it("in a file that somebody hands on: a checkpoint, evidence, a proof", async () => {
    stand.show(long, 600);
    const evidence = other.evidenceFile({ entries: [2], size: 300 });
    for (const [name, content] of [
      ["a.checkpoint", other.checkpoint(300)],
      ["b.evidence.json", evidence],
    ] as const) {
      const gossip = temporary();
      writeFileSync(join(gossip, name), content);
      writeFileSync(join(gossip, "photo.jpg"), new Uint8Array([0xff, 0xd8, 0, 1]));
      writeFileSync(join(gossip, "another.checkpoint"), createLog({ origin: "elsewhere.example" }).checkpoint(0));
      await convicted(await open(long, { gossip }));
      watch?.close();
    }
    watch = undefined;
  });

  it("in what an earlier audit saw", async () => {
    stand.show(other, 700);
    const home = temporary();
    const terminal = openTerminal({ XDG_STATE_HOME: join(home, "state") });
    expect((await terminal.spur(`audit ${stand.url} --trust ${long.key.vkey}`)).exit).toBe(0);
    terminal.close();
    stand.show(long, 600);
    watch = await openWatch(stand.url, long, {}, home);
    // Nobody serves the tiles of what the audit saw any more, and two roots need none.
    expect((await watch.round()).end).toMatchObject({ exit: 0, alarms: 0 });
    stand.show(long, 700);
    await convicted(watch);
  });

  it("is told once for one fork, whatever the log does afterwards; and forks without end do not fill the disk", async () => {
    const one = await open(long, { reread: 0 });
    stand.show(long, 600);
    await one.round();
    const alarms = new Set<string>();
    for (let n = 300; n < 318; n++) {
      stand.checkpoint = other.checkpoint(n);
      for (const { sentence } of (await one.round()).alarms) alarms.add(sentence);
      stand.checkpoint = long.checkpoint(600);
      expect(await one.round()).toMatchObject({ exit: 1, end: { size: 600, followed: 600 } });
    }
    expect(alarms.size).toBe(17);
    expect(readdirSync(join(one.folder, "evidence")).filter((name) => name.includes("misbehaviour"))).toHaveLength(16);
  });

  it("between signers of two keys leaves both checkpoints", async () => {
    const second = makeSigner(long.origin, "second key");
    const trust = JSON.stringify({
      format: "spur-trust/v1",
      policy: `log ${long.key.vkey}\nlog ${second.vkey}\nquorum none\n`,
    });
    stand.show(long, 600);
    const one = await open(trust);
    expect((await one.round()).exit).toBe(0);
    stand.checkpoint = other.checkpoint(600, [second]);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["monitor/split-view"] });
    expect(readdirSync(join(one.folder, "evidence")).filter((name) => name.endsWith(".checkpoint"))).toHaveLength(2);
  });
});

describe("a receipt in the folder", () => {
  /** Two lives of one log: in one an answer was complete, in the other partial. */
  function lives() {
    const [kept, shown] = [makeStory({ witnesses: 0 }), makeStory({ witnesses: 0 })];
    const answer = ({ log, deployment }: typeof kept, outcome: string) =>
      log.add({ type: "spur:output/v1", predicate: { deployment: deployment.ref, outcome } });
    const { index } = answer(kept, "complete");
    answer(shown, "partial");
    return { kept: kept.log, shown: shown.log, index };
  }

  it("that the log does not keep convicts it", async () => {
    const { kept, shown, index } = lives();
    const gossip = temporary();
    writeFileSync(join(gossip, "receipt.json"), kept.receipt(index));
    stand.show(shown, index);
    const one = await open(shown, { gossip });
    expect((await one.round()).exit).toBe(0); // the log does not reach that far yet
    stand.show(shown);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["receipt/contradicts"] });
    const terminal = openTerminal();
    const file = join(one.folder, seen.alarms[0]?.file ?? "none");
    const ran = await terminal.spur(`verify ${file} --trust ${shown.key.vkey}`);
    terminal.close();
    expect([ran.exit, ran.out]).toEqual([1, expect.stringContaining(`promised another entry ${index}`)]);
    await one.again();
    expect(await one.round()).toMatchObject({ exit: 1, raised: [] });
  });

  it("that it keeps, or that a stranger signed in its name, says nothing against it", async () => {
    const { kept, index } = lives();
    const gossip = temporary();
    const stranger = makeSigner(`${kept.origin}/receipts`, "stranger");
    const other = lives();
    writeFileSync(join(gossip, "kept.json"), kept.receipt(index));
    writeFileSync(join(gossip, "forged.json"), other.shown.receipt(index, stranger));
    writeFileSync(join(gossip, "broken.json"), '{"note":"x","vkey":"y"}');
    stand.show(kept);
    expect(await (await open(kept, { gossip })).round()).toMatchObject({ exit: 0, raised: [] });
  });
});

describe("a log that goes back", () => {
  it("is told, keeps both checkpoints, and is cleared when it comes back", async () => {
    stand.show(long, 600);
    const one = await open();
    await one.round();
    stand.checkpoint = long.checkpoint(500);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["monitor/shrank"], end: { size: 600, good: 600 } });
    const kept = readdirSync(join(one.folder, "evidence")).map((name) =>
      readFileSync(join(one.folder, "evidence", name), "utf8"),
    );
    expect(kept.sort()).toEqual([long.checkpoint(500), long.checkpoint(600)].sort());
    await one.again();
    expect(await one.round()).toMatchObject({ exit: 1, raised: [] });
    stand.show(long, 700);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/shrank"], end: { good: 700 } });
  });
  it("only for a moment, as a cache does, is no fault", async () => {
    stand.show(long, 600);
    const one = await open();
    await one.round();
    let asked = 0;
    stand.lie = (path, response) => path === "log/checkpoint" && asked++ === 0 && !!response.end(long.checkpoint(500));
    expect(await one.round()).toMatchObject({ exit: 0, raised: [] });
    expect(asked).toBe(2);
  });
});
