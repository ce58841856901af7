import { findKey } from "./access-key.ts";
import { CliError } from "./errors.ts";
import { request, type Answer } from "./http.ts";
import type { Io } from "./io.ts";
import { isObject, number, object, text, type JsonObject } from "./json.ts";
import { DEFAULT_URL, typed } from "./text.ts";

const MIB = 1024 * 1024;
const ANSWER_MIB = 32;

export interface ServerOptions {
  readonly url?: string;
  readonly key?: string;
  /** Seconds. */
  readonly timeout?: string;
}

/** The HTTP interface of a ledger. Every method throws `CliError` with what to do; problem codes of the ledger are kept. */
export interface Client {
  readonly url: string;
  /** The words that make a printed command reach this same ledger; empty for the default address. */
  readonly words: readonly string[];
  get(path: string): Promise<JsonObject>;
  /** Where the answer is a list. */
  getAny(path: string): Promise<unknown>;
  post(
    path: string,
    body: unknown,
    options?: { timeoutMs?: number },
  ): Promise<{ answer: JsonObject; headers: Headers }>;
  del(path: string): Promise<void>;
  bytes(path: string, maxMib: number): Promise<Uint8Array>;
  /** Whether an access key was named or found. */
  hasKey(): Promise<boolean>;
}

export function openClient(io: Io, options: ServerOptions): Client {
  const url = baseUrl(options.url ?? io.env["SPUR_URL"] ?? DEFAULT_URL);
  const timeoutMs = secondsToMs(options.timeout, 30);
  const isDefault = url === DEFAULT_URL || url === io.env["SPUR_URL"];

  let isDemo: Promise<boolean> | undefined;
  let key: Promise<string | undefined> | undefined;
  const askedHead = () =>
    (isDemo ??= request(io, `${url}/spur/v1/head`, { timeoutMs, maxBytes: MIB }).then(
      (answer) => answer.status === 200 && parsed(answer, url)["demo"] === true,
    ));

  const access = () => (key ??= findKey(io, url, options.key, askedHead));

  async function send(
    path: string,
    how: { method?: string; json?: unknown; maxMib?: number; timeoutMs?: number },
  ): Promise<Answer> {
    const named = await access();
    const answer = await request(io, `${url}${path}`, {
      method: how.method ?? "GET",
      headers: {
        ...(named === undefined ? {} : { authorization: `Bearer ${headerSafe(named)}` }),
        ...(how.json === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(how.json === undefined ? {} : { body: JSON.stringify(how.json) }),
      timeoutMs: how.timeoutMs ?? timeoutMs,
      maxBytes: (how.maxMib ?? ANSWER_MIB) * MIB,
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw problemOf(answer, `${url}${path}`, named !== undefined);
  }

  return {
    url,
    words: isDefault ? [] : ["--url", url],
    get: async (path) => parsed(await send(path, {}), url),
    getAny: async (path) => json(await send(path, {}), url),
    async post(path, body, { timeoutMs: limit } = {}) {
      const answer = await send(path, {
        method: "POST",
        json: body,
        ...(limit === undefined ? {} : { timeoutMs: limit }),
      });
      return { answer: parsed(answer, url), headers: answer.headers };
    },
    async del(path) {
      await send(path, { method: "DELETE" });
    },
    bytes: async (path, maxMib) => (await send(path, { maxMib })).body,
    hasKey: async () => (await access()) !== undefined,
  };
}

/** What `/spur/v1/head` says of a ledger. Nothing of it is believed: trust is added by somebody who looked at the key. */
export async function headOf(client: Client): Promise<{ origin: string; vkey: string; size: number }> {
  const head = await client.get("/spur/v1/head");
  return { origin: text(head, "origin"), vkey: text(head, "vkey"), size: number(head, "size") };
}

/** An address without its final slash. Throws `http/address`. */
export function baseUrl(given: string): string {
  const bad = () =>
    new CliError("http/address", `${JSON.stringify(given)} is no address`, { hint: `like ${DEFAULT_URL}` });
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw bad();
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw bad();
  if (url.username !== "" || url.search !== "" || url.hash !== "") throw bad();
  return url.href.replace(/\/+$/, "");
}

/** Throws `cli/option` for what is no number of seconds. */
export function secondsToMs(given: string | undefined, otherwise: number): number {
  const seconds = given === undefined ? otherwise : Number(given);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new CliError("cli/option", `--timeout ${given}`, { hint: "a number of seconds" });
  return Math.ceil(seconds * 1000);
}

function headerSafe(key: string): string {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new CliError("cli/key", "the access key has characters that no key has", {
      hint: "a key looks like spur_…: was it copied whole?",
    });
  }
  return key;
}

function json(answer: Answer, url: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(answer.body)) as unknown;
  } catch (cause) {
    throw new CliError("http/answer", `${url} did not answer in JSON`, {
      hint: "is this the address of a Spur ledger? Name it with --url",
      cause,
    });
  }
}

function parsed(answer: Answer, url: string): JsonObject {
  return object(json(answer, url), "answer");
}

/** RFC 9457 on our own routes, OpenAI's error shape on /v1, anything at all from what stands in front. */
function problemOf(answer: Answer, url: string, hadKey: boolean): CliError {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    body = undefined;
  }
  const problem = isObject(body) ? (isObject(body["error"]) ? body["error"] : body) : {};
  const said = (name: string) => (typeof problem[name] === "string" ? problem[name] : undefined);
  const code = said("code") ?? `http/${answer.status}`;
  const title = said("title");
  const given = said("detail") ?? said("message");
  // A detail that is one word, like a record id, says nothing by itself.
  const detail =
    given === undefined
      ? (title ?? `${url} answered ${answer.status}`)
      : /^\S+$/.test(given) && title !== undefined
        ? `${title}: ${given}`
        : given;
  // The ledger advises whoever speaks HTTP; what to type here we know better where it is about keys.
  const hint =
    keyHint(answer.status, detail, hadKey) ?? said("hint") ?? goneHint(answer.status, given) ?? HINTS[answer.status];
  return new CliError(code, detail, hint === undefined ? {} : { hint });
}

const HINTS: { readonly [status: number]: string } = {
  404: "it does not exist, or is not yours to see",
  429: "try again in a moment",
  503: "try again in a moment",
};

/** The detail names the record whose content is gone. */
function goneHint(status: number, rec: string | undefined): string | undefined {
  if (status !== 410) return undefined;
  const trace = rec !== undefined && /^[0-9a-f]{32}$/.test(rec) ? `: ${typed("trace", rec)}` : "";
  return `its content is gone; the trace says on what ground${trace}`;
}

function keyHint(status: number, detail: string, hadKey: boolean): string | undefined {
  if (status === 401 && !hadKey) {
    return "this needs an access key: --key KEY, or SPUR_KEY in the environment. The operator's lies in <data folder>-keys/operator.key";
  }
  if (status === 401)
    return `the key is not known here, or was revoked; its operator makes a new one with: ${typed("key", "create")}`;
  if (status !== 403) return undefined;
  const scope = /scope (write|open|remove|admin)/.exec(detail)?.[1];
  return `this key may not; its operator makes one that may with: ${typed("key", "create", ...(scope === undefined ? [] : ["--scope", scope]))}`;
}
