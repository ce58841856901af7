// A fake upstream in a process of its own. `GET /v1/models`; `POST /v1/chat/completions`: JSON at once, or with `"stream":true` an
// answer that begins after 100 ms and comes at 50 tokens a second. Prints {"url"} when it is ready.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export const FIRST_TOKEN_MS = 100;
export const TOKEN_MS = 20;
export const TOKENS = 20;

const ANSWER = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_795_320_000,
  model: "bench",
  choices: [{ index: 0, message: { role: "assistant", content: "word ".repeat(80) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 60, completion_tokens: 80, total_tokens: 140 },
});
const MODELS = JSON.stringify({
  object: "list",
  data: [{ id: "bench", object: "model", created: 0, owned_by: "bench" }],
});

function event(i: number): string {
  const last = i === TOKENS - 1;
  const choice = { index: 0, delta: last ? {} : { content: ` word${i}` }, finish_reason: last ? "stop" : null };
  return `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_795_320_000, model: "bench", choices: [choice] })}\n\n`;
}
const EVENTS = Array.from({ length: TOKENS }, (_, i) => event(i));

if (import.meta.main) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "GET") {
        response.writeHead(200, { "content-type": "application/json" }).end(MODELS);
        return;
      }
      const { stream } = JSON.parse(Buffer.concat(chunks).toString()) as { stream?: boolean };
      if (stream !== true) {
        response
          .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(ANSWER) })
          .end(ANSWER);
        return;
      }
      const startedAt = performance.now();
      let next = 0;
      // Each token at its own time from the beginning: a timer that is late does not push the others back.
      const tick = (): void => {
        if (next === 0) response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(EVENTS[next]);
        if (++next === TOKENS) response.end("data: [DONE]\n\n");
        else setTimeout(tick, startedAt + FIRST_TOKEN_MS + next * TOKEN_MS - performance.now());
      };
      setTimeout(tick, FIRST_TOKEN_MS);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }));
  });
  process.on("SIGTERM", () => process.exit(0));
}
