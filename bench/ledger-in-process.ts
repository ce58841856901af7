import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { useSha256 } from "@spur/verifier/hash";
import { nativeSha256 } from "@spur/ledger/native-sha256";
import type { Draft } from "@spur/ledger/draft";
import { LedgerThread } from "@spur/ledger/ledger-thread";
import { Ledger, newRec } from "@spur/ledger/record";
import { recordOwnKeys } from "@spur/ledger/deployments";

/** A ledger without its HTTP server: what `append` measures, and what builds the log of a million entries. */
export interface InProcess {
  readonly ledger: Ledger;
  readonly thread: LedgerThread;
  /** rec of an entry that others can refer to as their run. */
  readonly run: string;
  /** rec of a deployment. */
  readonly deployment: string;
  close(): Promise<void>;
}

const common = { evidence: "reported", retention: "training", owner: "bench" } as const;

export async function openInProcess(folder: string, publishEveryMs = 5000): Promise<InProcess> {
  useSha256(nativeSha256);
  const data = join(folder, "data");
  const options = { data, keys: join(folder, "data-keys"), origin: "bench.spur.invalid/log", publishEveryMs };
  const thread = await LedgerThread.start(options, (error) => {
    throw error;
  });
  const ledger = new Ledger(thread, { data, now: () => Date.now() });
  await recordOwnKeys(ledger);
  const record = async (draft: Omit<Draft, "rec" | keyof typeof common>): Promise<string> => {
    const rec = newRec();
    await ledger.record([{ ...common, rec, ...draft }]);
    return rec;
  };
  const digest = (): string => randomBytes(32).toString("hex");
  const run = await record({
    predicateType: "spur:training-run/v1",
    predicate: { datasets: [], code: digest(), config: digest(), steps: 1, seed: 1 },
  });
  const deployment = await record({
    predicateType: "spur:deployment/v1",
    predicate: { operator: "self", check: "not-checked", contentDays: 30 },
  });
  return { ledger, thread, run, deployment, close: () => thread.close() };
}

/** An entry that seals nothing: a piece of a training log, with two digests and one reference. */
export function unsealedDraft(run: string, step: number): Draft {
  return {
    ...common,
    rec: newRec(),
    predicateType: "spur:training-log/v1",
    predicate: { run: { rec: run }, fromStep: step, toStep: step + 1, rows: 256, state: "complete" },
    digests: { sha256: randomBytes(32), spurRowsV1: randomBytes(32) },
  };
}

/** An output whose sealed payload is 1 KiB. */
export function sealedDraft(deployment: string, slots: Draft["slots"] & object): Draft {
  return {
    ...common,
    rec: newRec(),
    predicateType: "spur:output/v1",
    predicate: { deployment: { rec: deployment }, outcome: "complete" },
    slots,
    retention: "output",
    contentDays: 30,
  };
}

/** Drafts in bulk: their random bytes in one piece, so that it is not the load that is collected while the ledger is measured. */
export function unsealedDrafts(run: string, count: number): Draft[] {
  const bytes = randomBytes(80 * count);
  const recs = bytes.toString("hex", 0, 16 * count);
  const digest = (nth: number): Uint8Array => bytes.subarray(16 * count + 32 * nth, 16 * count + 32 * (nth + 1));
  return Array.from({ length: count }, (_, i) => ({
    ...common,
    rec: recs.slice(32 * i, 32 * (i + 1)),
    predicateType: "spur:training-log/v1",
    predicate: { run: { rec: run }, fromStep: i, toStep: i + 1, rows: 256, state: "complete" },
    digests: { sha256: digest(2 * i), spurRowsV1: digest(2 * i + 1) },
  }));
}

/** Records `count` drafts one by one, `inFlight` at a time. */
export async function recordAll(
  ledger: Ledger,
  count: number,
  draftAt: (i: number) => Draft,
  inFlight: number,
): Promise<{ perSecond: number; batch: number }> {
  let next = 0;
  const commitsBefore = ledger.thread.commits;
  const before = performance.now();
  const worker = async (): Promise<void> => {
    while (next < count) {
      await ledger.record([draftAt(next++)]);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const perSecond = count / ((performance.now() - before) / 1000);
  return { perSecond, batch: Math.round(count / (ledger.thread.commits - commitsBefore)) };
}
