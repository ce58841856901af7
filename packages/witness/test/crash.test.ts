// Killed between requests and inside them, and on a disk that fails: never a cosignature for a state that is not on disk, never two
// histories cosigned.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { equalBytes } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { rootOf } from "@spur/verifier/tlog/merkle";
import { addLogs, listLogs } from "../src/manage.ts";
import { listedLog } from "../src/log-list.ts";
import { originHash } from "../src/store.ts";
import { killChildren, startChild, whyNoStrace, type ChildWitness } from "./child.ts";
import { TestLog } from "./log.ts";
import { cleanUp, cosignedAt, post, temporaryFolder } from "./running.ts";

afterAll(async () => {
  await killChildren();
  await cleanUp();
});
const noStrace = whyNoStrace();
if (noStrace !== undefined) process.stderr.write(`skipped: failing system calls: ${noStrace}\n`);

/** One log with two histories; both ask for cosignatures at once, life after life, and every answer is remembered. */
class Rivals {
  readonly origin: string;
  readonly logs: readonly TestLog[];
  /** Sizes that were cosigned, and for which history. */
  readonly cosigned: { size: number; history: number }[] = [];
  #vkeys: readonly string[] = [];

  constructor(origin: string) {
    this.origin = origin;
    this.logs = [new TestLog(origin), new TestLog(origin, { fork: "!", forkAt: 1 })];
  }

  /** Asks until the witness is gone. */
  async ask(witness: ChildWitness, most = Number.MAX_SAFE_INTEGER): Promise<void> {
    expect(this.#vkeys.length === 0 ? witness.vkeys : this.#vkeys).toEqual(witness.vkeys);
    this.#vkeys = witness.vkeys;
    const asks = this.logs.map(async (log, history) => {
      let old = 0;
      for (let i = 0; i < most; i++) {
        const size = old + 1 + history;
        const answer = await post(witness.url, log.request(old, size)).catch(() => undefined);
        if (answer === undefined) return;
        if (answer.status === 200) {
          cosignedAt(witness, log.note(size), answer.text);
          this.cosigned.push({ size, history });
          old = size;
        } else if (answer.status === 409) {
          const stored = Number(answer.text);
          // Size 1 is the same in both histories; beyond it, one of them has lost.
          if (stored === old) return;
          old = stored;
        } else if (answer.status === 422) await sleep(5);
        else if (answer.status === 503) return;
        else throw new Error(`${answer.status} ${answer.text}`);
      }
    });
    await Promise.all(asks);
  }

  /** What must hold of all that was ever answered, and of what is on disk now. */
  check(data: string): void {
    const state = listLogs(data).logs.find(({ origin }) => origin === this.origin);
    const last = this.cosigned.reduce((most, { size }) => Math.max(most, size), 0);
    expect(state?.size ?? 0).toBeGreaterThanOrEqual(last);
    const histories = new Set(this.cosigned.filter(({ size }) => size > 1).map(({ history }) => history));
    expect(histories.size).toBeLessThanOrEqual(1);
  }

  /** The same, read from the running witness: what it shows is of the history that it has cosigned. */
  async read({ url }: ChildWitness): Promise<void> {
    const response = await fetch(`${url}/${originHash(this.origin)}/checkpoint`);
    if (response.status === 404) return expect(this.cosigned).toEqual([]);
    const note = await response.text();
    const { size, root } = parseCheckpoint(parseNote(note).text);
    cosignedAt({ vkeys: this.#vkeys }, note, "");
    const [history] = this.cosigned.filter((one) => one.size > 1).map((one) => one.history);
    const of = this.logs.findIndex((log) => equalBytes(rootOf(log.leaves(size)), root));
    expect(of).not.toBe(-1);
    if (history !== undefined && size > 1) expect(of).toBe(history);
  }
}

function prepared(count: number): { data: string; rivals: readonly Rivals[] } {
  const data = join(temporaryFolder(), "data");
  const rivals = Array.from({ length: count }, (_, i) => new Rivals(`rivals.test/${i}`));
  addLogs(
    data,
    rivals.map(({ logs, origin }) => listedLog(logs[0]?.vkey ?? "", { origin })),
  );
  return { data, rivals };
}

describe("kill -9", () => {
  it("at any moment of many lives", { timeout: 60_000 }, async () => {
    const { data, rivals } = prepared(3);
    for (let life = 0; life < 6; life++) {
      const child = await startChild(data);
      if (child === undefined) throw new Error("it did not start");
      for (const one of rivals) await one.read(child);
      const asking = Promise.all(rivals.map((one) => one.ask(child)));
      // Some answers later, and then at once: the next ones are under way.
      const answered = (): number => rivals.flatMap(({ cosigned }) => cosigned).length;
      for (const until = answered() + 2 + 3 * life; answered() < until;) await sleep(1);
      await sleep(life);
      child.kill("SIGKILL");
      await asking;
      expect(await child.ended).toBe("SIGKILL");
      for (const one of rivals) one.check(data);
    }
    expect(rivals.flatMap(({ cosigned }) => cosigned).length).toBeGreaterThan(20);
  });

  it.skipIf(noStrace !== undefined)("at a system call inside a request", { timeout: 100_000 }, async () => {
    const { data, rivals } = prepared(2);
    await (async () => {
      // The first life makes keys and files; what comes after is what a request does.
      const child = await startChild(data);
      for (const one of rivals) await one.ask(child as ChildWitness, 1);
      child?.kill("SIGTERM");
      expect(await child?.ended).toBe(0);
    })();
    const met: (number | string | undefined)[] = [];
    for (const [call, path] of [
      ["pwrite64", "witness.sqlite-wal"],
      ["fsync", "witness.sqlite-wal"],
    ] as const) {
      for (const when of [1, 2, 4]) {
        const before = [
          "strace",
          "-f",
          "-qq",
          "-P",
          join(data, path),
          "-o",
          "/dev/null",
          "-e",
          `trace=${call}`,
          "-e",
          `inject=${call}:signal=KILL:when=${when}`,
        ];
        const child = await startChild(data, before);
        if (child !== undefined) {
          await Promise.race([Promise.all(rivals.map((one) => one.ask(child, 30))), child.ended]);
          child.kill("SIGTERM");
        }
        met.push(await child?.ended);
        for (const one of rivals) one.check(data);
      }
    }
    expect(met.filter((end) => end === "SIGKILL" || end === 137).length).toBeGreaterThan(2);
    const last = (await startChild(data)) as ChildWitness;
    for (const one of rivals) await one.read(last);
    last.kill("SIGTERM");
    expect(await last.ended).toBe(0);
  });
});

describe("a disk that fails", () => {
  it.skipIf(noStrace !== undefined).each([
    ["fsync", "EIO"],
    ["pwrite64", "EIO"],
  ])(
    "at %s with %s ends the witness; nothing was answered that is not on disk",
    { timeout: 60_000 },
    async (call, error) => {
      const { data, rivals } = prepared(2);
      const wal = join(data, "witness.sqlite-wal");
      const before = [
        "strace",
        "-f",
        "-qq",
        "-P",
        wal,
        "-o",
        "/dev/null",
        "-e",
        `trace=${call}`,
        "-e",
        `inject=${call}:error=${error}:when=12+`,
      ];
      const child = await startChild(data, before);
      if (child === undefined) throw new Error("it did not start");
      await Promise.all(rivals.map((one) => one.ask(child, 60)));
      expect(await child.ended).toBe(2);
      expect(child.text()).toContain("witness/stopped");
      for (const one of rivals) one.check(data);
      const next = (await startChild(data)) as ChildWitness;
      for (const one of rivals) {
        await one.read(next);
        const count = one.cosigned.length;
        await one.ask(next, 5);
        expect(one.cosigned.length).toBeGreaterThan(count);
        one.check(data);
      }
      next.kill("SIGTERM");
      expect(await next.ended).toBe(0);
    },
  );

  it.skipIf(noStrace !== undefined)(
    "with no room answers 503, and goes on when there is some",
    { timeout: 60_000 },
    async () => {
      const { data, rivals } = prepared(1);
      const [one] = rivals as [Rivals];
      const wal = join(data, "witness.sqlite-wal");
      const before = [
        "strace",
        "-f",
        "-qq",
        "-P",
        wal,
        "-o",
        "/dev/null",
        "-e",
        "trace=pwrite64",
        "-e",
        "inject=pwrite64:error=ENOSPC:when=12..13",
      ];
      const child = (await startChild(data, before)) as ChildWitness;
      for (let i = 0; i < 4; i++) await one.ask(child, 6);
      one.check(data);
      expect(one.cosigned.length).toBeGreaterThan(8);
      child.kill("SIGTERM");
      expect(await child.ended).toBe(0);
    },
  );
});
