import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { headIn, type Claim, type Head, type Told } from "./claims.ts";
import { Disk, FolderNode } from "./disk.ts";
import { FileNode } from "./file.ts";
import type { StepFault } from "./steps-preload.ts";
import type { StoryOptions } from "./story-driver.ts";
import { readTrace, straceInto, type Moment } from "./trace.ts";

const DRIVER = fileURLToPath(new URL("story-driver.ts", import.meta.url));
const PRELOAD = new URL("steps-preload.ts", import.meta.url).href;

/** Processes that ran one after the other on the same folders, everything they did to the disk, and what lay there before. */
export interface Recording {
  /** Holds `start`, if there was anything, and `0.trace`, `1.trace` … */
  readonly folder: string;
  /** What the world had been told before. */
  readonly before: Told;
  /** Files of `start` that are in the page cache only. */
  readonly lost?: readonly string[];
}

/** Where a recorded ledger keeps its folders. */
export const liveOf = ({ folder }: Recording): string => join(folder, "live");

export const tracesOf = ({ folder }: Recording): string[] =>
  readdirSync(folder).filter((name) => name.endsWith(".trace")).sort((a, b) => parseInt(a) - parseInt(b)).map((name) => join(folder, name)); // prettier-ignore

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const killed = ({ code, signal }: Ended): boolean => signal === "SIGKILL" || code === 137;

/** Codes with which a ledger may refuse when calls fail under it. */
const BY_DISK = /^(data\/io|log\/commit-unknown|log\/not-published|log\/no-quorum|E[A-Z]+) /;

/** What is wrong with an end under a fault of the disk: it may be killed, refuse by name, end as it must after a commit, or go on. */
export function notByDisk(ended: Ended, fault: string): string | undefined {
  const { code, signal, stderr } = ended;
  if (killed(ended) || code === 0 || code === 70 || (code === 3 && BY_DISK.test(stderr))) return undefined;
  return `under ${fault} it ended with ${String(code ?? signal)}: ${stderr.trim()}`;
}

/** What stands around the driver of a story. */
export interface Around {
  /** A command, with its options, that it runs under. */
  readonly before: readonly string[];
  /** Folder for compiled code, which makes starts quicker. */
  readonly cache: string;
  /** Loaded before the driver, in each of its threads. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the driver of a story. It has no way to write files that strace does not see. */
export function runDriver(options: StoryOptions, { before, cache, preload, env = {} }: Around): Promise<Ended> {
  const imports = preload === undefined ? [] : ["--import", preload];
  const args = [...before, process.execPath, "--no-warnings", ...imports, DRIVER, JSON.stringify(options)];
  const around = { PATH: process.env["PATH"], NODE_COMPILE_CACHE: cache, UV_USE_IO_URING: "0", ...env };
  return new Promise((resolve, reject) => {
    const child = spawn(args[0] as string, args.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: around, timeout: 60_000, killSignal: "SIGKILL" }); // prettier-ignore
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (bytes: Buffer) => (stdout += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-4000)));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs one more process of a recording. `calls`: options of strace that make calls fail; `step`: a step of the ledger that fails. */
export async function recordProcess(
  recording: Recording,
  options: Omit<StoryOptions, "data" | "keys">,
  cache: string,
  { calls = [], step }: { readonly calls?: readonly string[]; readonly step?: StepFault } = {},
): Promise<Ended> {
  const live = liveOf(recording);
  mkdirSync(live, { recursive: true });
  const trace = join(recording.folder, `${tracesOf(recording).length}.trace`);
  return runDriver(
    { ...options, data: join(live, "data"), keys: join(live, "data-keys") },
    {
      before: ["strace", ...straceInto(trace), ...calls],
      cache,
      ...(step === undefined ? {} : { preload: PRELOAD, env: { SPUR_STEP: JSON.stringify(step) } }),
    },
  );
}

/** A recording that is followed from its beginning: the disk, and what the world had been told, after each moment. */
export class Following {
  readonly disk: Disk;
  readonly #claims: Claim[];
  readonly #heads: Head[];

  constructor(recording: Recording) {
    const start = join(recording.folder, "start");
    this.disk = new Disk(liveOf(recording), existsSync(start) ? start : undefined, recording.lost);
    this.#claims = [...recording.before.claims];
    this.#heads = [...recording.before.heads];
  }

  get told(): Told {
    return { claims: this.#claims, heads: this.#heads };
  }

  /** True if anything changed on the disk or in the world. */
  follow(moment: Moment): boolean {
    const changed = this.disk.apply(moment);
    return this.#listen(moment) || changed;
  }

  #listen({ when, call }: Moment): boolean {
    const fd = Number(call.args[0]);
    if (when === "begin" && (call.name === "write" || call.name === "writev") && !this.disk.has(fd)) {
      const bytes = call.args[1] as Buffer;
      if (fd === 1) this.#claims.push(...bytes.toString().trimEnd().split("\n").map((line) => JSON.parse(line) as Claim)); // prettier-ignore
      return fd === 1 || (bytes.length > 60 && this.#leaves(bytes));
    }
    // Readers may have got the checkpoint as soon as it is in its place.
    if (when === "end" && call.name === "rename" && call.result === 0 && String(call.args[1]).endsWith("/log/checkpoint")) {
      const node = this.disk.at("data/log/checkpoint");
      return node instanceof FileNode && this.#leaves(node.seen);
    } // prettier-ignore
    return false;
  }

  #leaves(bytes: Buffer): boolean {
    const head = headIn(bytes);
    if (head !== undefined) this.#heads.push(head);
    return head !== undefined;
  }
}

/** Follows a whole recording; halts after each moment at which anything changed, and counts them. */
export function* follow(recording: Recording): Generator<{ readonly nth: number; readonly following: Following }> {
  const following = new Following(recording);
  let nth = 0;
  for (const trace of tracesOf(recording)) {
    following.disk.newProcess();
    for (const moment of readTrace(trace)) if (following.follow(moment)) yield { nth: nth++, following };
  }
}

/** Where the recorded disk and the real folders differ: nowhere, if the recorder has seen everything. */
export function differences(folder: FolderNode, path: string): string[] {
  const real = new Set(existsSync(path) ? readdirSync(path) : []);
  const found: string[] = [];
  for (const name of new Set([...real, ...folder.names.keys()])) {
    const at = join(path, name);
    const node = folder.at(name);
    if (node === undefined) {
      if (real.has(name)) found.push(`${at} is not in the recording`);
    } else if (!real.has(name)) found.push(`${at} is in the recording only`);
    else if (node instanceof FolderNode) found.push(...differences(node, at));
    else if (statSync(at).isDirectory()) found.push(`${at} is a folder`);
    else if (!name.endsWith("-shm") && !readFileSync(at).equals(node.seen)) found.push(`${at} has other bytes`);
  }
  return found;
}
