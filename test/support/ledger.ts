// A real ledger on a free port, its folders under the temporary folder, and a plain HTTP client that hides nothing of an answer.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLedger, type RunningLedger, type StartOptions } from "@spur/ledger/main";

/** One answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; throws if it is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

export interface Call {
  readonly key?: string;
  /** Sent as it is; an object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function call(
  url: string,
  method: string,
  path: string,
  { key, body, headers }: Call = {},
): Promise<Answer> {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString("utf8");
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    get json() {
      return JSON.parse(text) as unknown;
    },
  };
}

export interface TestLedger {
  readonly ledger: RunningLedger;
  readonly url: string;
  /** The operator's. */
  readonly key: string;
  readonly data: string;
  readonly keys: string;
  /** With the operator's key unless another is named. */
  call(method: string, path: string, how?: Call): Promise<Answer>;
  /** The answer's body as JSON; throws with its text for a status of 300 or more. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  good(method: string, path: string, how?: Call): Promise<any>;
  newKey(...scopes: string[]): Promise<{ id: string; key: string }>;
}

const made: string[] = [];
const running: RunningLedger[] = [];

/** A folder that {@link cleanUp} removes. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spur-e2e-"));
  made.push(folder);
  return folder;
}

/** Closes every ledger and removes every folder of this file's tests. */
export async function cleanUp(): Promise<void> {
  for (const one of running.splice(0)) await one.close().catch(() => undefined);
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

type Options = Partial<StartOptions> & { readonly folder?: string; readonly operatorKey?: string };

/** Starts a ledger that looks for no model server and publishes only when it is told to. */
export async function startTestLedger({ folder, operatorKey, ...more }: Options = {}): Promise<TestLedger> {
  const base = folder ?? temporaryFolder();
  const data = join(base, "data");
  const options: StartOptions = {
    data,
    port: 0,
    discover: false,
    publishEvery: 3600,
    logLevel: "silent",
    env: {},
    cwd: base,
    ...more,
  };
  const ledger = await startLedger(options);
  running.push(ledger);
  const key = ledger.operatorKey ?? operatorKey ?? "";
  const asked = (method: string, path: string, how: Call = {}): Promise<Answer> =>
    call(ledger.url, method, path, { key, ...how });
  const good = async (method: string, path: string, how: Call = {}): Promise<unknown> => {
    const answer = await asked(method, path, how);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.text === "" ? undefined : answer.json;
  };
  return {
    ledger, url: ledger.url, key, data: ledger.config.data, keys: ledger.config.keys, call: asked, good,
    newKey: (...scopes) => good("POST", "/spur/v1/keys", { body: { label: scopes.join(" "), scopes } }) as Promise<{ id: string; key: string }>,
  }; // prettier-ignore
}
