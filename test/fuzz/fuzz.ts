import { VerifyError } from "@spur/verifier/errors";
import { mutate, random } from "./mutate.ts";
import type { Target } from "./targets.ts";

/** A single input may take no longer: hostile bytes must not buy time. */
const MAX_MS = 2000;

export interface Fuzzed {
  readonly inputs: number;
  /** How many were refused. */
  readonly refused: number;
  readonly slowestMs: number;
}

/** Throws at the first fault, with the seed and number that make it again and the bytes in base64. */
export function fuzz(target: Target, count: number, seed: number, from = 0, progress?: (done: number) => void): Fuzzed {
  let refused = 0;
  let slowestMs = 0;
  for (let nth = from; nth < from + count; nth++) {
    // Each input has a seed of its own, so that it can be made again alone.
    const by = random(seed + Math.imul(nth, 0x9e3779b1));
    const bytes = mutate(by.pick(target.seeds), target.seeds, by);
    const before = performance.now();
    try {
      target.run(bytes);
    } catch (error) {
      if (!(error instanceof VerifyError)) {
        const again = `npm run fuzz -- "${target.name}" --seed ${seed} --from ${nth} --count 1`;
        throw new Error(`${target.name}: ${(error as Error).message}\n  again: ${again}\n  input: ${Buffer.from(bytes).toString("base64").slice(0, 4000)}`, { cause: error }); // prettier-ignore
      }
      refused++;
    }
    const tookMs = performance.now() - before;
    if (tookMs > slowestMs) slowestMs = tookMs;
    if (tookMs > MAX_MS) throw new Error(`${target.name}: input ${nth} of seed ${seed} took ${tookMs.toFixed(0)} ms`);
    if (progress !== undefined && nth % 4096 === 0) progress(nth - from);
  }
  return { inputs: count, refused, slowestMs };
}
