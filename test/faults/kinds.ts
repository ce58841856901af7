import { join } from "node:path";
import { callsRun } from "./calls/calls.ts";
import { createRun } from "./create.ts";
import { destroyRun } from "./destroy.ts";
import { diskRun, whyNoDisk } from "./full-disk.ts";
import { faultsFor, injectRun, nameOf, whyNoStrace } from "./inject.ts";
import { killRun } from "./kill.ts";
import { matrixRun } from "./matrix/matrix.ts";
import { KNOWN, repeatKnown } from "./power/known.ts";
import { powerRun } from "./power/power.ts";
import { random } from "./random.ts";
import type { Tally } from "./tally.ts";
import type { Upstream } from "./upstream.ts";

/** What every kind is given. */
export interface Given {
  readonly seed: number;
  readonly count: number;
  readonly upstream: Upstream;
  readonly folder: string;
  /** A place in memory, if there is one. */
  readonly memory: string;
  readonly progress: (text: string) => void;
  /** What was found, as soon as it is: a long run may be broken off. */
  readonly lost: (fault: string) => void;
}

export interface Kind {
  readonly name: string;
  readonly what: string;
  /** Of so many faults in all, how many are of this kind. What `power` gives fills up the rest. */
  readonly share: number;
  /** Why it cannot run here. */
  readonly why: (given: Given) => string | undefined;
  readonly run: (given: Given) => Promise<Tally>;
}

const never = (): undefined => undefined;
const place = (folder: string) => ({ data: join(folder, "data"), keys: join(folder, "data-keys") });

export const KINDS: readonly Kind[] = [
  {
    name: "known",
    what: "power losses by which something was lost once, repeated",
    share: 0,
    why: whyNoStrace,
    async run({ folder, memory, progress }) {
      const faults: string[] = [];
      let losses = 0;
      for (const [i, known] of KNOWN.entries()) {
        progress(`known: ${known.name}`);
        const run = await repeatKnown(known, join(folder, String(i)), join(memory, "known"), join(folder, "cache"));
        losses += run.losses;
        faults.push(...run.faults.map((fault) => `${fault}; again: npm run faults -- --only known`));
      }
      return { injected: losses, starts: losses + 2 * KNOWN.length, acknowledged: 0, checkpoints: 0, faults };
    },
  },
  {
    name: "create",
    what: "the first start of all, killed at each of its syncs",
    share: 0.006,
    why: whyNoStrace,
    async run({ folder, upstream, count, progress }) {
      const { starts, faults } = await createRun(folder, upstream, Math.max(1, Math.round(60 / count)), (name) => {
        progress(`create: ${name}`);
      });
      return { injected: starts - 1, starts: 2 * starts, acknowledged: 0, checkpoints: 0, faults };
    },
  },
  {
    name: "destroy",
    what: "a destruction, killed or failing at each of its system calls",
    share: 0.02,
    why: whyNoStrace,
    async run({ count, progress }) {
      const { calls, faults } = await destroyRun(Math.max(1, Math.round(200 / count)), (name) => {
        progress(`destroy: ${name}`);
      });
      return { injected: calls, starts: 2 * calls, acknowledged: 0, checkpoints: 0, faults };
    },
  },
  {
    name: "disk",
    what: "a disk that is full, under load and at a start",
    share: 0,
    why: ({ folder }) => whyNoDisk(join(folder, "disk")),
    async run({ folder, upstream, seed }) {
      let [acknowledged, checkpoints] = [0, 0];
      const faults: string[] = [];
      const notes: string[] = [];
      for (const keysToo of [false, true]) {
        upstream.reached.clear(); // another ledger, another story
        const run = await diskRun(join(folder, String(keysToo)), upstream, random(seed), { keysToo });
        acknowledged += run.acknowledged;
        checkpoints += run.checkpoints;
        faults.push(...run.checked.faults);
        notes.push(`${keysToo ? "with" : "without"} its keys on it: it ${run.endedByItself ? "ended" : "went on answering"}, a start ${run.startWhenFull}`);
      }
      return { injected: 2, starts: 8, acknowledged, checkpoints, faults, note: notes.join("; ") };
    },
  },
  {
    name: "calls",
    what: "every system call of a recorded story on its folders, failing with EIO or killing",
    share: 0.05,
    why: whyNoStrace,
    async run({ memory, count, seed, progress }) {
      const run = await callsRun(random(seed), { count, folder: join(memory, "calls"), progress: (name, done) => {
        progress(`calls ${done} of ${count}: ${name}`);
      } });
      return { injected: run.met, starts: 2 * (run.met + run.missed), acknowledged: run.acknowledged, checkpoints: run.heads, faults: run.faults, note: `of ${run.all} calls; ${JSON.stringify(run.how)}; ${run.missed} did not come up again` };
    },
  },
  {
    name: "inject",
    what: "system calls that fail or kill under load over HTTP",
    share: 0.01,
    why: whyNoStrace,
    async run({ folder, upstream, count, seed, progress }) {
      const faults = faultsFor(place(folder), random(seed), Math.max(14, count));
      const run = await injectRun(place(folder), upstream, random(seed + 1), faults, {
        progress: (fault, how) => {
          progress(`inject: ${nameOf(fault)}: ${how}`);
        },
      });
      return { injected: run.injected, starts: 2 * faults.length + 1, acknowledged: run.acknowledged, checkpoints: run.checkpoints, faults: run.checked.faults, note: `${JSON.stringify(run.met)}; ${run.checked.entries} entries` };
    },
  },
  {
    name: "kill",
    what: "kill -9 under load over HTTP",
    share: 0.015,
    why: never,
    async run({ folder, upstream, count, seed, progress }) {
      const run = await killRun(place(folder), upstream, random(seed), count, {
        checkEvery: 50,
        progress: (done, told) => {
          progress(`kill ${done} of ${count}: ${told.acknowledged.size} acknowledged`);
        },
      });
      return { injected: run.kills, starts: run.kills + 2 + Math.floor(count / 50), acknowledged: run.acknowledged, checkpoints: run.checkpoints, faults: run.checked.faults, note: `${run.early} in the middle of a start; ${run.ended} answers ended, ${run.cut} cut; ${run.checked.entries} entries` };
    },
  },
  {
    name: "matrix",
    what: "every step and every request to a witness failing, before it is done and after",
    share: 0.16,
    why: never,
    async run({ count, seed, progress }) {
      const run = await matrixRun({ count, seed }, (name, done) => {
        progress(`matrix ${done} of ${count}: ${name}`);
      });
      return { injected: run.met, starts: run.starts, acknowledged: run.acknowledged, checkpoints: run.heads, faults: run.faults, note: `${run.missed} steps did not come up again` };
    },
  },
  {
    name: "power",
    what: "power losses that take any part of what was not synced",
    share: 1,
    why: whyNoStrace,
    async run({ folder, memory, count, seed, progress, lost }) {
      const run = await powerRun(random(seed), { count, perLineage: Math.min(120, Math.max(20, Math.ceil(count / 40))), folder, image: join(memory, "left"), progress: (done) => {
        progress(`power ${done} of ${count}`);
      }, onFault: lost });
      return { injected: run.losses, starts: run.losses + run.processes, acknowledged: run.acknowledged, checkpoints: run.heads, faults: run.faults, note: `${run.lineages} recordings of ${run.processes} processes; ${[...run.byKind].map(([kind, n]) => `${kind} ${n}`).join(", ")}` };
    },
  },
]; // prettier-ignore
