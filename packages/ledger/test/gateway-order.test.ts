// Durable before visible: nothing is forwarded before the journal, nothing ends before the record.
import { afterEach, describe, expect, it } from "vitest";
import { SpurError } from "../src/errors.ts";
import * as t from "./gateway-support.ts";

afterEach(t.closeAll);

const unknown = () => {
  throw new SpurError("log/commit-unknown", "the disk is gone", { status: 503 });
};

async function start(script: Parameters<typeof t.startUpstream>[0]) {
  const events: t.Events = [];
  const upstream = await t.startUpstream(script, events);
  const gateway = await t.startGateway(upstream.baseUrl, { events });
  return { events, upstream, gateway, client: new t.RawClient(gateway.port) };
}

describe("before the journal row is durable", () => {
  it("not a byte goes upstream", async () => {
    const { events, gateway, client, upstream } = await start(t.json(t.completion()));
    let connections = 0;
    upstream.server.on("connection", () => connections++);
    const slow = t.gate();
    const asked = t.gate();
    gateway.recorder.beforeBegin = () => {
      asked.open();
      return slow.opened;
    };
    client.ask(t.ASK);
    await asked.opened;
    await t.pause(50);
    expect([events, connections, client.received.length]).toEqual([["begin asked"], 0, 0]);
    slow.open();
    expect((await client.answer()).status).toBe(200);
    expect(events).toEqual(["begin asked", "begin durable", "upstream asked", "record asked", "record durable"]);
  });

  it("a journal that fails means 503 in OpenAI's shape, and nothing forwarded", async () => {
    const { events, gateway, client } = await start(t.json(t.completion()));
    gateway.recorder.beforeBegin = unknown;
    const answer = await client.ask(t.ASK).answer();
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body.toString())).toEqual({
      error: { message: expect.any(String), type: "server_error", param: null, code: "log/commit-unknown" },
    });
    expect(answer.body.toString()).not.toContain("disk");
    expect(events).toEqual(["begin asked"]);
  });

  it("a client that leaves then is recorded as cancelled, and nothing is forwarded", async () => {
    const { events, gateway, client } = await start(t.json(t.completion()));
    const slow = t.gate();
    gateway.recorder.beforeBegin = () => {
      client.socket.destroy();
      return slow.opened;
    };
    client.ask(t.ASK);
    await client.ended();
    await t.pause(20);
    slow.open();
    const seen = await gateway.recorder.only();
    expect([seen.outcome, seen.verdict, seen.response, seen.timing["forwardedAtMs"]]).toEqual([
      "cancelled",
      "not-delivered",
      undefined,
      undefined,
    ]);
    expect(events).not.toContain("upstream asked");
    expect(gateway.recorder.journal.size).toBe(0);
  });
});

describe("before the record is durable", () => {
  it("not a byte of a JSON answer leaves", async () => {
    const { gateway, client } = await start(t.json(t.completion()));
    const slow = t.gate();
    const asked = t.gate();
    gateway.recorder.beforeRecord = () => {
      asked.open();
      return slow.opened;
    };
    client.ask(t.ASK);
    await asked.opened;
    await t.pause(50);
    expect(client.received.length).toBe(0);
    slow.open();
    expect((await client.answer()).body.toString()).toBe(t.completion());
  });

  it.each([
    ["[DONE]", [t.delta("a"), t.STOP, t.DONE], t.delta("a") + t.STOP],
    ["the end of the body", [t.delta("a"), t.STOP], t.delta("a") + t.STOP],
  ])("deltas of a stream leave and %s does not", async (_what, pieces, visible) => {
    const { gateway, client } = await start(t.stream(pieces));
    const slow = t.gate();
    const asked = t.gate();
    gateway.recorder.beforeRecord = () => {
      asked.open();
      return slow.opened;
    };
    client.ask(t.ASK_STREAM);
    await asked.opened;
    await t.pause(50);
    const early = client.received.toString();
    const text = early.replace(/^[^]*?\r\n\r\n/, "").replace(/^[0-9a-f]+\r\n([^]*?)\r\n(?=[0-9a-f]+\r\n|$)/gm, "$1");
    expect(text).toBe(visible);
    expect(early).toContain("x-spur-record: ");
    expect([early.includes("[DONE]"), early.endsWith("0\r\n\r\n"), client.closed]).toEqual([false, false, false]);
    slow.open();
    const answer = await client.answer();
    expect([answer.whole, answer.body.toString()]).toEqual([true, pieces.join("")]);
  });

  it("each delta leaves as soon as it came, not with the next one", async () => {
    const steps = [t.gate(), t.gate(), t.gate()];
    const { client } = await start(async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      for (const [i, step] of steps.entries()) {
        await step.opened;
        response.write(t.delta(`word${i}`));
      }
      response.end(t.DONE);
    });
    client.ask(t.ASK_STREAM);
    await client.until((text) => text.includes("\r\n\r\n"));
    for (const [i, step] of steps.entries()) {
      expect(client.received.includes(`word${i}`)).toBe(false);
      step.open();
      await client.until((text) => text.includes(`word${i}`));
    }
    expect((await client.answer()).body.toString().endsWith(t.DONE)).toBe(true);
  });

  it("the head leaves in one packet with the first delta if they came in one", async () => {
    const step = t.gate();
    const { client } = await start(async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(t.delta("first"));
      await step.opened;
      response.end(t.DONE);
    });
    client.ask(t.ASK_STREAM);
    await client.until((text) => text.includes("HTTP/1.1 200"));
    expect(client.received.includes("first")).toBe(true);
    step.open();
    expect((await client.answer()).whole).toBe(true);
  });
});

describe("a commit that fails", () => {
  it("gives 503 for JSON, and nothing of the answer", async () => {
    const { gateway, client } = await start(t.json(t.completion("the secret answer")));
    gateway.recorder.beforeRecord = unknown;
    const answer = await client.ask(t.ASK).answer();
    expect([answer.status, JSON.parse(answer.body.toString()).error.code]).toEqual([503, "log/commit-unknown"]);
    expect(answer.headers.get("x-spur-record")).toMatch(/^[0-9a-f]{32}$/);
    expect(client.received.toString()).not.toContain("secret answer");
  });

  it.each([
    ["SpurError", unknown],
    ["any other", () => Promise.reject(new Error("boom /path/of/ours"))],
  ])("gives a stream an error event, no [DONE] and no orderly end: %s", async (_name, fail) => {
    const { gateway, client } = await start(t.stream([t.delta("a"), t.STOP, t.DONE]));
    gateway.recorder.beforeRecord = fail;
    const answer = await client.ask(t.ASK_STREAM).answer();
    const text = answer.body.toString();
    expect(text.startsWith(t.delta("a") + t.STOP)).toBe(true);
    expect(JSON.parse(/\ndata: (\{"error".*)\n\n$/.exec(text)?.[1] as string).error).toMatchObject({
      code: "log/commit-unknown",
      param: null,
    });
    expect([text.includes("[DONE]"), answer.whole, text.includes("boom")]).toEqual([false, false, false]);
  });
});
