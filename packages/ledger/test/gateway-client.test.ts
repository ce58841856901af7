// The official client, unchanged: if it complains, we are wrong.
import OpenAI, { APIError } from "openai";
import { afterEach, describe, expect, it } from "vitest";
import * as t from "./gateway-support.ts";

afterEach(t.closeAll);

async function start(script: Parameters<typeof t.startUpstream>[0], options: { maxRetries?: number } = {}) {
  const upstream = await t.startUpstream(script);
  const gateway = await t.startGateway(upstream.baseUrl);
  const client = new OpenAI({
    apiKey: t.KEY,
    baseURL: gateway.url,
    maxRetries: options.maxRetries ?? 0,
    logLevel: "off",
  });
  return { upstream, gateway, client, recorder: gateway.recorder };
}

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "hello" }];
const ask = { model: "m", messages };
const askStream = { model: "m", messages, stream: true } as const;

describe("not streaming", () => {
  it("gives the answer and the record's id", async () => {
    const { client, recorder } = await start(t.json(t.completion("Grüße 語")));
    const { data, response } = await client.chat.completions.create(ask).withResponse();
    expect(data.choices[0]?.message.content).toBe("Grüße 語");
    expect(data.usage?.total_tokens).toBe(3);
    const seen = await recorder.only();
    expect(response.headers.get("x-spur-record")).toBe(seen.output.rec);
    expect(seen.caller).toMatchObject({ key: "key-1", retryCount: "0" });
    expect(seen.caller["userAgent"]).toMatch(/OpenAI/);
  });

  it("keeps n > 1, logprobs, reasoning, tool calls and cache usage", async () => {
    const choice = (index: number) => ({
      index,
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        reasoning_content: `because ${index}`,
        tool_calls: [{ id: `call_${index}`, type: "function", function: { name: "f", arguments: '{"a":1}' } }],
      },
      logprobs: { content: [{ token: "a", logprob: -0.25, bytes: [97], top_logprobs: [] }], refusal: null },
      finish_reason: "tool_calls",
    });
    const body = {
      ...JSON.parse(t.completion()),
      choices: [choice(0), choice(1)],
      usage: { prompt_cache_hit_tokens: 9 },
    };
    const { client } = await start(t.json(JSON.stringify(body)));
    const answer = await client.chat.completions.create({ ...ask, n: 2, logprobs: true });
    expect(JSON.parse(JSON.stringify(answer))).toEqual(body);
  });

  it("402 passes as it is, and is not retried", async () => {
    const body =
      '{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}';
    const { client, upstream } = await start(t.json(body, 402, { "x-request-id": "r402" }), { maxRetries: 2 });
    const error = await client.chat.completions.create(ask).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({
      status: 402,
      code: "invalid_request_error",
      type: "unknown_error",
      requestID: "r402",
    });
    expect((error as APIError).message).toContain("Insufficient Balance");
    expect(upstream.requests.length).toBe(1);
  });

  it("400, 404 and 401 of ours are not retried, and have the client's own error classes", async () => {
    const { client, upstream } = await start(t.json("{}", 400), { maxRetries: 2 });
    await expect(client.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    expect(upstream.requests.length).toBe(1);
    await expect(client.chat.completions.create({ ...ask, model: "nope" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
    });
    await expect(client.withOptions({ apiKey: "wrong" }).models.list()).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    expect(upstream.requests.length).toBe(1);
  });

  it("a 429 is retried when its headers say so; each attempt is a record that knows its number", async () => {
    let attempts = 0;
    const { client, recorder } = await start(
      (response) =>
        (++attempts === 1 ? t.json("{}", 429, { "retry-after-ms": "5" }) : t.json(t.completion()))(response),
      { maxRetries: 2 },
    );
    await client.chat.completions.create(ask);
    await recorder.reached(2);
    const seen = recorder.outputs.map(({ rec }) => recorder.seen(rec));
    expect(seen.map(({ outcome, caller }) => [outcome, caller["retryCount"]])).toEqual([
      ["failed", "0"],
      ["complete", "1"],
    ]);
  });

  it("a 503 with x-should-retry: false is not retried", async () => {
    const { client, upstream } = await start(t.json("{}", 503, { "x-should-retry": "false" }), { maxRetries: 2 });
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({ status: 503 });
    expect(upstream.requests.length).toBe(1);
  });

  it("an abort reaches the upstream and the record", async () => {
    const arrived = t.gate();
    const ended = t.gate();
    const { client, recorder } = await start((response) => {
      response.on("close", ended.open);
      arrived.open();
    });
    const stop = new AbortController();
    const answer = client.chat.completions.create(ask, { signal: stop.signal }).catch((error: unknown) => error);
    await arrived.opened;
    stop.abort();
    expect(await answer).toBeInstanceOf(OpenAI.APIUserAbortError);
    await ended.opened;
    expect((await recorder.only()).outcome).toBe("cancelled");
  });
});

describe("streaming", () => {
  it("gives every chunk: split UTF-8, \\r\\n, comments, n > 1, tool calls, reasoning, the last one with usage", async () => {
    const chunks = [
      {
        choices: [{ index: 0, delta: { role: "assistant", reasoning_content: "考える" }, finish_reason: null }],
        usage: null,
      },
      {
        choices: [{ index: 1, delta: { content: "Grüße 🙂" }, logprobs: { content: [] }, finish_reason: null }],
        usage: null,
      },
      {
        choices: [
          {
            index: 0,
            delta: { tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: '{"x"' } }] },
            finish_reason: null,
          },
        ],
      },
      {
        choices: [
          {
            index: 0,
            delta: { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] },
            finish_reason: "tool_calls",
          },
        ],
      },
      { choices: [{ index: 1, delta: {}, finish_reason: "stop" }] },
      { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
    ].map((chunk) => ({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...chunk }));
    const bytes = Buffer.from(
      `: keep-alive\r\n\r\n\r\n${chunks.map((c) => `data: ${JSON.stringify(c)}\r\n\r\n`).join(": ping\n\n")}${t.DONE}`,
    );
    const pieces = Array.from({ length: Math.ceil(bytes.length / 11) }, (_, i) => bytes.subarray(i * 11, i * 11 + 11));
    const { client, recorder } = await start(t.stream(pieces));
    const { data, response } = await client.chat.completions
      .create({ ...askStream, stream_options: { include_usage: true }, n: 2 })
      .withResponse();
    const got: unknown[] = [];
    for await (const chunk of data) got.push(chunk);
    expect(got).toEqual(chunks);
    const seen = await recorder.only();
    expect([seen.outcome, seen.output.rec]).toEqual(["complete", response.headers.get("x-spur-record")]);
    expect(JSON.parse(seen.usage as string).total_tokens).toBe(3);
  });

  it("the client's own assembly of a stream works", async () => {
    const { client } = await start(t.stream([t.ROLE, t.delta("Hel"), t.delta("lo"), t.STOP, t.DONE]));
    expect((await client.chat.completions.stream({ model: "m", messages }).finalMessage()).content).toBe("Hello");
  });

  it("an upstream that is cut makes the client throw, after the parts it had", async () => {
    const { client, recorder } = await start(t.stream([t.delta("one"), 'data: {"choi'], "cut"));
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of await client.chat.completions.create(askStream))
        got.push(chunk.choices[0]?.delta.content);
    })();
    await expect(reading).rejects.toMatchObject({ name: "Error", code: "gateway/upstream-cut" });
    await expect(reading).rejects.toBeInstanceOf(APIError);
    expect(got).toEqual(["one"]);
    expect((await recorder.only()).outcome).toBe("partial");
  });

  it("an upstream's own error event throws, and so does a record that can't be written", async () => {
    const read = async (client: OpenAI): Promise<void> => {
      for await (const _ of await client.chat.completions.create(askStream)) continue;
    };
    const broken = await start(
      t.stream([t.delta("one"), 'data: {"error":{"message":"gpu","code":"oom"}}\n\n', t.DONE]),
    );
    await expect(read(broken.client)).rejects.toMatchObject({ code: "oom" });
    const full = await start(t.stream([t.delta("one"), t.STOP, t.DONE]));
    full.recorder.beforeRecord = () => {
      throw new Error("disk full");
    };
    await expect(read(full.client)).rejects.toMatchObject({ code: "log/commit-unknown" });
  });

  it("a loop that is left in the middle ends the upstream's request; the part is recorded", async () => {
    const ended = t.gate();
    const { client, recorder } = await start((response) => {
      response.on("close", ended.open);
      response.writeHead(200, { "content-type": "text/event-stream" }).write(t.delta("one"));
    });
    for await (const chunk of await client.chat.completions.create(askStream)) if (chunk.choices.length > 0) break;
    await ended.opened;
    const seen = await recorder.only();
    expect([seen.outcome, seen.response?.toString()]).toEqual(["cancelled", t.delta("one")]);
  });

  it("thirty-two at once keep to themselves", async () => {
    const { client, recorder } = await start((response, _request, body) => {
      const word = String(JSON.parse(body.toString()).messages[0].content);
      return t.stream([t.ROLE, ...[...word].map((letter) => t.delta(letter)), t.STOP, t.DONE])(response);
    });
    const words = Array.from({ length: 32 }, (_, i) => `word-${i}-${"x".repeat(i)}`);
    const got = await Promise.all(
      words.map(async (content) => {
        const stream = client.chat.completions.stream({ model: "m", messages: [{ role: "user", content }] });
        return (await stream.finalMessage()).content;
      }),
    );
    expect(got).toEqual(words);
    expect([recorder.outputs.length, recorder.journal.size]).toEqual([32, 0]);
    for (const { rec } of recorder.outputs) expect(recorder.seen(rec).outcome).toBe("complete");
  });
});

describe("models", () => {
  it("lists what is served, with the upstream's own objects, and finds one by a name with a slash", async () => {
    const { client, gateway } = await start(t.json("{}"));
    const listed = { id: "org/model-v3", object: "model", created: 17, owned_by: "library", context: 4096 };
    gateway.table.set("org/model-v3", { ...t.served("http://127.0.0.1:9"), model: "org/model-v3", listed });
    const found: unknown[] = [];
    for await (const model of client.models.list()) found.push(model);
    expect(found).toEqual([{ id: "m", object: "model", created: 0, owned_by: "upstream" }, listed]);
    expect(await client.models.retrieve("org/model-v3")).toEqual(listed);
    const bare = await fetch(`${gateway.url}/models/org/model-v3`, { headers: { authorization: `Bearer ${t.KEY}` } });
    expect(await bare.json()).toEqual(listed);
    await expect(client.models.retrieve("nope")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  });
});
