import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { readFolderIfThere, syncFolder } from "../storage/durable-file.ts";

const DAY_MS = 86_400_000;
const NAME = /^([0-9a-f]{32})\.[0-9a-f]{64}$/;

/**
 * Unlinks payload files that no row names and that are older than a day: a crash, or a commit that was refused, left them before
 * their record. `named` gives the files of a record, relative to the data folder. Only after all checks of a start have passed.
 */
export function collectOrphans(dataFolder: string, nowMs: number, named: (rec: string) => readonly string[]): number {
  let collected = 0;
  for (const shard of readFolderIfThere(join(dataFolder, "payloads"))) {
    const folder = join(dataFolder, "payloads", shard);
    if (!/^[0-9a-f]{2}$/.test(shard) || !statSync(folder).isDirectory()) continue;
    let here = 0;
    for (const name of readdirSync(folder)) {
      const rec = NAME.exec(name)?.[1];
      if (rec === undefined || named(rec).includes(join("payloads", shard, name))) continue;
      const path = join(folder, name);
      if (nowMs - statSync(path).mtimeMs < DAY_MS) continue;
      unlinkSync(path);
      here++;
    }
    if (here > 0) syncFolder(folder);
    collected += here;
  }
  return collected;
}
