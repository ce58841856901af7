import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Bench, BenchContext } from "./bench.ts";
import { busy, commitMs, coreShare } from "./calibration.ts";
import { alternate, judge, measured, told, type Figure } from "./figures.ts";
import { load, startServers, type Servers } from "./gateway.ts";
import type { ClosedResult, OpenResult } from "./load.ts";
import { FIRST_TOKEN_MS, TOKEN_MS, TOKENS } from "./upstream.ts";

const SECONDS = 6;
const SHARE = 0.25;
/** Streams at once that keep everything busy: the saturated rate of these very answers. */
const STREAMS = 384;
const DELAY_MS = 10;

export const latency: Bench = {
  name: "latency",
  about:
    `answers arrive at fixed times at ${100 * SHARE} % of the rate at which the gateway is saturated with such answers; the upstream waits ${FIRST_TOKEN_MS} ms and streams ` +
    `${TOKENS} tokens at ${1000 / TOKEN_MS} a second; added = Spur − bare proxy, in the same run`,
  async run(context) {
    const { folder, say } = context;
    const servers = await startServers(join(folder, "plain"));
    let perSecond: number;
    const figures: Figure[] = [];
    try {
      // Not measured: both compile what they run often.
      await load<ClosedResult>(servers.proxyUrl, "none", "streamed", 5, STREAMS);
      await load<ClosedResult>(servers.spurUrl, servers.key, "streamed", 5, STREAMS);
      const saturated = (await load<ClosedResult>(servers.spurUrl, servers.key, "streamed", 5, STREAMS)).perSecond;
      perSecond = Math.max(1, Math.round(SHARE * saturated));
      say(`saturated at ${Math.round(saturated)} answers/s: ${perSecond} arrive each second`);
      figures.push(...(await added(context, servers, perSecond)));
    } finally {
      await servers.stop();
    }
    figures.push(...(await delayed(context, perSecond)));
    return figures;
  },
};

async function added(
  { runs, folder, noDurability }: BenchContext,
  servers: Servers,
  perSecond: number,
): Promise<Figure[]> {
  const ours: OpenResult[] = [];
  const bare: OpenResult[] = [];
  const { commit, share } = await alternate(runs, {
    share: () => coreShare(),
    ours: async () => ours.push(await load<OpenResult>(servers.spurUrl, servers.key, "open", SECONDS, perSecond)),
    bare: async () => bare.push(await load<OpenResult>(servers.proxyUrl, "none", "open", SECONDS, perSecond)),
    commit: () => 2 * commitMs(folder),
  });
  const difference = (of: (result: OpenResult) => number): number[] =>
    ours.map((one, i) => of(one) - of(bare[i] as OpenResult));
  const refuse = noDurability === undefined ? {} : { refuse: noDurability };
  const note = `${perSecond} answers/s`;
  return [
    judge("gateway, streamed, whole answer, added p50", measured("ms", difference((one) => one.totalP50)), { words: "≤ 1.5 × two durable commits + 1 ms", limit: (two) => 1.5 * two + 1, better: "lower" }, { name: "two durable commits", ...measured("ms", commit) }, { ...refuse, note }), // prettier-ignore
    told(
      "gateway, streamed, first token, added p50",
      measured(
        "ms",
        difference((one) => one.firstTokenP50),
      ),
      note,
    ),
    judge("gateway, streamed, jitter between tokens, added p99", measured("ms", difference((one) => one.jitterP99)), { words: "≤ 5 ms", limit: () => 5, better: "lower" }, undefined, { ...refused(share), note: `${note}; bare proxy ${measured("ms", bare.map((one) => one.jitterP99)).median.toFixed(2)} ms` }), // prettier-ignore
  ];
}

/** The same with every fsync of the ledger 10 ms longer: strace holds its threads after the call, and no other call of theirs. */
async function delayed({ runs, folder, say }: BenchContext, perSecond: number): Promise<Figure[]> {
  const name = `jitter between tokens, added p99, each fsync ${DELAY_MS} ms longer`;
  const calls = "fsync,fdatasync";
  const strace = [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    `trace=${calls}`,
    "-e",
    `inject=${calls}:delay_exit=${DELAY_MS * 1000}`,
  ];
  const words = "≤ 20 ms";
  if (
    spawnSync("strace", [
      "-f",
      "--seccomp-bpf",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=fsync",
      process.execPath,
      "-e",
      "0",
    ]).status !== 0
  ) {
    return [
      judge(name, measured("ms", [NaN]), { words, limit: () => 20, better: "lower" }, undefined, {
        refuse: "strace is not there, or may not trace",
      }),
    ];
  }
  const servers = await startServers(join(folder, "delayed"), strace);
  try {
    say(`each fsync ${DELAY_MS} ms longer`);
    const ours: OpenResult[] = [];
    const { jitter, share } = await alternate(runs, {
      share: () => coreShare(),
      jitter: async () => {
        const one = await load<OpenResult>(servers.spurUrl, servers.key, "open", SECONDS, perSecond);
        ours.push(one);
        return one.jitterP99 - (await load<OpenResult>(servers.proxyUrl, "none", "open", SECONDS, perSecond)).jitterP99;
      },
    });
    return [
      judge(name, measured("ms", jitter), { words, limit: () => 20, better: "lower" }, undefined, {
        ...refused(share),
        note: `${perSecond} answers/s`,
      }),
      told(
        `whole answer p50, each fsync ${DELAY_MS} ms longer`,
        measured(
          "ms",
          ours.map((one) => one.totalP50),
        ),
      ),
    ];
  } finally {
    await servers.stop();
  }
}

/** A difference of two times is no bound of either: where others worked on the machine, it is not judged at all. */
function refused(shares: readonly number[]): { refuse?: string } {
  const { excuse } = busy(shares);
  return excuse === undefined ? {} : { refuse: excuse };
}
