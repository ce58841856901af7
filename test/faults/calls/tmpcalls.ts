import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { claimsOf, headIn, type Head } from "../power/claims.ts";
import { holdAgainst } from "../power/outside.ts";
import { killed, notByDisk, runDriver, type Ended } from "../power/recording.ts";
import { readTrace, straceInto } from "../power/trace.ts";
import type { Random } from "../random.ts";

/** A system call of the recorded story that is made to fail, or to kill: the n-th of its kind on one path. */
export interface CallFault {
  readonly call: string;
  /** Below the folder in which the ledger lies. */
  readonly path: string;
  readonly nth: number;
  readonly what: "error=EIO" | "signal=KILL";
}

/** Calls by which the data and the keys folder are read or changed, as far as a failure of one could lose something. */
const CALLS = new Set(["openat", "close", "write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "mkdir", "ftruncate"]); // prettier-ignore

const SEEDED = new URL("seeded-preload.ts", import.meta.url).href;
/** One caller, one thing after the other: what it does is the same every time, up to the moments of timers. */
const STORY = { seed: 3, operations: 24, end: "close", callers: 1, publishEvery: 0.2 } as const;

export const nameOf = ({ call, path, nth, what }: CallFault): string => `${call}:${path}:${nth}:${what}`;

/** Throws for a text that names none. */
export function parseCall(name: string): CallFault {
  const match = /^([a-z0-9]+):(.+):(\d+):(error=EIO|signal=KILL)$/.exec(name);
  if (match === null) throw new Error(`${name} names no system call`);
  const [, call, path, nth, what] = match as unknown as [string, string, string, string, CallFault["what"]];
  return { call, path, nth: Number(nth), what };
}

function runStory(folder: string, cache: string, strace: readonly string[]): Promise<Ended> {
  const live = join(folder, "live");
  rmSync(live, { recursive: true, force: true });
  mkdirSync(live, { recursive: true });
  const options = { ...STORY, data: join(live, "data"), keys: join(live, "data-keys") };
  return runDriver(options, { before: ["strace", ...strace], cache, preload: SEEDED, env: { SPUR_SEED: "1" } });
}

/** Runs the story once and lists every call that it makes on its folders, each twice: to fail, and to kill. */
export async function listCalls(folder: string, cache: string): Promise<CallFault[]> {
  const trace = join(folder, "trace");
  await runStory(folder, cache, ["-f", "-o", "/dev/null", "-e", "trace=none"]); // fills the cache: what is compiled is not written again
  const { code, stderr } = await runStory(folder, cache, straceInto(trace));
  if (code !== 0) throw new Error(`without a fault it ends with ${String(code)}: ${stderr}`);
  const counts = new Map<string, number>();
  const paths = new Map<number, string>();
  const live = join(folder, "live");
  for (const { when, call } of readTrace(trace)) {
    if (when === "end") {
      if (call.name === "openat" && (call.result ?? -1) >= 0) paths.set(call.result as number, String(call.args[1]));
      continue;
    }
    const named = { openat: call.args[1], rename: call.args[1], unlink: call.args[0], mkdir: call.args[0] }[call.name];
    const path = named === undefined ? paths.get(Number(call.args[0])) : String(named);
    if (call.name === "close") paths.delete(Number(call.args[0]));
    if (path === undefined || !path.startsWith(`${live}/`) || !CALLS.has(call.name)) continue;
    const key = `${call.name}:${path.slice(live.length + 1)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].flatMap(([key, count]) =>
    Array.from({ length: count }, (_, i) => i + 1).flatMap((nth) =>
      (["error=EIO", "signal=KILL"] as const).map((what) => parseCall(`${key}:${nth}:${what}`)),
    ),
  );
}

export interface CallsRun {
  /** Faults that came to be; a call may be missing when a timer fires at another moment. */
  readonly met: number;
  readonly missed: number;
  /** How many there are to choose from. */
  readonly all: number;
  readonly how: Readonly<Record<"killed" | "refused" | "ended" | "went on", number>>;
  readonly acknowledged: number;
  readonly heads: number;
  readonly faults: readonly string[];
}

/** Lets `count` calls of the story fail, or kill, each in a run of its own; what is left is opened and audited each time. */
export async function callsRun(
  random: Random,
  { count, folder, names, progress }: { count: number; folder: string; names?: readonly string[]; progress?: (name: string, done: number) => void },
): Promise<CallsRun> {
  mkdirSync(folder, { recursive: true });
  const cache = join(folder, "cache");
  const all = await listCalls(folder, cache);
  const how = { killed: 0, refused: 0, ended: 0, "went on": 0 };
  const faults: string[] = [];
  let [met, missed, acknowledged, heads] = [0, 0, 0, 0];
  for (const [i, fault] of (names?.map(parseCall) ?? spread(all, count, random)).entries()) {
    progress?.(nameOf(fault), i);
    const { call, path, nth, what } = fault;
    const [live, log] = [join(folder, "live"), join(folder, "injected")];
    const quick = what.startsWith("error") ? ["--seccomp-bpf"] : []; // under which strace sends no signal (seen with 6.1)
    const only = ["-P", join(live, path), "-e", `trace=${call}`, "-e", `inject=${call}:${what}:when=${nth}`];
    const ended = await runStory(folder, cache, ["-f", "-qq", ...quick, "-e", "signal=none", "-o", log, ...only]);
    if (!killed(ended) && !readFileSync(log, "latin1").includes("(INJECTED)")) missed++, process.env["SHOW"] && console.log("missed", nameOf(fault), ended.code, ended.stderr.slice(0,100));
    else met++;
    how[killed(ended) ? "killed" : ended.code === 3 ? "refused" : ended.code === 0 ? "went on" : "ended"]++;
    const wrong = notByDisk(ended, nameOf(fault));
    const seen = join(live, "data", "log", "checkpoint");
    const head = existsSync(seen) ? headIn(readFileSync(seen)) : undefined;
    const left: Head[] = head === undefined ? [] : [head];
    const held = await holdAgainst({ data: join(live, "data"), keys: join(live, "data-keys") }, { claims: claimsOf(ended.stdout), heads: left });
    acknowledged += held.acknowledged;
    heads += held.heads;
    faults.push(...[...held.faults, ...(wrong === undefined ? [] : [wrong])].map((text) => `${text}; again: npm run faults -- --again calls:${nameOf(fault)}`));
  }
  return { met, missed, all: all.length, how, acknowledged, heads, faults };
} // prettier-ignore

/** One in so many, from a place that chance decides: every kind of call comes up. */
function spread<T>(all: readonly T[], count: number, random: Random): T[] {
  if (count >= all.length) return [...all];
  const from = random.next();
  return Array.from({ length: count }, (_, i) => all[Math.floor(((i + from) * all.length) / count)] as T);
}
