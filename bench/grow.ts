// Grows a log to a size, in a process of its own: a whole ledger (HTTP server and projections too), appended to in process.
// Arguments: folder, entries. Prints one JSON document and stays until it is told to stop.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { startLedger } from "@spur/ledger/main";
import { newRec } from "@spur/ledger/record";
import { recordAll, unsealedDraft } from "./ledger-in-process.ts";

/** What it prints. */
export interface Grown {
  readonly perSecond: number;
  /** Resident memory in MB, idle, at each of these sizes. */
  readonly rss: readonly { readonly size: number; readonly mb: number }[];
}

const STEP = 10_000;
const IN_FLIGHT = 256;
const IDLE_MS = 6_000;

if (import.meta.main) {
  const [folder = "", wanted = "0"] = process.argv.slice(2);
  const target = Number(wanted);
  const running = await startLedger({
    data: join(folder, "data"),
    port: 0,
    discover: false,
    origin: "bench.spur.invalid/log",
    env: {},
    cwd: folder,
  });
  const { ledger } = running;
  const run = newRec();
  const digest = (): string => randomBytes(32).toString("hex");
  await ledger.record([{ rec: run, predicateType: "spur:training-run/v1", predicate: { datasets: [], code: digest(), config: digest(), steps: 1, seed: 1 }, slots: [], evidence: "reported", retention: "training", owner: "bench" }]); // prettier-ignore
  const rss: { size: number; mb: number }[] = [];
  const rates: number[] = [];
  const marks = [0.1, 0.5, 1].map((share) => share * target);
  for (let size = (await ledger.thread.call("head")).size; size < target;) {
    const count = Math.min(STEP, target - size);
    rates.push((await recordAll(ledger, count, (i) => unsealedDraft(run, size + i), IN_FLIGHT)).perSecond);
    size += count;
    if (size >= (marks[0] ?? Infinity)) {
      marks.shift();
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS)); // publication, pruning and projections catch up
      rss.push({ size, mb: process.memoryUsage.rss() / 1e6 });
    }
  }
  await running.publish();
  const seconds = rates.reduce((sum, rate) => sum + STEP / rate, 0);
  process.stdout.write(JSON.stringify({ perSecond: (rates.length * STEP) / seconds, rss } satisfies Grown));
  process.on("SIGTERM", () => {
    void running.close().then(() => process.exit(0));
  });
}
