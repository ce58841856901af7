// `npm run bench [-- NAME…] [--json] [--runs N] [--folder DIR]`: what Spur does here and now, as ratios to what the same machine does
// without it in the same minutes. Exit: 0 all judged and reached, 1 something missed, 2 something could not be judged.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { append } from "./append.ts";
import { audit } from "./audit.ts";
import type { Bench } from "./bench.ts";
import { calibration, fsyncMs, MIN_FSYNC_US } from "./calibration.ts";
import { evidence } from "./evidence.ts";
import { amount, percent, type Figure } from "./figures.ts";
import { gateway } from "./gateway.ts";
import { latency } from "./latency.ts";
import { log } from "./log.ts";
import { memory } from "./memory.ts";
import { start } from "./start.ts";
import { tenMillion } from "./ten-million.ts";

const BENCHES: readonly Bench[] = [
  calibration,
  append,
  gateway,
  latency,
  evidence,
  start,
  memory,
  audit,
  log,
  tenMillion,
];

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    folder: { type: "string", default: tmpdir() },
    help: { type: "boolean", short: "h", default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<0 | 1 | 2> {
  const runs = Number(flags.runs);
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (flags.help || unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
    const names = BENCHES.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join("\n");
    process.stderr.write(`npm run bench [-- NAME…] [--json] [--runs N] [--folder DIR]\n${names}\n`);
    return flags.help ? 0 : 2;
  }
  const base = mkdtempSync(join(flags.folder, "spur-bench-"));
  try {
    const conditions = conditionsOf(base, runs);
    say(Object.values(conditions.lines).join("\n"));
    const figures: (Figure & { bench: string })[] = [];
    for (const bench of BENCHES) {
      if (positionals.length > 0 ? !positionals.includes(bench.name) : bench === tenMillion) continue; // by name only: it takes long
      say(`\n${bench.name}: ${bench.about}`);
      const folder = join(base, bench.name);
      mkdirSync(folder);
      const { noDurability } = conditions;
      const context = { runs, folder, ...(noDurability === undefined ? {} : { noDurability }), say: (line: string) => { say(`  … ${line}`); } }; // prettier-ignore
      for (const figure of await bench.run(context)) {
        figures.push({ bench: bench.name, ...figure });
        say(`  ${line(figure)}`);
      }
      rmSync(folder, { recursive: true, force: true });
    }
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ format: "spur-bench/v1", ...conditions.values, figures }, null, 1)}\n`);
    else process.stdout.write(`\n${table(figures)}\n\n${Object.values(conditions.lines).join("  \n")}\n`);
    if (figures.some(({ verdict }) => verdict === "missed")) return 1;
    return figures.some(({ verdict }) => verdict === "not judged") ? 2 : 0;
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** What must be known to read a figure. */
function conditionsOf(folder: string, runs: number) {
  const [cpu] = cpus();
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const fsyncUs = 1000 * fsyncMs(folder);
  const noDurability =
    fsyncUs < MIN_FSYNC_US
      ? `one fsync takes ${fsyncUs.toFixed(0)} µs here: it reaches no disk, so nothing durable is judged`
      : undefined;
  const values = {
    spur: version,
    node: process.versions.node,
    sqlite: process.versions["sqlite"] ?? "",
    openssl: process.versions.openssl ?? "",
    system: `${process.platform} ${process.arch}`,
    cpu: cpu?.model.trim() ?? "",
    cores: cpus().length,
    memoryMB: Math.round(totalmem() / 1e6),
    fsyncUs: Math.round(fsyncUs),
    runs,
  };
  const lines = {
    machine: `Spur ${values.spur}, Node ${values.node}, SQLite ${values.sqlite}, OpenSSL ${values.openssl}; ${values.system}, ${values.cores} × ${values.cpu}, ${values.memoryMB} MB.`,
    durable: `fsync is on everywhere (SQLite WAL, synchronous = full); one fsync takes ${values.fsyncUs} µs. An acknowledgement means: the entry, its sealed payload and its wrapped key are on disk.`,
    method: `Median of ${runs} runs, each in turn with its calibration; spread = (largest − smallest) / median. Where the calibration spreads over 20 %, nothing is judged.`,
    ...(noDurability === undefined ? {} : { refused: noDurability }),
  };
  return { values, lines, ...(noDurability === undefined ? {} : { noDurability }) };
}

function line({ name, ours, calibration: against, ratio, target, verdict, note }: Figure): string {
  const parts = [`${name}: ${amount(ours.median, ours.unit)} (± ${percent(ours.spread)})`];
  if (against !== undefined)
    parts.push(
      `${against.name} ${amount(against.median, against.unit)} (± ${percent(against.spread)}), ratio ${(ratio ?? NaN).toFixed(2)}`,
    );
  if (target !== undefined) parts.push(`wanted ${target}`);
  if (verdict !== "told") parts.push(verdict.toUpperCase());
  if (note !== undefined) parts.push(note);
  return parts.join(" · ");
}

function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, ours, calibration: against, ratio, target, verdict, note }) => [
    name,
    `${amount(ours.median, ours.unit)} (${percent(ours.spread)})`,
    against === undefined
      ? ""
      : `${against.name}: ${amount(against.median, against.unit)} (${percent(against.spread)})`,
    ratio === undefined ? "" : ratio.toFixed(2),
    target ?? "",
    verdict === "told" ? "" : verdict,
    note ?? "",
  ]);
  const header = ["figure", "Spur (spread)", "calibration (spread)", "ratio", "target", "verdict", "note"];
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function say(text: string): void {
  (flags.json ? process.stderr : process.stdout).write(`${text}\n`);
}
