import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { startChild, type Place } from "./child.ts";
import { check, rememberCheckpoint, type Checked } from "./check.ts";
import { operatorKey } from "./kill.ts";
import { Load, nothingTold } from "./load.ts";
import type { Random } from "./random.ts";
import type { Upstream } from "./upstream.ts";

const run = (command: string, ...args: string[]): void => void execFileSync(command, args, { stdio: "pipe" });

/** Why no small disk can be made here; undefined if one can. */
export function whyNoDisk(folder: string): string | undefined {
  if (process.platform !== "linux") return "a small disk is a tmpfs, and this is not Linux";
  if (process.getuid?.() !== 0) return "mounting a tmpfs needs root";
  try {
    mkdirSync(folder, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
    run("umount", folder);
    return undefined;
  } catch (error) {
    return `no tmpfs can be mounted here: ${((error as { stderr?: Buffer }).stderr?.toString() ?? (error as Error).message).trim()}`;
  }
}

export interface DiskRun {
  /** What the callers were answered, by status and code. */
  readonly statuses: ReadonlyMap<string, number>;
  readonly endedByItself: boolean;
  /** A start on the full disk: "answers", or the code with which it is refused. */
  readonly startWhenFull: string;
  readonly acknowledged: number;
  readonly checkpoints: number;
  readonly checked: Checked;
}

/** Fills a real disk of 16 MB under a running ledger, starts it again on the full disk, makes room, and checks that nothing was lost. */
export async function diskRun(
  base: string,
  upstream: Upstream,
  random: Random,
  options: { keysToo: boolean },
): Promise<DiskRun> {
  const disk = join(base, "disk");
  mkdirSync(disk, { recursive: true });
  run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk);
  try {
    const place: Place = { data: join(disk, "data"), keys: join(options.keysToo ? disk : base, "data-keys") };
    const told = nothingTold();
    const child = startChild(place, upstream.url);
    const ready = await child.ready;
    if (ready?.url === undefined) throw new Error(`it does not start: ${JSON.stringify(ready)}`);
    const load = new Load(ready.url, operatorKey(place), told, random, { callers: 6, heavy: true });
    const until = Date.now() + 15_000;
    const full = (): boolean => statfsSync(disk).bavail * statfsSync(disk).bsize < 200_000;
    while (Date.now() < until && child.process.exitCode === null && !full())
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (!full() && child.process.exitCode === null) throw new Error("the disk did not fill up");
    await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 1500))]); // it goes on against the full disk
    const endedByItself = child.process.exitCode !== null;
    await child.kill();
    await load.stop();
    rememberCheckpoint(place, told);
    const onFull = startChild(place, upstream.url);
    const started = await onFull.ready;
    const startWhenFull =
      started?.url !== undefined ? "answers" : (started?.refused ?? `ended: ${(await onFull.ended).stderr}`);
    if (started?.url !== undefined) {
      const more = new Load(started.url, operatorKey(place), told, random, { callers: 4, heavy: true });
      await Promise.race([onFull.ended, new Promise((resolve) => setTimeout(resolve, 500))]);
      await onFull.kill();
      await more.stop();
    }
    rememberCheckpoint(place, told);
    run("mount", "-o", "remount,size=64m", disk);
    const again = startChild(place, upstream.url);
    const roomy = await again.ready;
    if (roomy?.url === undefined)
      throw new Error(`with room again it does not start: ${JSON.stringify(roomy)} ${(await again.ended).stderr}`);
    const before = told.acknowledged.size;
    const last = new Load(roomy.url, operatorKey(place), told, random, { callers: 4 });
    for (let i = 0; i < 200 && told.acknowledged.size === before; i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    await last.stop();
    if (told.acknowledged.size === before) throw new Error("with room again nothing is acknowledged");
    if ((await again.stop()) !== 0)
      throw new Error(`with room again it does not end in good order: ${(await again.ended).stderr}`);
    const checked = await check(place, roomy.vkey, told, upstream.reached);
    return {
      statuses: told.statuses,
      endedByItself,
      startWhenFull,
      acknowledged: told.acknowledged.size,
      checkpoints: told.checkpoints.size,
      checked,
    };
  } finally {
    run("umount", disk);
  }
}
