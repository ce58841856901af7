// Alarms that are handed to somebody's web hook.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { useSha256 } from "@spur/verifier/hash";
import { Webhook } from "../src/monitor/webhook.ts";
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
import { serve, type Handler } from "./serve.ts";
import { openTerminal } from "./terminal.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const long = longLog(600);
let stand: Stand;
let watch: Watch | undefined;
let hook: { url: string; close(): Promise<void> };
let bodies: Record<string, unknown>[];
let answer: Handler;
const io = {
  stdout: { write: () => true }, stderr: { write: () => true }, env: {}, cwd: "/", isTty: false, now: () => Date.now(),
}; // prettier-ignore
beforeEach(async () => {
  stand = await openStand();
  bodies = [];
  answer = (_, response) => void response.writeHead(204).end();
  hook = await serve((request, response, body) => {
    if (request.method === "POST") bodies.push(JSON.parse(body) as Record<string, unknown>);
    answer(request, response, body);
  });
});
afterEach(async () => {
  watch?.close();
  watch = undefined;
  await stand.close();
  await hook.close();
});
afterAll(cleanUp);

describe("a webhook", () => {
  it("is told of an alarm with the proof itself, and of its end; nothing but what is public", async () => {
    stand.show(long, 600);
    const gossip = temporary();
    watch = await openWatch(stand.url, long, { webhook: new Webhook(io, `${hook.url}/secret-path`), gossip });
    expect((await watch.round()).exit).toBe(0);
    expect(bodies).toEqual([]);
    writeFileSync(join(gossip, "x"), otherLog(300).checkpoint(300));
    stand.lie = (path, response) => path === "log/tile/entries/001" && !!response.writeHead(404).end();
    await watch.round();
    stand.lie = () => false;
    await watch.round();
    expect(bodies.map(({ format, event, code, n }) => [format, event, code, n])).toEqual([
      ["spur-monitor-event/v1", "alarm", "monitor/split-view", 1],
      ["spur-monitor-event/v1", "alarm", "monitor/missing", 2],
      ["spur-monitor-event/v1", "cleared", "monitor/missing", 3],
    ]);
    expect(JSON.stringify(bodies)).not.toContain(watch.folder);
    expect(JSON.stringify(bodies)).not.toContain("secret-path");
    // Whoever gets the message can convict the log without the monitor.
    const terminal = openTerminal();
    writeFileSync(join(terminal.folder, "got.misbehaviour.json"), String(bodies[0]?.["proof"]));
    expect((await terminal.spur(`verify got.misbehaviour.json --trust ${long.key.vkey}`)).exit).toBe(1);
    terminal.close();
  });

  it("is not told where a folder lies", async () => {
    const folder = filesOf(long, 300);
    watch = await openWatch(folder, long, {
      webhook: new Webhook(io, hook.url),
      also: [join(temporary(), "not-there")],
    });
    await watch.round();
    expect(bodies).toMatchObject([{ code: "monitor/unreachable", log: "(folder)" }]);
    expect(JSON.stringify(bodies)).not.toContain("/tmp");
  });

  it("that is down is told later, in order, by another process too; until then it is not fine", async () => {
    stand.show(long, 600);
    let nowMs = Date.now();
    const clock = { ...io, now: () => nowMs };
    watch = await openWatch(stand.url, long, { webhook: new Webhook(clock, hook.url) });
    await watch.round();
    answer = (_, response) => void response.writeHead(500).end();
    stand.checkpoint = long.checkpoint(500);
    expect((await watch.round()).raised).toEqual(["monitor/shrank", "monitor/webhook"]);
    stand.checkpoint = undefined;
    const seen = await watch.round();
    expect([seen.exit, seen.cleared]).toEqual([2, ["monitor/shrank"]]);
    expect(bodies).toHaveLength(1); // it is left alone for a while
    nowMs += 600_000;
    answer = (_, response) => void response.writeHead(200).end("thank you");
    await watch.again({ webhook: new Webhook(clock, hook.url) });
    expect(await watch.round()).toMatchObject({ exit: 0, cleared: ["monitor/webhook"] });
    expect(await watch.round()).toMatchObject({ exit: 0, cleared: [] });
    expect(bodies.slice(1).map(({ event, code }) => [event, code])).toEqual([
      ["alarm", "monitor/shrank"],
      ["alarm", "monitor/webhook"],
      ["cleared", "monitor/shrank"],
      ["cleared", "monitor/webhook"],
    ]);
  });

  it.each([
    [
      "redirects",
      (other: string): Handler =>
        (_, response) =>
          void response.writeHead(307, { location: other }).end(),
      "http/redirect",
    ],
    ["hangs up", (): Handler => (request) => void request.socket.destroy(), "http/unreachable"],
    ["refuses", (): Handler => (_, response) => void response.writeHead(403).end(), "it answered 403"],
  ])("that %s is not followed elsewhere, and told of", async (_, made, why) => {
    let elsewhere = 0;
    const other = await serve((_, response) => (elsewhere++, void response.end()));
    answer = made(other.url);
    watch = await openWatch(stand.url, long, { webhook: new Webhook(io, hook.url) });
    const seen = await watch.round();
    expect([seen.exit, seen.raised]).toEqual([2, ["monitor/unreachable", "monitor/webhook"]]);
    expect(seen.alarms[1]?.sentence).toContain(why);
    expect(elsewhere).toBe(0);
    await other.close();
  });

  it("with --once is tried several times before it is given up", async () => {
    stand.show(long, 600);
    let tries = 0;
    answer = (_, response) => void response.writeHead(++tries < 3 ? 503 : 200).end();
    const terminal = openTerminal();
    const ran = await terminal.spur(
      `monitor ${stand.url} --also ${stand.url}/nowhere --once --webhook ${hook.url} --trust ${long.key.vkey}`,
    );
    expect([ran.exit, tries]).toEqual([2, 3]);
    expect(ran.out).not.toContain("webhook");
    expect(bodies.map(({ n }) => n)).toEqual([1, 1, 1]);
    terminal.close();
  });

  it("must have an address", async () => {
    const terminal = openTerminal();
    for (const url of ["nonsense", "ftp://x.example", "file:///etc/passwd"]) {
      const ran = await terminal.spur(`monitor http://127.0.0.1:9 --once --webhook ${url}`);
      expect(ran).toMatchObject({ exit: 2, err: expect.stringContaining("--webhook is no address") as string });
    }
    terminal.close();
  });
});
