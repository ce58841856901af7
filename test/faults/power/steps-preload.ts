// Loaded before a driver, in each of its threads: one step of the ledger, by what it is and where, ends the process or fails.
import { isMainThread } from "node:worker_threads";
import { installSteps, systemError, watch, type Step } from "../steps.ts";

/** In the environment as SPUR_STEP, in JSON. */
export interface StepFault {
  readonly what: Step["what"];
  /** A regular expression. */
  readonly path: string;
  readonly when: Step["when"];
  /** The first, second … of these, in each thread. */
  readonly nth: number;
  readonly act: "kill" | "EIO" | "ENOSPC";
}

const text = process.env["SPUR_STEP"];
if (text !== undefined) {
  const { what, path, when, nth, act } = JSON.parse(text) as StepFault;
  const where = new RegExp(path);
  let left = nth;
  installSteps();
  watch((step) => {
    if (step.what !== what || step.when !== when || !where.test(step.path) || --left !== 0) return;
    if (act !== "kill") throw systemError(act, `${what} (${isMainThread ? "main" : "other"} thread)`);
    process.kill(process.pid, "SIGKILL");
    for (;;); // until it is there
  });
}
