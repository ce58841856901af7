import { basename, dirname } from "node:path";
import { systemError, type Step, type Watcher } from "../steps.ts";

/** One step of a story that fails: before it is done ("did not persist"), or after ("persisted all the same"). */
export interface MatrixFault {
  readonly story: "creation" | "life";
  readonly when: Step["when"];
  /** Counted from 0, among all steps of the story. */
  readonly nth: number;
  readonly code: "EIO" | "ENOSPC";
  /** So many steps of the same kind fail in a row. */
  readonly times: number;
}

export const nameOf = ({ story, when, nth, code, times }: MatrixFault): string => `${story}:${when}:${nth}:${code}:${times}`; // prettier-ignore

/** Throws for a text that names none. */
export function parseFault(name: string): MatrixFault {
  const match = /^(creation|life):(before|after):(\d+):(EIO|ENOSPC):(\d+)$/.exec(name);
  if (match === null) throw new Error(`${name} names no step that fails`);
  const [, story, when, nth, code, times] = match;
  return { story, when, code, nth: Number(nth), times: Number(times) } as MatrixFault;
}

/** A step as a person wants to read it. */
export const describeStep = ({ what, path, when }: Step): string => `${when} ${what} ${basename(dirname(path))}/${basename(path)}`; // prettier-ignore

/** Counts the steps on these folders (and every request), and lets one fail. `met`: the step that did. */
export class Fails {
  readonly #base: string;
  readonly #fault: MatrixFault | undefined;
  #seen = 0;
  #left: number;
  met: Step | undefined;

  /** Without a fault it only counts. */
  constructor(base: string, fault?: MatrixFault) {
    this.#base = base;
    this.#fault = fault;
    this.#left = fault?.times ?? 0;
  }

  get steps(): number {
    return this.#seen;
  }

  readonly watcher: Watcher = (step) => {
    if (step.what !== "request" && !step.path.startsWith(this.#base)) return;
    const fault = this.#fault;
    if (step.when !== (fault?.when ?? "before")) return;
    const nth = this.#seen++;
    if (fault === undefined || this.#left === 0) return;
    if (this.met === undefined ? nth !== fault.nth : step.what !== this.met.what) return;
    this.met ??= step;
    this.#left--;
    throw systemError(fault.code, step.what);
  };
}
