/** Medians of several runs of one thing. */
export interface Measured {
  readonly unit: string;
  readonly median: number;
  /** (largest − smallest) / median. */
  readonly spread: number;
  readonly runs: readonly number[];
}

/** One figure against its target. A calibration that was measured in turn with it makes it a ratio. */
export interface Figure {
  readonly name: string;
  readonly ours: Measured;
  readonly calibration?: Measured & { readonly name: string };
  /** ours.median / calibration.median, where there is a calibration. */
  readonly ratio?: number;
  /** In words; absent for a figure that is only told. */
  readonly target?: string;
  readonly verdict: "reached" | "missed" | "not judged" | "told";
  /** Why it is not judged, or what else must be known to read it. */
  readonly note?: string;
}

/** Beyond this the machine was too busy with other things for a verdict. */
export const MAX_SPREAD = 0.2;

export function measured(unit: string, runs: readonly number[]): Measured {
  const middle = median(runs);
  return { unit, median: middle, spread: (Math.max(...runs) - Math.min(...runs)) / middle, runs };
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** By linear interpolation between the two nearest values; NaN of nothing. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** What a figure is held against. `limit` gets the calibration's median. */
export interface Target {
  readonly words: string;
  readonly limit: (calibration: number) => number;
  readonly better: "higher" | "lower";
}

export const atLeast = (share: number, of: string): Target => ({
  words: `≥ ${share} × ${of}`,
  limit: (calibration) => share * calibration,
  better: "higher",
});

/**
 * `refuse`: a reason for not judging that has nothing to do with the spread. `excuse`: one that would explain a miss; what is reached all
 * the same is reached.
 */
export function judge(
  name: string,
  ours: Measured,
  target: Target,
  calibration?: Measured & { readonly name: string },
  options: { readonly note?: string; readonly refuse?: string; readonly excuse?: string } = {},
): Figure {
  const limit = target.limit(calibration?.median ?? NaN);
  const reached = target.better === "higher" ? ours.median >= limit : ours.median <= limit;
  const busy =
    calibration !== undefined && calibration.spread > MAX_SPREAD
      ? `calibration spreads over ${100 * MAX_SPREAD} % (${percent(calibration.spread)})`
      : undefined;
  const refuse = options.refuse ?? busy ?? (reached ? undefined : options.excuse);
  const note =
    refuse === undefined ? options.note : `${refuse}${options.note === undefined ? "" : `; ${options.note}`}`;
  return {
    name,
    ours,
    ...(calibration === undefined ? {} : { calibration, ratio: ours.median / calibration.median }),
    target: calibration === undefined ? target.words : `${target.words} = ${amount(limit, ours.unit)}`,
    verdict: refuse !== undefined ? "not judged" : reached ? "reached" : "missed",
    ...(note === undefined ? {} : { note }),
  };
}

/** A figure without a target. */
export function told(name: string, ours: Measured, note?: string): Figure {
  return { name, ours, verdict: "told", ...(note === undefined ? {} : { note }) };
}

/** Runs each measurement in turn, `runs` times round: what the machine does meanwhile falls on all of them. */
export async function alternate<Name extends string>(
  runs: number,
  measurements: Readonly<Record<Name, () => number | Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measurements) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let i = 0; i < runs; i++) {
    for (const name of names) results[name].push(await measurements[name]());
  }
  return results;
}

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

export function amount(value: number, unit: string): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}
