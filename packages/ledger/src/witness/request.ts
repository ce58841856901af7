import { fromUtf8, toBase64 } from "@spur/verifier/bytes";
import type { Clock } from "./clock.ts";

/** As much of the platform's `fetch` as is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What a witness answered, whole and within bounds. */
export interface Answer {
  readonly status: number;
  /** Without parameters, lower case. */
  readonly type: string;
  readonly body: string;
  readonly retryAfterMs?: number;
}

/** A witness that is no use at present: why, in a word that health shows, and what was seen. */
export class Trouble extends Error {
  override readonly name = "Trouble";
  readonly reason: Reason;
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, detail: string, retryAfterMs?: number) {
    super(detail);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

export const REASONS = [
  "unreachable", "timeout", "redirect", "too-long", "malformed", "unknown-log", "refused", "busy", "conflict",
  "wrong-signature", "no-signature", "clock", "proof", "ahead",
] as const; // prettier-ignore
export type Reason = (typeof REASONS)[number];

/** No honest answer comes near: the largest is a line of 3,400 characters for each of its keys. */
const MAX_ANSWER_BYTES = 65_536;
const MAX_PAUSE_MS = 300_000;

/** The body of `add-checkpoint` (C2SP tlog-witness). `checkpoint` is the whole note. */
export function formatRequest(old: number, proof: readonly Uint8Array[], checkpoint: string): string {
  return `old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join("")}\n${checkpoint}`;
}

/**
 * Asks a witness. What answers may be anybody who holds that address: bounded in bytes here and in time by `signal`, and never led
 * elsewhere. Throws {@link Trouble}.
 */
export async function ask(fetch: Fetch, clock: Clock, url: string, body: string, signal: AbortSignal): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      body,
      redirect: "manual",
      signal,
      headers: { "content-type": "text/plain; charset=utf-8", "accept-encoding": "identity" },
    });
  } catch (error) {
    throw broken(error, signal);
  }
  const { status, headers } = response;
  if (status === 0 || (status >= 300 && status < 400)) {
    await response.body?.cancel().catch(() => undefined);
    throw new Trouble("redirect", `it answers ${status} and points elsewhere`);
  }
  const bytes = await readBounded(response, signal);
  const retryAfterMs = pause(headers.get("retry-after"), clock.wallMs());
  return {
    status,
    type: (headers.get("content-type")?.split(";")[0] ?? "").trim().toLowerCase(),
    body: textOf(bytes),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

async function readBounded(response: Response, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body === null) return new Uint8Array(0);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return Buffer.concat(chunks);
      length += value.length;
      if (length > MAX_ANSWER_BYTES)
        throw new Trouble("too-long", `it answers with more than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw broken(error, signal);
  }
}

function broken(error: unknown, signal: AbortSignal): Trouble {
  if (error instanceof Trouble) return error;
  if (signal.aborted) return new Trouble("timeout", "it did not answer in time");
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return new Trouble("unreachable", printable(cause?.code ?? cause?.message ?? String(error)));
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw new Trouble("malformed", "it answers with what is no text");
  }
}

/** Milliseconds that Retry-After asks for, in either of its forms, but never so long that a witness could shut itself out for a day. */
function pause(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const ms = /^[0-9]{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_PAUSE_MS) : undefined;
}

/** What a stranger sent, cut and harmless, for diagnostics. */
export function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, "?");
}
