import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import type { Recorder } from "../draft.ts";
import { SpurError } from "../errors.ts";
import { draftsOf, type Client, type Timing } from "./drafts.ts";
import { forward, withOwn, type Answer } from "./forward.ts";
import { headerOf, presentedSecrets, toUpstream } from "./headers.ts";
import { errorEvent, openAiError, sendError, type OpenAiError } from "./openai-error.ts";
import { outcomeOf } from "./outcome.ts";
import type { ServedModel } from "./upstream.ts";

/** Diagnostics: pino fits. Never content: record ids, codes, statuses and durations only. */
export interface GatewayLogger {
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
}

/** One request for an answer: authenticated, routed and let through by the guard. */
export interface Job {
  readonly rec: string;
  readonly decisionRec: string;
  /** Id of the access key. */
  readonly caller: string;
  readonly served: ServedModel;
  /** Where the request goes: connections to the upstream, and the path with its query. */
  readonly pool: Dispatcher;
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** Where the answer goes; this exchange alone writes to it. */
  readonly raw: ServerResponse;
  /** Headers that others want on the answer. */
  readonly head: OutgoingHttpHeaders;
}

/** What an exchange works with. */
export interface ExchangeTools {
  readonly recorder: Recorder;
  /** Whole milliseconds. */
  readonly nowMs: () => number;
  readonly logger: GatewayLogger;
  readonly maxAnswerBytes?: number;
}

/** Between an error event and the end of its connection: time for the client to read why. */
const ERROR_LINGER_MS = 100;

/**
 * Journal, forward, record, release: in this order, each step durable before the next is seen (formats §5).
 * Never rejects; whatever happens, the client is told and the record says so.
 */
export async function exchange(job: Job, tools: ExchangeTools): Promise<void> {
  const { rec, caller, served, raw, body } = job;
  const { recorder, logger, nowMs } = tools;
  const startedAtMs = nowMs();
  raw.on("error", () => undefined); // a write after the client left; its leaving is seen by "close"

  // A crash before this leaves nothing, and nothing was sent. A crash after it leaves a row that the next start closes.
  try {
    const { deployment, policy, policyVersion, contentDays, keepNothing } = served;
    const info = { deployment, policy, policyVersion, contentDays, keepNothing, caller, startedAtMs };
    await recorder.begin(rec, caller, body, info);
  } catch (cause) {
    const error = notRecorded(cause);
    logger.warn({ rec, code: error.error.code }, "request could not be journaled: not forwarded");
    sendError(raw, error);
    return;
  }

  const head = { ...job.head, "x-spur-record": rec };
  const headers = toUpstream(job.rawHeaders, presentedSecrets(job.headers), served.apiKey);
  const answer = await forward(job.pool, { path: job.path, headers, body }, raw, {
    nowMs,
    head,
    ...(tools.maxAnswerBytes === undefined ? {} : { maxAnswerBytes: tools.maxAnswerBytes }),
  });
  const outcome = outcomeOf(answer.end, answer.status, answer.live, answer.seen);

  // A crash before this commit: the client has seen no end, and the next start records "interrupted".
  let failed: OpenAiError | undefined;
  try {
    const drafts = draftsOf({
      rec,
      decisionRec: job.decisionRec,
      caller,
      served,
      request: body,
      response: answer.body,
      outcome,
      released: answer.end === "done" || answer.releasedBytes > 0,
      usage: answer.seen.usage,
      client: clientOf(job.headers),
      timing: timingOf(startedAtMs, nowMs(), answer),
    });
    await recorder.record(drafts, rec);
  } catch (cause) {
    failed = notRecorded(cause);
    logger.warn({ rec, code: failed.error.code }, "output could not be recorded: not released");
  }
  failed ??= upstreamFailure(answer);
  release(raw, answer, failed, head);
  const ms = nowMs() - startedAtMs;
  const { end, status, error } = answer;
  logger.info({ rec, outcome, end, status, ms, ...(error === undefined ? {} : { cause: codeOf(error) }) }, "exchange");
}

/** The last thing the client sees: the terminal chunk, or why there is none. */
function release(
  raw: ServerResponse,
  answer: Answer,
  failed: OpenAiError | undefined,
  head: OutgoingHttpHeaders,
): void {
  if (raw.destroyed) return;
  if (!answer.live) {
    if (failed !== undefined) return sendError(raw, failed, head);
    const length = String(answer.rest.length);
    raw.writeHead(answer.status as number, [...withOwn(answer.headers, head), "content-length", length]);
    raw.end(answer.rest);
    return;
  }
  if (failed === undefined) {
    raw.end(answer.rest);
    return;
  }
  // No [DONE], and no orderly end of the body either, for clients that overlook the event.
  raw.write(errorEvent(failed), () => {
    const timer = setTimeout(() => raw.destroy(), ERROR_LINGER_MS);
    raw.once("close", () => {
      clearTimeout(timer);
    });
  });
}

function upstreamFailure({ end }: Answer): OpenAiError | undefined {
  switch (end) {
    case "done":
    case "gone":
      return undefined;
    case "cut":
      return openAiError(
        502,
        "gateway/upstream-cut",
        "The upstream's connection broke before the answer was complete.",
      );
    case "down":
      return openAiError(502, "gateway/upstream-down", "The upstream could not be reached, or gave no answer.");
    case "redirect":
      return openAiError(
        502,
        "gateway/upstream-redirect",
        "The upstream pointed elsewhere; redirects are not followed.",
      );
    case "too-long":
      return openAiError(
        502,
        "gateway/answer-too-long",
        "The answer is longer than this gateway records, and was stopped.",
      );
  }
}

/** The recorder's error for the client. Anything but a SpurError is ours, and its text stays inside. */
function notRecorded(cause: unknown): OpenAiError {
  if (!(cause instanceof SpurError)) return openAiError(503, "log/commit-unknown", "The record could not be written.");
  return openAiError(
    cause.status >= 500 ? cause.status : 503,
    cause.code,
    "The record could not be written; nothing is released.",
  );
}

function clientOf(headers: IncomingHttpHeaders): Client {
  const text = (name: string): string | undefined => (headers[name] === undefined ? undefined : String(headers[name]));
  return {
    userAgent: text("user-agent"),
    idempotencyKey: text("idempotency-key"),
    retryCount: text("x-stainless-retry-count"),
  };
}

function timingOf(startedAtMs: number, endedAtMs: number, answer: Answer): Timing {
  const { end, status, headers, forwardedAtMs, headAtMs, firstByteAtMs } = answer;
  const upstreamRequestId = headerOf(headers, "x-request-id");
  const encoding = headerOf(headers, "content-encoding");
  return {
    startedAtMs,
    forwardedAtMs,
    headAtMs,
    firstByteAtMs,
    endedAtMs,
    end,
    status,
    upstreamRequestId,
    encoding,
  };
}

// Messages of network errors can hold addresses and header bytes; the code is enough to find the cause.
function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
