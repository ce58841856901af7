import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { judge, measured, told } from "./figures.ts";
import type { Grown } from "./grow.ts";
import { rssMB, startProcess } from "./process.ts";

export const MILLION = 1_000_000;
const MAX_MB = 200;
/** What counts as flat: from a tenth of the log to the whole of it. */
const FLAT = 1.25;

export const memory: Bench = {
  name: "memory",
  about:
    "resident memory of one ledger process while its log grows to 1,000,000 entries, and of `spur up` started on that log",
  async run({ folder, say }) {
    say("growing a log to 1,000,000 entries");
    const { ready, stop } = await startProcess("grow.ts", [folder, String(MILLION)], {
      cwd: folder,
      timeoutMs: 900_000,
    });
    const { perSecond, rss } = ready as unknown as Grown;
    await stop();
    const running = await startProcess("spur", ["up", "--json", "--port", "0", "--data", join(folder, "data")], {
      cwd: folder,
    });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const idle = rssMB(running.pid) ?? NaN;
    await running.stop();
    const early = rss.at(0)?.mb ?? NaN;
    const late = rss.at(-1)?.mb ?? NaN;
    return [
      told("append while growing, server and projections in the same process", measured("/s", [perSecond])),
      judge("memory at 1,000,000 entries ÷ at 100,000", measured("×", [late / early]), { words: `≤ ${FLAT}`, limit: () => FLAT, better: "lower" }, undefined, { note: rss.map(({ size, mb }) => `${size}: ${mb.toFixed(0)} MB`).join(", ") }), // prettier-ignore
      judge("idle on 1,000,000 entries, resident", measured("MB", [idle]), {
        words: `≤ ${MAX_MB} MB`,
        limit: () => MAX_MB,
        better: "lower",
      }),
      told("ready on 1,000,000 entries", measured("ms", [running.readyMs])),
    ];
  },
};
