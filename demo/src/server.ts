import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { ApiError, errorBody, parseChatRequest, type ChatRequest } from "./chat-request.ts";
import { complete } from "./completion.ts";
import { promptTokens, type GenerateEnd } from "./generate.ts";
import { decodeModel, type TrainedModel } from "./model-file.ts";

export type Served = {
  readonly name: string;
  readonly model: TrainedModel;
  /** Of the bytes of the file that the model was read from. */
  readonly sha256: string;
  readonly nowMs: () => number;
  /** Fresh bytes, for ids and for the seed of requests that bring none. */
  readonly random: (bytes: number) => Uint8Array;
};

const MAX_BODY_BYTES = 1 << 20;

/** OpenAI's chat completions, as far as a model that only goes on with a text can serve them. Needs no key: for loopback. */
export function createModelServer(served: Served): Server {
  return createServer((request, response) => {
    answer(served, request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy(); // a stream that breaks must not look like one that ended
        return;
      }
      const refusal = error instanceof ApiError ? error : new ApiError(500, "The model server failed.");
      sendJson(response, refusal.status, errorBody(refusal));
    });
  });
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { name, sha256 } = served;
  const path = (request.url ?? "/").split("?")[0]!;
  const card = { id: name, object: "model", created: 0, owned_by: "spur", sha256 };
  switch (`${request.method ?? ""} ${path}`) {
    case "GET /health":
      return sendJson(response, 200, { status: "ok" });
    case "GET /v1/models":
      return sendJson(response, 200, { object: "list", data: [card] });
    case `GET /v1/models/${encodeURIComponent(name)}`:
      return sendJson(response, 200, card);
    case "POST /v1/chat/completions": {
      const asked = parseChatRequest(await readJson(request), name);
      return asked.stream ? streamed(served, asked, response) : whole(served, asked, response);
    }
    default:
      throw new ApiError(404, `Invalid URL (${request.method ?? ""} ${path})`);
  }
}

/** One choice in the making. */
type Choice = {
  readonly index: number;
  readonly pieces: Generator<string, GenerateEnd, undefined>;
  text: string;
  end?: GenerateEnd;
};

function begin({ model, nowMs, random, name, sha256 }: Served, asked: ChatRequest) {
  const seed = asked.seed ?? new DataView(random(4).slice().buffer).getUint32(0);
  return {
    base: {
      id: `chatcmpl-${Buffer.from(random(12)).toString("hex")}`,
      created: Math.floor(nowMs() / 1000),
      model: name,
      system_fingerprint: `fp_${sha256.slice(0, 16)}`,
    },
    choices: Array.from({ length: asked.n }, (_, index): Choice => ({
      index,
      pieces: complete(model, asked, seed + index),
      text: "",
    })),
    usage: (choices: readonly Choice[]) => {
      const prompt_tokens = promptTokens(model.tokenizer, asked.prompt).length;
      const completion_tokens = choices.reduce((sum, { end }) => sum + (end?.completionTokens ?? 0), 0);
      return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
    },
  };
}

/** The pieces of all choices in turn, each choice's end when it comes. Other requests get their turn between rounds. */
async function* inTurn(
  choices: readonly Choice[],
  response: ServerResponse,
): AsyncGenerator<{ choice: Choice; piece?: string }> {
  while (choices.some(({ end }) => end === undefined)) {
    for (const choice of choices.filter(({ end }) => end === undefined)) {
      const next = choice.pieces.next();
      if (next.done) {
        choice.end = next.value;
        yield { choice };
      } else {
        choice.text += next.value;
        yield { choice, piece: next.value };
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    if (response.destroyed) return; // nobody listens any more
  }
}

async function whole(served: Served, asked: ChatRequest, response: ServerResponse): Promise<void> {
  const { base, choices, usage } = begin(served, asked);
  for await (const _ of inTurn(choices, response));
  if (response.destroyed) return;
  sendJson(response, 200, {
    ...base,
    object: "chat.completion",
    choices: choices.map(({ index, text, end }) => ({
      index,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: null,
      finish_reason: end!.finish,
    })),
    usage: usage(choices),
  });
}

async function streamed(served: Served, asked: ChatRequest, response: ServerResponse): Promise<void> {
  const { base, choices, usage } = begin(served, asked);
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  const send = async (data: unknown): Promise<void> => {
    if (response.destroyed) return;
    const fits = response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
    if (!fits) await Promise.race([once(response, "drain"), once(response, "close")]);
  };
  const chunk = (index: number, delta: unknown, finish: string | null) => ({
    ...base,
    object: "chat.completion.chunk",
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
    ...(asked.includeUsage ? { usage: null } : {}),
  });
  for (const { index } of choices) await send(chunk(index, { role: "assistant", content: "", refusal: null }, null));
  for await (const { choice, piece } of inTurn(choices, response)) {
    await send(
      piece === undefined ? chunk(choice.index, {}, choice.end!.finish) : chunk(choice.index, { content: piece }, null),
    );
  }
  if (asked.includeUsage) await send({ ...base, object: "chat.completion.chunk", choices: [], usage: usage(choices) });
  await send("[DONE]");
  response.end();
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new ApiError(413, "The body is longer than 1 MiB.");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))) as unknown;
  } catch {
    throw new ApiError(400, "We could not parse the JSON body of your request.");
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
    ...(status === 413 ? { connection: "close" } : {}), // the rest of that body is not read
  });
  response.end(bytes);
}

/** `node server.ts --model FILE [--port 0] [--name spur-demo] [--parent-pipe]`: one line of JSON on stdout when ready. */
async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      port: { type: "string", default: "0" },
      name: { type: "string", default: "spur-demo" },
      "parent-pipe": { type: "boolean", default: false },
    },
  });
  if (values.model === undefined) throw new Error("--model FILE is missing");
  // Digest and model are of the same bytes: a file that changes later changes neither.
  const bytes = new Uint8Array(readFileSync(values.model));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const model = decodeModel(bytes);
  const server = createModelServer({ name: values.name, model, sha256, nowMs: Date.now, random: randomBytes });
  server.listen(Number(values.port), "127.0.0.1");
  await once(server, "listening");
  if (values["parent-pipe"]) {
    // Whoever started this holds the other end: when he ends, however he ends, so does this.
    // So a terminal's Ctrl-C is his to answer: answers under way end first.
    process.on("SIGINT", () => undefined);
    process.stdin.resume();
    process.stdin.once("close", () => process.exit(0));
    process.stdin.once("end", () => process.exit(0));
  }
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port, modelSha256: sha256 })}\n`);
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 2;
  }
}
