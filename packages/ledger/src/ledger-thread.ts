import { Worker } from "node:worker_threads";
import type { SignedReceipt } from "./core/publication.ts";
import type { CoreInfo, Op } from "./core/types.ts";
import { Bug, SpurError } from "./errors.ts";
import { Packer, unpackCommitted } from "./wire.ts";
import type { Calls, FromWorker, ToWorker, WireError, WorkerOptions } from "./worker.ts";

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };
type Arguments<Name extends keyof Calls> = Calls[Name] extends (core: never, ...args: infer A) => unknown ? A : never;
type Result<Name extends keyof Calls> = Awaited<ReturnType<Calls[Name]>>;

const FLUSH_AT = 64;
/** What a commit leaves behind is collected often and soon: by default V8 lets three times as much pile up in each thread, and keeps it. */
const YOUNG_MB = 16;

/** The worker thread as the main thread sees it. Operations of one turn of the event loop travel together. */
export class LedgerThread {
  readonly info: CoreInfo;
  readonly #worker: Worker;
  readonly #waiting: Map<number, Waiting>;
  /** Operations for the next message. */
  #packer = new Packer();
  #waitingOps = 0;
  #commits = 0;
  #next = 1;
  #ended: SpurError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(worker: Worker, info: CoreInfo, waiting: Map<number, Waiting>) {
    this.#worker = worker;
    this.info = info;
    this.#waiting = waiting;
  }

  /** Starts the thread and recovers. Rejects with the reason why the ledger must not run. `onFatal`: the process must end. */
  static async start(options: WorkerOptions, onFatal: (error: SpurError) => void): Promise<LedgerThread> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    const waiting = new Map<number, Waiting>();
    const started: { thread?: LedgerThread } = {};
    const end = (error: SpurError): void => {
      if (started.thread !== undefined) started.thread.#ended ??= error;
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    };
    let told = false;
    const tellFatal = (error: SpurError): void => {
      if (!told) onFatal(error);
      told = true;
    };
    const info = new Promise<CoreInfo>((resolve, reject) => {
      waiting.set(0, { resolve: resolve, reject });
    });
    worker.on("message", (message: FromWorker) => {
      if ("fatal" in message) {
        const error = fromWire(message.fatal) as SpurError;
        end(error);
        tellFatal(error);
        return;
      }
      if ("committed" in message) {
        if (started.thread !== undefined) started.thread.#commits++;
        unpackCommitted(message.committed, (id, entries) => {
          const one = waiting.get(id);
          waiting.delete(id);
          one?.resolve(entries as never);
        });
        return;
      }
      for (const { id, value, error } of message.results) {
        const one = waiting.get(id);
        waiting.delete(id);
        if (error === undefined) one?.resolve(value as never);
        else one?.reject(fromWire(error));
      }
    });
    worker.on("error", (cause) => {
      const error = new SpurError("log/commit-unknown", `the ledger's thread failed: ${(cause as Error).message}`, {
        status: 503,
        cause,
      });
      end(error);
      tellFatal(error);
    });
    worker.on("exit", () => {
      end(new SpurError("ledger/closed", "the ledger is closed", { status: 503 }));
    });
    started.thread = new LedgerThread(worker, await info, waiting);
    return started.thread;
  }

  /** Commits one operation; what else is asked in this turn of the event loop travels with it. */
  commit(op: Op): Promise<{ index: number; leaf: Uint8Array }[]> {
    return this.#ask((id) => {
      this.#packer.add(id, op);
      const waiting = ++this.#waitingOps;
      // Half of many that are ready together goes ahead: the worker commits it while this thread prepares the rest.
      if (waiting >= FLUSH_AT) this.#flush();
      else if (waiting === 1) {
        setImmediate(() => {
          this.#flush();
        });
      }
    });
  }

  /** Transactions so far that committed operations. */
  get commits(): number {
    return this.#commits;
  }

  #flush(): void {
    if (this.#waitingOps === 0) return;
    const packed = this.#packer.packed();
    this.#packer = new Packer();
    this.#waitingOps = 0;
    this.#worker.postMessage({ packed } satisfies ToWorker, [packed.bytes.buffer]);
  }

  /** Calls a method of the core in its thread, after all that was asked before. */
  call<Name extends keyof Calls>(call: Name, ...args: Arguments<Name>): Promise<Result<Name>> {
    return this.#ask((id) => {
      this.#flush();
      this.#worker.postMessage({ id, call, args } satisfies ToWorker);
    });
  }

  /** Signs receipts (after `seen` was advanced over all that is committed). */
  receipts(texts: readonly string[]): Promise<SignedReceipt[]> {
    return this.call("receipts", texts);
  }

  #ask<T>(post: (id: number) => void): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve, reject });
      post(id);
    });
  }

  /** Ends what was asked before; waits until it is in files; lets go of the folders and ends the thread. Asked later: `ledger/closed`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended === undefined) {
      const closed = this.call("close");
      this.#ended = new SpurError("ledger/closed", "the ledger is closed", { status: 503 });
      await closed.catch(() => undefined);
    }
    await this.#worker.terminate();
  }
}

function fromWire(error: WireError): Error {
  if (error.bug === true) return new Bug(error.detail);
  return new SpurError(error.code, error.detail, {
    status: error.status,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
