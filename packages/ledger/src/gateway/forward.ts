import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import { flatHeaders, headerOf, toClient } from "./headers.ts";
import { lookAtBody, StreamLook, type End, type Seen } from "./outcome.ts";
import { LineGate } from "./stream.ts";

/**
 * The most of one answer that is kept in memory, and so the longest answer that passes: everything released is on record
 * in full, so what can't be recorded is stopped and not released.
 */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** How long an upstream may keep its connection open after `data: [DONE]` before we stop listening. */
const AFTER_DONE_MS = 1_000;

/** What goes upstream. */
export interface Outgoing {
  readonly path: string;
  /** Flat names and values. */
  readonly headers: string[];
  /** The bytes as received. */
  readonly body: Uint8Array;
}

/** The upstream's part of an exchange when it is over. */
export interface Answer {
  readonly end: End;
  /** Undefined if no answer came. */
  readonly status: number | undefined;
  /** The upstream's headers, flat. */
  readonly headers: readonly string[];
  /** All bytes of the body, as received; undefined if no answer came. */
  readonly body: Buffer | undefined;
  /** True if the head, and lines as they came, have gone to the client already. */
  readonly live: boolean;
  /** Bytes that went to the client already. */
  readonly releasedBytes: number;
  /** What still has to go to the client, once the record is durable. */
  readonly rest: Buffer;
  readonly seen: Seen;
  /** When the request began to leave; undefined if no connection was made for it. */
  readonly forwardedAtMs: number | undefined;
  readonly headAtMs: number | undefined;
  readonly firstByteAtMs: number | undefined;
  /** The cause of "cut" and "down", for diagnostics. */
  readonly error: Error | undefined;
}

/** Settings of {@link forward}. `head` are our own headers for the client. */
export interface ForwardOptions {
  readonly nowMs: () => number;
  readonly head: OutgoingHttpHeaders;
  readonly maxAnswerBytes?: number;
}

/**
 * Sends the request and waits for the end of the answer, whatever that is; never rejects. An event stream passes to the
 * client while it comes, up to its terminal chunk; any other body is kept back whole. A client that leaves ends the
 * upstream's request at once.
 */
export function forward(
  pool: Dispatcher,
  outgoing: Outgoing,
  raw: ServerResponse,
  options: ForwardOptions,
): Promise<Answer> {
  return new Promise((resolve) => {
    const receiver = new Receiver(raw, options, resolve);
    if (receiver.over) return; // the client left while the journal row was written: nothing is sent
    try {
      pool.dispatch({ method: "POST", path: outgoing.path, headers: outgoing.headers, body: outgoing.body }, receiver);
    } catch (error) {
      receiver.onResponseError(null, error as Error);
    }
  });
}

class Receiver implements Dispatcher.DispatchHandler {
  readonly #raw: ServerResponse;
  readonly #options: ForwardOptions;
  readonly #resolve: (answer: Answer) => void;
  readonly #onClose = (): void => {
    this.#finish("gone");
  };
  readonly #onDrain = (): void => {
    this.#controller?.resume();
  };
  #controller: Dispatcher.DispatchController | undefined;
  /** Of an event stream, which passes while it comes. */
  #live: { readonly gate: LineGate; readonly look: StreamLook } | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #releasedBytes = 0;
  #status: number | undefined;
  #headers: string[] = [];
  #over = false;
  #forwardedAtMs: number | undefined;
  #headAtMs: number | undefined;
  #firstByteAtMs: number | undefined;
  #afterDone: NodeJS.Timeout | undefined;

  constructor(raw: ServerResponse, options: ForwardOptions, resolve: (answer: Answer) => void) {
    this.#raw = raw;
    this.#options = options;
    this.#resolve = resolve;
    raw.on("close", this.#onClose);
    if (raw.destroyed) this.#finish("gone");
  }

  get over(): boolean {
    return this.#over;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The client left while the request waited for a connection: not one byte of it goes out.
    if (this.#over) controller.abort(new Error("exchange is over"));
    else this.#forwardedAtMs = this.#options.nowMs();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#over || status < 200) return; // 1xx: the answer is still to come
    this.#status = status;
    this.#headers = flatHeaders(controller.rawHeaders);
    this.#headAtMs = this.#options.nowMs();
    // To follow would send the request where no record says; to pass it on would make the client do so.
    if (status >= 300 && status < 400) {
      this.#finish("redirect");
      return;
    }
    if (!isReadableEventStream(this.#headers)) return;
    this.#live = { gate: new LineGate(), look: new StreamLook() };
    this.#raw.on("drain", this.#onDrain);
    this.#raw.writeHead(status, withOwn(this.#headers, this.#options.head));
    // The first token mostly came with the head and is looked at in this very tick: both leave in one packet then.
    process.nextTick(() => {
      if (this.#releasedBytes === 0) this.#raw.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.#firstByteAtMs ??= this.#options.nowMs();
    if (this.#bytes + chunk.length > (this.#options.maxAnswerBytes ?? MAX_ANSWER_BYTES)) {
      this.#finish("too-long");
      return;
    }
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
    if (this.#live === undefined) return;
    const { gate, look } = this.#live;
    const lines = gate.push(chunk);
    if (lines.length > 0) {
      this.#releasedBytes += lines.length;
      if (!this.#raw.write(lines)) controller.pause();
      look.lines(lines);
    }
    if (gate.done) {
      this.#afterDone ??= setTimeout(() => {
        this.#finish("done");
      }, AFTER_DONE_MS);
    }
  }

  onResponseEnd(): void {
    this.#controller = undefined; // it has ended by itself
    this.#finish("done");
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // After [DONE] nothing was missing, however the connection went down.
    if (this.#live?.gate.done === true) this.#finish("done");
    else this.#finish(this.#status === undefined ? "down" : "cut", error);
  }

  #finish(end: End, error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#afterDone);
    this.#raw.off("close", this.#onClose);
    if (this.#live !== undefined) this.#raw.off("drain", this.#onDrain);
    this.#controller?.abort(new Error("exchange is over"));
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes);
    const rest = this.#live === undefined ? body : this.#live.gate.rest();
    if (end === "done") this.#live?.look.end(rest);
    this.#resolve({
      end,
      status: this.#status,
      body: this.#status === undefined ? undefined : body,
      headers: this.#headers,
      live: this.#live !== undefined,
      releasedBytes: this.#releasedBytes,
      rest,
      seen: this.#live === undefined ? lookAtBody(body) : this.#live.look.seen,
      forwardedAtMs: this.#forwardedAtMs,
      headAtMs: this.#headAtMs,
      firstByteAtMs: this.#firstByteAtMs,
      error,
    });
    this.#chunks = [];
  }
}

/** Flat headers for the client: the upstream's that may cross, and ours. */
export function withOwn(upstream: readonly string[], own: OutgoingHttpHeaders): string[] {
  const flat = toClient(upstream);
  for (const [name, value] of Object.entries(own)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) flat.push(name, String(one));
  }
  return flat;
}

// In an encoded stream (we asked for none) [DONE] can't be found: it is kept back whole, like any other body.
function isReadableEventStream(headers: readonly string[]): boolean {
  const encoding = headerOf(headers, "content-encoding") ?? "identity";
  return /^\s*text\/event-stream\s*(;|$)/i.test(headerOf(headers, "content-type") ?? "") && encoding === "identity";
}
