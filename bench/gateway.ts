import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench } from "./bench.ts";
import { alternate, atLeast, judge, measured, told } from "./figures.ts";
import type { ClosedResult } from "./load.ts";
import { startProcess, type Running } from "./process.ts";

export const IN_FLIGHT = 32;
const SECONDS = 4;
/** Load that is not measured, first of all: each process compiles what it runs often, and does so on the cores that are measured. */
const WARM_SECONDS = 8;
/** A load begins when the machine has been this idle for a moment; after this long it begins all the same. */
const QUIET_SHARE = 0.8;
const QUIET_MS = 250;
const WAIT_FOR_QUIET_MS = 15_000;

/** Fake upstream, bare proxy and Spur, each a process of its own. */
export interface Servers {
  readonly spur: Running;
  readonly spurUrl: string;
  readonly proxyUrl: string;
  readonly key: string;
  stop(): Promise<void>;
}

/** `before`: a command to run the ledger under. */
export async function startServers(folder: string, before?: readonly string[]): Promise<Servers> {
  mkdirSync(folder, { recursive: true });
  const upstream = await startProcess("upstream.ts", []);
  const url = String(upstream.ready["url"]);
  const proxy = await startProcess("bare-proxy.ts", [url]);
  const args = [
    "up",
    "--json",
    "--port",
    "0",
    "--data",
    join(folder, "data"),
    "--upstream",
    url,
    "--origin",
    "bench.spur.invalid/log",
  ];
  const spur = await startProcess("spur", args, { cwd: folder, ...(before === undefined ? {} : { before }) });
  return {
    spur,
    spurUrl: `${String(spur.ready["url"])}/v1`,
    proxyUrl: String(proxy.ready["url"]),
    key: String(spur.ready["operatorKey"]),
    async stop() {
      await spur.stop();
      await proxy.stop();
      await upstream.stop();
    },
  };
}

/**
 * Waits until nobody works on this machine: neither others, nor the server that was measured last and still tidies up behind it, which
 * would fall on whoever comes next.
 */
async function quiet(): Promise<void> {
  const until = performance.now() + WAIT_FOR_QUIET_MS;
  const idle = (): { idle: number; all: number } => {
    const times = cpus().map((cpu) => cpu.times);
    const sum = (of: (one: (typeof times)[number]) => number): number => times.reduce((all, one) => all + of(one), 0);
    return {
      idle: sum((one) => one.idle),
      all: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq),
    };
  };
  for (let before = idle(); performance.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const after = idle();
    if (after.idle - before.idle >= QUIET_SHARE * (after.all - before.all)) return;
    before = after;
  }
}

/** Runs the load generator, in a quiet moment if one comes, and returns what it measured. */
export async function load<Result extends { failed: number }>(
  url: string,
  key: string,
  mode: "closed" | "streamed" | "open",
  seconds: number,
  amount: number,
): Promise<Result> {
  const script = fileURLToPath(new URL("./load.ts", import.meta.url));
  await quiet();
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    url,
    key,
    mode,
    String(seconds),
    String(amount),
  ]);
  const result = JSON.parse(stdout) as Result;
  if (result.failed > 0) throw new Error(`${result.failed} requests to ${url} failed`);
  return result;
}

export const gateway: Bench = {
  name: "gateway",
  about: `POST /v1/chat/completions, JSON, ${IN_FLIGHT} in flight; load generator, fake upstream and what is measured share the same cores; two durable commits for each answer`,
  async run({ runs, folder, noDurability }) {
    const servers = await startServers(folder);
    try {
      await load<ClosedResult>(servers.spurUrl, servers.key, "closed", WARM_SECONDS, IN_FLIGHT);
      await load<ClosedResult>(servers.proxyUrl, "none", "closed", WARM_SECONDS, IN_FLIGHT);
      const latencies: number[] = [];
      const results = await alternate(runs, {
        ours: async () => {
          const { perSecond, p50Ms } = await load<ClosedResult>(
            servers.spurUrl,
            servers.key,
            "closed",
            SECONDS,
            IN_FLIGHT,
          );
          latencies.push(p50Ms);
          return perSecond;
        },
        proxy: async () => (await load<ClosedResult>(servers.proxyUrl, "none", "closed", SECONDS, IN_FLIGHT)).perSecond,
      });
      const proxy = { name: "bare Node + undici proxy", ...measured("req/s", results.proxy) };
      const refuse = noDurability === undefined ? {} : { refuse: noDurability };
      return [
        judge(
          "gateway, JSON, 32 in flight",
          measured("req/s", results.ours),
          atLeast(0.15, "the bare proxy"),
          proxy,
          refuse,
        ),
        told("gateway, JSON, 32 in flight, p50", measured("ms", latencies)),
      ];
    } finally {
      await servers.stop();
    }
  },
};
