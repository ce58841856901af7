// Our witness under other people's hands: transparency-dev's load test drives it, and their note library judges what it signed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { listedLog } from "@spur/witness/log-list";
import { addLogs, listLogs } from "@spur/witness/manage";
import "@spur/witness/ml-dsa";
import { root } from "../imports.ts";
import { cleanUp, temporaryFolder } from "../support/ledger.ts";
import { cacheFolder, good, holds, lastLine, need, run, Skip, type Suite } from "./peer.ts";

const LOADTEST = "github.com/transparency-dev/witness/cmd/loadtest";
const LOGS = 50;
const SECONDS = 20;
/** Far below what it does on a slow machine: a witness that is slower than this is broken. */
const LEAST_PER_SECOND = 50;

export const witnessServer: Suite = {
  name: "witness-server",
  about: "transparency-dev's witness load test on our witness; Go's note library on its cosignatures and key files",
  async run(say) {
    const loadtest = await built(LOADTEST);
    const judge = await built("./cosignatures");
    const { data, keys } = { data: join(temporaryFolder(), "witness"), keys: temporaryFolder() };
    // Without a target it prints the logs that it will be.
    const yaml = (await good(loadtest, [`--log_count=${LOGS}`])).out;
    const vkeys = [...yaml.matchAll(/PublicKey: (\S+)/g)].map(([, vkey = ""]) => vkey);
    holds(`${LOGS} logs in its configuration`, vkeys.length === LOGS);
    addLogs(
      data,
      vkeys.map((vkey) => listedLog(vkey)),
    );
    const witness = await start(data, keys);
    try {
      const load = await loadOf(loadtest, witness);
      say(load);
      const judged = await judgedByGo(judge, witness, data, keys);
      return `${load}; ${judged}`;
    } finally {
      await witness.stop();
      await cleanUp();
    }
  },
};

/** Built in the module that pins transparency-dev's witness; throws Skip where the module proxy has it not. */
async function built(program: string): Promise<string> {
  const go = need("go", "Go 1.25 or newer");
  const binary = join(cacheFolder("go-witness-server"), program.split("/").at(-1) ?? "");
  const cwd = join(import.meta.dirname, "go-omniwitness");
  const ran = await run(go, ["build", "-o", binary, program], { cwd, timeoutMs: 900_000 });
  if (ran.exit !== 0 && /dial tcp|no such host|connection refused|i\/o timeout|403 Forbidden/.test(ran.text))
    throw new Skip(`${program} cannot be fetched: ${lastLine(ran.text)}`);
  holds(`${program} builds: ${ran.text.slice(-500)}`, ran.exit === 0);
  return binary;
}

interface Running {
  readonly url: string;
  readonly vkeys: readonly string[];
  stop(): Promise<void>;
}

/** A process of its own, as a person starts it: the load test must not share its time with us. */
async function start(data: string, keys: string): Promise<Running> {
  const args = ["witness", "serve", "--data", data, "--keys", keys, "--listen", "127.0.0.1:0", "--json"];
  const child = spawn(process.execPath, [join(root, "packages/cli/bin/spur.js"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  let out = "";
  for await (const part of child.stdout as AsyncIterable<Buffer>) {
    out += part.toString("utf8");
    if (out.endsWith("}\n")) break;
  }
  const { url, vkeys } = JSON.parse(out) as { url: string; vkeys: string[] };
  return { url, vkeys, stop };
}

/** Fifty logs, each asking as soon as it was answered; more than five seconds for an answer ends it as failed. */
async function loadOf(loadtest: string, { url }: Running): Promise<string> {
  const args = [`--target=${url}`, `--log_count=${LOGS}`, "--timeout=5s", "--start_qps=5000", "--logtostderr"];
  const before = await cosigned(url);
  const begun = performance.now();
  const running = run(loadtest, args, { timeoutMs: SECONDS * 1000 });
  await sleep(5_000);
  const warm = { count: await cosigned(url), at: performance.now() };
  const { text } = await running;
  const after = { count: await cosigned(url), at: performance.now() };
  const failed = /^F.*$/m.exec(text)?.[0];
  holds(
    `the load test goes on until it is stopped: ${failed ?? lastLine(text)}`,
    failed === undefined && text.includes("ended by SIGTERM"),
  );
  const perSecond = ((after.count - warm.count) / (after.at - warm.at)) * 1000;
  const latencies = [...text.matchAll(/Average update time is ([0-9.]+)ms/g)].map(([, ms]) => Number(ms));
  const median = latencies.sort((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? 0;
  holds(`${perSecond.toFixed(0)} a second`, perSecond > LEAST_PER_SECOND);
  const seconds = ((after.at - begun) / 1000).toFixed(0);
  return `loadtest: ${after.count - before} checkpoints of ${LOGS} logs cosigned in ${seconds} s, ${perSecond.toFixed(0)} a second, median of ${median.toFixed(0)} ms, none refused`;
}

async function cosigned(url: string): Promise<number> {
  return ((await (await fetch(`${url}/health`)).json()) as { cosigned: number }).cosigned;
}

async function judgedByGo(judge: string, { url, vkeys }: Running, data: string, keys: string): Promise<string> {
  const skeys = ["witness.key", "witness-ml-dsa.key"]
    .slice(0, vkeys.length)
    .map((file) => readFileSync(join(keys, file), "utf8").trim());
  let judged = 0;
  for (const { hash } of listLogs(data).logs) {
    const note = await (await fetch(`${url}/${hash}/checkpoint`)).text();
    const { out } = await good(judge, [], { input: JSON.stringify({ vkeys, skeys, note }) });
    const { verified, signedByGo } = JSON.parse(out) as { verified: number; signedByGo: string };
    holds(`Go verifies all ${vkeys.length} cosignatures`, verified === vkeys.length);
    holds(
      "what Go cosigns with our key files opens here",
      openNote(parseNote(signedByGo), vkeys.map(parseVkey)).verified.length === vkeys.length,
    );
    // And it can say no.
    const forged = await run(judge, [], {
      input: JSON.stringify({ vkeys, skeys, note: note.replace(/\n([0-9]+)\n/, "\n1$1\n") }),
    });
    holds("Go refuses another size under the same lines", forged.exit === 1);
    judged += verified;
  }
  return `Go verifies ${judged} cosignatures of ${vkeys.length} algorithms on the read side, and signs with our key files`;
}
