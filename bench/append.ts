import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Draft } from "@spur/ledger/draft";
import type { Bench } from "./bench.ts";
import { commitMs, outputSlots, sealingRate, sqliteLoop } from "./calibration.ts";
import { alternate, amount, atLeast, judge, measured, percentile, told } from "./figures.ts";
import {
  openInProcess,
  recordAll,
  sealedDraft,
  unsealedDraft,
  unsealedDrafts,
  type InProcess,
} from "./ledger-in-process.ts";

const IN_FLIGHT = 256;
const UNSEALED = 20_000;
const SEALED = 8_000;
const ONE_BY_ONE = 300;

export const append: Bench = {
  name: "append",
  about:
    "records appended in process: schema check, canonical text, sealing, Merkle tree, one transaction for all that waits; " +
    "acknowledged after its fsync, full tiles and bundles written (and synced) meanwhile",
  async run({ runs, folder, noDurability, say }) {
    const own = join(folder, "ledger");
    mkdirSync(own, { recursive: true });
    const open = await openInProcess(own);
    const refuse = noDurability === undefined ? {} : { refuse: noDurability };
    try {
      const slots = outputSlots();
      const unsealed = (): Draft[] => unsealedDrafts(open.run, UNSEALED);
      const sealed = (): Draft[] => Array.from({ length: SEALED }, () => sealedDraft(open.deployment, slots));
      const warm = unsealed();
      await recordAll(open.ledger, UNSEALED, (i) => warm[i] as Draft, IN_FLIGHT);
      await recordAll(open.ledger, 3000, () => sealedDraft(open.deployment, slots), IN_FLIGHT);
      sealingRate(3000);

      const batches: number[] = [];
      say(`unsealed, ${IN_FLIGHT} in flight`);
      const plain = await alternate(runs, {
        ours: () => counting(open, unsealed(), batches),
        loop: () => sqliteLoop(folder, batches.at(-1) ?? IN_FLIGHT),
      });
      const batch = Math.round(percentile(batches, 0.5));
      const entryBytes = await sizeOfLast(open);

      say(`sealed, ${IN_FLIGHT} in flight`);
      const sealedBatches: number[] = [];
      const secret = await alternate(runs, {
        ours: () => counting(open, sealed(), sealedBatches),
        loop: () => sqliteLoop(folder, sealedBatches.at(-1) ?? IN_FLIGHT),
        sealing: () => sealingRate(),
      });
      const sealedBatch = Math.round(percentile(sealedBatches, 0.5));
      const sealedBytes = await sizeOfLast(open);

      say("one in flight");
      const single = await alternate(runs, {
        ours: () => oneByOne(open),
        commit: () => commitMs(folder),
      });

      const loop = measured("rows/s", plain.loop);
      const loopOfSealed = measured("rows/s", secret.loop);
      const sealing = measured("/s", secret.sealing);
      const lower = sealing.median < loopOfSealed.median;
      return [
        judge("append, unsealed, 256 in flight", measured("/s", plain.ours), atLeast(0.4, "the bare SQLite loop"), { name: `bare SQLite loop, ${batch} rows a commit`, ...loop }, { ...refuse, note: `entries of ${entryBytes} bytes, ${batch} a commit` }), // prettier-ignore
        judge("append, sealed, 256 in flight", measured("/s", secret.ours), atLeast(0.4, `the lower of sealing alone and the SQLite loop`), lower ? { name: "sealing alone, one core", ...sealing } : { name: "bare SQLite loop", ...loopOfSealed }, { ...refuse, note: `1 KiB sealed in 8 slots, entries of ${sealedBytes} bytes, ${sealedBatch} a commit; SQLite loop ${amount(loopOfSealed.median, "rows/s")}` }), // prettier-ignore
        judge("append, one in flight, p50", measured("ms", single.ours), { words: "≤ 1.5 × one durable commit + 1 ms", limit: (commit) => 1.5 * commit + 1, better: "lower" }, { name: "one durable commit", ...measured("ms", single.commit) }, refuse), // prettier-ignore
        told("resident memory after these runs", measured("MB", [process.memoryUsage.rss() / 1e6])),
      ];
    } finally {
      await open.close();
    }
  },
};

/** Entries a second; puts the size of a commit beside. */
async function counting({ ledger }: InProcess, drafts: readonly Draft[], batches: number[]): Promise<number> {
  const { perSecond, batch } = await recordAll(ledger, drafts.length, (i) => drafts[i] as Draft, IN_FLIGHT);
  batches.push(batch);
  return perSecond;
}

async function sizeOfLast({ ledger, thread }: InProcess): Promise<number> {
  const { size } = await thread.call("head");
  return (await ledger.entryBytes(size - 1)).length;
}

async function oneByOne({ ledger, run }: InProcess): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const draft = unsealedDraft(run, i);
    const before = performance.now();
    await ledger.record([draft]);
    times.push(performance.now() - before);
  }
  return percentile(times, 0.5);
}
