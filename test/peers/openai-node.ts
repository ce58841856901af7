// The official OpenAI client for Node, and the AI SDK where it is installed, before the gateway; then what they left on record.
import { createRequire } from "node:module";
import OpenAI from "openai";
import { cleanUp, startTestLedger } from "../support/ledger.ts";
import { startUpstream } from "../support/upstream.ts";
import { verifyRecords } from "./openai-python.ts";
import { holds, type Suite } from "./peer.ts";

const messages = [{ role: "user" as const, content: "Grüße aus Köln, 你好" }];
const SAID = "echo: Grüße aus Köln, 你好";

export const openaiNode: Suite = {
  name: "openai-node",
  about: "the official OpenAI client for Node (and the AI SDK, if installed) through the gateway",
  async run(say) {
    const upstream = await startUpstream();
    try {
      const spur = await startTestLedger({ upstream: upstream.url });
      const records = await official(`${spur.url}/v1`, spur.key);
      say(`openai: models, JSON, streaming, tool calls, a broken stream, 401`);
      records.push(...(await aiSdk(`${spur.url}/v1`, spur.key, say)));
      await verifyRecords(spur, records);
      return `${records.length} answers with x-spur-record, their evidence and receipts verify`;
    } finally {
      await cleanUp();
      await upstream.close();
    }
  },
};

async function official(baseURL: string, apiKey: string): Promise<string[]> {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const records: string[] = [];
  const note = (response: Response): void => {
    const rec = response.headers.get("x-spur-record") ?? "";
    holds("the answer names its record", /^[0-9a-f]{32}$/.test(rec));
    records.push(rec);
  };
  const listed: string[] = [];
  for await (const { id } of client.models.list()) listed.push(id);
  holds("models are listed", listed.includes("plain"));

  const whole = await client.chat.completions.create({ model: "plain", messages }).withResponse();
  note(whole.response);
  holds("the answer", whole.data.choices[0]?.message.content === SAID);

  const stream = await client.chat.completions.create({ model: "plain", messages, stream: true }).withResponse();
  note(stream.response);
  let text = "";
  let end: string | null | undefined;
  for await (const chunk of stream.data) {
    text += chunk.choices[0]?.delta.content ?? "";
    end = chunk.choices[0]?.finish_reason ?? end;
  }
  holds("the streamed answer", text === SAID && end === "stop");

  const runner = client.chat.completions.stream({ model: "tools", messages });
  const called = (await runner.finalChatCompletion()).choices[0]?.message.tool_calls?.[0];
  holds("a streamed tool call", called?.type === "function" && called.function.arguments === '{"city":"Köln"}');

  const broken = await client.chat.completions.create({ model: "broken", messages, stream: true });
  const outcome = await (async () => {
    for await (const chunk of broken) void chunk;
    return "a normal end";
  })().catch((error: unknown) => (error instanceof OpenAI.APIError ? "an error" : String(error)));
  holds(`a stream that breaks ends with an error, not with ${outcome}`, outcome === "an error");

  const refused = await new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).chat.completions
    .create({ model: "plain", messages })
    .catch((error: unknown) => error);
  holds("a wrong key is refused as OpenAI does", refused instanceof OpenAI.AuthenticationError);
  return records;
}

/** The AI SDK's shape, as far as it is used here; it is nobody's dependency. */
interface AiSdk {
  streamText(options: object): {
    readonly textStream: AsyncIterable<string>;
    readonly response: PromiseLike<{ readonly headers?: Record<string, string> }>;
  };
}
interface Provider {
  createOpenAICompatible(options: object): (model: string) => object;
}

async function aiSdk(baseURL: string, apiKey: string, say: (text: string) => void): Promise<string[]> {
  const { resolve } = createRequire(import.meta.url);
  const names = ["ai", "@ai-sdk/openai-compatible"];
  const missing = names.filter((name) => {
    try {
      resolve(name);
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length > 0) {
    say(`the AI SDK was not tried: ${missing.join(" and ")} not installed`);
    return [];
  }
  const [{ streamText }, { createOpenAICompatible }] = (await Promise.all(names.map((name) => import(name)))) as [
    AiSdk,
    Provider,
  ];
  const model = createOpenAICompatible({ name: "spur", baseURL, apiKey })("plain");
  const { textStream, response } = streamText({ model, prompt: messages[0]?.content });
  let text = "";
  for await (const part of textStream) text += part;
  holds("the AI SDK's streamed answer", text === SAID);
  const rec = (await response).headers?.["x-spur-record"] ?? "";
  holds("the AI SDK sees the record's name", /^[0-9a-f]{32}$/.test(rec));
  say("AI SDK: streaming");
  return [rec];
}
