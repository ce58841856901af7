import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fromUtf8 } from "@spur/verifier/bytes";
import { formatVkey, parseVkey, type VerifierKey } from "@spur/verifier/note/note";
import { parsePolicy } from "@spur/verifier/trust/policy";
import { formatTrust, NO_TRUST, parseTrust, trustFromVkeys, type Trust } from "@spur/verifier/trust/trust";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { DEFAULT_URL, typed } from "./text.ts";

const MAX_TRUST = 1_048_576;

/** `$XDG_CONFIG_HOME/spur/trust.json`. */
export function trustFile(io: Io): string {
  const config = io.env["XDG_CONFIG_HOME"] || join(io.env["HOME"] ?? homedir(), ".config");
  return join(config, "spur", "trust.json");
}

/** What this user trusts by default; nobody, where he has never said. Throws what `parseTrust` throws, naming the file. */
export async function loadOwnTrust(io: Io): Promise<Trust> {
  const file = trustFile(io);
  const bytes = await readSmall(file);
  return bytes === undefined ? NO_TRUST : parsedAs(file, () => parseTrust(bytes));
}

/**
 * Trust for one command: keys (`--trust VKEY`, several), or one file: a `spur-trust/v1` file, a C2SP policy, or a text with one key.
 * Without: the user's own. A file that is verified never adds to it. Throws `cli/trust`.
 */
export async function loadTrust(io: Io, given: readonly string[] | undefined): Promise<Trust> {
  if (given === undefined || given.length === 0) return loadOwnTrust(io);
  const keys = given.filter(isVkey);
  if (keys.length === given.length) return trustFromVkeys(keys);
  const [name, ...more] = given;
  if (name === undefined || more.length > 0) {
    throw new CliError("cli/trust", "one trust file, or any number of keys", {
      hint: "put the keys into the file: npx spur trust add KEY",
    });
  }
  const file = resolve(io.cwd, name);
  const bytes = await readSmall(file);
  if (bytes === undefined) {
    const looksLikeKey = /\+[0-9a-f]{8}\+/.test(name);
    throw new CliError(
      "cli/trust",
      `${name} is ${looksLikeKey ? "no whole key" : "no key, and no file of that name is there"}`,
      {
        hint: `a key looks like example.com/log+1a2b3c4d+AZ…, and a ledger's is added by: ${typed("trust", "add", DEFAULT_URL)}`,
      },
    );
  }
  return parsedAs(name, () => {
    const text = fromUtf8(bytes);
    if (text.trimStart().startsWith("{")) return parseTrust(bytes);
    return isVkey(text.trim()) ? trustFromVkeys([text.trim()]) : { ...NO_TRUST, policy: parsePolicy(text) };
  });
}

export function isVkey(text: string): boolean {
  try {
    parseVkey(text);
    return true;
  } catch {
    return false;
  }
}

export interface AddedKeys {
  readonly log: VerifierKey;
  readonly url?: string;
}

/** Throws `trust/changed` where another key is trusted for this origin: like ssh, it never replaces one in silence. */
export function withKeys(trust: Trust, { log, url }: AddedKeys): Trust {
  const known = trust.policy.logs.filter((one) => one.key.name === log.name);
  const has = known.some((one) => formatVkey(one.key) === formatVkey(log));
  if (known.length > 0 && !has) {
    throw new CliError(
      "trust/changed",
      `you trust another key for ${log.name}: ${known.map((one) => formatVkey(one.key)).join(", ")}`,
      {
        hint: `a key does not change by itself: somebody may be posing as this log. If you know why it did: npx spur trust remove ${log.name}`,
      },
    );
  }
  const text = trust.policy.text.endsWith("\n") ? trust.policy.text : `${trust.policy.text}\n`;
  const line = `log ${formatVkey(log)}${url === undefined ? "" : ` ${url}`}\n`;
  return { ...trust, policy: has ? trust.policy : parsePolicy(text + line) };
}

/** Without the keys of this name (an origin goes with its receipts key) or this very key; and how many went. */
export function withoutKeys(trust: Trust, name: string): { trust: Trust; removed: number } {
  const goes = (key: VerifierKey) => key.name === name || key.name === `${name}/receipts` || formatVkey(key) === name;
  const logs = trust.policy.logs.filter((one) => goes(one.key)).map((one) => formatVkey(one.key));
  const lines = trust.policy.text.split("\n").filter((line) => {
    const [word, vkey] = line.split(/[ \t]+/).filter((item) => item !== "");
    return word !== "log" || vkey === undefined || !logs.includes(vkey);
  });
  const statementKeys = trust.statementKeys.filter((key) => !goes(key));
  return {
    trust: { ...trust, policy: parsePolicy(lines.join("\n")), statementKeys },
    removed: logs.length + trust.statementKeys.length - statementKeys.length,
  };
}

/** Replaces the user's trust file in one step. */
export async function saveOwnTrust(io: Io, trust: Trust): Promise<string> {
  const file = trustFile(io);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, formatTrust(trust), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return file;
}

/** Undefined where nothing is there. */
async function readSmall(file: string): Promise<Uint8Array | undefined> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new CliError("cli/trust", `${file} is no file`, { hint: "name a trust file, or a key" });
    if (found.size > MAX_TRUST)
      throw new CliError("cli/trust", `${file} is ${found.size} bytes`, { hint: "no trust file is that long" });
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function parsedAs<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError("cli/trust", `${file} cannot be used: ${why}`, {
      hint: `correct it, or move it away and begin a new one with: ${typed("trust", "add", DEFAULT_URL)}`,
      cause,
    });
  }
}
