// A log behind a server that can lie about every file, and a monitor that looks at it with a clock of the test's own.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@spur/verifier/bytes";
import { parseTrust, trustFromVkeys } from "@spur/verifier/trust/trust";
import { createLog, type MadeLog } from "../../verifier/test/make-log.ts";
import type { Io } from "../src/io.ts";
import type { AlarmEvent, MonitorEvent, RoundEvent } from "../src/monitor/events.ts";
import { LogMonitor, type MonitorOptions } from "../src/monitor/monitor.ts";
import { placeLog } from "./place-log.ts";
import { serve } from "./serve.ts";

const HOUR_MS = 3_600_000;
/** The hour of the entries of `createLog`, and half of it gone. */
export const START_MS = Date.UTC(2026, 10, 22, 4, 30);

/** True if it has answered in place of the file. */
export type Lie = (path: string, response: ServerResponse, request: IncomingMessage) => boolean;

/** 600 closings of nothing, cheap to make. */
export function longLog(entries: number, options: Parameters<typeof createLog>[0] = {}): MadeLog {
  const log = createLog({ witnesses: 0, ...options });
  log.addKeys();
  while (log.entries.length < entries) log.close();
  return log;
}

/** The same key, and another history from entry 2 on. */
export function otherLog(entries: number): MadeLog {
  const log = createLog({ witnesses: 0 });
  log.addKeys();
  log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 } });
  while (log.entries.length < entries) log.close();
  return log;
}

export interface Stand {
  readonly url: string;
  /** Where the files of the log are now. */
  folder: string;
  /** Shows a log as it is at this size, and nothing else. */
  show(log: MadeLog, size?: number, checkpoint?: string): void;
  /** In place of the log's own. */
  checkpoint: string | undefined;
  /** Paths that were asked for since the last call. */
  asked(): string[];
  lie: Lie;
  close(): Promise<void>;
}

const folders: string[] = [];
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "spur-monitor-"));
  folders.push(folder);
  return folder;
}
export function cleanUp(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

const placed = new Map<string, string>();

/** The files of a log at one size, made once. */
export function filesOf(log: MadeLog, size: number): string {
  const name = log.checkpoint(size);
  const folder = placed.get(name) ?? mkdtempSync(join(tmpdir(), "spur-monitor-log-"));
  if (!placed.has(name)) placeLog(folder, log, size);
  placed.set(name, folder);
  folders.push(folder);
  return folder;
}

/** Serves the log under `/log`, as a ledger does; `lie` may answer anything else. */
export async function openStand(): Promise<Stand> {
  let asked: string[] = [];
  const server = await serve((request, response) => {
    const path = (request.url ?? "").slice(1);
    asked.push(path);
    if (stand.lie(path, response, request)) return;
    const file = join(stand.folder, path.replace(/^log\//, ""));
    if (path === "log/checkpoint" && stand.checkpoint !== undefined) response.writeHead(200).end(stand.checkpoint);
    else if (path.startsWith("log/") && existsSync(file) && statSync(file).isFile())
      response.writeHead(200).end(readFileSync(file));
    else response.writeHead(404).end();
  });
  const stand: Stand = {
    url: server.url,
    folder: "/nowhere",
    checkpoint: undefined,
    lie: () => false,
    show(log, size = log.entries.length, checkpoint) {
      stand.folder = filesOf(log, size);
      stand.checkpoint = checkpoint;
    },
    asked() {
      const all = asked;
      asked = [];
      return all;
    },
    close: () => server.close(),
  };
  return stand;
}

export interface Watch {
  /** Looks once; how it ended, and what was told. */
  round(): Promise<Seen>;
  /** Moves the clock. */
  hours(n: number): void;
  readonly folder: string;
  /** As a new process on the same folder would begin. */
  again(more?: Partial<MonitorOptions>): Promise<void>;
  close(): void;
}

export interface Seen {
  readonly exit: 0 | 1 | 2;
  /** Codes that were raised, and those that were cleared. */
  readonly raised: string[];
  readonly cleared: string[];
  readonly alarms: AlarmEvent[];
  readonly end: RoundEvent;
}

export async function openWatch(
  place: string,
  log: MadeLog | string,
  more: Partial<MonitorOptions> = {},
  home = temporary(),
): Promise<Watch> {
  let nowMs = START_MS;
  let events: MonitorEvent[] = [];
  const io: Io = {
    stdout: { write: () => true },
    stderr: { write: () => true },
    env: { HOME: home, XDG_STATE_HOME: join(home, "state") },
    cwd: home,
    isTty: false,
    now: () => nowMs,
  };
  const folder = join(home, "memory");
  const trust = typeof log === "string" ? parseTrust(utf8(log)) : trustFromVkeys([log.key.vkey]);
  const options: MonitorOptions = {
    ...{ trust, folder, timeoutMs: 2_000, pauseMs: 5, also: [], lateMs: 24 * HOUR_MS, reread: 4, once: false },
    silence: { staleMs: HOUR_MS, always: false },
    tell: (event) => events.push(event),
    others: () => [],
    random: () => 0,
    ...more,
  };
  let monitor = await LogMonitor.open(io, place, options);
  return {
    folder,
    hours: (n) => (nowMs += n * HOUR_MS),
    async again(now = {}) {
      monitor.close();
      monitor = await LogMonitor.open(io, place, { ...options, ...now });
    },
    async round() {
      events = [];
      const exit = await monitor.round(new AbortController().signal);
      const alarms = events.filter((one): one is AlarmEvent => one.event === "alarm" || one.event === "cleared");
      const codes = (event: string) => alarms.filter((one) => one.event === event).map(({ code }) => code);
      const end = events.at(-1);
      if (end?.event !== "round") throw new Error("a round ends with an event");
      return { exit, raised: codes("alarm"), cleared: codes("cleared"), alarms, end };
    },
    close: () => monitor.close(),
  };
}
