// Bad days: the upstream breaks, lies or is gone; the client leaves; somebody sends too much, or has no right to ask.
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import * as t from "./gateway-support.ts";

const servers: { close(): void }[] = [];
afterEach(async () => {
  await t.closeAll();
  for (const server of servers.splice(0)) server.close();
});

/** An upstream that speaks raw bytes, for what no HTTP server would say. */
async function rawUpstream(speak: (socket: Socket) => void): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      speak(socket);
    });
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ask(baseUrl: string, body = t.ASK, deps: Parameters<typeof t.startGateway>[1] = {}) {
  const gateway = await t.startGateway(baseUrl, deps);
  const answer = await new t.RawClient(gateway.port).ask(body).answer();
  const text = answer.body.toString();
  return { gateway, answer, text, seen: await gateway.recorder.only() };
}

const codeOf = (text: string): string => JSON.parse(text.slice(text.lastIndexOf('{"error"'))).error.code;
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

describe("an upstream that is cut", () => {
  it("in mid-stream ends in an error event, never in a normal end, and the part is recorded", async () => {
    const upstream = await t.startUpstream(
      t.stream([t.delta("one"), t.delta("two"), 'data: {"choices":[{"del'], "cut"),
    );
    const { answer, text, seen } = await ask(upstream.baseUrl, t.ASK_STREAM);
    expect(text.startsWith(t.delta("one") + t.delta("two"))).toBe(true);
    expect(text.slice((t.delta("one") + t.delta("two")).length)).toMatch(/^\ndata: \{"error":\{.*\}\}\n\n$/);
    expect([answer.whole, text.includes("[DONE]"), codeOf(text)]).toEqual([false, false, "gateway/upstream-cut"]);
    expect([seen.outcome, seen.verdict, seen.timing["end"]]).toEqual(["partial", "released", "cut"]);
    expect(seen.response?.toString()).toBe(`${t.delta("one")}${t.delta("two")}data: {"choices":[{"del`);
  });

  it("in a JSON body is a 502; nothing of the part leaves", async () => {
    const base = await rawUpstream((socket) =>
      socket.end(`${HEAD}Content-Length: 1000\r\n\r\n{"choices":[{"message":`),
    );
    const { answer, text, seen } = await ask(base);
    expect([answer.status, answer.whole, codeOf(text)]).toEqual([502, true, "gateway/upstream-cut"]);
    expect(answer.headers.get("x-spur-record")).toBe(seen.output.rec);
    expect([seen.outcome, seen.verdict, seen.response?.toString()]).toEqual([
      "partial",
      "not-delivered",
      '{"choices":[{"message":',
    ]);
  });
});

describe("an upstream that gives no answer", () => {
  it("is a 502 in OpenAI's shape, recorded as failed: nobody listens", async () => {
    const { answer, text, seen, gateway } = await ask("http://127.0.0.1:9/v1");
    expect([answer.status, codeOf(text)]).toEqual([502, "gateway/upstream-down"]);
    expect(Object.keys(JSON.parse(text).error)).toEqual(["message", "type", "param", "code"]);
    expect(text).not.toContain("127.0.0.1");
    expect([seen.outcome, seen.verdict, seen.response, seen.timing["end"]]).toEqual([
      "failed",
      "not-delivered",
      undefined,
      "down",
    ]);
    expect(gateway.logs.join()).toContain("ECONNREFUSED");
  });

  it.each([
    ["hangs up", (socket: Socket) => socket.destroy()],
    ["speaks no HTTP", (socket: Socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n")],
    ["floods with headers", (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\n${"X-A: b\r\n".repeat(50_000)}\r\n`)],
    ["has a length that is none", (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")],
    [
      "contradicts itself",
      (socket: Socket) =>
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
  ])("the same when it %s", async (_name, speak) => {
    const { answer, text, seen } = await ask(await rawUpstream(speak));
    expect([answer.status, codeOf(text), seen.outcome]).toEqual([502, "gateway/upstream-down", "failed"]);
  });

  it.each([301, 302, 307, 308])("nobody follows a %d, neither we nor the client", async (status) => {
    let followed = 0;
    const elsewhere = await t.startUpstream(() => followed++);
    const upstream = await t.startUpstream((response) =>
      response.writeHead(status, { location: `${elsewhere.origin}/steal` }).end(),
    );
    const { answer, text, seen } = await ask(upstream.baseUrl);
    expect([answer.status, codeOf(text), answer.headers.has("location"), followed]).toEqual([
      502,
      "gateway/upstream-redirect",
      false,
      0,
    ]);
    expect([seen.outcome, seen.timing["status"]]).toEqual(["failed", status]);
  });

  it("but waits through 1xx and through silence", async () => {
    const upstream = await t.startUpstream(async (response) => {
      response.writeProcessing();
      await t.pause(100);
      t.json(t.completion())(response);
    });
    expect((await ask(upstream.baseUrl)).answer.status).toBe(200);
  });
});

describe("an answer that is too long", () => {
  it("is stopped at the bound: JSON as 502, nothing released", async () => {
    const upstream = await t.startUpstream(t.json(t.completion("x".repeat(2_000))));
    const { answer, text, seen } = await ask(upstream.baseUrl, t.ASK, { maxAnswerBytes: 1_000 });
    expect([answer.status, codeOf(text), seen.outcome, seen.verdict]).toEqual([
      502,
      "gateway/answer-too-long",
      "partial",
      "not-delivered",
    ]);
  });

  it("is stopped at the bound: a stream with an error event; all that left is on record, and the upstream is told", async () => {
    let closed = false;
    const upstream = await t.startUpstream(async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.on("close", () => (closed = true));
      for (let i = 0; i < 200 && !closed; i++) {
        response.write(t.delta(`word ${i}`));
        await t.pause(1);
      }
    });
    const { answer, text, seen } = await ask(upstream.baseUrl, t.ASK_STREAM, { maxAnswerBytes: 5_000 });
    const released = text.slice(0, text.lastIndexOf('\ndata: {"error"'));
    expect([answer.whole, codeOf(text), seen.outcome, closed]).toEqual([
      false,
      "gateway/answer-too-long",
      "partial",
      true,
    ]);
    expect(seen.response?.toString().startsWith(released)).toBe(true);
    expect(released.length).toBeGreaterThan(3_000);
  });
});

describe("a client that leaves", () => {
  it("in mid-stream ends the upstream's request at once, and the part is recorded", async () => {
    let aborted = 0;
    const gone = t.gate();
    const upstream = await t.startUpstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(t.delta("one"));
      response.on("close", () => {
        aborted = performance.now();
        gone.open();
      });
    });
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port).ask(t.ASK_STREAM);
    await client.until((text) => text.includes("one"));
    const left = performance.now();
    client.socket.destroy();
    await gone.opened;
    expect(aborted - left).toBeLessThan(500);
    const seen = await gateway.recorder.only();
    expect([seen.outcome, seen.verdict, seen.response?.toString()]).toEqual(["cancelled", "released", t.delta("one")]);
    expect(gateway.recorder.journal.size).toBe(0);
  });

  it("while a JSON answer is awaited: the same, with nothing delivered", async () => {
    const asked = t.gate();
    const gone = t.gate();
    const upstream = await t.startUpstream((response) => {
      response.on("close", gone.open);
      asked.open();
    });
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port).ask(t.ASK);
    await asked.opened;
    client.socket.destroy();
    await gone.opened;
    const seen = await gateway.recorder.only();
    expect([seen.outcome, seen.verdict, seen.response]).toEqual(["cancelled", "not-delivered", undefined]);
  });

  it("because the gateway closes is on record when it has closed", async () => {
    const upstream = await t.startUpstream(t.stream([t.delta("one")], "open"));
    const gateway = await t.startGateway(upstream.baseUrl);
    gateway.recorder.beforeRecord = () => t.pause(100);
    const client = new t.RawClient(gateway.port).ask(t.ASK_STREAM);
    await client.until((text) => text.includes("one"));
    gateway.app.server.closeAllConnections();
    await gateway.app.close();
    expect(gateway.recorder.seen((gateway.recorder.outputs[0] as { rec: string }).rec).outcome).toBe("cancelled");
  });

  it("and one that stays gets its answer though the gateway is closing", async () => {
    const asked = t.gate();
    const upstream = await t.startUpstream(async (response) => {
      asked.open();
      await t.pause(100);
      t.json(t.completion())(response);
    });
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port).ask(t.ASK);
    await asked.opened;
    await Promise.all([gateway.app.close(), client.answer().then(({ status }) => expect(status).toBe(200))]);
    expect(gateway.recorder.outputs.length).toBe(1);
  });

  it("and one that reads slowly makes the upstream wait instead of filling memory, and gets every byte", async () => {
    const all = Array.from({ length: 400 }, (_, i) => t.delta(`${i}${"z".repeat(50_000)}`));
    let written = 0;
    const upstream = await t.startUpstream(async (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of all) {
        if (!response.write(piece)) await once(response, "drain");
        written += piece.length;
      }
      response.end(t.DONE);
    });
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port).ask(t.ASK_STREAM);
    client.socket.pause();
    await t.pause(400);
    const early = written;
    await t.pause(200);
    expect(written).toBe(early); // it stands still
    expect(early).toBeLessThan(all.join("").length);
    client.socket.resume();
    expect((await client.answer()).body.equals(Buffer.from(all.join("") + t.DONE))).toBe(true);
  });
});

describe("who may ask, and what", () => {
  const send = async (gateway: t.Running, path: string, init: RequestInit = {}) => {
    const response = await fetch(gateway.url + path, { headers: { authorization: `Bearer ${t.KEY}` }, ...init });
    return { status: response.status, error: ((await response.json()) as { error: Record<string, unknown> }).error };
  };
  const post = (
    body: string | Buffer,
    headers: Record<string, string> = { authorization: `Bearer ${t.KEY}` },
  ): RequestInit => ({ method: "POST", body, headers });

  it("refuses in OpenAI's shape: no key, a wrong one, a revoked one, a scope that is not enough; and forwards nothing", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    gateway.keys.set("spur_reader", { id: "key-2", scopes: new Set<string>(["open"]) });
    const none = await send(gateway, "/chat/completions", post(t.ASK, {}));
    expect(none).toEqual({
      status: 401,
      error: { message: expect.any(String), type: "authentication_error", param: null, code: "invalid_api_key" },
    });
    expect(await send(gateway, "/chat/completions", post(t.ASK, { authorization: "Bearer wrong" }))).toEqual(none);
    expect(await send(gateway, "/models", { headers: {} })).toEqual(none);
    expect(await send(gateway, "/chat/completions", post(t.ASK, { "x-api-key": "spur_reader" }))).toMatchObject({
      status: 403,
      error: { code: "insufficient_permissions" },
    });
    expect((await fetch(`${gateway.url}/chat/completions`, post(t.ASK, { "x-api-key": t.KEY }))).status).toBe(200);
    gateway.keys.delete(t.KEY);
    expect(await send(gateway, "/chat/completions", post(t.ASK))).toEqual(none);
    expect([upstream.requests.length, gateway.recorder.outputs.length]).toEqual([1, 1]);
  });

  it("refuses by name what it can't route, records nothing, and forwards nothing", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    for (const [body, status, code, param] of [
      ["", 400, "gateway/body-not-json", null],
      ['{"model":"m"', 400, "gateway/body-not-json", null],
      ["nonsense", 400, "gateway/body-not-json", null],
      [Buffer.from([0xff, 0xfe, 0x00]), 400, "gateway/body-not-json", null],
      ["null", 400, "gateway/model-missing", "model"],
      ["{}", 400, "gateway/model-missing", "model"],
      ['{"model":{}}', 400, "gateway/model-missing", "model"],
      ['{"model":"other"}', 404, "model_not_found", "model"],
      ['{"model":"__proto__"}', 404, "model_not_found", "model"],
    ] as const) {
      expect(await send(gateway, "/chat/completions", post(body)), String(body)).toMatchObject({
        status,
        error: { code, param, type: "invalid_request_error" },
      });
    }
    expect(await send(gateway, "/nothing", post("{}"))).toMatchObject({ status: 404, error: { code: "unknown_url" } });
    expect(await send(gateway, "/chat/completions")).toMatchObject({ status: 404, error: { code: "unknown_url" } });
    expect([upstream.requests.length, gateway.recorder.outputs.length, gateway.recorder.journal.size]).toEqual([
      0, 0, 0,
    ]);
  });

  it.each([true, false])("refuses a body of 100 MB with 413 (its length said beforehand: %s)", async (said) => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port);
    client.socket.setMaxListeners(0);
    const size = 100 * 1024 * 1024;
    const framing = said ? `Content-Length: ${size}` : "Transfer-Encoding: chunked";
    client.socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${t.KEY}\r\n${framing}\r\n\r\n`,
    );
    const piece = Buffer.alloc(1024 * 1024, " ");
    for (let sent = 0; sent < size && !client.closed; sent += piece.length) {
      if (!said) client.socket.write(`${piece.length.toString(16)}\r\n`);
      const more = client.socket.write(piece);
      if (!said) client.socket.write("\r\n");
      if (!more)
        await Promise.race([once(client.socket, "drain"), once(client.socket, "close")]).catch(() => undefined);
      if (client.received.includes("gateway/body-too-long")) break;
    }
    if (!said) client.socket.write("0\r\n\r\n");
    await client.until((text) => text.includes("gateway/body-too-long"));
    expect(client.received.toString()).toMatch(/^HTTP\/1\.1 413 /);
    expect(upstream.requests.length).toBe(0);
  });

  it("lets the official way of sending see that 413", async () => {
    const gateway = await t.startGateway("http://127.0.0.1:9/v1");
    for (let i = 0; i < 3; i++) {
      expect(await send(gateway, "/chat/completions", post(Buffer.alloc(100 * 1024 * 1024)))).toMatchObject({
        status: 413,
      });
    }
  });

  it("takes a body of 60 MB", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    const body = JSON.stringify({ model: "m", image: "A".repeat(60_000_000) });
    expect((await fetch(`${gateway.url}/chat/completions`, post(body))).status).toBe(200);
    expect(upstream.requests[0]?.body.length).toBe(body.length);
  });

  it("refuses a flood of headers, and a client that leaves inside its body leaves nothing behind", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    const flood = await new t.RawClient(gateway.port)
      .ask(
        t.ASK,
        Array.from({ length: 5_000 }, (_, i) => `X-${i}: y`),
      )
      .answer();
    expect(flood.status).toBe(431);
    const client = new t.RawClient(gateway.port);
    client.socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer ${t.KEY}\r\nContent-Length: 500\r\n\r\n{"model"`,
    );
    await t.pause(50);
    client.socket.destroy();
    await t.pause(50);
    expect([upstream.requests.length, gateway.recorder.outputs.length]).toEqual([0, 0]);
  });

  it("writes nothing of content or keys into diagnostics", async () => {
    const upstream = await t.startUpstream(t.stream([t.delta("the secret answer"), t.DONE]));
    const gateway = await t.startGateway(upstream.baseUrl);
    await new t.RawClient(gateway.port).ask(t.ASK_STREAM.replace("hello", "the secret question")).answer();
    await new t.RawClient(gateway.port).ask('{"model":"secret-model"}').answer();
    const logged = gateway.logs.join("\n");
    expect(logged).toContain("exchange");
    expect(logged).not.toMatch(new RegExp(`secret|${t.KEY}`));
  });
});
