// Bytes: what leaves the upstream reaches the client, and the record; what leaves the client reaches the upstream.
import { afterEach, describe, expect, it } from "vitest";
import { ALLOW_ALL } from "../src/gateway/drafts.ts";
import * as t from "./gateway-support.ts";

afterEach(t.closeAll);

/** Asks once over a raw socket; gives the bytes of the answer and what was recorded. */
async function once(
  script: Parameters<typeof t.startUpstream>[0],
  body: Buffer | string = t.ASK,
  headers: readonly string[] = [],
) {
  const upstream = await t.startUpstream(script);
  const gateway = await t.startGateway(upstream.baseUrl);
  const answer = await new t.RawClient(gateway.port).ask(body, headers).answer();
  return { answer, upstream, gateway, seen: await gateway.recorder.only() };
}

const split = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, i * size + size));

const STREAM = Buffer.from(
  [
    ": keep-alive\n\n\n",
    t.delta("Grüße 語 🙂"),
    'data: {"choices":[{"index":1,"delta":{"reasoning_content":"hm"},"logprobs":{"content":[]},"finish_reason":null}]}\r\n\r\n',
    'event: x\nid: 7\ndata: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":"}}]}}]}\n\n',
    'data: {"choices":[], "usage": {"total_tokens": 12345678901234567890, "prompt_cache_hit_tokens":1}}\r\r',
    t.STOP,
    t.DONE,
    ": after\n\n",
  ].join(""),
);

describe("an event stream", () => {
  it.each([1, 2, 3, 7, 64, 10_000])("passes unchanged in chunks of %d bytes", async (size) => {
    const { answer, seen } = await once(t.stream(split(STREAM, size)), t.ASK_STREAM);
    expect(answer.body.equals(STREAM)).toBe(true);
    expect([answer.status, answer.whole, answer.headers.get("content-type")]).toEqual([
      200,
      true,
      "text/event-stream; charset=utf-8",
    ]);
    expect(answer.headers.get("x-request-id")).toBe("up-1");
    expect(answer.headers.get("x-spur-record")).toBe(seen.output.rec);
    expect(seen.response?.equals(STREAM)).toBe(true);
    expect([seen.outcome, seen.verdict]).toEqual(["complete", "released"]);
    expect(seen.usage).toBe('{"total_tokens": 12345678901234567890, "prompt_cache_hit_tokens":1}');
  });

  it("passes bytes that are no UTF-8, a stream without [DONE], and a last event without its blank line", async () => {
    const bytes = Buffer.concat([
      Buffer.from('data: {"choices":[{"delta":{"content":"'),
      Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0]),
      Buffer.from('"}}]}\n\n'),
    ]);
    const all = Buffer.concat([bytes, Buffer.from('data: {"choices":[{"finish_reason":"stop"}]}')]);
    const { answer, seen } = await once(t.stream(split(all, 5)), t.ASK_STREAM);
    expect(answer.body.equals(all)).toBe(true);
    expect([answer.whole, seen.outcome]).toEqual([true, "complete"]);
    expect(seen.response?.equals(all)).toBe(true);
  });

  it("passes one line of 10 MB", async () => {
    const all = Buffer.from(t.delta("x".repeat(10_000_000)) + t.STOP + t.DONE);
    const { answer, seen } = await once(t.stream(split(all, 1_000_000)), t.ASK_STREAM);
    expect(answer.body.equals(all)).toBe(true);
    expect(seen.response?.length).toBe(all.length);
  });

  it("ends soon after [DONE] even if the upstream keeps its connection open", async () => {
    const { answer, seen } = await once(t.stream([t.delta("a"), t.STOP, t.DONE], "open"), t.ASK_STREAM);
    expect([answer.whole, answer.body.toString().endsWith(t.DONE), seen.outcome]).toEqual([true, true, "complete"]);
  });

  it("counts as whole when the connection breaks only after [DONE]", async () => {
    const { answer, seen } = await once(t.stream([t.delta("a"), t.STOP, t.DONE], "cut"), t.ASK_STREAM);
    expect([answer.whole, answer.body.toString().endsWith(t.DONE), seen.outcome]).toEqual([true, true, "complete"]);
  });

  it("is kept back whole when it is encoded, because [DONE] can't be seen in it", async () => {
    const bytes = Buffer.from("not really gzip");
    const { answer, seen } = await once((response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" }).end(bytes);
    }, t.ASK_STREAM);
    expect([answer.headers.get("content-encoding"), answer.headers.get("content-length")]).toEqual([
      "gzip",
      String(bytes.length),
    ]);
    expect([answer.body.equals(bytes), seen.timing["encoding"]]).toEqual([true, "gzip"]);
  });

  it("records content_filter as refused, and an error event by what came before it", async () => {
    const refused = await once(t.stream([t.delta("", { finish_reason: "content_filter" }), t.DONE]), t.ASK_STREAM);
    expect(refused.seen.outcome).toBe("refused");
    const broken = await once(t.stream([t.delta("a"), 'data: {"error":{"message":"gpu"}}\n\n', t.DONE]), t.ASK_STREAM);
    expect([broken.seen.outcome, broken.answer.whole]).toEqual(["partial", true]);
  });
});

describe("a JSON answer", () => {
  it.each([
    ["a completion", Buffer.from(t.completion()), "complete"],
    ["blank lines before it", Buffer.from(`\n\n\n${t.completion()}`), "complete"],
    ["odd JSON", Buffer.from('{"choices":[{"message":{},"x":1e400,"x":2}],"usage":{"n":1.000}}'), "complete"],
    ["a filtered one", Buffer.from(t.completion("", { finish_reason: "content_filter" })), "refused"],
    ["nonsense", Buffer.from([0xff, 0xfe, 0, 1, 2]), "failed"],
    ["a page", Buffer.from("<html>hello</html>"), "failed"],
    ["nothing", Buffer.alloc(0), "failed"],
    ["a big one", Buffer.from(t.completion("y".repeat(3_000_000))), "complete"],
  ])("passes unchanged: %s", async (_name, bytes, outcome) => {
    const { answer, seen } = await once((response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (const piece of split(bytes, 100_000)) response.write(piece);
      response.end();
    });
    expect([answer.status, answer.whole, answer.body.equals(bytes)]).toEqual([200, true, true]);
    expect([seen.outcome, seen.verdict, seen.response?.equals(bytes)]).toEqual([outcome, "released", true]);
    expect(answer.headers.get("x-spur-record")).toBe(seen.output.rec);
  });

  it("takes what the record needs from both sides, exactly", async () => {
    const own = ["User-Agent: Test/1", "Idempotency-Key: idem-1", "x-stainless-retry-count: 2"];
    const { seen, gateway } = await once(t.json(t.completion(), 200, { "x-request-id": "req_9" }), t.ASK, own);
    expect(seen.request.toString()).toBe(t.ASK);
    expect(seen.caller).toEqual({ key: "key-1", userAgent: "Test/1", idempotencyKey: "idem-1", retryCount: "2" });
    expect(seen.usage).toBe('{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}');
    expect(seen.timing).toMatchObject({ end: "done", status: 200, upstreamRequestId: "req_9" });
    const { startedAtMs, forwardedAtMs, headAtMs, firstByteAtMs, endedAtMs } = seen.timing;
    const times = [startedAtMs, forwardedAtMs, headAtMs, firstByteAtMs, endedAtMs] as number[];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect([seen.output.owner, seen.output.evidence, seen.output.contentDays, seen.decision.owner]).toEqual([
      "key-1",
      "observed",
      30,
      "",
    ]);
    expect(seen.decision.predicate).toMatchObject({ actor: "rule", verdict: "released", policyVersion: 1 });
    expect(Buffer.from(seen.decision.slots?.[0] as Uint8Array).toString()).toBe(JSON.stringify({ rule: ALLOW_ALL }));
    expect(gateway.recorder.journal.size).toBe(0);
    const order = [...gateway.recorder.records.keys()];
    expect(order.indexOf(seen.decision.rec)).toBe(order.indexOf(seen.output.rec) + 1);
  });
});

describe("a route without content", () => {
  it("says so in journal and draft, and passes the answer just the same", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    gateway.table.set("m", t.served(upstream.baseUrl, { keepNothing: true, contentDays: 0 }));
    let info: unknown;
    gateway.recorder.beforeRecord = () => {
      info = [...gateway.recorder.journal.values()][0]?.info;
    };
    expect((await new t.RawClient(gateway.port).ask(t.ASK).answer()).body.toString()).toBe(t.completion());
    expect(info).toMatchObject({
      keepNothing: true,
      contentDays: 0,
      caller: "key-1",
      deployment: t.DEPLOYMENT,
      policyVersion: 1,
    });
    const seen = await gateway.recorder.only();
    expect([seen.output.keepNothing, seen.output.contentDays, seen.decision.keepNothing]).toEqual([true, 0, undefined]);
  });
});

describe("the request", () => {
  const odd: [string, Buffer][] = [
    [
      "odd white space, big numbers, duplicate names",
      Buffer.from('{ "model":"x", "model" : "m","n":1e999, "seed":12345678901234567890,"a":1,"a":2 }\n'),
    ],
    [
      "bytes that are no UTF-8, lone surrogates",
      Buffer.concat([Buffer.from('{"model":"m","x":"\\ud800'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    ],
    ["100,000 levels", Buffer.from(`{"model":"m","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)],
    ["a name that is escaped", Buffer.from('{"\\u006dodel":"\\u006d"}')],
    ["10 MB in one string", Buffer.from(JSON.stringify({ model: "m", image: "A".repeat(10_000_000) }))],
  ];

  it.each(odd)("reaches upstream and record as it came: %s", async (_name, body) => {
    const { upstream, seen, answer } = await once(t.json(t.completion()), body);
    expect(answer.status).toBe(200);
    expect(upstream.requests[0]?.body.equals(body)).toBe(true);
    expect(seen.request.equals(body)).toBe(true);
  });

  it("reaches upstream chunked as well, with its query and headers, under the upstream's key and without ours", async () => {
    const upstream = await t.startUpstream(t.json(t.completion()));
    const gateway = await t.startGateway(upstream.baseUrl);
    const client = new t.RawClient(gateway.port);
    client.socket.write(
      [
        "POST /v1/chat/completions?api-version=1&x=%20 HTTP/1.1",
        "Host: gateway",
        `X-Api-Key: ${t.KEY}`,
        "Transfer-Encoding: chunked",
      ]
        .concat([
          "Accept-Encoding: gzip",
          "X-Title: Example",
          "Cookie: a=b",
          `X-Leak: ${t.KEY}`,
          "Connection: close",
          "",
          "",
        ])
        .join("\r\n"),
    );
    for (const part of [t.ASK.slice(0, 10), t.ASK.slice(10)])
      client.socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    client.socket.write("0\r\n\r\n");
    expect((await client.answer()).status).toBe(200);
    const { request, body } = upstream.requests[0] as t.Upstream["requests"][number];
    expect(body.toString()).toBe(t.ASK);
    expect(request.url).toBe("/v1/chat/completions?api-version=1&x=%20");
    expect(request.headers).toMatchObject({
      authorization: "Bearer upstream-secret",
      "accept-encoding": "identity",
      "x-title": "Example",
    });
    expect(request.headers["content-length"]).toBe(String(t.ASK.length));
    expect(JSON.stringify(request.rawHeaders)).not.toContain(t.KEY);
    expect(request.headers.cookie).toBeUndefined();
  });
});

describe("an upstream's refusal", () => {
  it.each([
    [400, '{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}', "failed"],
    [400, '{"error":{"message":"no","code":"content_filter"}}', "refused"],
    [401, "{}", "failed"],
    [
      402,
      '{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}',
      "failed",
    ],
    [422, "not json", "failed"],
    [429, '{ "error" : {} }', "failed"],
    [500, "<html>", "failed"],
    [503, "", "failed"],
  ])("passes %d unchanged, with its headers, and is recorded", async (status, body, outcome) => {
    const headers = {
      "x-request-id": "r",
      "openai-processing-ms": "5",
      "x-ratelimit-remaining-requests": "0",
      "retry-after": "7",
    };
    const more = {
      "retry-after-ms": "7000",
      "x-should-retry": "false",
      "set-cookie": "a=b",
      "x-spur-record": "f".repeat(32),
    };
    const { answer, seen } = await once(t.json(body, status, { ...headers, ...more }));
    expect([answer.status, answer.body.toString()]).toEqual([status, body]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      ...headers,
      "retry-after-ms": "7000",
      "x-should-retry": "false",
    });
    expect(answer.headers.has("set-cookie")).toBe(false);
    expect(answer.headers.get("x-spur-record")).toBe(seen.output.rec);
    expect([seen.outcome, seen.verdict, seen.timing["status"], seen.response?.toString()]).toEqual([
      outcome,
      "released",
      status,
      body,
    ]);
  });
});
