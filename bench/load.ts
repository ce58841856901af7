// The load generator, in a process of its own so that it measures its own delays and not the bench's.
// Arguments: URL of /v1, key, "closed" | "streamed" SECONDS IN_FLIGHT, or "open" SECONDS PER_SECOND. Prints one JSON document.
import { Pool } from "undici";
import { percentile } from "./figures.ts";
import { TOKEN_MS } from "./upstream.ts";

/** Before anything counts: so long, and so many requests of the same kind, whoever is asked; but never longer than a few seconds. */
const WARM_MS = 1000;
const WARM_REQUESTS = 10_000;
const WARM_AT_MOST_MS = 5000;

/** What "closed" and "streamed" print. */
export interface ClosedResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

/** What "open" prints: milliseconds. */
export interface OpenResult {
  /** From the arrival to the last byte of the answer. */
  readonly totalP50: number;
  readonly totalP99: number;
  readonly firstTokenP50: number;
  /** How far the time between two tokens is from what the upstream does. */
  readonly jitterP50: number;
  readonly jitterP99: number;
  readonly answers: number;
  readonly tokens: number;
  readonly failed: number;
}

if (import.meta.main) {
  const [url = "", key = "", mode = "", seconds = "1", amount = "1"] = process.argv.slice(2);
  const result =
    mode === "open"
      ? await open(url, key, Number(seconds), Number(amount))
      : await closed(url, key, mode === "streamed", Number(seconds), Number(amount));
  process.stdout.write(JSON.stringify(result));
  process.exit(0);
}

function requestOf(url: string, key: string, stream: boolean) {
  const { origin, pathname } = new URL(url);
  const messages = [
    { role: "system", content: "You answer in one paragraph." },
    { role: "user", content: "What does an append-only log prove, and what does it not? ".repeat(4) },
  ];
  const body = JSON.stringify({ model: "bench", messages, ...(stream ? { stream: true } : {}) });
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  return { origin, options: { path: `${pathname}/chat/completions`, method: "POST" as const, headers, body } };
}

async function closed(
  url: string,
  key: string,
  stream: boolean,
  seconds: number,
  inFlight: number,
): Promise<ClosedResult> {
  const { origin, options } = requestOf(url, key, stream);
  const pool = new Pool(origin, { connections: inFlight, pipelining: 1 });
  const times: number[] = [];
  let failed = 0;
  const wanted = stream ? inFlight : WARM_REQUESTS;
  const startedAt = performance.now();
  let warm = 0;
  let from = Infinity;
  let until = Infinity;
  const worker = async (): Promise<void> => {
    for (let now = startedAt; now < until; now = performance.now()) {
      const { statusCode, body } = await pool.request(options);
      const text = await body.text();
      const endedAt = performance.now();
      const since = endedAt - startedAt;
      if (from === Infinity && since >= (++warm >= wanted ? WARM_MS : WARM_AT_MOST_MS)) {
        from = endedAt;
        until = from + 1000 * seconds;
      }
      if (now < from) continue;
      if (statusCode === 200 && text.endsWith(stream ? "[DONE]\n\n" : "}")) times.push(endedAt - now);
      else failed++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { perSecond: times.length / seconds, p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99), failed };
}

async function open(url: string, key: string, seconds: number, perSecond: number): Promise<OpenResult> {
  const { origin, options } = requestOf(url, key, true);
  const pool = new Pool(origin, { connections: 1024, pipelining: 1 });
  const totals: number[] = [];
  const firsts: number[] = [];
  const jitter: number[] = [];
  let failed = 0;
  const one = (arrivedAt: number, counts: boolean): Promise<void> =>
    new Promise((resolve) => {
      let tokenAt: number | undefined;
      let done = false;
      const end = (ok: boolean): void => {
        resolve();
        if (!counts) return;
        if (!ok || !done) failed++;
        else totals.push(performance.now() - arrivedAt);
      };
      pool.dispatch(options, {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData(_controller, chunk) {
          const now = performance.now();
          const text = chunk.toString("latin1");
          // Several tokens in one piece are tokens without time between them: as the reader sees them.
          for (let at = text.indexOf("data: {"); at !== -1; at = text.indexOf("data: {", at + 1)) {
            if (counts && tokenAt === undefined) firsts.push(now - arrivedAt);
            else if (counts && tokenAt !== undefined) jitter.push(Math.abs(now - tokenAt - TOKEN_MS));
            tokenAt = now;
          }
          if (text.includes("data: [DONE]")) done = true;
        },
        onResponseEnd() {
          end(true);
        },
        onResponseError() {
          end(false);
        },
      });
    });
  const startedAt = performance.now();
  const running: Promise<void>[] = [];
  const warm = Math.round(perSecond);
  const count = warm + Math.round(seconds * perSecond);
  for (let i = 0; i < count; i++) {
    // At its own time, whatever the answers before it do: a system that is late must not slow the arrivals.
    const at = startedAt + (1000 * i) / perSecond;
    const wait = at - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    running.push(one(at, i >= warm)); // counted from when it was due
  }
  await Promise.all(running);
  return {
    totalP50: percentile(totals, 0.5),
    totalP99: percentile(totals, 0.99),
    firstTokenP50: percentile(firsts, 0.5),
    jitterP50: percentile(jitter, 0.5),
    jitterP99: percentile(jitter, 0.99),
    answers: totals.length,
    tokens: jitter.length + firsts.length,
    failed,
  };
}
