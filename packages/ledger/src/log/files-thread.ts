import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { diskErrorByName, SpurError } from "../errors.ts";
import type { LogFile } from "./tiles.ts";
import { writeImmutable } from "./write-files.ts";

// The thread that writes full tiles and bundles, so that the one that commits does nothing but commit. Both ends stand here.

const ROLE = "spur files";
type Job = { readonly id: number; readonly files: readonly LogFile[] };
type Done = { readonly id: number; readonly error?: { code: string; detail: string; status: number; hint?: string } };

if (!isMainThread && workerData === ROLE && parentPort !== null) {
  const port = parentPort;
  port.on("message", ({ id, files }: Job) => {
    void work(files).then((failed) => {
      port.postMessage({ id, ...failed } satisfies Done);
    });
  });
}

async function work(files: readonly LogFile[]): Promise<Pick<Done, "error">> {
  try {
    await writeImmutable(files);
    return {};
  } catch (thrown) {
    const { code, detail, status, hint } = diskErrorByName(thrown) as SpurError;
    return { error: { code, detail, status, ...(hint === undefined ? {} : { hint }) } };
  } finally {
    // At once, not when this thread next collects: it has little else to collect, and would hold megabytes until then.
    for (const { bytes } of files) (bytes.buffer as ArrayBuffer).transfer(0);
  }
}

type Waiting = { resolve: () => void; reject: (error: Error) => void };

/** Writes files in a thread of its own, which starts with the first of them. */
export class FilesThread {
  #worker: Worker | undefined;
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** Resolves when all are durable and were read back. Their buffers belong to the other thread from here on. */
  write(files: readonly LogFile[]): Promise<void> {
    if (files.length === 0) return Promise.resolve();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      worker.ref();
      this.#waiting.set(id, { resolve, reject });
      const buffers = files.map(({ bytes }) => bytes.buffer).filter((buffer) => buffer instanceof ArrayBuffer);
      worker.postMessage({ id, files } satisfies Job, buffers);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL(import.meta.url), { workerData: ROLE, resourceLimits: { maxYoungGenerationSizeMb: 4 } }); // prettier-ignore
    worker.on("message", ({ id, error }: Done) => {
      const one = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref(); // an idle thread keeps no process alive
      if (error === undefined) one?.resolve();
      else one?.reject(new SpurError(error.code, error.detail, error));
    });
    worker.on("error", (error) => {
      this.#fail(error as Error);
    });
    worker.on("exit", () => {
      this.#fail(new SpurError("data/io", "the thread that writes files ended", { status: 503 }));
    });
    return worker;
  }

  /** The next files start a new thread. */
  #fail(error: Error): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}
