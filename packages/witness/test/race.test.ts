// Requests at the same time: who is first, what all others see, and that a shared transaction mixes nobody up.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { originHash } from "../src/store.ts";
import { addLogs, listLogs } from "../src/manage.ts";
import { listedLog } from "../src/log-list.ts";
import { TestLog } from "./log.ts";
import { cleanUp, cosignedAt, startTestWitness, type TestWitness } from "./running.ts";

let witness: TestWitness;
beforeAll(async () => {
  witness = await startTestWitness();
});
afterAll(cleanUp);

describe("at the same time", () => {
  it("of two histories exactly one is cosigned", async () => {
    for (let round = 0; round < 20; round++) {
      const origin = `race.test/${round}`;
      const [one, two] = [new TestLog(origin), new TestLog(origin, { fork: "!", forkAt: 4 })] as const;
      witness.add(one);
      expect((await witness.post(one.request(0, 4))).status).toBe(200);
      const requests = Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? one : two)).map((log) =>
        witness.post(log.request(4, 9)),
      );
      const answers = await Promise.all(requests);
      const won = answers.flatMap(({ status }, i) => (status === 200 ? [i % 2] : []));
      expect(won).toHaveLength(1);
      const winner = won[0] === 0 ? one : two;
      const read = await (await witness.get(`/${originHash(origin)}/checkpoint`)).text();
      expect(read.startsWith(winner.note(9))).toBe(true);
      for (const { status } of answers) expect([200, 409]).toContain(status);
    }
  });

  it("the size never goes back, whichever order they come in", async () => {
    const log = new TestLog("race.test/order");
    witness.add(log);
    await witness.post(log.request(0, 10));
    // The race that the specification draws: both begin from what is stored, one is larger.
    const answers = await Promise.all([20, 11, 30, 12, 25].map((size) => witness.post(log.request(10, size))));
    const [won] = answers.flatMap(({ status }, i) => (status === 200 ? [[20, 11, 30, 12, 25][i] ?? 0] : []));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, text } of answers) if (status === 409) expect(text).toBe(`${won}\n`);
  });

  it("a hundred logs in one breath, good and bad ones mixed", async () => {
    const logs = Array.from({ length: 100 }, (_, i) => new TestLog(`many.test/${i}`));
    witness.add(...logs);
    const answers = await Promise.all(
      logs.map((log, i) => witness.post(i % 4 === 3 ? log.request(2, 5) : log.request(0, 5))),
    );
    for (const [i, { status, text }] of answers.entries()) {
      const log = logs[i] as TestLog;
      expect(status).toBe(i % 4 === 3 ? 409 : 200);
      if (status === 200) cosignedAt(witness, log.note(5), text);
    }
  });

  it("logs are added while it cosigns", async () => {
    const log = new TestLog("race.test/beside");
    witness.add(log);
    const work = (async () => {
      for (let size = 0; size < 30; size++) expect((await witness.post(log.request(size, size + 1))).status).toBe(200);
    })();
    for (let i = 0; i < 30; i++) {
      const late = new TestLog(`late.test/${i}`);
      witness.add(late);
      expect((await witness.post(late.request(0, 1))).status).toBe(200);
    }
    await work;
  });
});

describe("what proves that a log misbehaves", () => {
  it("is kept, a few pieces of each log, and shown", async () => {
    const origin = "caught.test/log";
    const log = new TestLog(origin);
    witness.add(log);
    await witness.post(log.request(0, 6));
    for (let i = 0; i < 40; i++) {
      const other = new TestLog(origin, { fork: `!${i}`, forkAt: 2 });
      // Also where it begins from another size: it is signed all the same.
      expect((await witness.post(i % 2 === 0 ? other.request(6, 6) : other.request(3, 6))).status).toBe(
        i % 2 === 0 ? 422 : 409,
      );
      await witness.post(other.request(6, 6));
    }
    const [caught] = listLogs(witness.data).logs.filter((one) => one.origin === origin);
    expect(caught?.conflicts).toHaveLength(16);
    expect(caught?.conflicts[0]).toMatchObject({
      size: 6,
      note: new TestLog(origin, { fork: "!0", forkAt: 2 }).note(6),
    });
    expect(caught?.conflicts[0]?.held.startsWith(log.note(6))).toBe(true);
    expect(caught?.size).toBe(6);
    witness.nowMs += 10_000;
    expect(await (await witness.get("/")).text()).toContain("caught.test/log signed what can't both be true");
    const health = (await (await witness.get("/health")).json()) as { status: string; conflicts: number };
    const all = listLogs(witness.data).logs.filter(({ conflicts }) => conflicts.length > 0);
    expect(health).toMatchObject({ status: "ok", conflicts: all.length });
  });

  it("is never what a stranger made up", async () => {
    const log = new TestLog("framed.test/log");
    const stranger = new TestLog("framed.test/log", { key: "stranger", fork: "!" });
    witness.add(log);
    await witness.post(log.request(0, 6));
    expect((await witness.post(stranger.request(6, 6))).status).toBe(403);
    expect(listLogs(witness.data).logs.find(({ origin }) => origin === log.origin)?.conflicts).toEqual([]);
  });
});

describe("a daily allowance", () => {
  it("is used up by what is cosigned only, and fills again", async () => {
    const log = new TestLog("few.test/log");
    addLogs(witness.data, [listedLog(log.vkey, { perDay: 3 })]);
    for (let i = 0; i < 10; i++) expect((await witness.post(log.request(5, 6))).status).toBe(409);
    for (const size of [1, 2, 3]) expect((await witness.post(log.request(size - 1, size))).status).toBe(200);
    expect(await witness.post(log.request(3, 4))).toMatchObject({ status: 429 });
    // Whoever repeats the last one costs nothing.
    expect((await witness.post(log.request(3, 3))).status).toBe(200);
    witness.nowMs += 8.1 * 3_600_000;
    expect((await witness.post(log.request(3, 4))).status).toBe(200);
    expect((await witness.post(log.request(4, 5))).status).toBe(429);
  });
});
