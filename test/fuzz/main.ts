// `npm run fuzz [-- TARGET…] [--count N] [--seed S] [--from NTH]`: changed files into every parser and every verdict of the verifier.
import { parseArgs } from "node:util";
import { useSha256 } from "@spur/verifier/hash";
import { nativeSha256 } from "@spur/ledger/native-sha256";
import { fuzz } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    from: { type: "string", default: "0" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [count, seed, from] = [Number(values.count), Number(values.seed), Number(values.from)];
const unknown = positionals.filter((name) => !TARGETS.some((target) => target.name === name));
if (values.help || unknown.length > 0 || ![count, seed, from].every(Number.isSafeInteger)) {
  process.stderr.write(`npm run fuzz [-- TARGET…] [--count N] [--seed S] [--from NTH]\n  targets: ${TARGETS.map(({ name }) => name).join(", ")}\n`); // prettier-ignore
  process.exitCode = values.help ? 0 : 2;
} else {
  useSha256(nativeSha256);
  for (const target of TARGETS) {
    if (positionals.length > 0 && !positionals.includes(target.name)) continue;
    const before = performance.now();
    const told = (done: number): void => {
      if (process.stderr.isTTY) process.stderr.write(`\r${target.name}: ${((100 * done) / count).toFixed(0)} %  `);
    };
    try {
      const { refused, slowestMs } = fuzz(target, count, seed, from, told);
      const seconds = (performance.now() - before) / 1000;
      process.stdout.write(`${process.stderr.isTTY ? "\r" : ""}${target.name.padEnd(14)} ${count} inputs, ${((100 * refused) / count).toFixed(1)} % refused, the slowest ${slowestMs.toFixed(1)} ms, ${seconds.toFixed(1)} s, seed ${seed}\n`); // prettier-ignore
    } catch (error) {
      process.stdout.write(`FAILED ${(error as Error).message}\n${((error as Error).cause as Error | undefined)?.stack ?? ""}\n`); // prettier-ignore
      process.exitCode = 1;
    }
  }
}
