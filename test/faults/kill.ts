import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startChild, type Place } from "./child.ts";
import { check, rememberCheckpoint, type Checked } from "./check.ts";
import { Load, nothingTold, type Told } from "./load.ts";
import type { Random } from "./random.ts";
import type { Upstream } from "./upstream.ts";

export interface KillRun {
  readonly kills: number;
  /** Of these, before the ledger answered: in the middle of recovery. */
  readonly early: number;
  readonly acknowledged: number;
  readonly ended: number;
  readonly cut: number;
  readonly removed: number;
  readonly checkpoints: number;
  readonly checked: Checked;
}

export const operatorKey = (place: Place): string => readFileSync(join(place.keys, "operator.key"), "utf8").trim();

/** Kills a ledger under load `count` times, at random moments, and checks what is left, every `checkEvery` kills and at the end. */
export async function killRun(
  place: Place,
  upstream: Upstream,
  random: Random,
  count: number,
  options: { progress?: (done: number, told: Told) => void; checkEvery?: number } = {},
): Promise<KillRun> {
  const told = nothingTold();
  let early = 0;
  let vkey = "";
  const whole = async (): Promise<Checked> => {
    const last = startChild(place, upstream.url);
    const ready = await last.ready;
    if (ready?.url === undefined)
      throw new Error(`it does not start again: ${JSON.stringify(ready)} ${(await last.ended).stderr}`);
    vkey = ready.vkey;
    const code = await last.stop();
    if (code !== 0) throw new Error(`it ends with ${String(code)}: ${(await last.ended).stderr}`);
    return check(place, vkey, told, upstream.reached);
  };
  for (let kills = 0; kills < count; kills++) {
    const child = startChild(place, upstream.url);
    if (kills > 0 && random.below(6) === 0) {
      // In the middle of the start: recovery, interrupted answers, removals that go on.
      await new Promise((resolve) => setTimeout(resolve, 100 + random.below(500)));
      early++;
      await child.kill();
      rememberCheckpoint(place, told);
      continue;
    }
    const ready = await child.ready;
    if (ready?.url === undefined)
      throw new Error(`after ${kills} kills it does not start: ${JSON.stringify(ready)} ${(await child.ended).stderr}`);
    const load = new Load(ready.url, operatorKey(place), told, random);
    await new Promise((resolve) => setTimeout(resolve, 30 + random.below(400)));
    const { code, stderr } = await Promise.race([child.ended, child.kill().then(() => ({ code: null, stderr: "" }))]);
    await load.stop();
    if (code !== null) throw new Error(`it ended by itself with ${code}: ${stderr}`);
    rememberCheckpoint(place, told);
    options.progress?.(kills + 1, told);
    if (options.checkEvery !== undefined && (kills + 1) % options.checkEvery === 0) {
      const { faults } = await whole();
      if (faults.length > 0) throw new Error(`after ${kills + 1} kills: ${faults.join("\n")}`);
    }
  }
  const checked = await whole();
  const { acknowledged, ended, answers, removed, checkpoints } = told;
  return { kills: count, early, acknowledged: acknowledged.size, ended: ended.size, cut: answers.size - ended.size, removed: removed.size, checkpoints: checkpoints.size, checked }; // prettier-ignore
}
