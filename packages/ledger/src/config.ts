import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "yaml";
import { SpurError } from "./errors.ts";

/** Everything `spur up` can be told. Flag > environment (SPUR_*) > file (spur.yaml) > default. */
export interface LedgerConfig {
  readonly data: string;
  readonly keys: string;
  readonly host: string;
  readonly port: number;
  readonly origin: string;
  readonly upstreams: readonly UpstreamConfig[];
  /** Look on loopback for model servers when no upstream is named. */
  readonly discover: boolean;
  /** Days that contents are kept; 0 = nothing is kept. */
  readonly contentDays: number;
  readonly publishEveryMs: number;
  readonly expose: boolean;
  readonly demo: boolean;
  readonly logLevel: string;
  /** The policy without whose witnesses nothing is published, and what the operator says of it. */
  readonly witnesses?: { readonly policy: string; readonly own: readonly string[]; readonly detectOnly: boolean };
}

export interface UpstreamConfig {
  readonly url: string;
  /** Only these models; all that it lists otherwise. */
  readonly models?: readonly string[];
  /** Name of the environment variable that holds its credential. */
  readonly keyEnv?: string;
  readonly content?: string | number;
}

/** What a flag, the environment or the file may set; all optional. */
export interface ConfigSource {
  readonly data?: string;
  readonly keys?: string;
  readonly host?: string;
  readonly port?: number | string;
  readonly origin?: string;
  readonly upstream?: string | readonly string[];
  readonly upstreams?: readonly UpstreamConfig[];
  readonly upstreamKeyEnv?: string;
  readonly content?: string | number;
  readonly publishEvery?: number | string;
  readonly expose?: boolean | string;
  readonly demo?: boolean;
  readonly config?: string;
  readonly logLevel?: string;
  readonly discover?: boolean | string;
  /** A file: a C2SP tlog-policy as it is. */
  readonly witnessPolicy?: string;
  /** Names in the policy; in the environment with commas between them. */
  readonly ownWitness?: string | readonly string[];
  readonly detectOnly?: boolean | string;
}

const ENVIRONMENT: Record<string, keyof ConfigSource> = {
  SPUR_DATA: "data", SPUR_KEYS: "keys", SPUR_HOST: "host", SPUR_PORT: "port", SPUR_ORIGIN: "origin", SPUR_UPSTREAM: "upstream",
  SPUR_UPSTREAM_KEY_ENV: "upstreamKeyEnv", SPUR_CONTENT: "content", SPUR_PUBLISH_EVERY: "publishEvery", SPUR_EXPOSE: "expose",
  SPUR_CONFIG: "config", SPUR_LOG_LEVEL: "logLevel", SPUR_DISCOVER: "discover", SPUR_WITNESS_POLICY: "witnessPolicy",
  SPUR_OWN_WITNESS: "ownWitness", SPUR_DETECT_ONLY: "detectOnly",
}; // prettier-ignore

/** Puts the sources together and checks each value. Throws `config/…`, saying which setting, where it came from and what it may be. */
export function resolveConfig(
  flags: ConfigSource,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): LedgerConfig {
  const fromEnv: Record<string, string> = {};
  for (const [name, setting] of Object.entries(ENVIRONMENT))
    if (env[name] !== undefined && env[name] !== "") fromEnv[setting] = env[name];
  const path = flags.config ?? fromEnv["config"];
  const file = readConfigFile(path === undefined ? resolve(cwd, "spur.yaml") : resolve(cwd, path), path !== undefined);
  const set = { ...file, ...fromEnv, ...withoutUndefined(flags) };
  const demo = set.demo === true;
  const data = resolve(cwd, set.data ?? (demo ? "spur-demo" : "spur-data"));
  const keys = resolve(cwd, set.keys ?? `${data}-keys`);
  if (keys === data || keys.startsWith(`${data}/`)) {
    throw new SpurError("config/keys-inside-data", `${keys} is inside the data folder`, {
      hint: "Keys must lie outside the data folder, so that a copy of it opens nothing: leave --keys out, or name another folder.",
    });
  }
  const host = set.host ?? "127.0.0.1";
  const expose = set.expose === true || set.expose === "1" || set.expose === "true";
  if (!/^(127\.[0-9.]+|::1|localhost)$/.test(host) && !expose) {
    throw new SpurError("config/exposed", `${host} is not loopback`, {
      hint: "Put TLS in front and keep loopback, or say --expose if you know that keys and answers will cross the network in clear.",
    });
  }
  // Only a new log takes it; a name of its own keeps two logs on one machine apart in everybody's trust.
  const origin = demandOrigin(
    set.origin ?? `${demo ? "demo.spur.invalid" : "spur.invalid"}/${randomBytes(4).toString("hex")}`,
  );
  const named = typeof set.upstream === "string" ? [set.upstream] : (set.upstream ?? []);
  const keyEnv = set.upstreamKeyEnv === undefined ? {} : { keyEnv: set.upstreamKeyEnv };
  const witnesses = witnessesOf(set, cwd);
  return {
    data,
    keys,
    host,
    port: whole("port", set.port ?? 7787, 0, 65_535),
    origin,
    upstreams: [...named.map((url) => ({ url, ...keyEnv })), ...(set.upstreams ?? [])],
    discover: !(set.discover === false || set.discover === "false" || set.discover === "0") && !demo,
    contentDays: contentDaysOf(set.content ?? 30),
    publishEveryMs: Math.max(100, 1000 * number("publishEvery", set.publishEvery ?? 5)),
    expose,
    demo,
    logLevel: set.logLevel ?? "warn",
    ...(witnesses === undefined ? {} : { witnesses }),
  };
}

/** The name itself, if a log may bear it. Throws `config/origin`. */
export function demandOrigin(origin: string): string {
  if (/^[^\s+\u0000-\u001f]{1,200}$/u.test(origin)) return origin;
  throw new SpurError("config/origin", `${JSON.stringify(origin)} is no origin`, {
    hint: "Use a schema-less URL prefix such as example.com/log, without spaces or +.",
  });
}

function witnessesOf(set: ConfigSource, cwd: string): LedgerConfig["witnesses"] {
  const own = typeof set.ownWitness === "string" ? set.ownWitness.split(",") : (set.ownWitness ?? []);
  const detectOnly = set.detectOnly === true || set.detectOnly === "1" || set.detectOnly === "true";
  if (set.witnessPolicy === undefined) {
    if (own.length === 0 && !detectOnly) return undefined;
    throw new SpurError("config/witness-policy", "a setting for witnesses, and no policy that names them", {
      hint: "Name the policy with --witness-policy FILE.",
    });
  }
  const path = resolve(cwd, set.witnessPolicy);
  try {
    return { policy: readFileSync(path, "utf8"), own, detectOnly };
  } catch (cause) {
    throw new SpurError("config/witness-policy", `${path}: ${(cause as Error).message}`, { cause });
  }
}

/** "none" → 0; a number of days otherwise. */
export function contentDaysOf(value: string | number): number {
  if (value === "none") return 0;
  const days = Number(value);
  if (!Number.isInteger(days) || days < 1 || days > 36_500) throw new SpurError("config/content", `content is "none" or a number of days from 1 to 36500, not ${JSON.stringify(value)}`); // prettier-ignore
  return days;
}

function readConfigFile(path: string, wanted: boolean): ConfigSource {
  if (!existsSync(path)) {
    if (wanted) throw new SpurError("config/file", `${path} is not there`);
    return {};
  }
  let parsed: unknown;
  try {
    parsed = parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new SpurError("config/file", `${path}: ${(cause as Error).message}`, { cause });
  }
  if (parsed === null || parsed === undefined) return {};
  const known = [
    "data",
    "keys",
    "host",
    "port",
    "origin",
    "upstream",
    "upstreams",
    "upstreamKeyEnv",
    "content",
    "publishEvery",
    "expose",
    "logLevel",
    "discover",
    "witnessPolicy",
    "ownWitness",
    "detectOnly",
  ];
  if (typeof parsed !== "object" || Array.isArray(parsed))
    throw new SpurError("config/file", `${path} is not a list of settings`);
  for (const name of Object.keys(parsed)) if (!known.includes(name)) throw new SpurError("config/file", `${path}: no setting "${name}"; there are ${known.join(", ")}`); // prettier-ignore
  return parsed;
}

function number(name: string, value: number | string): number {
  const found = Number(value);
  if (!Number.isFinite(found) || found < 0)
    throw new SpurError("config/number", `${name} is a number, not ${JSON.stringify(value)}`);
  return found;
}

function whole(name: string, value: number | string, min: number, max: number): number {
  const found = number(name, value);
  if (!Number.isInteger(found) || found < min || found > max)
    throw new SpurError("config/port", `${name} is a whole number from ${min} to ${max}`);
  return found;
}

function withoutUndefined<T extends object>(source: T): Partial<T> {
  return Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined)) as Partial<T>;
}
