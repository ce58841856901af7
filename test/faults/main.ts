// npm run faults [-- --count N] [-- --seed S] [-- --only power,matrix,…] [-- --again NAME]
// Real ledgers against kills, failing system calls, full disks, and power losses that take what was not synced. Exit: 0 if nothing was lost.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { callsRun } from "./calls/calls.ts";
import { KINDS, type Given, type Kind } from "./kinds.ts";
import { matrixRun } from "./matrix/matrix.ts";
import { powerAgain } from "./power/power.ts";
import { random } from "./random.ts";
import { progressLine, summary, type Tally } from "./tally.ts";
import { startUpstream } from "./upstream.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", default: KINDS.map(({ name }) => name).join(",") },
    again: { type: "string" },
  },
});
const seed = Number(values.seed);
const count = Number(values.count);
const base = mkdtempSync(join(tmpdir(), "spur-faults-"));
const memory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "spur-faults-"));
const out = (text: string): void => void process.stdout.write(text);

process.exitCode = values.again === undefined ? await all() : await again(values.again);

/** Every kind that was asked for; 1 if anything was lost. */
async function all(): Promise<0 | 1> {
  const only = values.only.split(",");
  const unknown = only.filter((name) => KINDS.every((kind) => kind.name !== name));
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(", ")}; there are ${KINDS.map(({ name }) => name).join(", ")}`);
  const kinds = KINDS.filter(({ name }) => only.includes(name));
  const upstream = await startUpstream(random(seed + 1));
  const tallies = new Map<string, Tally>();
  const progress = progressLine();
  out(`${count} faults with seed ${seed}, in ${base}\n`);
  for (const kind of kinds) {
    const folder = join(base, kind.name);
    mkdirSync(folder);
    upstream.reached.clear(); // another ledger, another story
    const tally = await runKind(kind, { seed, count: countOf(kind, kinds, tallies), upstream, folder, memory, progress, lost: (fault) => void process.stderr.write(`lost: ${fault}\n`) });
    if (tally === undefined) continue;
    tallies.set(kind.name, tally);
    if (tally.faults.length === 0) rmSync(folder, { recursive: true, force: true });
  }
  await upstream.close();
  const faults = [...tallies.values()].flatMap((tally) => tally.faults);
  out(`\n${summary(tallies)}`);
  rmSync(memory, { recursive: true, force: true });
  if (faults.length === 0) rmSync(base, { recursive: true, force: true });
  else out(`\nThe folders are kept in ${base}. All of it again: npm run faults -- --seed ${seed} --count ${count} --only ${values.only}\n`);
  return faults.length === 0 ? 0 : 1;
} // prettier-ignore

/** What is left of the whole for the last one; one alone gets all. */
function countOf({ share }: Kind, kinds: readonly Kind[], before: ReadonlyMap<string, Tally>): number {
  if (kinds.length === 1) return count;
  const done = [...before.values()].reduce((sum, { injected }) => sum + injected, 0);
  return share === 1 ? Math.max(Math.ceil(count / 2), count - done) : Math.max(1, Math.ceil(count * share));
}

async function runKind(kind: Kind, given: Given): Promise<Tally | undefined> {
  const reason = kind.why(given);
  if (reason !== undefined) {
    out(`skip ${kind.name}: ${reason}\n`);
    return undefined;
  }
  const begun = performance.now();
  const tally = await kind.run(given).catch((error: unknown): Tally => {
    return { injected: 0, starts: 0, acknowledged: 0, checkpoints: 0, faults: [`stopped: ${(error as Error).stack ?? String(error)}`] };
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const { injected, faults, note } = tally;
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  out(`${faults.length === 0 ? "ok  " : "LOST"} ${kind.name}: ${injected} × ${kind.what}${note === undefined ? "" : ` (${note})`}, ${seconds} s\n`);
  for (const fault of faults) out(`     ${fault}\n`);
  return tally;
} // prettier-ignore

/** One fault once more, by the name that was printed with it. */
async function again(name: string): Promise<0 | 1> {
  const [kind, ...rest] = name.split(":");
  const text = rest.join(":");
  const again: Record<string, () => Promise<readonly string[]>> = {
    power: () => powerAgain(text),
    calls: async () =>
      (await callsRun(random(seed), { count: 1, folder: join(memory, "calls"), names: [text] })).faults,
    matrix: async () => (await matrixRun({ count: 1, seed, names: [text] })).faults,
  };
  const faults = (await again[kind as string]?.()) ?? [`${name} names no fault`];
  out(faults.length === 0 ? "ok: nothing was lost\n" : faults.map((fault) => `${fault}\n`).join(""));
  rmSync(memory, { recursive: true, force: true });
  rmSync(base, { recursive: true, force: true });
  return faults.length === 0 ? 0 : 1;
}
