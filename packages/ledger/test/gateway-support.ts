// A ledger in memory that keeps the Recorder's promises, scripted upstreams and raw clients over real sockets.
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { randomBytes } from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import type { JsonObject } from "@spur/verifier/statement/canonical";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { demand } from "@spur/verifier/statement/schema";
import type { Draft, JournalInfo, Recorded, Recorder } from "../src/draft.ts";
import { Bug, SpurError } from "../src/errors.ts";
import { registerGateway, type AccessKey, type GatewayDeps } from "../src/gateway/routes.ts";
import type { ServedModel } from "../src/gateway/upstream.ts";

export const newRec = (): string => randomBytes(16).toString("hex");
export const DEPLOYMENT = "d".repeat(32);
export const POLICY = "e".repeat(32);
export const KEY = "spur_test_key_0123456789";

/** Remembers what happened when, across recorder, upstream and client. */
export type Events = string[];

/** Commits in order, as the ledger does: unique recs, references backward only, journal rows opened once and closed once. */
export class MemoryRecorder implements Recorder {
  readonly records = new Map<string, Draft>([
    [DEPLOYMENT, stub(DEPLOYMENT, "spur:deployment/v1")],
    [POLICY, stub(POLICY, "spur:policy/v1")],
  ]);
  readonly journal = new Map<string, { owner: string; request: Buffer; info: JournalInfo }>();
  readonly events: Events;
  /** Run before the commit: throw to fail it, wait to delay it. */
  beforeBegin: () => Promise<void> | void = () => undefined;
  beforeRecord: () => Promise<void> | void = () => undefined;
  #waiting: { readonly count: number; readonly go: () => void }[] = [];

  constructor(events: Events = []) {
    this.events = events;
  }

  async begin(rec: string, owner: string, request: Uint8Array, info: JournalInfo): Promise<void> {
    const copy = Buffer.from(request);
    this.events.push("begin asked");
    await this.beforeBegin();
    if (this.journal.has(rec) || this.records.has(rec)) throw new SpurError("record/rec-used", rec, { status: 409 });
    this.journal.set(rec, { owner, request: copy, info });
    this.events.push("begin durable");
  }

  async record(drafts: readonly Draft[], finishes?: string): Promise<Recorded[]> {
    const copies = drafts.map((draft) => ({
      ...draft,
      ...(draft.slots && { slots: draft.slots.map((s) => s && Buffer.from(s)) }),
    }));
    this.events.push("record asked");
    await this.beforeRecord();
    if (finishes !== undefined && !this.journal.has(finishes)) throw new Bug(`no open journal row ${finishes}`);
    const batch = new Map(this.records);
    for (const draft of copies) {
      if (batch.has(draft.rec)) throw new SpurError("record/rec-used", draft.rec, { status: 409 });
      check(draft, batch);
      batch.set(draft.rec, draft);
    }
    for (const draft of copies) this.records.set(draft.rec, draft);
    if (finishes !== undefined) this.journal.delete(finishes);
    this.events.push("record durable");
    for (const { count, go } of this.#waiting) if (this.outputs.length >= count) go();
    return copies.map(({ rec }, i) => ({
      rec,
      index: this.records.size - copies.length + i,
      leafHash: new Uint8Array(32),
    }));
  }

  get outputs(): Draft[] {
    return [...this.records.values()].filter((draft) => draft.predicateType === "spur:output/v1");
  }

  /** The only output, with its decision; waits until it is there. */
  async only(): Promise<Seen> {
    await this.reached(1);
    if (this.outputs.length !== 1) throw new Error(`${this.outputs.length} outputs`);
    return this.seen((this.outputs[0] as Draft).rec);
  }

  reached(count: number): Promise<void> {
    if (this.outputs.length >= count) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ count, go }));
  }

  seen(rec: string): Seen {
    const output = this.records.get(rec) as Draft;
    const decision = [...this.records.values()].find(
      (draft) => (draft.predicate["output"] as { rec?: string } | undefined)?.rec === rec,
    );
    const text = (slot: number): string | undefined =>
      output.slots?.[slot] && Buffer.from(output.slots[slot]).toString("utf8");
    return {
      output,
      decision: decision as Draft,
      outcome: output.predicate["outcome"] as string,
      verdict: decision?.predicate["verdict"] as string,
      request: output.slots?.[0] as Buffer,
      response: output.slots?.[1] as Buffer | undefined,
      caller: JSON.parse(text(2) ?? "null"),
      usage: text(3),
      timing: JSON.parse(text(4) ?? "null"),
    };
  }
}

export interface Seen {
  output: Draft;
  decision: Draft;
  outcome: string;
  verdict: string;
  request: Buffer;
  response: Buffer | undefined;
  caller: Record<string, string>;
  usage: string | undefined;
  timing: Record<string, number | string>;
}

function stub(rec: string, predicateType: string): Draft {
  return { rec, predicateType, predicate: {}, evidence: "observed", retention: "service", owner: "" };
}

/** What the ledger's plan would refuse: a wrong shape, a wrong number of slots, a reference to nothing before it. */
function check(draft: Draft, before: ReadonlyMap<string, Draft>): void {
  const predicate = PREDICATES.get(draft.predicateType);
  if (predicate === undefined) throw new Bug(draft.predicateType);
  const resolved: Record<string, JsonObject[string]> = {};
  for (const [name, value] of Object.entries(draft.predicate)) {
    const rec = typeof value === "object" && value !== null && "rec" in value ? (value.rec as string) : undefined;
    const index = rec === undefined ? -1 : [...before.keys()].indexOf(rec);
    if (rec !== undefined && index === -1) throw new SpurError("reference/forward", name, { status: 422 });
    const type = before.get(rec ?? "")?.predicateType ?? "";
    if (rec !== undefined && !predicate.targets[name]?.includes(type)) throw new Bug(`${name} points to ${type}`);
    resolved[name] = rec === undefined ? value : { rec, index };
  }
  demand(predicate.shape, resolved, "statement/schema", "predicate");
  if (draft.slots?.length !== predicate.slots.length) throw new Bug("slots");
}

/** A gateway on a free port before one upstream. */
export interface Running {
  readonly url: string;
  readonly port: number;
  readonly app: FastifyInstance;
  readonly recorder: MemoryRecorder;
  readonly table: Map<string, ServedModel>;
  readonly keys: Map<string, AccessKey>;
  readonly logs: string[];
}

const closers: (() => Promise<void>)[] = [];

/** Ends what the test started; for afterEach. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export function served(baseUrl: string, more: Partial<ServedModel> = {}): ServedModel {
  const about = { deployment: DEPLOYMENT, policy: POLICY, policyVersion: 1, contentDays: 30, keepNothing: false };
  return { model: "m", baseUrl, apiKey: "upstream-secret", ...about, ...more };
}

export async function startGateway(
  baseUrl: string,
  more: Partial<GatewayDeps> & { events?: Events } = {},
): Promise<Running> {
  const recorder = new MemoryRecorder(more.events);
  const table = new Map([["m", served(baseUrl)]]);
  const keys = new Map<string, AccessKey>([[KEY, { id: "key-1", scopes: new Set(["write"]) }]]);
  const logs: string[] = [];
  const log = (about: object, message: string): void => void logs.push(JSON.stringify(about) + message);
  const app = Fastify({ logger: false });
  registerGateway(app, {
    recorder,
    authenticate: (headers) =>
      keys.get(/^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? String(headers["x-api-key"])),
    upstreams: table,
    nowMs: Date.now,
    newRec,
    logger: { info: log, warn: log },
    ...more,
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  closers.push(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, port, app, recorder, table, keys, logs };
}

export interface Upstream {
  readonly baseUrl: string;
  readonly server: Server;
  /** Requests as they came, bodies included. */
  readonly requests: { readonly request: IncomingMessage; readonly body: Buffer }[];
  readonly origin: string;
}

/** A real HTTP server that reads the whole request and then does what the script says. */
export async function startUpstream(
  script: (response: ServerResponse, request: IncomingMessage, body: Buffer) => unknown,
  events?: Events,
): Promise<Upstream> {
  const requests: Upstream["requests"] = [];
  const listener: RequestListener = (request, response) => {
    events?.push("upstream asked");
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests.push({ request, body: Buffer.concat(chunks) });
      void (async () => script(response, request, Buffer.concat(chunks)))().catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
    });
  };
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { baseUrl: `${origin}/v1`, server, requests, origin };
}

/** The status, headers and body of an answer as bytes on the wire. */
export interface RawAnswer {
  status: number;
  head: string;
  headers: Map<string, string>;
  body: Buffer;
  /** True if the body came to the end its framing promises. */
  whole: boolean;
}

/** Sends raw bytes and reads until the server closes: nothing between us and the wire tidies up. */
export class RawClient {
  readonly socket: Socket;
  #pieces: Buffer[] = [];
  readonly #watchers = new Set<() => void>();
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.#notify();
    });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.closed = true;
      this.#notify();
    });
    closers.push(() => Promise.resolve(void this.socket.destroy()));
  }

  ask(body: Buffer | string, headers: readonly string[] = [], path = "/v1/chat/completions"): this {
    const bytes = Buffer.from(body as string);
    const lines = [
      `POST ${path} HTTP/1.1`,
      "Host: gateway",
      `Authorization: Bearer ${KEY}`,
      "Content-Type: application/json",
    ];
    lines.push(`Content-Length: ${bytes.length}`, "Connection: close", ...headers, "", "");
    this.socket.write(Buffer.concat([Buffer.from(lines.join("\r\n"), "latin1"), bytes]));
    return this;
  }

  get received(): Buffer {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] ?? Buffer.alloc(0);
  }

  #notify(): void {
    for (const watch of this.#watchers) watch();
  }

  /** Waits until what was received satisfies the test, or the connection closes. */
  until(test: (text: string) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = (): void => {
        if (!this.closed && !test(this.received.toString("latin1"))) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  /** Waits until the connection is closed. */
  ended(): Promise<void> {
    return this.closed ? Promise.resolve() : new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  async answer(): Promise<RawAnswer> {
    await this.ended();
    return parseAnswer(this.received);
  }
}

function parseAnswer(bytes: Buffer): RawAnswer {
  const at = bytes.indexOf("\r\n\r\n");
  const head = bytes.toString("latin1", 0, at);
  const [first = "", ...rest] = head.split("\r\n");
  const headers = new Map(
    rest.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const after = bytes.subarray(at + 4);
  const framed =
    headers.get("transfer-encoding") === "chunked"
      ? dechunk(after)
      : counted(after, Number(headers.get("content-length")));
  return { status: Number(first.split(" ")[1]), head, headers, ...framed };
}

function counted(bytes: Buffer, length: number): { body: Buffer; whole: boolean } {
  return { body: bytes, whole: bytes.length === length };
}

function dechunk(bytes: Buffer): { body: Buffer; whole: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return { body: Buffer.concat(parts), whole: false };
    const size = parseInt(bytes.toString("latin1", at, end), 16);
    if (size === 0) return { body: Buffer.concat(parts), whole: true };
    parts.push(bytes.subarray(end + 2, Math.min(end + 2 + size, bytes.length)));
    at = end + 2 + size + 2;
  }
}

/** One chunk of a streamed completion. */
export function delta(content: string, more: object = {}): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null, ...more }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

export const ROLE = delta("", { delta: { role: "assistant", content: "" } });
export const STOP = delta("", { delta: {}, finish_reason: "stop" });
export const DONE = "data: [DONE]\n\n";
export const ASK = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] });
export const ASK_STREAM = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "hello" }] });

export const completion = (content = "hi", more: object = {}): string =>
  JSON.stringify({
    id: "c",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content, refusal: null },
        logprobs: null,
        finish_reason: "stop",
        ...more,
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  });

/** Answers with JSON. */
export const json =
  (body: string | Buffer, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  };

/** Answers with an event stream, piece by piece, each in its own turn of the loop so that it is its own packet. */
export const stream =
  (pieces: readonly (string | Buffer)[], end: "end" | "cut" | "open" = "end") =>
  async (response: ServerResponse): Promise<void> => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "up-1" });
    for (const piece of pieces) {
      response.write(piece);
      await new Promise((next) => setTimeout(next, 1));
    }
    if (end === "end") response.end();
    if (end === "cut") setTimeout(() => response.socket?.destroy(), 20);
  };

/** A promise and what resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

export const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
