import { TILE_WIDTH } from "@spur/verifier/tlog/tile";
import type { LogReader } from "../fetch-log.ts";
import type { Alarms } from "./alarms.ts";
import { faultOf, twice } from "./faults.ts";
import { readBundle } from "./follow.ts";
import type { Memory } from "./memory.ts";
import type { SignedTree } from "./signed-tree.ts";

/** Bundles that were found wrong are looked at in every round, up to so many. */
const WRONG = 32;

/**
 * Reads bundles a second time, some in each round, around the whole log: what was there once must stay, as it was. `random` gives the place
 * to begin at, from 0 to 1, so that nobody knows which are next.
 */
export async function readAgain(
  memory: Memory,
  alarms: Alarms,
  tree: SignedTree,
  reader: LogReader,
  how: { count: number; random: () => number; pauseMs: number; signal: AbortSignal },
): Promise<void> {
  const bundles = Math.ceil(memory.state.followed / TILE_WIDTH);
  const wrong = alarms.list.flatMap(({ bundle }) => (bundle === undefined ? [] : [bundle])).slice(0, WRONG);
  const from = memory.state.reread ?? Math.floor(how.random() * bundles);
  const turn = Array.from({ length: Math.min(how.count, bundles) }, (_, i) => (from + i) % bundles);
  for (const index of new Set([...wrong, ...turn])) {
    if (how.signal.aborted) return;
    const scope = `bundle ${index}`;
    try {
      const { entries } = await twice(how.pauseMs, how.signal, () => readBundle(reader, tree, index));
      if (entries === undefined && !saidSo(memory, index)) {
        const sentence = `Bundle ${index} is withheld, and no removal in the log says so.`;
        const code = "audit/withheld-silently";
        alarms.raise({ id: `${code}:${scope}`, code, verdict: "fail", sentence, scope, bundle: index });
      }
      alarms.looked(scope);
      alarms.looked("reread");
    } catch (error) {
      if (how.signal.aborted) return;
      const fault = faultOf(error);
      if (fault.verdict === "not-checked") return alarms.raise({ id: "monitor/reread", ...fault, scope: "reread" });
      alarms.raise({ id: `${fault.code}:${scope}`, ...fault, scope, bundle: index });
      alarms.looked(scope);
    }
  }
  if (bundles > 0) memory.state.reread = (from + turn.length) % bundles;
}

/** Bundles are withheld as a whole; one order for an entry in it is enough to know of it. */
function saidSo(memory: Memory, bundle: number): boolean {
  const [from, to] = [bundle * TILE_WIDTH, (bundle + 1) * TILE_WIDTH];
  const { entryRemovals, opaque } = memory.audit;
  for (let i = from; i < to; i++) if (entryRemovals.has(i) || opaque.get(i) === "withheld") return true;
  return false;
}
