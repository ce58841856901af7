import { parentPort, workerData } from "node:worker_threads";
import { useSha256 } from "@spur/verifier/hash";
import { useMlDsa44 } from "@spur/verifier/note/cosignature";
import { verifyMlDsa44 } from "@spur/verifier/note/ml-dsa";
import { Core } from "./core.ts";
import { CALLS } from "./core/calls.ts";
import type { SignedReceipt } from "./core/publication.ts";
import type { CoreOptions, Op, OpResult } from "./core/types.ts";
import { Bug, diskErrorByName, SpurError } from "./errors.ts";
import { FilesThread } from "./log/files-thread.ts";
import type { LogFile } from "./log/tiles.ts";
import { nativeSha256 } from "./native-sha256.ts";
import type { Page } from "./projections/page.ts";
import { packCommitted, unpackOps, type Committed, type Packed } from "./wire.ts";

// The ledger's worker thread: takes what arrived while the last commit ran and commits it as one transaction.

/** Main thread -> worker. */
export type ToWorker =
  { readonly packed: Packed } | { readonly id: number; readonly call: string; readonly args: readonly unknown[] };

/** An error as it crosses threads. */
export interface WireError {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  readonly hint?: string;
  readonly bug?: true;
}

/** Worker -> main thread. */
export type FromWorker =
  | { readonly committed: Committed }
  | { readonly results: readonly { readonly id: number; readonly value?: unknown; readonly error?: WireError }[] }
  | { readonly fatal: WireError };

export interface WorkerOptions extends Omit<CoreOptions, "now" | "writeFiles" | "witnessing"> {
  readonly publishEveryMs: number;
}

const MAX_BATCH = 4096;
const SEEN_EVERY_MS = 100;

useSha256(nativeSha256);
useMlDsa44(verifyMlDsa44);

const port = parentPort;
if (port === null) throw new Bug("worker.ts runs in a worker thread");
const options = workerData as WorkerOptions;

type Item = { id: number; op: Op } | { id: number; call: string; args: readonly unknown[] };
const queue: Item[] = [];
let running = false;
let closing = false;
let dead = false;
let core: Core | undefined;
const files = new FilesThread();
let publishing: Promise<unknown> = Promise.resolve();
let timer: NodeJS.Timeout | undefined;

function wire(thrown: unknown): WireError {
  const error = diskErrorByName(thrown);
  if (error instanceof SpurError) {
    return {
      code: error.code,
      detail: error.detail,
      status: error.status,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
  const known = error as Error & { code?: string; detail?: string };
  if (known.detail !== undefined && known.code !== undefined)
    return { code: known.code, detail: known.detail, status: 500 };
  return { code: "ledger/bug", detail: `${known.name}: ${known.message}`, status: 500, bug: true };
}

const send = (message: FromWorker): void => {
  port.postMessage(message);
};

/** A failed commit leaves the outcome unknown: everyone who waits is told so, and nothing is tried again on this handle. */
function die(error: unknown): void {
  if (timer !== undefined) clearInterval(timer);
  const closes = queue.filter((item) => "call" in item && item.call === "close");
  send({ results: queue.splice(0).filter((item) => !closes.includes(item)).map(({ id }) => ({ id, error: wire(error) })) }); // prettier-ignore
  if (!dead) send({ fatal: wire(error) });
  dead = true;
  for (const { id } of closes) void answer(core as Core, id, "close", []); // the locks are let go all the same
}

async function drain(ledger: Core): Promise<void> {
  if (ledger.dead !== undefined) {
    die(ledger.dead);
    return;
  }
  if (running) return;
  running = true;
  try {
    while (queue.length > 0) {
      // Lets messages in that arrived during the last commit: they make the next batch.
      await new Promise((resolve) => setImmediate(resolve));
      while (ledger.publication.behind) await new Promise((resolve) => setTimeout(resolve, 1));
      const batch: { id: number; op: Op }[] = [];
      while (batch.length < MAX_BATCH && queue[0] !== undefined && "op" in queue[0])
        batch.push(queue.shift() as { id: number; op: Op });
      if (batch.length > 0) {
        if (!commit(ledger, batch)) return;
      }
      while (queue[0] !== undefined && "call" in queue[0]) {
        const { id, call, args } = queue.shift() as { id: number; call: string; args: readonly unknown[] };
        void answer(ledger, id, call, args);
      }
      if (ledger.dead !== undefined) {
        die(ledger.dead);
        return;
      }
    }
  } finally {
    running = false;
  }
}

/** Commits and tells all who wait; false when the process must end. */
function commit(ledger: Core, batch: readonly { id: number; op: Op }[]): boolean {
  let results: OpResult[];
  try {
    results = ledger.commit(batch.map(({ op }) => op));
  } catch (error) {
    send({ results: batch.map(({ id }) => ({ id, error: wire(error) })) });
    die(error);
    return false;
  }
  const done: { id: number; entries: Extract<OpResult, { entries: unknown }>["entries"] }[] = [];
  const refused: { id: number; error: WireError }[] = [];
  results.forEach((result, i) => {
    const { id } = batch[i] as { id: number };
    if ("refused" in result) refused.push({ id, error: wire(result.refused) });
    else done.push({ id, entries: result.entries });
  });
  if (refused.length > 0) send({ results: refused });
  const committed = packCommitted(done);
  port?.postMessage({ committed } satisfies FromWorker, [committed.leaves.buffer]);
  return true;
}

/** One publication at a time; who asks while one runs gets the next. */
function publish(ledger: Core): ReturnType<Core["publication"]["publish"]> {
  const turn = publishing.then(() => ledger.publication.publish());
  publishing = turn.catch(() => undefined);
  return turn;
}

/** Rows that are published and in files go, one small transaction between two commits. */
async function prune(ledger: Core): Promise<void> {
  while (!closing && ledger.publication.prune()) await new Promise((resolve) => setImmediate(resolve));
}

let receiptsWaiting: {
  texts: readonly string[];
  resolve: (receipts: SignedReceipt[]) => void;
  reject: (error: unknown) => void;
}[] = [];

/** `seen` is synced once for all receipts of the last 100 ms. */
function receipts(ledger: Core, texts: readonly string[]): Promise<SignedReceipt[]> {
  return new Promise((resolve, reject) => {
    receiptsWaiting.push({ texts, resolve, reject });
    if (receiptsWaiting.length > 1) return;
    setTimeout(() => {
      signWaiting(ledger);
    }, Math.max(0, lastSeenAt + SEEN_EVERY_MS - performance.now())); // prettier-ignore
  });
}
let lastSeenAt = 0;

function signWaiting(ledger: Core): void {
  const waiting = receiptsWaiting;
  receiptsWaiting = [];
  for (const one of waiting) {
    try {
      one.resolve(ledger.publication.signReceipts(one.texts));
    } catch (error) {
      one.reject(error);
    }
  }
  lastSeenAt = performance.now();
}

const calls = {
  ...CALLS,
  publish: (ledger: Core) => publish(ledger),
  receipts: (ledger: Core, texts: readonly string[]) => receipts(ledger, texts),
  async close(ledger: Core): Promise<void> {
    closing = true;
    if (timer !== undefined) clearInterval(timer);
    ledger.publication.letGoOfWitnesses();
    await publishing;
    signWaiting(ledger); // `seen` is not written any more once the folders are let go
    await ledger.close();
    await files.close();
  },
};
export type Calls = typeof calls;

async function answer(ledger: Core, id: number, call: string, args: readonly unknown[]): Promise<void> {
  try {
    const work = (calls as Record<string, unknown>)[call] as
      ((ledger: Core, ...args: readonly unknown[]) => unknown) | undefined;
    if (work === undefined) throw new Bug(`no call ${call}`);
    const value = await work(ledger, ...args);
    const page = call === "readPage" ? [(value as Page).bytes.buffer] : [];
    port?.postMessage({ results: [{ id, value }] } satisfies FromWorker, page);
  } catch (error) {
    send({ results: [{ id, error: wire(error) }] });
    if (ledger.dead !== undefined) die(ledger.dead);
  }
}

async function start(): Promise<void> {
  const { publishEveryMs, ...rest } = options;
  const writeFiles = (list: readonly LogFile[]): Promise<void> => files.write(list);
  const ledger = await Core.open({ ...rest, now: () => performance.now(), writeFiles });
  core = ledger;
  let busy = false;
  timer = setInterval(() => {
    if (busy) return; // a slow disk must not let turns pile up
    busy = true;
    publish(ledger)
      .then(() => prune(ledger))
      .then(() => {
        if (queue.length === 0 && !closing) ledger.tidy();
      })
      .catch(() => {
        if (ledger.dead !== undefined) die(ledger.dead); // every other error stands in head().failed, and the next turn tries again
      })
      .finally(() => {
        busy = false;
      });
  }, publishEveryMs);
  timer.unref();
}

port.on("message", (message: ToWorker) => {
  if ("packed" in message) for (const one of unpackOps(message.packed)) queue.push(one);
  else queue.push(message);
  if (core !== undefined) void drain(core);
});

start().then(
  () => {
    send({ results: [{ id: 0, value: (core as Core).info }] });
    void drain(core as Core);
  },
  (error: unknown) => {
    send({ results: [{ id: 0, error: wire(error) }] });
    port.close();
  },
);
