import { Pool, request, type Dispatcher } from "undici";
import { SpurError } from "../errors.ts";

/** One model that the gateway serves: where it is, and what the record says about it. */
export interface ServedModel {
  readonly model: string;
  /** Where `/chat/completions` hangs, without a final slash: "http://127.0.0.1:11434/v1". */
  readonly baseUrl: string;
  /** The upstream's credential, put in place of the caller's. */
  readonly apiKey?: string;
  /** rec of the deployment entry. */
  readonly deployment: string;
  /** rec of the policy entry in force, and its version. */
  readonly policy: string;
  readonly policyVersion: number;
  readonly contentDays: number;
  readonly keepNothing: boolean;
  /** The upstream's own object in its list of models, shown under `/v1/models`. */
  readonly listed?: ModelObject;
}

/** Served models by the name that clients ask for. Read at every request: the owner may change it while it runs. */
export type UpstreamTable = ReadonlyMap<string, ServedModel>;

/** An element of `GET /v1/models`; members we don't know are kept. */
export interface ModelObject {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** An upstream that answered like one. */
export interface ProbedUpstream {
  /** The URL asked for, or that with `/v1`, whichever answered. */
  readonly baseUrl: string;
  readonly models: readonly ModelObject[];
}

/** Longer than any client waits: the official one gives up after 10 minutes, and then we see it go. */
export const UPSTREAM_TIMEOUT_MS = 15 * 60_000;
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** Keep-alive connections, one pool for each upstream origin. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #places = new Map<string, { readonly pool: Pool; readonly path: string }>();

  /** The pool for a base URL, and the path in front of `/chat/completions`. */
  at(baseUrl: string): { readonly pool: Dispatcher; readonly path: string } {
    const known = this.#places.get(baseUrl);
    if (known !== undefined) return known;
    const url = new URL(baseUrl);
    let pool = this.#pools.get(url.origin);
    if (pool === undefined) {
      pool = new Pool(url.origin, {
        allowH2: false, // one request, one connection: a cancelled one ends its own socket and nothing else
        pipelining: 1,
        headersTimeout: UPSTREAM_TIMEOUT_MS,
        bodyTimeout: UPSTREAM_TIMEOUT_MS,
      });
      this.#pools.set(url.origin, pool);
    }
    const place = { pool, path: url.pathname.replace(/\/+$/, "") };
    this.#places.set(baseUrl, place);
    return place;
  }

  /** Ends every connection; exchanges under way see their upstream cut. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}

/**
 * Asks an upstream for its models, at `<url>/models` and then at `<url>/v1/models`.
 * Throws `gateway/upstream-url` for what is no plain http(s) URL, `gateway/upstream-unreachable` and
 * `gateway/upstream-not-openai` otherwise. Follows no redirect; waits `timeoutMs` for each attempt.
 */
export async function probeUpstream(url: string, apiKey?: string, timeoutMs = 5_000): Promise<ProbedUpstream> {
  const given = baseUrlOf(url);
  const candidates = given.endsWith("/v1") ? [given] : [given, `${given}/v1`];
  let reached: unknown;
  for (const baseUrl of candidates) {
    try {
      const models = await listModels(baseUrl, apiKey, timeoutMs);
      if (models !== undefined) return { baseUrl, models };
    } catch (cause) {
      // The second attempt goes to the same host; what stopped the first stops it too.
      throw new SpurError("gateway/upstream-unreachable", `${given} does not answer`, {
        status: 502,
        hint: "Start the model server, or give its address with --upstream URL.",
        cause,
      });
    }
    reached = baseUrl;
  }
  throw new SpurError("gateway/upstream-not-openai", `${String(reached)}/models is no list of models`, {
    status: 502,
    hint: "Give the URL under which the server has /models and /chat/completions; check its key.",
  });
}

/** A base URL in one form: no final slash, query, fragment or credentials. Throws `gateway/upstream-url`. */
export function baseUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url === undefined || !plain || !["http:", "https:"].includes(url.protocol)) {
    throw new SpurError("gateway/upstream-url", "not a plain http or https URL", {
      hint: "Write it like http://127.0.0.1:11434/v1; a key goes into the environment, not into the URL.",
    });
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** The upstream's models; undefined if its answer is something else. Rejects if it can't be reached in time. */
async function listModels(
  baseUrl: string,
  apiKey: string | undefined,
  timeoutMs: number,
): Promise<ModelObject[] | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await request(`${baseUrl}/models`, {
    headers: { accept: "application/json", ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
    signal,
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_LIST_BYTES) return undefined; // leaving the loop ends the connection
    chunks.push(chunk);
  }
  return answer.statusCode === 200 ? modelsIn(Buffer.concat(chunks).toString("utf8")) : undefined;
}

function modelsIn(text: string): ModelObject[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("data" in value)) return undefined;
  const data: unknown = value.data ?? []; // Ollama without models says null
  if (!Array.isArray(data)) return undefined;
  return (data as unknown[]).filter(
    (model): model is ModelObject =>
      typeof model === "object" && model !== null && "id" in model && typeof model.id === "string",
  );
}
