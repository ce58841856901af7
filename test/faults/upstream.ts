import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Random } from "./random.ts";

/** A model server that remembers which requests reached it. Answers slowly enough to be met in mid-stream. */
export interface Upstream {
  readonly url: string;
  /** Markers of the requests that reached it. */
  readonly reached: Set<string>;
  close(): Promise<void>;
}

const chunk = (content: string): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`; // prettier-ignore

export async function startUpstream(random: Random): Promise<Upstream> {
  const reached = new Set<string>();
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ object: "list", data: [{ id: "m", object: "model", created: 1, owned_by: "test" }] }),
      );
      return;
    }
    let body = "";
    request.on("data", (bytes: Buffer) => {
      body += bytes.toString();
      const marker = /marker-[0-9a-f]{32}/.exec(body)?.[0];
      if (marker !== undefined) reached.add(marker);
    });
    request.on("end", () => {
      if (!body.includes('"stream":true')) {
        setTimeout(() => {
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "an answer" }, finish_reason: "stop" }] })); // prettier-ignore
        }, random.below(20));
        return;
      }
      response.setHeader("content-type", "text/event-stream");
      let left = 2 + random.below(8);
      const more = (): void => {
        if (response.destroyed) return;
        if (left-- > 0) {
          response.write(chunk("word "));
          setTimeout(more, random.below(12));
        } else response.end(`${chunk("")}data: [DONE]\n\n`);
      };
      more();
    });
    request.on("error", () => undefined);
    response.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    reached,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
