import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { busy, coreShare } from "./calibration.ts";
import { judge, measured, told } from "./figures.ts";
import { rssMB, startProcess } from "./process.ts";

const READY_MS = 1500;
const MAX_MB = 200;

export const start: Bench = {
  name: "start",
  about:
    "`spur up` from its start as a process until it answers, on a new folder and on one that is there; resident memory of the idle process",
  async run({ runs, folder }) {
    const up = (data: string) =>
      startProcess("spur", ["up", "--json", "--port", "0", "--data", join(folder, data)], { cwd: folder });
    const first: number[] = [];
    const again: number[] = [];
    const idle: number[] = [];
    const shares: number[] = [];
    for (let i = 0; i < runs; i++) {
      const fresh = await up(`data${i}`);
      first.push(fresh.readyMs);
      await fresh.stop();
      shares.push(coreShare());
      const running = await up(`data${i}`);
      again.push(running.readyMs);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      idle.push(rssMB(running.pid) ?? NaN);
      await running.stop();
    }
    const limit = { words: `≤ ${READY_MS} ms`, limit: () => READY_MS, better: "lower" } as const;
    return [
      told("ready, new folder", measured("ms", first)),
      judge("ready", measured("ms", again), limit, undefined, busy(shares)),
      judge("idle, resident", measured("MB", idle), { words: `≤ ${MAX_MB} MB`, limit: () => MAX_MB, better: "lower" }),
    ];
  },
};
