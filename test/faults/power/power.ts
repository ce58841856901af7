import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { random as seeded, type Random } from "../random.ts";
import { NOTHING, type Told } from "./claims.ts";
import { writeLeft } from "./disk.ts";
import { recordLineage } from "./lineage.ts";
import { KINDS, luckOf, type Kind } from "./luck.ts";
import { holdAgainst } from "./outside.ts";
import { differences, follow, liveOf, type Following, type Recording } from "./recording.ts";

/** One power loss: after so many changes of a recording, with so much luck. */
export interface Cut {
  readonly nth: number;
  readonly kind: Kind;
  readonly seed: number;
}

/** What it leaves has been written, and the world had been told this much. */
export interface Loss {
  readonly cut: Cut;
  readonly told: Told;
}

/** What was seen over all power losses of a run. */
export interface PowerRun {
  readonly losses: number;
  /** By how much of what was not synced had reached the disk. */
  readonly byKind: ReadonlyMap<Kind, number>;
  readonly lineages: number;
  readonly processes: number;
  /** Comparisons of an acknowledged entry, and of a head that had left, with what was there afterwards. */
  readonly acknowledged: number;
  readonly heads: number;
  readonly faults: readonly string[];
}

export interface PowerOptions {
  /** Power losses. */
  readonly count: number;
  /** Of one recording. */
  readonly perLineage: number;
  /** Recordings are made here; those in which a fault was found stay. */
  readonly folder: string;
  /** Where what is left is written: best a place in memory. */
  readonly image: string;
  readonly progress?: (done: number) => void;
  /** Called at once with what was lost. */
  readonly onFault?: (fault: string) => void;
}

/** A power loss after a power loss after a power loss. */
const MAX_DEPTH = 3;

/**
 * Records ledgers under load, and for many moments of each recording builds the folders as a disk could hold them after a power loss:
 * all that was synced is there, and any part of what was not. Each is opened and held against what the world had been told by then.
 */
export async function powerRun(random: Random, options: PowerOptions): Promise<PowerRun> {
  const { count, perLineage, folder, image, progress, onFault } = options;
  const [byKind, faults] = [new Map<Kind, number>(), [] as string[]];
  const cache = join(folder, "cache");
  let [losses, lineages, processes, acknowledged, heads, depth] = [0, 0, 0, 0, 0, 0];
  let next: { told: Told; image: string } | undefined;
  while (losses < count) {
    const at = join(folder, `lineage-${lineages++}`);
    mkdirSync(at, { recursive: true });
    if (next !== undefined) cpSync(next.image, join(at, "start"), { recursive: true });
    if (next !== undefined) cpSync(next.image, join(at, "live"), { recursive: true });
    const lineage = await recordLineage(at, random, cache, next?.told ?? NOTHING);
    depth = next === undefined ? 0 : depth + 1;
    processes += lineage.processes;
    const before = faults.length;
    const lost = (text: string): void => {
      faults.push(text);
      onFault?.(text);
    };
    lineage.faults.forEach(lost);
    const cuts = chooseCuts(lineage.recording, random, Math.min(perLineage, count - losses), lost);
    const goesOn = depth < MAX_DEPTH && cuts.length > 0 && random.below(3) > 0 ? random.below(cuts.length) : -1;
    next = undefined;
    let i = 0;
    for (const { cut, told } of lossesOf(lineage.recording, cuts, image)) {
      if (i++ === goesOn) {
        next = { told: { claims: [...told.claims], heads: [...told.heads] }, image: join(folder, "next") };
        rmSync(next.image, { recursive: true, force: true });
        cpSync(image, next.image, { recursive: true });
      }
      const held = await holdAgainst(pairIn(image), told);
      for (const fault of held.faults) lost(`${fault}; again: npm run faults -- --again power:${at}:${cut.nth}:${cut.kind}:${cut.seed}`);
      [losses, acknowledged, heads] = [losses + 1, acknowledged + held.acknowledged, heads + held.heads];
      byKind.set(cut.kind, (byKind.get(cut.kind) ?? 0) + 1);
      progress?.(losses);
    }
    if (faults.length === before) rmSync(at, { recursive: true, force: true });
    else next = undefined; // what was lost would be missed again and again
  }
  return { losses, byKind, lineages, processes, acknowledged, heads, faults };
} // prettier-ignore

export const pairIn = (image: string) => ({ data: join(image, "data"), keys: join(image, "data-keys") });

/** Half of them anywhere, half where the world had just been told something. */
function chooseCuts(recording: Recording, random: Random, count: number, lost: (text: string) => void): Cut[] {
  const sharp: number[] = [];
  let moments = 0;
  let told = 0;
  let last: Following | undefined;
  for (const { nth, following } of follow(recording)) {
    last = following;
    moments = nth + 1;
    const { claims, heads } = following.told;
    if (claims.length + heads.length > told) sharp.push(nth);
    told = claims.length + heads.length;
  }
  if (last === undefined) throw new Error(`nothing was recorded in ${recording.folder}`);
  for (const text of differences(last.disk.root, liveOf(recording))) lost(`the recorder missed something: ${text}`);
  const cuts = Array.from({ length: count }, (_, i): Cut => {
    const nth = i % 2 === 0 || sharp.length === 0 ? random.below(moments) : random.pick(sharp) + random.below(2);
    return { nth: Math.min(nth, moments - 1), kind: KINDS[i % KINDS.length] as Kind, seed: random.below(2 ** 31) };
  });
  return cuts.sort((a, b) => a.nth - b.nth);
} // prettier-ignore

/** Follows the recording once more, halts at each of the cuts (in their order), and writes what it leaves. */
export function* lossesOf(recording: Recording, cuts: readonly Cut[], image: string): Generator<Loss> {
  let at = 0;
  for (const { nth, following } of follow(recording)) {
    for (; cuts[at]?.nth === nth; at++) {
      const cut = cuts[at] as Cut;
      rmSync(image, { recursive: true, force: true });
      writeLeft(following.disk.root, image, luckOf(cut.kind, seeded(cut.seed), following.disk.changes));
      yield { cut, told: following.told };
    }
    if (at === cuts.length) return;
  }
}

/** One power loss again, from a recording that was kept: `<folder>:<nth>:<kind>:<seed>`. What it leaves stays in `<folder>/left`. */
export async function powerAgain(name: string): Promise<readonly string[]> {
  const match = /^(.*):(\d+):([a-z]+):(\d+)$/.exec(name);
  if (match === null) throw new Error(`${name} names no power loss`);
  const [, folder, nth, kind, seed] = match as unknown as [string, string, string, Kind, string];
  const before = JSON.parse(readFileSync(join(folder, "before.json"), "utf8")) as Told;
  const left = join(folder, "left");
  const cut = { nth: Number(nth), kind, seed: Number(seed) };
  for (const { told } of lossesOf({ folder, before }, [cut], left)) {
    cpSync(left, join(folder, "opened"), { recursive: true });
    return (await holdAgainst(pairIn(join(folder, "opened")), told)).faults;
  }
  throw new Error(`the recording has no change ${nth}`);
}
