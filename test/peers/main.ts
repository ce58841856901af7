// `npm run peers [-- NAME…]`: Spur held against other people's software. What is not installed is said, and skipped.
import { browser } from "./browser.ts";
import { openaiNode } from "./openai-node.ts";
import { openaiPython } from "./openai-python.ts";
import { Skip, type Suite } from "./peer.ts";
import { python } from "./python.ts";
import { sqlite } from "./sqlite.ts";
import { tesseraHammer } from "./tessera-hammer.ts";
import { tesseraMigrate } from "./tessera-migrate.ts";
import { tessera } from "./tessera.ts";
import { witness } from "./witness.ts";
import { witnessServer } from "./witness-server.ts";

const SUITES: readonly Suite[] = [
  python,
  openaiPython,
  openaiNode,
  tessera,
  tesseraHammer,
  tesseraMigrate,
  witness,
  witnessServer,
  sqlite,
  browser,
];

// Not left to the event loop: a suite that failed may have left something open.
process.exit(await main(process.argv.slice(2)));

async function main(names: readonly string[]): Promise<0 | 1 | 2> {
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `no suite ${unknown.join(", ")}; there are:\n${SUITES.map(({ name, about }) => `  ${name.padEnd(14)} ${about}\n`).join("")}`,
    );
    return 2;
  }
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of SUITES) {
    if (names.length > 0 && !names.includes(suite.name)) continue;
    const begun = performance.now();
    const seconds = (): string => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    process.stdout.write(`\n${suite.name}: ${suite.about}\n`);
    try {
      const seen = await suite.run((text) => process.stdout.write(`  ${text}\n`));
      counts.passed++;
      process.stdout.write(`PASS ${suite.name} (${seconds()}): ${seen}\n`);
    } catch (error) {
      if (error instanceof Skip) {
        counts.skipped++;
        process.stdout.write(`SKIPPED ${suite.name}: ${error.message}\n`);
      } else {
        counts.failed++;
        process.stdout.write(`FAIL ${suite.name} (${seconds()}): ${(error as Error).stack ?? String(error)}\n`);
      }
    }
  }
  process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  return counts.failed > 0 ? 1 : 0;
}
