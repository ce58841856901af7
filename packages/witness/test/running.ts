import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import "../src/ml-dsa.ts";
import { listedLog, type ListedLog } from "../src/log-list.ts";
import { addLogs } from "../src/manage.ts";
import { startWitness, type RunningWitness, type ServeOptions } from "../src/serve.ts";
import type { TestLog } from "./log.ts";

/** A running witness with folders of its own, and a clock that stands until it is set. */
export interface TestWitness extends RunningWitness {
  readonly data: string;
  readonly keys: string;
  /** Milliseconds since 1970. */
  nowMs: number;
  readonly errors: unknown[];
  add(...logs: readonly (TestLog | ListedLog)[]): void;
  post(body: string | Uint8Array): Promise<Answer>;
  get(path: string, init?: RequestInit): Promise<Response>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const folders: string[] = [];
const running = new Set<RunningWitness>();

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "spur-witness-"));
  folders.push(folder);
  return folder;
}

export async function startTestWitness(
  options: Partial<ServeOptions> & { logs?: readonly TestLog[] } = {},
): Promise<TestWitness> {
  const folder = options.data === undefined ? temporaryFolder() : "";
  const errors: unknown[] = [];
  const settings = {
    data: join(folder, "data"),
    keys: join(folder, "keys"),
    host: "127.0.0.1",
    port: 0,
    name: "witness.test/w1",
    now: () => test.nowMs,
    onError: (error: unknown) => errors.push(error),
    ...options,
  };
  const clock = { nowMs: Date.UTC(2026, 10, 22, 4) };
  const test = Object.assign(clock, {}) as TestWitness;
  const witness = await startWitness(settings);
  running.add(witness);
  Object.assign(test, witness, {
    data: settings.data,
    keys: settings.keys,
    errors,
    add: (...logs: readonly (TestLog | ListedLog)[]) => {
      addLogs(
        settings.data,
        logs.map(({ vkey, origin }) => listedLog(vkey, { origin })),
      );
    },
    post: (body: string | Uint8Array) => post(witness.url, body),
    get: (path: string, init?: RequestInit) => fetch(`${witness.url}${path}`, init),
    close: async () => {
      running.delete(witness);
      await witness.close();
    },
  });
  if (options.logs !== undefined) test.add(...options.logs);
  return test;
}

export async function post(url: string, body: string | Uint8Array): Promise<Answer> {
  const response = await fetch(`${url}/add-checkpoint`, { method: "POST", body: body as string });
  return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
}

/** The times at which the witness's keys signed, in the order of its keys; throws where one of the lines is not its cosignature of the note. */
export function cosignedAt({ vkeys }: { vkeys: readonly string[] }, note: string, lines: string): number[] {
  const opened = openNote(parseNote(note + lines), vkeys.map(parseVkey));
  if (opened.invalid.length > 0) throw new Error("a cosignature does not verify");
  if (opened.verified.length !== vkeys.length) throw new Error(`${opened.verified.length} cosignatures`);
  return opened.verified.map(({ timestamp }) => timestamp ?? -1);
}

export async function cleanUp(): Promise<void> {
  for (const witness of running) await witness.close();
  running.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
