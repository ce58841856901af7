import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { VerifyError } from "@spur/verifier/errors";
import { useSha256 } from "@spur/verifier/hash";
import type { LeafHash } from "@spur/verifier/tlog/merkle";
import { TILE_WIDTH } from "@spur/verifier/tlog/tile";
import { digestBundle, type BundleDigest } from "./audit-bundle.ts";
import { pack, unpack, type Packed } from "./audit-pack.ts";
import { CliError } from "./errors.ts";
import { openFolder, type LogReader } from "./fetch-log.ts";
import { nativeSha256 } from "./native-sha256.ts";

/** Bundles of a log, read with their tiles and digested. */
export interface BundleSource {
  /** How many bundles to ask for in one run, and how many runs at the same time: what is read of them is held in memory. */
  readonly run: number;
  readonly ahead: number;
  /** Bundles one after the other, up to the first that cannot be read. */
  read(wanted: readonly Wanted[]): Promise<Run>;
  close(): Promise<void>;
}

export interface Wanted {
  readonly index: number;
  readonly width: number;
  /** The caller needs the leaf hashes of a full bundle too. */
  readonly leaves: boolean;
}

export interface Run {
  readonly digests: readonly BundleDigest[];
  /** What `LogReader.bundle` or `tile` threw for the next one. */
  readonly error?: Error;
}

const MAX_THREADS = 4;
/** Below so many bundles the start of the threads takes longer than they save. */
const WORTHWHILE = 100;
/** Runs under way without threads, or over a network: its delay is paid once for several. */
const AHEAD = 8;
/** Bundles in one message between threads, which costs as much as parsing thirty entries. */
const RUN = 4;
const ROLE = "spur-audit";

/** How many threads are worth starting for so many bundles; 0: none beside our own. */
export function threadsFor(bundles: number): number {
  const cores = availableParallelism();
  return bundles < WORTHWHILE || cores < 2 ? 0 : Math.min(MAX_THREADS, cores);
}

/** A folder's files are read by the threads; what comes over a network is read here and digested there. */
export function openBundles(log: LogReader, threads: number): BundleSource {
  if (threads > 0) return startThreads(log, threads);
  return { run: 1, ahead: AHEAD, read: (wanted) => readRun(log, wanted, (digest) => digest), close: async () => {} };
}

/** `keep` makes of each digest what outlives the next: what `openFolder` reads is overwritten then. */
async function readRun<T>(
  log: LogReader,
  wanted: readonly Wanted[],
  keep: (digest: BundleDigest, wanted: Wanted) => T,
): Promise<{ readonly digests: readonly T[]; readonly error?: Error }> {
  const digests: T[] = [];
  for (const one of wanted) {
    try {
      digests.push(keep(digestBundle(one.index * TILE_WIDTH, ...(await filesOf(log, one))), one));
    } catch (error) {
      return { digests, error: error as Error };
    }
  }
  return { digests };
}

type Files = [entries: readonly Uint8Array[] | undefined, served: Uint8Array];

/** Both at a time; where both fail, it is the bundle that is told of, whichever was sooner. */
async function filesOf(log: LogReader, { index, width }: Wanted): Promise<Files> {
  const bundle = log.bundle({ index, width });
  const tile = log.tile({ level: 0, index, width });
  tile.catch(() => {});
  return [await bundle, await tile];
}

/** Main thread -> worker. */
interface Job {
  readonly id: number;
  readonly wanted: readonly Wanted[];
  /** Absent where the worker reads them from the folder itself. */
  readonly files?: Files;
}

/** Worker -> main thread. */
interface Done {
  readonly id: number;
  readonly digests: readonly PackedDigest[];
  readonly error?: WireError;
}

type PackedDigest = Omit<BundleDigest, "items"> & { readonly packed?: Packed };

interface WireError {
  readonly kind: "verify" | "cli" | "other";
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
}

interface Waiting {
  readonly resolve: (run: Run) => void;
  readonly reject: (error: Error) => void;
}

function startThreads(log: LogReader, threads: number): BundleSource {
  const { folder } = log;
  const waiting = new Map<number, Waiting>();
  let dead: Error | undefined;
  const fail = (error: Error): void => {
    dead ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { role: ROLE, folder } });
    worker.on("message", ({ id, digests, error }: Done) => {
      const one = waiting.get(id);
      waiting.delete(id);
      one?.resolve({ digests: digests.map(unpacked), ...(error === undefined ? {} : { error: thrownOf(error) }) });
    });
    worker.on("error", (error) => fail(error as Error));
    worker.on("exit", () => fail(new Error("a thread of the audit ended")));
    return worker;
  });
  let next = 0;
  const ask = (job: Omit<Job, "id">): Promise<Run> =>
    new Promise((resolve, reject) => {
      if (dead !== undefined) {
        reject(dead);
        return;
      }
      const id = next++;
      waiting.set(id, { resolve, reject });
      workers[id % threads]?.postMessage({ id, ...job } satisfies Job);
    });
  return {
    ...(folder === undefined ? { run: 1, ahead: AHEAD } : { run: RUN, ahead: threads + 2 }),
    async read(wanted) {
      const [one] = wanted;
      if (folder !== undefined || one === undefined) return ask({ wanted });
      try {
        return await ask({ wanted: [one], files: await filesOf(log, one) });
      } catch (error) {
        return { digests: [], error: error as Error };
      }
    },
    async close() {
      waiting.clear();
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function work(folder: string | undefined): void {
  useSha256(nativeSha256);
  const log = folder === undefined ? undefined : openFolder(folder);
  const answer = async ({ id, wanted, files }: Job): Promise<void> => {
    const [one] = wanted;
    const { digests, error } =
      log !== undefined
        ? await readRun(log, wanted, packed)
        : { digests: one && files ? [packed(digestBundle(one.index * TILE_WIDTH, ...files), one)] : [] };
    const done: Done = { id, digests, ...(error === undefined ? {} : { error: errorOf(error) }) };
    const buffers = digests.flatMap((digest) => digest.packed?.numbers.buffer ?? []);
    parentPort?.postMessage(done, buffers as ArrayBuffer[]);
  };
  // What is thrown here ends the thread, and the audit with it.
  parentPort?.on("message", (job: Job) => void answer(job));
}

function packed({ items, ...digest }: BundleDigest, wanted: Wanted): PackedDigest {
  const needed = wanted.leaves || items === undefined || digest.subtree === undefined;
  return {
    ...digest,
    // Copies: some are views of a tile, which would go along whole.
    leaves: needed ? digest.leaves.map((leaf) => leaf.slice() as LeafHash) : [],
    ...(items === undefined ? {} : { packed: pack(items) }),
  };
}

function unpacked({ packed, ...digest }: PackedDigest): BundleDigest {
  return { ...digest, ...(packed === undefined ? {} : { items: unpack(packed) }) };
}

function errorOf(error: unknown): WireError {
  if (error instanceof VerifyError) return { kind: "verify", code: error.code, detail: error.detail };
  if (error instanceof CliError) {
    const { code, detail, hint } = error;
    return { kind: "cli", code, detail, ...(hint === undefined ? {} : { hint }) };
  }
  const { code, message } = error as NodeJS.ErrnoException;
  return { kind: "other", code: code ?? "", detail: message };
}

function thrownOf({ kind, code, detail, hint }: WireError): Error {
  if (kind === "verify") return new VerifyError(code, detail);
  if (kind === "cli") return new CliError(code, detail, hint === undefined ? {} : { hint });
  // As the file system says it.
  return Object.assign(new Error(detail), code === "" ? {} : { code, syscall: "read" });
}

if (!isMainThread) {
  const { role, folder } = (workerData ?? {}) as { role?: string; folder?: string };
  if (role === ROLE) work(folder);
}
