import { Worker } from "node:worker_threads";
import { Bug } from "../errors.ts";
import type { Projection } from "./fold.ts";
import type { Page } from "./page.ts";

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void };
type Query = Exclude<keyof Projection, "fold" | "size">;

const PAGE = 128;
/** Of the memory for what is soon forgotten: by default V8 takes three times as much, and keeps it. */
const YOUNG_MB = 16;

/** The projections as the main thread sees them: every query first folds what the log has got since. */
export class Projector {
  readonly #worker: Worker;
  readonly #read: (from: number, count: number) => Promise<Page>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #next = 1;
  #folding: Promise<void> | undefined;

  /** `read` gives entries of the log from an index on. Folds in the background every `everyMs`. */
  constructor(path: string, read: (from: number, count: number) => Promise<Page>, everyMs = 500) {
    this.#read = read;
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: path,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker.unref();
    this.#worker.on("message", ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
      const one = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) one?.resolve(value as never);
      else one?.reject(new Bug(error));
    });
    this.#worker.on("error", (error) => {
      for (const one of this.#waiting.values()) one.reject(error as Error);
      this.#waiting.clear();
    });
    this.#timer = setInterval(() => void this.catchUp().catch(() => undefined), everyMs);
    this.#timer.unref();
  }

  #call<T>(call: keyof Projection, args: readonly unknown[], transferred: ArrayBuffer[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve, reject });
      this.#worker.postMessage({ id, call, args }, transferred);
    });
  }

  /** Folds up to the present end of the log. */
  catchUp(): Promise<void> {
    this.#folding ??= (async () => {
      for (;;) {
        const from = await this.#call<number>("size", []);
        const page = await this.#read(from, PAGE);
        if (page.lengths.length === 0) return;
        await this.#call("fold", [from, page], [page.bytes.buffer]);
      }
    })().finally(() => {
      this.#folding = undefined;
    });
    return this.#folding;
  }

  async query<Name extends Query>(
    call: Name,
    ...args: Parameters<Projection[Name]>
  ): Promise<ReturnType<Projection[Name]>> {
    await this.#folding; // one that began before the caller's own write may miss it
    await this.catchUp();
    return this.#call(call, args);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#folding?.catch(() => undefined);
    await this.#worker.terminate();
  }
}
