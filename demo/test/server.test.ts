import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { choosePrompts } from "../src/corpus.ts";
import { generate } from "../src/generate.ts";
import { decodeModel, type TrainedModel } from "../src/model-file.ts";
import { train } from "../src/train.ts";
import { FIXTURE_DATASET, FIXTURE_ROWS, sha256, TINY_CONFIG } from "./fixture.ts";

/** What a test looks into after asking for it: a wrong guess fails the test. */
type Json = ReturnType<typeof JSON.parse>;

const SERVER = fileURLToPath(new URL("../src/server.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "spur-demo-server-"));
const file = join(folder, "model.safetensors");
const started: ChildProcess[] = [];

/** Starts a server as its users do, and reads its line. */
async function start(...more: string[]): Promise<{ child: ChildProcess; port: number; modelSha256: string }> {
  const child = spawn(process.execPath, [SERVER, "--model", file, ...more], { stdio: ["pipe", "pipe", "inherit"] });
  started.push(child);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, ...(JSON.parse(line.toString()) as { port: number; modelSha256: string }) };
}

let model: TrainedModel;
let digest: string;
let base: string;
let client: OpenAI;
const prompt = choosePrompts(FIXTURE_ROWS, 3, 1)[0]!.prompt;

beforeAll(async () => {
  const config = { ...TINY_CONFIG, steps: 60, stepTokens: 200, checkpointEvery: 60 };
  const { weights } = await train(FIXTURE_DATASET, config);
  writeFileSync(file, weights);
  model = decodeModel(weights);
  digest = sha256(weights);
  const { port, modelSha256 } = await start();
  expect(modelSha256).toBe(digest);
  base = `http://127.0.0.1:${port}`;
  client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(() => {
  for (const child of started) child.kill();
  rmSync(folder, { recursive: true });
});

const ask = (body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
const request = (more: object = {}) => ({
  model: "spur-demo",
  messages: [{ role: "user", content: prompt }],
  temperature: 0,
  ...more,
});

/** The events of a stream, parsed, without the last one; that must be [DONE]. */
async function events(response: Response): Promise<Json[]> {
  const lines = (await response.text()).split("\n\n");
  expect(lines.pop()).toBe("");
  expect(lines.pop()).toBe("data: [DONE]");
  return lines.map((line) => JSON.parse(line.replace(/^data: /, "")));
}

describe("server", () => {
  it("names its model and the digest of the file it read", async () => {
    const list = (await (await fetch(`${base}/v1/models`)).json()) as Json;
    expect(list).toEqual({
      object: "list",
      data: [{ id: "spur-demo", object: "model", created: 0, owned_by: "spur", sha256: digest }],
    });
    expect(await (await fetch(`${base}/v1/models/spur-demo`)).json()).toEqual(list.data[0]);
    expect(await (await fetch(`${base}/health`)).json()).toEqual({ status: "ok" });
  });

  it("answers as the model does, in the shape of a chat completion", async () => {
    const response = await ask(request());
    expect(response.headers.get("content-type")).toBe("application/json");
    const body = (await response.json()) as Json;
    const pieces = [...generate(model, prompt, { maxTokens: 64, temperature: 0, seed: 0 })];
    expect(body).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "spur-demo",
      system_fingerprint: `fp_${digest.slice(0, 16)}`,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: pieces.join(""), refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: { prompt_tokens: expect.any(Number), completion_tokens: pieces.length, total_tokens: expect.any(Number) },
    });
    expect(body.usage.total_tokens).toBe(body.usage.prompt_tokens + body.usage.completion_tokens);
    expect(Math.abs(body.created - Date.now() / 1000)).toBeLessThan(60);
  });

  it("streams the same answer, with usage when asked", async () => {
    const whole = (await (await ask(request())).json()) as Json;
    const response = await ask(request({ stream: true, stream_options: { include_usage: true } }));
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const chunks = await events(response);
    const last = chunks.pop();
    expect(last.choices).toEqual([]);
    expect(last.usage).toEqual(whole.usage);
    for (const chunk of chunks)
      expect(chunk).toMatchObject({ object: "chat.completion.chunk", id: last.id, model: "spur-demo", usage: null });
    expect(chunks[0].choices[0].delta.role).toBe("assistant");
    expect(chunks.map((c) => c.choices[0].delta.content ?? "").join("")).toBe(whole.choices[0].message.content);
    expect(chunks.map((c) => c.choices[0].finish_reason).filter((f) => f !== null)).toEqual(["stop"]);
    const plain = await events(await ask(request({ stream: true })));
    expect(plain.every((chunk) => !("usage" in chunk) && chunk.choices.length === 1)).toBe(true);
  });

  it("satisfies the official client, streaming and not", async () => {
    const messages = [{ role: "user" as const, content: prompt }];
    const whole = await client.chat.completions.create({ model: "spur-demo", messages, temperature: 0, seed: 1 });
    const stream = client.chat.completions.stream({ model: "spur-demo", messages, temperature: 0, seed: 1 });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect((await client.models.list()).data.map((m) => m.id)).toEqual(["spur-demo"]);
    await expect(client.chat.completions.create({ model: "other", messages })).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    );
  });

  it("gives n choices, each with its own draws, streaming and not", async () => {
    const more = { n: 3, temperature: 2, top_p: 1, seed: 4 };
    const { choices, usage } = (await (await ask(request(more))).json()) as Json;
    expect(choices.map((c: Json) => c.index)).toEqual([0, 1, 2]);
    expect(new Set(choices.map((c: Json) => c.message.content)).size).toBe(3);
    const chunks = await events(await ask(request({ ...more, stream: true })));
    for (const choice of choices) {
      const own = chunks.filter((c) => c.choices[0].index === choice.index);
      expect(own.map((c) => c.choices[0].delta.content ?? "").join("")).toBe(choice.message.content);
    }
    expect(usage.completion_tokens).toBeGreaterThan(3);
  });

  it("repeats an answer for its seed and varies without", async () => {
    const text = async (more: object) =>
      ((await (await ask(request({ temperature: 2, top_p: 1, ...more }))).json()) as Json).choices[0].message.content;
    expect(await text({ seed: 9 })).toBe(await text({ seed: 9 }));
    expect(new Set(await Promise.all(Array.from({ length: 5 }, () => text({})))).size).toBeGreaterThan(1);
  });

  it("stops before a stop string and at the limit, and holds back what may become one", async () => {
    const all = ((await (await ask(request())).json()) as Json).choices[0].message.content as string;
    const stop = all.slice(5, 9);
    const before = all.slice(0, all.indexOf(stop));
    for (const given of [stop, ["never there", stop]]) {
      const { choices } = (await (await ask(request({ stop: given }))).json()) as Json;
      expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: before } });
    }
    const chunks = await events(await ask(request({ stop, stream: true })));
    expect(chunks.map((c) => c.choices[0].delta.content ?? "").join("")).toBe(before);
    const held = await events(await ask(request({ stop: `${all}and more`, stream: true })));
    expect(held.map((c) => c.choices[0].delta.content ?? "").join("")).toBe(all);
    for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2 }]) {
      const body = (await (await ask(request(limit))).json()) as Json;
      expect(body.choices[0].finish_reason).toBe("length");
      expect(body.usage.completion_tokens).toBe(2);
    }
  });

  it("reads text parts and goes on with the last message", async () => {
    const text = async (messages: unknown) =>
      ((await (await ask(request({ messages }))).json()) as Json).choices[0].message.content;
    const want = await text([{ role: "user", content: prompt }]);
    expect(
      await text([
        { role: "system", content: "Be brief." },
        { role: "assistant", content: null },
        { role: "user", content: [{ type: "text", text: prompt }] },
      ]),
    ).toBe(want);
  });

  it.each<[string, unknown, number, string | null]>([
    ["no JSON", "{", 400, null],
    ["bytes that aren't UTF-8", Uint8Array.of(0x22, 0xff, 0x22), 400, null],
    ["a list", [], 400, null],
    ["no model", { messages: [] }, 400, "model"],
    ["an unknown model", request({ model: "gpt" }), 404, "model"],
    ["no messages", { model: "spur-demo" }, 400, "messages"],
    ["an empty list of messages", request({ messages: [] }), 400, "messages"],
    ["a message without role", request({ messages: [{ content: "a" }] }), 400, "messages[0].role"],
    ["a message of null", request({ messages: [null] }), 400, "messages[0].role"],
    [
      "a picture",
      request({ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }),
      400,
      "messages[0].content",
    ],
    ["no content", request({ messages: [{ role: "user" }] }), 400, "messages[0].content"],
    ["a temperature of 3", request({ temperature: 3 }), 400, "temperature"],
    ["a temperature in words", request({ temperature: "warm" }), 400, "temperature"],
    ["no tokens", request({ max_tokens: 0 }), 400, "max_tokens"],
    ["half a token", request({ max_completion_tokens: 0.5 }), 400, "max_completion_tokens"],
    ["a thousand choices", request({ n: 1000 }), 400, "n"],
    ["five stops", request({ stop: ["a", "b", "c", "d", "e"] }), 400, "stop"],
    ["an empty stop", request({ stop: "" }), 400, "stop"],
    ["a stream of yes", request({ stream: "yes" }), 400, "stream"],
    ["tools", request({ tools: [{ type: "function" }] }), 400, "tools"],
    ["JSON mode", request({ response_format: { type: "json_object" } }), 400, "response_format"],
    ["a novel", request({ messages: [{ role: "user", content: "a".repeat(70_000) }] }), 400, "messages"],
  ])("refuses %s in OpenAI's shape", async (_, body, status, param) => {
    const response = await ask(
      body instanceof Uint8Array ? "" : body,
      body instanceof Uint8Array ? { body: new Uint8Array(body) } : {},
    );
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as Json;
    expect(error).toEqual({ message: expect.any(String), type: "invalid_request_error", param, code: error.code });
    expect([null, "model_not_found", "unsupported_parameter", "context_length_exceeded"]).toContain(error.code);
  });

  it("refuses a body over 1 MiB, and paths and methods it doesn't have", async () => {
    expect((await ask(" ".repeat(2 ** 20 + 1))).status).toBe(413);
    for (const [method, path] of [
      ["GET", "/v1/chat/completions"],
      ["GET", "/"],
      ["POST", "/v1/embeddings"],
      ["GET", "/v1/models/other"],
    ]) {
      const response = await fetch(base + path, { method: method! });
      expect(response.status).toBe(404);
      expect(((await response.json()) as Json).error.message).toContain(path);
    }
  });

  it("goes on after a client that hangs up in mid-stream", async () => {
    const url = new URL(base);
    const body = JSON.stringify(request({ stream: true, max_tokens: 4096, temperature: 2, top_p: 1 }));
    for (let i = 0; i < 5; i++) {
      const socket = connect(Number(url.port), url.hostname);
      socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      await once(socket, "data");
      socket.destroy();
    }
    expect((await ask(request())).status).toBe(200);
  });
});

describe("process", () => {
  it("ends with the one who holds its stdin", async () => {
    const { child, port } = await start("--parent-pipe", "--name", "other");
    expect(((await (await fetch(`http://127.0.0.1:${port}/v1/models`)).json()) as Json).data[0].id).toBe("other");
    child.stdin!.end();
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
  });

  it.each([
    ["no model", []],
    ["a file that isn't there", ["--model", join(folder, "nothing")]],
    ["a file that isn't a model", ["--model", SERVER]],
    ["an unknown option", ["--model", file, "--colour", "red"]],
    ["a port that isn't one", ["--model", file, "--port", "70000"]],
  ])("exits with 2 and says why: %s", async (_, args) => {
    const child = spawn(process.execPath, [SERVER, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    started.push(child);
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
    const [code] = await once(child, "close");
    expect(code).toBe(2);
    expect(said.trim().length).toBeGreaterThan(10);
  });
});
