// Entries that break the rules under a good signature, and a log that falls silent.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { useSha256 } from "@spur/verifier/hash";
import { createLog, SEEN_AT, type MadeLog } from "../../verifier/test/make-log.ts";
import { cleanUp, longLog, openStand, openWatch, type Stand, type Watch } from "./monitor-stand.ts";

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

async function open(log: MadeLog | string = long, more: Parameters<typeof openWatch>[2] = {}, place = stand.url) {
  return (watch = await openWatch(place, log, more));
}

describe("entries that break the rules of a log", () => {
  const policy = { type: "spur:policy/v1", predicate: { kind: "output", version: 1 } };
  const cases: [string, (log: MadeLog) => unknown, string][] = [
    ["a record id that was used before", (log) => log.add({ ...policy, rec: log.entries[4]?.rec as string }), "entry/twice"],
    ["a hole in a register", (log) => (log.add(policy), log.add({ ...policy, change: (e) => (e["seq"] = 3) })), "register/refuted"],
    ["a wrong predecessor", (log) => (log.add(policy), log.add({ ...policy, change: (e) => (e["prev"] = 3) })), "register/refuted"],
    ["an hour that runs back", (log) => log.add({ ...policy, at: "2026-11-22T02Z" }), "audit/hour"],
    ["an hour that has not come yet", (log) => log.add({ ...policy, at: "2026-11-22T06Z" }), "time/refuted"],
    ["bytes that are no entry", (log) => log.push(new Uint8Array([1, 2, 3]), ""), "entry/refuted"],
    ["a reference to another record", (log) => log.add({ type: "spur:output/v1", predicate: { deployment: { rec: log.entries[3]?.rec as string, index: 2 }, outcome: "complete" } }), "reference/refuted"],
    ["a closing that counts wrong", (log) => log.add({ type: "spur:registers/v1", predicate: { size: log.entries.length, last: [] } }), "closing/refuted"],
  ]; // prettier-ignore
  it.each(cases)("%s: found across a restart, for ever, and the checkpoint is never good", async (_, break_, code) => {
    const log = longLog(300);
    stand.show(log);
    const one = await open(log);
    expect((await one.round()).exit).toBe(0);
    await one.again();
    break_(log);
    stand.show(log);
    const seen = await one.round();
    expect([seen.exit, new Set(seen.raised)]).toEqual([1, new Set([code])]);
    expect(seen.end).toMatchObject({ followed: log.entries.length, good: 300 });
    log.push(log.entries[2]?.bytes as Uint8Array, ""); // and it goes on
    stand.show(log);
    await one.again();
    expect(await one.round()).toMatchObject({ exit: 1, cleared: [], end: { followed: log.entries.length, good: 300 } });
  });

  it("a key in entry 0 that is not the signer's", async () => {
    const log = createLog({ witnesses: 0, seed: "stranger" });
    log.addKeys();
    stand.show(log, 2, log.checkpoint(2, [long.key]));
    expect(await (await open()).round()).toMatchObject({ exit: 1, raised: ["audit/own-key"] });
  });

  it("a record that comes late, by what was seen of the log before", async () => {
    const log = longLog(300);
    stand.show(log, 200);
    const one = await open(log);
    // What is there at the first sight may be as old as it likes.
    one.hours(1000);
    expect((await one.round()).exit).toBe(0);
    one.hours(1);
    log.add({ ...policy, evidence: "imported" });
    stand.show(log);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["monitor/late"] });
    expect(seen.alarms[0]?.sentence).toContain("Entry 200 (and 99 more like it) says 2026-11-22T04Z");
  });

  it("nothing is late that a monitor could not have seen in time", async () => {
    const log = longLog(300);
    stand.show(log, 200);
    const one = await open(log);
    expect((await one.round()).exit).toBe(0);
    one.hours(1000); // nobody looked
    stand.show(log);
    expect((await one.round()).exit).toBe(0);
  });

  it("an hour that begins after a witness saw it, however late we look", async () => {
    const log = createLog({ witnesses: 1 });
    log.addKeys();
    log.add({ ...policy, at: "2026-11-22T05Z" });
    stand.show(log);
    const one = await open(log.trustText());
    one.hours(100);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["time/refuted"] });
    expect(seen.alarms[0]?.sentence).toContain("a witness saw it at 2026-11-22T04:10:00Z");
  });
});

describe("silence", () => {
  const show = (log: MadeLog, seenAt: number) =>
    stand.show(log, log.entries.length, log.checkpoint(log.entries.length, undefined, seenAt));
  it("is told where it is demanded that there be none, and ends with a cosignature of the same tree", async () => {
    const log = createLog({ witnesses: 1 });
    log.addKeys();
    stand.show(log);
    const one = await open(log.trustText(), { silence: { staleMs: 7_200_000, always: true } });
    expect((await one.round()).exit).toBe(0);
    one.hours(3);
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/stale"] });
    show(log, SEEN_AT + 3 * 3600);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/stale"] });
  });
  it("is no fault of a log that rests, unless it says itself that entries wait", async () => {
    stand.show(long, 600);
    const one = await open();
    one.hours(1);
    expect((await one.round()).exit).toBe(0);
    one.hours(50);
    expect((await one.round()).exit).toBe(0);
    const health = { status: "failing", size: 600, published: 600 };
    stand.lie = (path, response) => path === "health" && !!response.writeHead(503).end(JSON.stringify(health));
    expect((await one.round()).exit).toBe(0);
    one.hours(2);
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/stale"] });
    stand.lie = () => false;
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/stale"] });
    // It says since when.
    const waiting = { status: "ok", witnesses: { waiting: { size: 700, sinceMs: Date.UTC(2026, 10, 22) } } };
    stand.lie = (path, response) => path === "health" && !!response.writeHead(200).end(JSON.stringify(waiting));
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/stale"] });
  });
  it.each(["not json", "[]", "null", "x".repeat(1_000_000), '{"witnesses":{"waiting":{"sinceMs":"long"}}}'])(
    "what a liar says of his health harms nobody (%#)",
    async (body) => {
      stand.show(long, 600);
      stand.lie = (path, response) => path === "health" && !!response.end(body);
      expect((await (await open()).round()).exit).toBe(0);
    },
  );
  it("is measured by the age that the trust file demands", async () => {
    const log = createLog({ witnesses: 1 });
    log.addKeys();
    stand.show(log);
    const one = await open(log.trustText({ maxAgeHours: 5 }));
    expect((await one.round()).exit).toBe(0);
    one.hours(6);
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/old"] });
    show(log, SEEN_AT + 6 * 3600);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/old"] });
  });
  it("of a log that shows us less than it has signed elsewhere", async () => {
    stand.show(long, 600);
    const hash = createHash("sha256").update(long.origin).digest("hex");
    const witness = await openStand();
    witness.lie = (path, response) => path === `${hash}/checkpoint` && !!response.end(long.checkpoint(900));
    const one = await open(long, { also: [witness.url] });
    expect((await one.round()).exit).toBe(0);
    await one.again();
    one.hours(2);
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 1, raised: ["monitor/behind"] });
    stand.show(long, 900);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/behind"] });
    await witness.close();
  });
  it("of a log that has retired its own key is its end; what comes after it is not under the key", async () => {
    const log = createLog({ witnesses: 0 });
    log.addKeys();
    log.add({
      type: "spur:key/v1",
      predicate: { purpose: "log", algorithm: "ed25519", state: "retired" },
      payload: log.key.publicKey,
    });
    stand.show(log);
    const one = await open(log, { silence: { staleMs: 3_600_000, always: true } });
    one.hours(1);
    expect((await one.round()).exit).toBe(0);
    one.hours(5);
    expect((await one.round()).exit).toBe(0);
    log.close();
    stand.show(log);
    expect(await one.round()).toMatchObject({ exit: 2, raised: ["audit/taken-back"], end: { good: 3 } });
  });
});
