import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { startChild, type Place } from "./child.ts";
import { check, rememberCheckpoint, type Checked } from "./check.ts";
import { operatorKey } from "./kill.ts";
import { Load, nothingTold, type Told } from "./load.ts";
import type { Random } from "./random.ts";
import type { Upstream } from "./upstream.ts";

/** One fault that the kernel is made to give, at the n-th call of one thread (with "+": and at every later one). */
export interface Fault {
  readonly call: "fsync" | "pwrite64" | "rename" | "unlink" | "ftruncate" | "mkdir" | "openat" | "close";
  readonly what: "error=EIO" | "error=ENOSPC" | "error=EMFILE" | "signal=KILL";
  readonly when: string;
  /** Only where the call names this path, or a file that was opened by it. */
  readonly path?: string;
}

/** Why faults cannot be injected here; undefined if they can. */
export function whyNoStrace(): string | undefined {
  try {
    execFileSync(
      "strace",
      ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1", "true"],
      { stdio: "pipe" },
    );
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    return code === "ENOENT"
      ? "strace is not installed"
      : `strace cannot trace here: ${stderr?.toString().trim() ?? ""}`;
  }
}

/** Options of strace that make a fault; `log`: where it says what it did. */
export function straceFor({ call, what, when, path }: Fault, log = "/dev/null"): string[] {
  // Under --seccomp-bpf strace is quicker, but sends no signal (seen with 6.1).
  const only = path !== undefined ? ["-P", path] : what.startsWith("signal") ? [] : ["--seccomp-bpf"];
  return [
    "strace",
    "-f",
    "-qq",
    ...only,
    "-o",
    log,
    "-e",
    `trace=${call}`,
    "-e",
    `inject=${call}:${what}:when=${when}`,
  ];
}

export const nameOf = ({ call, what, when, path }: Fault): string =>
  `${call} ${what} when=${when}${path === undefined ? "" : ` on ${path.split("/").slice(-2).join("/")}`}`;

/** A mixture of faults of every kind, at random moments of a short life. */
export function faultsFor(place: Place, random: Random, count: number): Fault[] {
  const wal = `${place.data}/ledger.sqlite-wal`;
  const kinds: (() => Omit<Fault, "when">)[] = [
    () => ({ call: "fsync", what: "error=EIO" }),
    () => ({ call: "fsync", what: "error=EIO", path: wal }),
    () => ({ call: "fsync", what: "error=ENOSPC" }),
    () => ({ call: "fsync", what: "error=EIO", path: random.pick([place.data, place.keys, `${place.data}/log`]) }),
    () => ({ call: "pwrite64", what: "error=EIO", path: random.pick([wal, `${place.data}/ledger.sqlite`]) }),
    () => ({ call: "pwrite64", what: "error=ENOSPC", path: wal }),
    () => ({ call: "rename", what: "error=EIO" }),
    () => ({ call: "rename", what: "error=ENOSPC" }),
    () => ({ call: "unlink", what: "error=EIO" }),
    () => ({ call: "ftruncate", what: "error=EIO" }),
    () => ({ call: "mkdir", what: "error=ENOSPC" }),
    () => ({
      call: "openat",
      what: "error=EMFILE",
      path: random.pick([place.data, place.keys, `${place.data}/log`, wal]),
    }),
    () => ({
      call: random.pick(["fsync", "rename", "pwrite64", "unlink", "ftruncate"] as const),
      what: "signal=KILL",
    }),
    () => ({ call: "close", what: "error=EIO", path: random.pick([place.data, place.keys, `${place.data}/log`, wal]) }),
  ];
  return Array.from({ length: count }, (_, i) => {
    const kind = (kinds[i % kinds.length] as () => Omit<Fault, "when">)();
    const range = kind.path !== undefined || ["unlink", "ftruncate", "mkdir"].includes(kind.call) ? 8 : 30;
    return {
      ...kind,
      when: `${1 + random.below(range)}${kind.what.startsWith("error") && random.below(2) === 0 ? "+" : ""}`,
    };
  });
}

export interface InjectRun {
  readonly faults: number;
  /** So many of them came to be. */
  readonly injected: number;
  readonly checkpoints: number;
  /** How the ledger met them: refused to start, ended by itself, was killed by the fault, or went on answering. */
  readonly met: Readonly<Record<"refused" | "ended" | "killed" | "went on", number>>;
  readonly acknowledged: number;
  readonly statuses: ReadonlyMap<string, number>;
  readonly checked: Checked;
}

/** Lets a ledger under load meet each fault in turn; after each it starts again without one, and at the end nothing may be lost. */
export async function injectRun(
  place: Place,
  upstream: Upstream,
  random: Random,
  faults: readonly Fault[],
  options: { progress?: (fault: Fault, how: string, told: Told) => void; loadMs?: number } = {},
): Promise<InjectRun> {
  const told = nothingTold();
  const met = { refused: 0, ended: 0, killed: 0, "went on": 0 };
  let injected = 0;
  mkdirSync(dirname(place.data), { recursive: true });
  let vkey = "";
  for (const fault of faults) {
    const log = `${place.data}.strace`;
    const child = startChild(place, upstream.url, { before: straceFor(fault, log) });
    const ready = await child.ready;
    let how: keyof typeof met = "refused";
    if (ready?.url !== undefined) {
      const load = new Load(ready.url, operatorKey(place), told, random, { callers: 6 });
      await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, options.loadMs ?? 700))]);
      how = child.process.exitCode !== null ? "ended" : child.process.signalCode !== null ? "killed" : "went on";
      await child.kill();
      await load.stop();
    } else {
      const { signal } = await child.ended;
      if (signal !== null) how = "killed";
      if (ready !== undefined && ready.refused === "none")
        throw new Error(`${nameOf(fault)}: refused without a code: ${ready.message ?? ""}`);
    }
    met[how]++;
    if (how === "killed" || readFileSync(log, "latin1").includes("(INJECTED)")) injected++;
    rememberCheckpoint(place, told);
    options.progress?.(fault, `${how}${ready?.refused === undefined ? "" : ` (${ready.refused})`}`, told);
    const plain = startChild(place, upstream.url);
    const again = await plain.ready;
    if (again?.url === undefined)
      throw new Error(
        `after ${nameOf(fault)} it does not start: ${JSON.stringify(again)} ${(await plain.ended).stderr}`,
      );
    vkey = again.vkey;
    if ((await plain.stop()) !== 0)
      throw new Error(`after ${nameOf(fault)} it does not end in good order: ${(await plain.ended).stderr}`);
  }
  const checked = await check(place, vkey, told, upstream.reached);
  return {
    faults: faults.length,
    injected,
    checkpoints: told.checkpoints.size,
    met,
    acknowledged: told.acknowledged.size,
    statuses: told.statuses,
    checked,
  };
}
