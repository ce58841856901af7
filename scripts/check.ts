// `npm run check [-- STEP…]`: what must hold of the sources before the tests are worth running. Prints each step with its time.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Most lines of code of the part that a stranger has to read before he believes it. Counted are lines that are neither blank nor nothing
 * but comment, since a limit must never be a reason to explain less. Apart from the core stand the tables, which are looked up and not
 * followed (predicates, sentences); the fold that audits a whole log; and what checks anchors on a chain.
 */
const VERIFIER_LINES = { core: 3000, tables: 500, audit: 300, anchor: 600 };

const PROJECTS = [
  "packages/verifier",
  "packages/verifier/test",
  "packages/ledger",
  "packages/witness",
  "packages/cli",
  "packages/web",
  "demo",
  ".",
];

/** Returns the complaint, or undefined when all is well. */
type Step = () => string | undefined;

const steps: Record<string, Step> = {
  lint: () => command("eslint", ["--max-warnings", "0", "."]),
  format: () => command("prettier", ["--check", "--log-level", "warn", "."]),
  types: () => {
    const complaints = PROJECTS.map((project) => command("tsc", ["-p", project])).filter((text) => text !== undefined);
    return complaints.length === 0 ? undefined : complaints.join("\n");
  },
  imports: () => command("vitest", ["run", "--reporter", "dot", "test/architecture.test.ts"]),
  size: verifierSize,
};

process.exitCode = main(process.argv.slice(2));

function main(wanted: readonly string[]): 0 | 1 {
  const unknown = wanted.filter((name) => !(name in steps));
  if (unknown.length > 0) {
    process.stderr.write(`unknown step ${unknown.join(", ")}; there are: ${Object.keys(steps).join(", ")}\n`);
    return 1;
  }
  const failed: string[] = [];
  for (const [name, step] of Object.entries(steps)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const startedMs = performance.now();
    const complaint = step();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
    process.stdout.write(`${complaint === undefined ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds} s\n`);
    if (complaint === undefined) continue;
    failed.push(name);
    process.stdout.write(`${complaint.trimEnd().replaceAll(/^/gm, "    ")}\n`);
  }
  if (failed.length === 0) return 0;
  process.stdout.write(`\ncheck failed: ${failed.join(", ")}. One step alone: npm run check -- ${failed[0] ?? ""}\n`);
  return 1;
}

function command(name: string, args: readonly string[]): string | undefined {
  const bin = `${root}node_modules/.bin/${name}`;
  if (!existsSync(bin)) return `${name} is not installed: run npm ci`;
  const env = { ...process.env, NO_COLOR: "1" };
  const run = spawnSync(bin, args, { cwd: root, env, encoding: "utf8", shell: process.platform === "win32" });
  if (run.error !== undefined) return `${name}: ${run.error.message}`;
  if (run.status === 0) return undefined;
  return `${run.stdout}${run.stderr}` || `${name} ended with ${run.status ?? run.signal ?? "nothing"}`;
}

function verifierSize(): string | undefined {
  const folder = `${root}packages/verifier/src/`;
  const lines = { core: 0, tables: 0, audit: 0, anchor: 0 };
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    lines[partOf(name.replaceAll("\\", "/"))] += linesOfCode(readFileSync(folder + name, "utf8"));
  }
  const parts = Object.keys(VERIFIER_LINES) as (keyof typeof VERIFIER_LINES)[];
  const told = parts.map((part) => `${part} ${lines[part]} of ${VERIFIER_LINES[part]}`);
  process.stdout.write(`       verifier, lines of code: ${told.join(", ")}\n`);
  if (lines.core === 0) return `no sources under ${folder}`;
  const over = parts.filter((part) => lines[part] > VERIFIER_LINES[part]);
  return over.length === 0 ? undefined : `more lines of code than there may be: ${over.join(", ")}`;
}

function partOf(name: string): keyof typeof VERIFIER_LINES {
  if (name.startsWith("anchor/")) return "anchor";
  if (name.startsWith("audit/")) return "audit";
  return name.startsWith("statement/predicates/") || name === "evidence/sentences.ts" ? "tables" : "core";
}

/** Comments stand on lines of their own: Prettier and review see to it, so their beginnings tell them. */
function linesOfCode(text: string): number {
  return text.split("\n").filter((line) => !/^\s*(\/\/|\/?\*|$)/.test(line)).length;
}
