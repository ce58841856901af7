import { resume } from "./train.ts";

/** A recorded segment of a run of this trainer; digests were checked by the caller. */
export type Segment = {
  readonly dataset: Uint8Array;
  readonly from: { readonly step: number; readonly weights: Uint8Array; readonly state: Uint8Array };
  readonly untilStep: number;
  readonly onStep?: (step: number) => void;
};

/** Computes a segment again. Judges nothing: the caller compares digests. */
export async function replayRun(
  segment: Segment,
): Promise<{ weights: Uint8Array; state: Uint8Array; environment: string }> {
  const { dataset, from, untilStep, onStep } = segment;
  const { weights, state } = await resume(from, dataset, untilStep, { metric: ({ step }) => onStep?.(step) });
  return { weights, state, environment: `Node ${process.version}, ${process.platform} ${process.arch}` };
}
