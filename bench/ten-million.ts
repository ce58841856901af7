import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTilePath } from "@spur/verifier/tlog/tile";
import { createProver } from "@spur/verifier/tlog/prover";
import type { Bench } from "./bench.ts";
import { atLeast, judge, measured, percentile, told } from "./figures.ts";
import { openInProcess, recordAll, unsealedDrafts, type InProcess } from "./ledger-in-process.ts";
import { rssMB, startProcess } from "./process.ts";

const SMALL = 10_000;
const LARGE = 10_000_000;
/** Entries of one measurement. */
const STEP = 20_000;
const STEPS = 5;
const IN_FLIGHT = 256;
const PROOFS = 1000;

const atMost = (limit: number, unit: string) => ({ words: `≤ ${limit} ${unit}`, limit: () => limit, better: "lower" }) as const; // prettier-ignore

export const tenMillion: Bench = {
  name: "ten-million",
  about:
    "one log grown to 10,000,000 entries: how fast it takes entries there beside 10,000, its memory, its start, its proofs. Takes ten minutes and 20 GB",
  async run({ folder, noDurability, say }) {
    const refuse = noDurability === undefined ? {} : { refuse: noDurability };
    // Programs are slow when they are young: that is measured on no log.
    const young = await openInProcess(join(folder, "young"));
    await rates(young, 5);
    await young.close();
    const open = await openInProcess(join(folder, "log"));
    await grow(open, SMALL);
    const small = measured("/s", await rates(open, STEPS));
    say(`${small.median.toFixed(0)}/s at ${SMALL} entries`);
    const before = performance.now();
    for (let size = await sizeOf(open), told = 0; size < LARGE; size = await sizeOf(open)) {
      await grow(open, Math.min(size + 100_000, LARGE));
      if (Math.floor(size / 1_000_000) > told) say(`${(told = Math.floor(size / 1_000_000))} million, ${((performance.now() - before) / 1000).toFixed(0)} s`); // prettier-ignore
    }
    const seconds = (performance.now() - before) / 1000;
    const large = measured("/s", await rates(open, STEPS));
    const rss = process.memoryUsage.rss() / 1e6;
    await open.thread.call("publish");
    const size = await sizeOf(open);
    const proof = await proofMs(join(folder, "log", "data", "log"), size);
    await open.close();
    const up = await startProcess("spur", ["up", "--json", "--port", "0", "--data", join(folder, "log", "data")], { cwd: folder }); // prettier-ignore
    const resident = rssMB(up.pid) ?? NaN;
    await up.stop();
    return [
      judge("append at 10,000,000 entries", large, atLeast(0.9, "at 10,000"), { name: "at 10,000 entries", ...small }, refuse), // prettier-ignore
      judge("resident, while it appends", measured("MB", [rss]), atMost(300, "MB")),
      judge("ready on 10,000,000 entries", measured("ms", [up.readyMs]), atMost(2000, "ms")),
      judge("one inclusion proof from tiles, p50", measured("ms", [proof]), atMost(1, "ms")),
      told("resident, just started on it", measured("MB", [resident])),
      told("growing it", measured("s", [seconds])),
    ];
  },
};

const sizeOf = async ({ thread }: InProcess): Promise<number> => (await thread.call("head")).size;

async function grow(open: InProcess, to: number): Promise<void> {
  for (let size = await sizeOf(open); size < to; size = await sizeOf(open)) await rate(open, Math.min(STEP, to - size));
}

async function rates(open: InProcess, steps: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < steps; i++) found.push(await rate(open, STEP));
  return found;
}

async function rate({ ledger, run }: InProcess, count: number): Promise<number> {
  const drafts = unsealedDrafts(run, count);
  return (await recordAll(ledger, count, (i) => drafts[i] as (typeof drafts)[number], IN_FLIGHT)).perSecond;
}

/** The median of proofs for entries chosen by chance; tiles come from files, as a stranger's would from the network. */
async function proofMs(folder: string, size: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PROOFS; i++) {
    const prover = createProver(size, async (tile) => readFile(join(folder, formatTilePath(tile))));
    const index = Math.floor(Math.random() * size);
    const before = performance.now();
    await prover.inclusion(index);
    times.push(performance.now() - before);
  }
  return percentile(times, 0.5);
}
