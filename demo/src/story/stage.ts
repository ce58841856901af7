import { DemoError } from "../errors.ts";

/** Where the story is told. */
export type Out = { write(text: string): unknown };

export type StepTime = { readonly step: string; readonly seconds: number; readonly budget: number };

/** Prints steps, facts and progress; keeps the times. */
export type Stage = {
  readonly times: StepTime[];
  step<T>(name: string, budgetSeconds: number, work: () => Promise<T>): Promise<T>;
  fact(text: string): void;
  /** Overwrites one line on a terminal; says nothing elsewhere. */
  progress(text: string): void;
  /** Throws DemoError `story/failed` unless it holds: the story ends at the first thing that is not as told. */
  holds(what: string, condition: boolean): void;
};

export function openStage(out: Out, isTty: boolean, quiet: boolean): Stage {
  const times: StepTime[] = [];
  const print = (text: string): void => {
    if (!quiet) out.write(text);
  };
  let drawn = false;
  const clear = (): void => {
    if (drawn) print("\r\u001b[2K");
    drawn = false;
  };
  const stage: Stage = {
    times,
    async step(name, budget, work) {
      print(`\n${times.length + 1}. ${name}\n`);
      const start = performance.now();
      const value = await work();
      clear();
      const seconds = (performance.now() - start) / 1000;
      times.push({ step: name, seconds: Math.round(seconds * 100) / 100, budget });
      print(`   done in ${seconds.toFixed(1)} s (budget ${budget} s)\n`);
      return value;
    },
    fact(text) {
      clear();
      print(`   ${text}\n`);
    },
    progress(text) {
      if (!isTty) return;
      print(`\r\u001b[2K   ${text}`);
      drawn = true;
    },
    holds(what, condition) {
      if (!condition) throw new DemoError("story/failed", what);
      stage.fact(`✓ ${what}`);
    },
  };
  return stage;
}
