import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { SpurError, OldSizeError } from "./errors.ts";
import type { Refusals } from "./limits.ts";
import { MAX_REQUEST } from "./request.ts";

/** What is answered. `text/plain` unless the headers say otherwise. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** What the server serves; every method may throw `SpurError`. */
export interface Routes {
  /** `POST /add-checkpoint`: signature lines. */
  addCheckpoint(body: Uint8Array): Promise<string>;
  /** `GET` of anything; undefined where nothing is. `gzip`: the client takes it. */
  read(path: string, gzip: boolean): Promise<Answer | undefined>;
}

export const TEXT = "text/plain; charset=utf-8";

/** What a client sends after it was refused is read to nowhere, up to this much: an answer behind a reset connection is never seen. */
const DRAIN_BYTES = 1024 * 1024;
const DRAIN_MS = 2_000;

// Anybody may read, and ask, from any page: there is nothing here that a cookie would open.
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
  "access-control-allow-headers": "content-type",
  "access-control-max-age": "86400",
};

const SAID: { readonly [code: string]: string } = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

export interface ServerOptions {
  /** How long a request may take to arrive. */
  readonly requestMs: number;
  /** An error that no client caused. */
  readonly onError: (error: unknown) => void;
}

/** The HTTP side of a witness, bounded in bytes, time and connections. It does not listen yet. */
export function createWitnessServer(routes: Routes, refusals: Refusals, { requestMs, onError }: ServerOptions): Server {
  const server = createServer(
    {
      headersTimeout: Math.min(requestMs, 5_000),
      requestTimeout: requestMs,
      // Logs come again and again, and the spec asks for connections that stay.
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    (request, response) => {
      const address = request.socket.remoteAddress ?? "";
      void answerOf(request, routes, refusals, address, onError).then((answer) => {
        const refused = answer.status >= 400 && answer.status < 500 && answer.status !== 409;
        if (refused && request.method === "POST") refusals.count(address);
        send(request, response, answer);
      });
    },
  );
  server.maxConnections = 2_048;
  server.timeout = 30_000; // a connection on which nothing moves, in either direction
  // A peer that sends no HTTP, or goes away in the middle: its connection ends, and nothing else.
  server.on("clientError", (error, socket) => {
    const said = SAID[(error as NodeJS.ErrnoException).code ?? ""] ?? "400 Bad Request";
    if (socket.writable) socket.end(`HTTP/1.1 ${said}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  return server;
}

async function answerOf(
  request: IncomingMessage,
  routes: Routes,
  refusals: Refusals,
  address: string,
  onError: (error: unknown) => void,
): Promise<Answer> {
  try {
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    if (request.method === "OPTIONS") return { status: 204 };
    if (path === "/add-checkpoint") {
      if (request.method !== "POST") return notAllowed("POST, OPTIONS");
      if (refusals.exhausted(address))
        throw new SpurError("witness/busy", "too many refused requests", { status: 429 });
      return { status: 200, body: await routes.addCheckpoint(await readBody(request)) };
    }
    if (request.method !== "GET" && request.method !== "HEAD") return notAllowed("GET, HEAD, OPTIONS");
    const gzip = /\bgzip\b/.test(request.headers["accept-encoding"]?.toString() ?? "");
    return (await routes.read(path, gzip)) ?? { status: 404, body: "nothing is here\n" };
  } catch (error) {
    if (error instanceof OldSizeError) {
      return { status: 409, headers: { "content-type": "text/x.tlog.size" }, body: `${error.size}\n` };
    }
    if (error instanceof SpurError) {
      const headers: Record<string, string> =
        error.status === 429 || error.status === 503 ? { "retry-after": "1" } : {};
      return { status: error.status, headers, body: `${error.code}: ${error.detail}\n` };
    }
    onError(error); // its message could tell a stranger about this machine
    return { status: 500, body: "witness/bug: an error inside the witness\n" };
  }
}

function notAllowed(allow: string): Answer {
  return { status: 405, headers: { allow }, body: `this takes ${allow}\n` };
}

/** Throws `http/too-large` (413) as soon as more is announced or has come than any request needs. */
async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const tooLarge = () => new SpurError("http/too-large", `more than ${MAX_REQUEST} bytes`, { status: 413 });
  if (Number(request.headers["content-length"] ?? 0) > MAX_REQUEST) throw tooLarge();
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes <= MAX_REQUEST) parts.push(part);
      else reject(tooLarge());
    });
    request.on("end", () => resolve(Buffer.concat(parts)));
    request.on("close", () => reject(new SpurError("http/bad-request", "the request broke off")));
    request.on("error", () => reject(new SpurError("http/bad-request", "the request broke off")));
  });
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body = "" }: Answer): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(body as string);
  response.writeHead(status, {
    ...CORS,
    "x-content-type-options": "nosniff",
    ...(status === 204 ? {} : { "content-type": TEXT, "content-length": String(bytes.length) }),
    ...headers,
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(request.method === "HEAD" || status === 204 ? undefined : bytes);
  if (!request.complete) drain(request);
}

/** Lets a client that is still sending read its answer, for a moment; then the connection is cut. */
function drain(request: IncomingMessage): void {
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), DRAIN_MS);
  let bytes = 0;
  request.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes > DRAIN_BYTES) socket.destroy();
  });
  socket.once("close", () => clearTimeout(timer));
  request.once("end", () => clearTimeout(timer));
}
