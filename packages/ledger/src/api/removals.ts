import { canonicalText } from "@spur/verifier/statement/canonical";
import { SpurError } from "../errors.ts";
import { newRec, type Ledger } from "../record.ts";

export const BASES = [
  "erasure-request",
  "consent-withdrawn",
  "unlawful-content",
  "retention-end",
  "purpose-end",
  "other",
] as const;
export type Basis = (typeof BASES)[number];

export interface RemovalRequest {
  readonly recs: readonly string[];
  readonly basis: Basis;
  readonly reason?: string;
  readonly request?: string;
  /** Id and label of who orders it; "spur" for content that is due. */
  readonly who: string;
}

export interface RemovalResult {
  readonly target: string;
  readonly order: { readonly rec: string; readonly index: number };
  readonly state: "completed" | "failed";
  readonly completed: { readonly rec: string; readonly index: number };
}

const base = { predicateType: "spur:removal/v1", evidence: "observed", retention: "people", owner: "" } as const;

/**
 * Removes content lawfully (formats §6): ordered and tombstoned → opens drained → the order published → destroyed →
 * completed. A crash after any step is gone on with at the next start ({@link resumeRemovals}).
 */
export async function removeContents(ledger: Ledger, wanted: RemovalRequest): Promise<RemovalResult[]> {
  const recs = [...new Set(wanted.recs)];
  const slots = [wanted.request, wanted.reason, canonicalText({ by: wanted.who })].map((text) =>
    text === undefined ? undefined : Buffer.from(text),
  );
  const orders = await ledger.orderRemovals(
    recs.map((target) => ({
      target,
      draft: {
        ...base,
        rec: newRec(),
        predicate: { target: { rec: target }, kind: "content", basis: wanted.basis, state: "ordered" },
        slots,
      },
    })),
  );
  const targets = recs.map((rec, i) => ({
    rec,
    order: orders[i] as { rec: string; index: number },
    basis: wanted.basis,
  }));
  return finish(ledger, targets);
}

type Target = { readonly rec: string; readonly order: { rec: string; index: number }; readonly basis: string };

/** Recs whose removal somebody is finishing: who looks for unfinished ones leaves these alone. */
const underWay = new WeakMap<Ledger, Set<string>>();

async function finish(ledger: Ledger, targets: readonly Target[]): Promise<RemovalResult[]> {
  const busy = underWay.get(ledger) ?? new Set<string>();
  underWay.set(ledger, busy);
  for (const { rec } of targets) busy.add(rec);
  try {
    return await finishOnce(ledger, targets);
  } finally {
    for (const { rec } of targets) busy.delete(rec);
  }
}

async function finishOnce(ledger: Ledger, targets: readonly Target[]): Promise<RemovalResult[]> {
  const recs = targets.map(({ rec }) => rec);
  await ledger.drained(recs);
  // Logged before removed, and published before destroyed: nobody can lose content and the order together.
  await ledger.thread.call("publish");
  const done = await ledger.thread.call("destroy", recs);
  const completed = await ledger.completeRemovals(
    targets.map(({ rec, order, basis }) => ({
      target: rec,
      draft: {
        ...base,
        rec: newRec(),
        predicate: {
          target: { rec },
          kind: "content",
          basis,
          state: "completed",
          order: { rec: order.rec },
          custodians: { vault: done.find((one) => one.rec === rec)?.had === true ? "destroyed" : "had-none" },
        },
        slots: [],
      },
    })),
  );
  return targets.map(({ rec, order }, i) => {
    const { rec: completedRec, index } = completed[i] as { rec: string; index: number };
    return {
      target: rec,
      order: { rec: order.rec, index: order.index },
      state: "completed",
      completed: { rec: completedRec, index },
    };
  });
}

/** Goes on with removals that a crash interrupted, or a time in which nothing could be published. How many there were. */
export async function resumeRemovals(
  ledger: Ledger,
  entryOf: (index: number) => Promise<{ rec: string; predicate: { readonly [name: string]: unknown } }>,
): Promise<number> {
  const busy = underWay.get(ledger);
  const open = (await ledger.thread.call("openRemovals")).filter(({ rec }) => busy?.has(rec) !== true);
  if (open.length === 0) return 0;
  const targets = await Promise.all(
    open.map(async ({ rec, order }) => {
      const entry = await entryOf(order);
      return { rec, order: { rec: entry.rec, index: order }, basis: entry.predicate["basis"] as string };
    }),
  );
  await finish(ledger, targets);
  return open.length;
}

/** Removes, in batches, what was to be kept only so long. How many records that were. */
export async function removeDue(
  ledger: Ledger,
  nowMs: number,
  recOf: (index: number) => Promise<string>,
): Promise<number> {
  for (let removed = 0; ;) {
    const due = await ledger.thread.call("due", nowMs);
    if (due.length === 0) return removed;
    const recs = await Promise.all(due.map(recOf));
    await removeContents(ledger, { recs, basis: "retention-end", who: "spur" });
    removed += recs.length;
  }
}

export function parseBasis(value: unknown): Basis {
  const found = BASES.find((basis) => basis === value);
  if (found === undefined) throw new SpurError("removal/basis", `basis is one of ${BASES.join(", ")}`, { status: 422 });
  return found;
}
