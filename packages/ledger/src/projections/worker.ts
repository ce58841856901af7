import { rmSync } from "node:fs";
import { setPriority } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { Projection } from "./fold.ts";

// The projections' own thread: their database can be deleted at any time and is folded again from the log.
const path = workerData as string;
// What waits for a fold is a page; what it could delay is an answer. On Linux a thread has a priority of its own, elsewhere only the process.
if (process.platform === "linux") setPriority(10);

function open(): Projection {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    return new Projection(database);
  } catch {
    database?.close(); // by its end, whenever that came, it would take the new one's files away
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    return new Projection(new DatabaseSync(path));
  }
}

const projection = open();
parentPort?.on("message", ({ id, call, args }: { id: number; call: keyof Projection; args: unknown[] }) => {
  try {
    const method = projection[call].bind(projection) as (...args: unknown[]) => unknown;
    const value = method(...args);
    parentPort?.postMessage({ id, value });
  } catch (error) {
    parentPort?.postMessage({ id, error: (error as Error).message });
  }
});
