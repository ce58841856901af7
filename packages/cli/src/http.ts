import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For the whole answer, body included: a server that drips is cut off too. */
  readonly timeoutMs: number;
  /** A longer body is refused, after decompression and before it is held in memory. */
  readonly maxBytes: number;
  /** An access key must not travel on with a redirect. */
  readonly redirect?: "error" | "follow";
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** One request. Throws `http/address`, `http/unreachable`, `http/timeout`, `http/too-large`, `http/redirect`; any status is an answer. */
export async function request(io: Io, url: string, how: Request): Promise<Answer> {
  const signal = AbortSignal.timeout(how.timeoutMs);
  try {
    const response = await (io.fetch ?? fetch)(url, {
      method: how.method ?? "GET",
      redirect: how.redirect ?? "error",
      signal,
      ...(how.headers === undefined ? {} : { headers: { ...how.headers } }),
      ...(how.body === undefined ? {} : { body: how.body as NonNullable<RequestInit["body"]> }),
    });
    return {
      status: response.status,
      type: response.headers.get("content-type")?.split(";")[0]?.trim() ?? "",
      headers: response.headers,
      body: await bounded(response, url, how.maxBytes),
    };
  } catch (cause) {
    throw explained(cause, url, how.timeoutMs);
  }
}

async function bounded(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    bytes += next.value.length;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw new CliError("http/too-large", `${url}: more than ${maxBytes.toLocaleString("en-US")} bytes`, {
        hint: "nothing of this kind is that long: the server is broken, or means harm",
      });
    }
    parts.push(next.value);
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

function explained(cause: unknown, url: string, timeoutMs: number): unknown {
  if (cause instanceof CliError || !(cause instanceof Error)) return cause;
  if (cause.name === "TimeoutError" || cause.name === "AbortError") {
    return new CliError("http/timeout", `${url} did not answer in full within ${timeoutMs / 1000} s`, {
      hint: "try again; --timeout SECONDS allows more",
      cause,
    });
  }
  const inner = cause.cause;
  const code = inner instanceof Error && "code" in inner ? String(inner.code) : "";
  const why = inner instanceof Error ? inner.message : cause.message;
  if (code === "ERR_INVALID_URL" || /parse URL|Invalid URL|unknown scheme/i.test(`${cause.message} ${why}`)) {
    return new CliError("http/address", `${JSON.stringify(url)} is no address`, {
      hint: "an address begins with http:// or https://",
    });
  }
  if (/redirect/i.test(why)) {
    return new CliError("http/redirect", `${url} sends us elsewhere`, { hint: "name the final address yourself" });
  }
  const [says, hint] = UNREACHABLE[code] ?? [why === "" ? code : why, "is the address right, and is it up?"];
  return new CliError("http/unreachable", `${url}: ${says}`, { hint, cause });
}

const UNREACHABLE: { readonly [code: string]: readonly [string, string] } = {
  ECONNREFUSED: ["nobody listens there", "is it up? A ledger on this machine starts with: npx spur up"],
  ENOTFOUND: ["no machine has this name", "is the name spelled right, and is there a network?"],
  EAI_AGAIN: ["the name cannot be looked up now", "is there a network?"],
  ECONNRESET: ["the connection broke", "try again"],
  UND_ERR_SOCKET: ["the connection broke", "try again"],
  EHOSTUNREACH: ["no way leads there", "is there a network?"],
  CERT_HAS_EXPIRED: ["its certificate has expired", "ask who runs it"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["its certificate is signed by itself", "NODE_EXTRA_CA_CERTS=FILE lets Node accept it"],
};
