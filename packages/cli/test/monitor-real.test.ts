// `spur monitor` as an auditor types it, against real ledgers: one that grows, a copy of it with the same key that lives a second life, and
// a process that is killed wherever it happens to be.
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseVkey, TYPE_COSIGNATURE_V1 } from "@spur/verifier/note/note";
import { addLogs } from "@spur/witness/manage";
import { startWitness } from "@spur/witness/serve";
import { cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "../../../test/support/ledger.ts";
import type { MonitorEvent } from "../src/monitor/events.ts";
import { cleanUp as cleanUpStands, longLog, openStand } from "./monitor-stand.ts";
import { serve } from "./serve.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

const BIN = join(import.meta.dirname, "../bin/spur.js");

let terminal: Terminal;
let folder: string;
let ledger: TestLedger;
beforeAll(async () => {
  terminal = openTerminal();
  folder = temporaryFolder();
  ledger = await startTestLedger({ folder });
});
afterAll(async () => {
  await cleanUp();
  cleanUpStands();
  terminal.close();
});

async function write(to: TestLedger, count: number): Promise<void> {
  const drafts = Array.from({ length: count }, () => ({
    predicateType: "spur:source/v1",
    predicate: { kind: "own", bytes: 1 },
    slots: { name: "a source" },
  }));
  for (let at = 0; at < count; at += 100)
    await to.good("POST", "/spur/v1/records", { body: { drafts: drafts.slice(at, at + 100) } });
  await to.good("POST", "/spur/v1/publish");
}
const look = (more = "", url = ledger.url) =>
  terminal.spur(`monitor ${url} --once --trust ${ledger.ledger.vkey} ${more}`);

describe("a real ledger", () => {
  it("is followed as it grows, and its end is said in one sentence", async () => {
    await write(ledger, 300);
    const first = await look();
    expect([first.exit, first.err]).toEqual([0, ""]);
    expect(first.out).toMatch(/ 30\d entries read, to size 30\d\n✓ VERIFIED {2}All 30\d entries of \S+ are in place/);
    await write(ledger, 20);
    const second = await look("--json");
    expect(second.exit).toBe(0);
    const events = second.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as MonitorEvent);
    expect(events.map(({ event }) => event)).toEqual(["checkpoint", "followed", "round"]);
    expect(events).toMatchObject([{ more: 20 }, { more: 20 }, { exit: 0, alarms: 0 }]);
  });

  it("that nobody trusts is not followed, and the way to trust it is shown", async () => {
    const stranger = openTerminal();
    const ran = await stranger.spur(`monitor ${ledger.url} --once`);
    stranger.close();
    expect(ran).toMatchObject({ exit: 2, err: expect.stringContaining(`npx spur trust add ${ledger.url}`) as string });
  });

  it("that is copied and lives twice under one key is convicted, in a file that `spur verify` reads", async () => {
    await ledger.ledger.close();
    const second = temporaryFolder();
    cpSync(folder, second, { recursive: true });
    const operatorKey = ledger.key;
    ledger = await startTestLedger({ folder, operatorKey });
    const twin = await startTestLedger({ folder: second, operatorKey });
    expect(twin.ledger.vkey).toBe(ledger.ledger.vkey);
    await write(ledger, 5);
    await write(twin, 9);
    expect((await look()).exit).toBe(0);
    const ran = await look(`--also ${twin.url}`);
    expect(ran.exit).toBe(1);
    expect(ran.err).toContain("signed two histories that exclude each other");
    expect(ran.out).toMatch(
      /^✗ REFUTED {2}Something is wrong with \S+: 1 alarm\.\n {2}✗ since .* proves it to anybody/m,
    );
    const [name = ""] = /evidence\/[0-9a-f]{16}\.misbehaviour\.json/.exec(ran.out) ?? [];
    const state = join(terminal.folder, "state/spur/monitor");
    const file =
      readdirSync(state)
        .map((one) => join(state, one, name))
        .find(existsSync) ?? "none";
    const verified = await terminal.spur(`verify ${file} --trust ${ledger.ledger.vkey}`);
    expect(verified.exit).toBe(1);
    expect(verified.out).toContain("this key equivocated or was stolen");
    // To a stranger it proves nothing, and it is not forgotten by whoever saw it.
    expect((await terminal.spur(`verify ${file}`)).exit).toBe(2);
    expect((await look()).exit).toBe(1);
    // Whoever follows the twin on the same machine hears of the first one without being told where it is.
    const beside = await look("", twin.url);
    expect([beside.exit, beside.err]).toEqual([1, expect.stringContaining("signed two histories")]);
  });

  it("that shows us another life than it shows to a real witness is convicted by what the witness has seen", async () => {
    const base = temporaryFolder();
    const first = await startTestLedger({ folder: base, origin: "witnessed.example/log" });
    const { vkey } = first.ledger;
    await first.ledger.close();
    const place = temporaryFolder();
    addLogs(join(place, "w"), [{ origin: "witnessed.example/log", vkey }]);
    const witness = await startWitness({
      data: join(place, "w"), keys: join(place, "w-keys"), host: "127.0.0.1", port: 0, name: "witness.example", now: () => Date.now(),
      onError: () => undefined,
    }); // prettier-ignore
    const policy = join(place, "policy");
    const cosigner = witness.vkeys.find((one) => parseVkey(one).type === TYPE_COSIGNATURE_V1) ?? "";
    writeFileSync(policy, `log ${vkey}\nwitness w ${cosigner} ${witness.url}\nquorum w\n`);
    cpSync(base, join(place, "twin"), { recursive: true });
    const twin = await startTestLedger({ folder: join(place, "twin"), operatorKey: first.key });
    await write(twin, 3);
    const open = await startTestLedger({ folder: base, operatorKey: first.key, witnessPolicy: policy });
    await write(open, 9);

    const honest = await terminal.spur(`monitor ${open.url} --also ${witness.url} --once --trust ${policy}`);
    expect([honest.exit, honest.err]).toEqual([0, ""]);
    const stranger = openTerminal();
    const shown = await stranger.spur(`monitor ${twin.url} --also ${witness.url} --once --json --trust ${policy}`);
    expect(shown.exit).toBe(1);
    const codes = shown.out
      .split("\n")
      .filter((line) => line.includes('"event":"alarm"'))
      .map((line) => /"code":"([^"]+)"/.exec(line)?.[1]);
    // The witness alone shows no tiles, and is ahead of what we are shown: who is behind, and why, is seen when the twin has grown.
    expect(codes).toEqual(["monitor/quorum"]);
    await write(twin, 9);
    const grown = await stranger.spur(`monitor ${twin.url} --also ${witness.url} --once --trust ${policy}`);
    expect([grown.exit, grown.err]).toEqual([
      1,
      expect.stringContaining("signed two histories that exclude each other"),
    ]);
    stranger.close();
    await witness.close();
  });

  it("several logs at once are each looked at", async () => {
    const other = await startTestLedger({ origin: "second.example/log" });
    await write(other, 3);
    const state = temporaryFolder();
    const ran = await terminal.spur(
      `monitor ${ledger.url} ${other.url} --also ${other.url} --once --json --state ${state} --trust ${ledger.ledger.vkey} --trust ${other.ledger.vkey}`,
    );
    expect([ran.exit, ran.err]).toEqual([0, ""]);
    const rounds = ran.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as MonitorEvent)
      .filter(({ event }) => event === "round");
    const origins = rounds.map(({ origin }) => origin);
    expect(new Set(origins)).toEqual(new Set([ledger.ledger.origin, "second.example/log"]));
    expect(readdirSync(state)).toHaveLength(2);
  });
});

interface Process {
  readonly events: MonitorEvent[];
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** The command itself, following. */
function start(args: readonly string[]): Process {
  const child = spawn(process.execPath, [BIN, "monitor", ...args, "--json"], {
    env: { PATH: process.env["PATH"], HOME: terminal.folder, XDG_STATE_HOME: join(terminal.folder, "state") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events: MonitorEvent[] = [];
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString("utf8")).split("\n");
    text = lines.pop() ?? "";
    events.push(...lines.map((line) => JSON.parse(line) as MonitorEvent));
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    events,
    kill: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 400) throw new Error("it does not come about");
    await sleep(25);
  }
}

describe("the process", () => {
  it("follows, tells of what comes, and ends in order when it is told to, even beside a server that hangs", async () => {
    const stand = await openStand();
    const log = longLog(300);
    stand.show(log, 200);
    const hanging = await serve(() => {});
    const state = temporaryFolder();
    const one = start([stand.url, "--every", "0.1", "--state", state, "--trust", log.key.vkey]);
    await until(() => one.events.some(({ event }) => event === "round"));
    stand.show(log, 300);
    await until(() => one.events.some((seen) => seen.event === "followed" && seen.size === 300));
    stand.checkpoint = log.checkpoint(250);
    await until(() => one.events.some((seen) => seen.event === "alarm" && seen.code === "monitor/shrank"));
    stand.checkpoint = undefined;
    await until(() => one.events.some((seen) => seen.event === "cleared"));
    expect(await one.kill("SIGTERM")).toBe(0);
    const other = start([stand.url, "--also", hanging.url, "--state", state, "--trust", log.key.vkey]);
    await until(() => one.events.length > 0);
    await sleep(400);
    const asked = Date.now();
    await other.kill("SIGINT");
    expect(Date.now() - asked).toBeLessThan(5_000);
    expect(other.events.some(({ event }) => event === "alarm")).toBe(false);
    await hanging.close();
    await stand.close();
  });

  it("killed at any moment goes on where it was, and has told every fault", async () => {
    const stand = await openStand();
    const log = longLog(900);
    stand.show(log);
    stand.lie = (path, response) => {
      // Slow, so that a kill comes in the middle.
      if (!path.includes("entries")) return false;
      setTimeout(() => response.end(readFileSync(join(stand.folder, path.replace(/^log\//, "")))), 40);
      return true;
    };
    const state = temporaryFolder();
    const args = [stand.url, "--every", "0.05", "--state", state, "--trust", log.key.vkey];
    const told = new Set<string>();
    let shrunk = 0;
    for (let i = 0; i < 8; i++) {
      const one = start(args);
      await sleep(250 + i * 90);
      stand.checkpoint = i > 3 ? log.checkpoint(880 - i) : undefined;
      await sleep(i * 20);
      await one.kill("SIGKILL");
      for (const seen of one.events) if (seen.event === "alarm") told.add(seen.code);
      if (i > 3) shrunk++;
    }
    expect(shrunk).toBe(4);
    stand.checkpoint = undefined;
    stand.lie = () => false;
    const ran = await terminal.spur(`monitor ${stand.url} --once --json --state ${state} --trust ${log.key.vkey}`);
    const end = JSON.parse(ran.out.trim().split("\n").at(-1) ?? "") as MonitorEvent;
    expect([ran.exit, end]).toMatchObject([0, { event: "round", followed: 900, good: 900, alarms: 0 }]);
    for (const code of told) expect(code).toBe("monitor/shrank");
    // What it read before a kill is durable: state and rows fit, whichever of them was written last.
    const folderOf = join(state, readdirSync(state)[0] ?? "");
    expect(readFileSync(join(folderOf, "entries")).length).toBe(900 * 18);
    expect(readFileSync(join(folderOf, "hashes-0")).length).toBe(900 * 32);
    await stand.close();
  });
});

describe("misuse", () => {
  it.each([
    ["monitor", "missing required argument 'url'"],
    ["monitor nowhere --once --every 5", "either --once or --every"],
    ["monitor nowhere --late never", "--late never"],
    ["monitor nowhere --stale -5", "--stale -5"],
    ["monitor nowhere --every 0", "--every 0"],
    ["monitor nowhere --every ''", "--every"],
    ["monitor ftp://x.example --once", "no checkpoint at"],
    ["monitor http://user:word@x.example --once", "is no address"],
  ])("%s", async (line, says) => {
    const ran = await terminal.spur(line);
    expect([ran.exit, ran.text]).toEqual([2, expect.stringContaining(says)]);
  });
});
