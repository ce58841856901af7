// An OpenAI-compatible server with a script in place of a model: what it answers is decided by the model's name.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ScriptedUpstream {
  /** With `/v1`, as an operator would type it. */
  readonly url: string;
  /** Bodies as they came. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** `plain` answers "echo: " and the last message; `tools` calls a tool; `broken` is cut in mid-stream; `slow` waits before its end. */
export const MODELS = ["plain", "tools", "broken", "slow"] as const;

interface ChatRequest {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly content: string }[];
}

export async function startUpstream(): Promise<ScriptedUpstream> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    void answer(request, response, requests);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, requests: string[]): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  if (request.url === "/v1/models") {
    json(response, {
      object: "list",
      data: MODELS.map((id) => ({ id, object: "model", created: 1, owned_by: "script" })),
    });
    return;
  }
  const text = Buffer.concat(parts).toString("utf8");
  requests.push(text);
  const { model, stream, messages } = JSON.parse(text) as ChatRequest;
  const said = `echo: ${messages.at(-1)?.content ?? ""}`;
  if (stream === true) await streamed(response, model, said);
  else
    json(response, {
      ...head("chat.completion", model),
      choices: [{ index: 0, ...whole(model, said) }],
      usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 },
    });
}

const head = (object: string, model: string): object => ({ id: "chatcmpl-1", object, created: 1, model });

const TOOL = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Köln"}' } };

function whole(model: string, said: string): object {
  return model === "tools"
    ? { message: { role: "assistant", content: null, tool_calls: [TOOL] }, finish_reason: "tool_calls" }
    : { message: { role: "assistant", content: said }, finish_reason: "stop" };
}

async function streamed(response: ServerResponse, model: string, said: string): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (choice: object, more: object = {}): void => {
    response.write(
      `data: ${JSON.stringify({ ...head("chat.completion.chunk", model), choices: [{ index: 0, finish_reason: null, ...choice }], ...more })}\n\n`,
    );
  };
  send({ delta: { role: "assistant", content: "" } });
  if (model === "tools") {
    send({ delta: { tool_calls: [{ index: 0, ...TOOL, function: { name: "weather", arguments: "" } }] } });
    for (const part of ['{"city":', '"Köln"}'])
      send({ delta: { tool_calls: [{ index: 0, function: { arguments: part } }] } });
    send({ delta: {}, finish_reason: "tool_calls" });
  } else {
    for (const part of said.match(/.{1,4}/gsu) ?? []) send({ delta: { content: part } });
    if (model === "broken") {
      // The connection breaks before the model has ended: no terminal chunk, no [DONE].
      setTimeout(() => response.destroy(), 20);
      return;
    }
    if (model === "slow") await new Promise((resolve) => setTimeout(resolve, 500));
    send({ delta: {}, finish_reason: "stop" });
  }
  response.write(
    `data: ${JSON.stringify({ ...head("chat.completion.chunk", model), choices: [], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } })}\n\n`,
  );
  response.end("data: [DONE]\n\n");
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
