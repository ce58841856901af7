// Which headers cross the gateway. Names compare in lower case; order, case and repetition stay as they came.

/** RFC 9110 §7.6.1, and what older proxies left behind: these belong to one connection. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What a client sends that is for us alone (credentials, cookies), or tells a third party who and where he is. */
const NOT_TO_UPSTREAM = new Set([
  ...HOP_BY_HOP,
  "accept-encoding", // identity: we look at the stream, and record bytes that can be read without a decoder
  "api-key",
  "authorization",
  "cf-connecting-ip",
  "content-length",
  "cookie",
  "expect",
  "forwarded",
  "host",
  "true-client-ip",
  "via",
  "x-api-key",
  "x-client-ip",
  "x-real-ip",
]);

/** What an upstream says about its own origin, not about ours; and what only we may say. */
const NOT_TO_CLIENT = new Set([
  ...HOP_BY_HOP,
  "alt-svc", // would lead the client round the gateway
  "clear-site-data",
  "content-length", // ours counts what we send
  "location", // redirects are not followed, by nobody
  "set-cookie",
  "strict-transport-security",
]);

const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The credentials that the caller presented; they never leave, in whichever header they stand. */
export function presentedSecrets(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  const bearer = /^Bearer\s+(\S+)/i.exec(String(headers["authorization"] ?? ""))?.[1];
  // Too short to be a key, and likely to stand inside other values by chance.
  return [bearer, String(headers["x-api-key"] ?? "")].filter(
    (secret) => secret !== undefined && secret.length >= 8,
  ) as string[];
}

/** Headers for the upstream, as a flat list of names and values, from the flat list that arrived. */
export function toUpstream(
  received: readonly string[],
  secrets: readonly string[],
  apiKey: string | undefined,
): string[] {
  const listed = connectionOptions(received);
  const out: string[] = [];
  for (let i = 0; i + 1 < received.length; i += 2) {
    const name = (received[i] as string).toLowerCase();
    const value = received[i + 1] as string;
    if (NOT_TO_UPSTREAM.has(name) || listed.has(name)) continue;
    if (name.startsWith("x-forwarded-") || name.startsWith("x-spur-")) continue;
    if (secrets.some((secret) => value.includes(secret))) continue;
    out.push(received[i] as string, value);
  }
  out.push("accept-encoding", "identity");
  if (apiKey !== undefined) out.push("authorization", `Bearer ${apiKey}`);
  return out;
}

/** Headers for the client, from those of the upstream's answer, which nobody has checked. */
export function toClient(received: readonly string[]): string[] {
  const listed = connectionOptions(received);
  const out: string[] = [];
  for (let i = 0; i + 1 < received.length; i += 2) {
    const name = (received[i] as string).toLowerCase();
    const value = received[i + 1] as string;
    if (NOT_TO_CLIENT.has(name) || listed.has(name) || !VALUE.test(value)) continue;
    // A forged record id must not pass for ours; the upstream's CORS rules are not this origin's.
    if (name.startsWith("x-spur-") || name.startsWith("access-control-")) continue;
    out.push(received[i] as string, value);
  }
  return out;
}

/** The value of a header in a flat list; the first one. `name` in lower case. */
export function headerOf(flat: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < flat.length; i += 2) if ((flat[i] as string).toLowerCase() === name) return flat[i + 1];
  return undefined;
}

/** Raw headers as undici hands them over (bytes or text), as text; header bytes are Latin-1. */
export function flatHeaders(raw: unknown): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (Buffer.isBuffer(part) ? part.toString("latin1") : String(part)));
}

// RFC 9110 §7.6.1: Connection names further headers of this hop.
function connectionOptions(flat: readonly string[]): ReadonlySet<string> {
  let options: Set<string> | undefined;
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] as string;
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue;
    options ??= new Set();
    for (const option of (flat[i + 1] as string).split(",")) options.add(option.trim().toLowerCase());
  }
  return options ?? NONE;
}

const CONNECTION = "connection";

const NONE: ReadonlySet<string> = new Set();
