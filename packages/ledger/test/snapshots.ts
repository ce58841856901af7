// Loaded before a program (`node --import`), and so in each of its threads: after every durable step that it takes, its folders are copied
// as they stand, which is what a kill at that moment leaves.
import fs from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const { SNAPSHOT_OF: of, SNAPSHOTS_TO: to } = process.env as Record<string, string>;
const { cpSync, mkdirSync, writeFileSync } = fs;

/** Threads number their steps together: each takes the first number that is free. */
function snapshot(what: string): void {
  for (let n = 0; ; n++) {
    const folder = join(to ?? "", String(n).padStart(3, "0"));
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    cpSync(of ?? "", join(folder, "base"), { recursive: true });
    writeFileSync(join(folder, "step"), what);
    return;
  }
}

function after<A extends unknown[], R>(name: string, work: (...all: A) => R): (...all: A) => R {
  return (...all) => {
    const result = work(...all);
    if (result instanceof Promise) return result.then((value: unknown) => (snapshot(`${name} ${String(all.at(-1))}`), value)) as R; // prettier-ignore
    snapshot(`${name} ${String(all.at(-1))}`);
    return result;
  };
}

fs.renameSync = after("rename", fs.renameSync);
fs.unlinkSync = after("unlink", fs.unlinkSync);
promises.rename = after("rename", promises.rename);
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  exec.call(this, sql);
  if (sql.trimStart().startsWith("commit")) snapshot("commit");
};
syncBuiltinESMExports();
