import { parseVkey } from "@spur/verifier/note/note";
import { canVerify } from "@spur/verifier/note/cosignature";
import { VerifyError } from "@spur/verifier/errors";
import { SpurError } from "./errors.ts";
import "./ml-dsa.ts";
import type { LogInfo } from "./store.ts";

/** A log as `add-log` takes it: who it is, and one key. */
export interface ListedLog extends LogInfo {
  readonly vkey: string;
}

const MAX_ORIGIN = 1024;
const MAX_LOGS = 100_000;

/**
 * What is to be witnessed, checked before it is stored. The origin is the key's name unless said otherwise. Throws `note/vkey`,
 * `witness/key-type`, `witness/origin`, `witness/url`.
 */
export function listedLog(vkey: string, { origin, url, ...rest }: Partial<LogInfo> = {}): ListedLog {
  const key = parseVkey(vkey);
  if (!canVerify(key.type)) {
    throw new SpurError("witness/key-type", `a key of type ${key.type} can't be verified here`, {
      hint: "Ed25519 (types 1 and 4) and ML-DSA-44 (type 6) can.",
    });
  }
  const name = origin ?? key.name;
  // As it stands in a checkpoint: one line, of any characters but control characters.
  if (name === "" || name.length > MAX_ORIGIN || /\p{Cc}|\p{Surrogate}/u.test(name)) {
    throw new SpurError("witness/origin", `${JSON.stringify(name.slice(0, 200))} can be no origin of a log`, {
      hint: "It is the first line of the log's checkpoints.",
    });
  }
  if (url !== undefined && !isHttpUrl(url)) {
    throw new SpurError("witness/url", `${JSON.stringify(url)} is no http or https address`, {
      hint: "It is only shown; leave --url out if there is none.",
    });
  }
  return { ...rest, origin: name, vkey, ...(url === undefined ? {} : { url }) };
}

function isHttpUrl(url: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/**
 * The list format of witness-network.org, `logs/v0`: for each log `vkey`, perhaps `origin`, `qpd` (requests a day) and `contact`, in this
 * order. Understood in full or not at all: throws `witness/list` with the line, and what `listedLog` throws.
 */
export function parseLogList(text: string): ListedLog[] {
  const lines = text
    .split("\n")
    .map((line, i) => ({ line: line.trim(), at: i + 1 }))
    .filter(({ line }) => line !== "" && !line.startsWith("#"));
  const bad = (at: number, why: string): SpurError => new SpurError("witness/list", `line ${at}: ${why}`);
  if (lines[0]?.line !== "logs/v0") throw bad(lines[0]?.at ?? 1, "the list must begin with logs/v0");

  const logs: ListedLog[] = [];
  let i = 1;
  /** The rest of the next line if it has this keyword. */
  const take = (keyword: string): string | undefined => {
    const { line = "" } = lines[i] ?? {};
    if (!line.startsWith(`${keyword} `)) return undefined;
    i++;
    return line.slice(keyword.length).trim();
  };
  while (i < lines.length) {
    const at = lines[i]?.at ?? 0;
    const vkey = take("vkey");
    if (vkey === undefined) throw bad(at, "expected: vkey VKEY");
    const origin = take("origin");
    const perDay = take("qpd");
    if (perDay === undefined || !/^[1-9][0-9]{0,9}$/.test(perDay) || Number(perDay) >= 2 ** 31)
      throw bad(lines[perDay === undefined ? i : i - 1]?.at ?? at, "expected: qpd N, with N from 1 to 2^31-1");
    const contact = take("contact");
    if (contact === undefined) throw bad(lines[i]?.at ?? at, "expected: contact CONTACT");
    if (logs.length === MAX_LOGS) throw bad(at, `more than ${MAX_LOGS} logs`);
    logs.push(
      inLine(at, () =>
        listedLog(vkey, { ...(origin === undefined ? {} : { origin }), perDay: Number(perDay), contact }),
      ),
    );
  }
  return logs;
}

function inLine(at: number, parse: () => ListedLog): ListedLog {
  try {
    return parse();
  } catch (error) {
    if (error instanceof VerifyError || error instanceof SpurError)
      throw new SpurError(error.code, `line ${at}: ${error.detail}`, { cause: error });
    throw error;
  }
}
