// npm run faults [-- --count N] [-- --seed S] [-- --only kill,inject,disk,destroy,create]
// A real ledger in a process of its own, under load, against kills, failing system calls and a full disk. Exit: 0 if nothing was lost.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRun } from "./create.ts";
import { destroyRun } from "./destroy.ts";
import { diskRun, whyNoDisk } from "./full-disk.ts";
import { faultsFor, injectRun, nameOf, whyNoStrace } from "./inject.ts";
import { killRun } from "./kill.ts";
import { random } from "./random.ts";
import { startUpstream } from "./upstream.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "500" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", default: "kill,inject,disk,destroy,create" },
  },
});
const seed = Number(values.seed);
const count = Number(values.count);
const only = values.only.split(",");
const base = mkdtempSync(join(tmpdir(), "spur-faults-"));
const upstream = await startUpstream(random(seed + 1));
const place = (name: string) => ({ data: join(base, name, "data"), keys: join(base, name, "data-keys") });
let lost = 0;

function tell(what: string, faults: readonly string[], text: string): void {
  process.stdout.write(
    `${faults.length === 0 ? "ok  " : "LOST"} ${what}: ${text}\n${faults.map((fault) => `     ${fault}\n`).join("")}`,
  );
  lost += faults.length;
}

async function part(name: string, why: () => string | undefined, work: () => Promise<void>): Promise<void> {
  if (!only.includes(name)) return;
  const reason = why();
  if (reason !== undefined) {
    process.stdout.write(`skip ${name}: ${reason}\n`);
    return;
  }
  upstream.reached.clear(); // another ledger, another story
  try {
    await work();
  } catch (error) {
    tell(name, [(error as Error).message], "stopped");
  }
}

process.stdout.write(`faults with seed ${seed}, in ${base}\n`);
await part("create", whyNoStrace, async () => {
  const { starts, faults } = await createRun(base, upstream, 1, (name) =>
    process.stderr.write(`\r\x1b[K     create: ${name}`),
  );
  tell("create", faults, `the first start was killed at each of its ${starts - 1} syncs`);
});
await part("destroy", whyNoStrace, async () => {
  const { calls, faults } = await destroyRun(1, (name) => process.stderr.write(`\r\x1b[K     destroy: ${name}`));
  tell("destroy", faults, `killed at, and failing with EIO at, each system call of a destruction: ${calls} times`);
});
await part("disk", () => whyNoDisk(join(base, "disk")), async () => {
  for (const keysToo of [false, true]) {
    upstream.reached.clear();
    const { statuses, endedByItself, startWhenFull, acknowledged, checked } = await diskRun(join(base, String(keysToo)), upstream, random(seed + 3), { keysToo });
    const how = `${endedByItself ? "it ended by itself" : "it went on answering"}; started on it: ${startWhenFull}; answers ${[...statuses].map(([name, n]) => `${name} ×${n}`).join(", ")}`;
    tell(`disk full, ${keysToo ? "with" : "without"} the keys on it`, checked.faults, `${acknowledged} acknowledged; ${how}`);
  }
}); // prettier-ignore
await part("inject", whyNoStrace, async () => {
  const faults = faultsFor(place("inject"), random(seed + 2), Math.max(13, Math.ceil(count / 5)));
  const { met, acknowledged, checked } = await injectRun(place("inject"), upstream, random(seed + 4), faults, {
    progress: (fault, how) => process.stderr.write(`\r\x1b[K     inject: ${nameOf(fault)}: ${how}`),
  });
  tell(
    "inject",
    checked.faults,
    `${faults.length} failing or killing system calls; ${JSON.stringify(met)}; ${acknowledged} acknowledged, ${checked.entries} entries`,
  );
});
await part("kill", () => undefined, async () => {
  const run = await killRun(place("kill"), upstream, random(seed), count, {
    checkEvery: 50,
    progress: (done, told) => process.stderr.write(`\r\x1b[K     kill ${done} of ${count}: ${told.acknowledged.size} acknowledged`),
  });
  tell("kill", run.checked.faults, `${run.kills} kills, ${run.early} of them in the middle of a start; ${run.acknowledged} records acknowledged, ${run.ended} answers ended, ${run.cut} cut; ${run.checkpoints} checkpoints seen; ${run.checked.entries} entries`);
}); // prettier-ignore
await upstream.close();
if (lost === 0) rmSync(base, { recursive: true, force: true });
else
  process.stdout.write(
    `Something was lost; the folders are kept in ${base}. Again: npm run faults -- --seed ${seed}\n`,
  );
process.exitCode = lost === 0 ? 0 : 1;
