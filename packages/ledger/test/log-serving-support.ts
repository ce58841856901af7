// Shared by the tests that read the published log over HTTP.
import { Agent, request, type IncomingHttpHeaders } from "node:http";

const agent = new Agent({ keepAlive: true });

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a path as it is written, dots and all. Connections are kept; they end with the server. */
export function ask(url: string, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Of problem details. */
export const codeOf = ({ body }: Got): unknown => (JSON.parse(body.toString()) as { code?: unknown }).code;
