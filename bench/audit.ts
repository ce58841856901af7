import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench } from "./bench.ts";
import { busy, coreShare, sha256Rate } from "./calibration.ts";
import { judge, measured, told } from "./figures.ts";
import { openInProcess, recordAll, unsealedDraft } from "./ledger-in-process.ts";
import { MILLION } from "./memory.ts";

const STEP = 10_000;
const LIMIT_S = 30;
const FSCK = "github.com/transparency-dev/tessera/cmd/fsck@v1.0.4";

export const audit: Bench = {
  name: "audit",
  about:
    "`spur audit FOLDER --json` of 1,000,000 entries: every bundle, tile, root, signature, register and reference; from disk, in a process of its own",
  async run({ runs, folder, say }) {
    say("appending 1,000,000 entries");
    const { ledger, thread, run, close } = await openInProcess(folder);
    const before = performance.now();
    for (let { size } = await thread.call("head"); size < MILLION; size = (await thread.call("head")).size) {
      const from = size;
      await recordAll(ledger, Math.min(STEP, MILLION - from), (i) => unsealedDraft(run, from + i), 256);
    }
    await thread.call("publish");
    const seconds = (performance.now() - before) / 1000;
    await close();
    const times: number[] = [];
    const theirs: number[] = [];
    const shares: number[] = [];
    const fsck = await fsckOf(folder, thread.info.vkey);
    for (let i = 0; i < Math.min(3, runs); i++) {
      shares.push(coreShare());
      times.push(await auditOnce(join(folder, "data", "log"), folder));
      if (typeof fsck !== "string") theirs.push(await fsck(join(folder, "data", "log")));
    }
    shares.push(coreShare());
    const beside = typeof fsck === "string"
      ? told(`Tessera's fsck on the same log: not measured, ${fsck}`, measured("s", [0]))
      : judge("the same, beside Tessera's fsck", measured("s", times), { words: "≤ 1 × fsck", limit: (seconds) => seconds, better: "lower" }, { name: "fsck, which reads no registers", ...measured("s", theirs) }); // prettier-ignore
    return [
      beside,
      judge("audit of 1,000,000 entries", measured("s", times), { words: `≤ ${LIMIT_S} s`, limit: () => LIMIT_S, better: "lower" }, undefined, { note: `SHA-256 ${sha256Rate().toFixed(0)} MB/s on one core`, ...busy(shares) }), // prettier-ignore
      told("building that log", measured("s", [seconds])),
    ];
  },
};

/** Runs Tessera's fsck on a folder and gives its seconds; or says why it can't. */
async function fsckOf(folder: string, vkey: string): Promise<string | ((log: string) => Promise<number>)> {
  const run = promisify(execFile);
  try {
    await run("go", ["install", FSCK], { env: { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" } });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "no go" : (error as Error).message.slice(-300);
  }
  const key = join(folder, "log.vkey");
  writeFileSync(key, `${vkey}\n`);
  return async (log) => {
    const before = performance.now();
    const { stdout, stderr } = await run(join(folder, "fsck"), [`--storage_url=file://${log}/`, `--public_key=${key}`, "--ui=false"]); // prettier-ignore
    if (!`${stdout}${stderr}`.includes(`Successfully fsck'd log with size ${MILLION}`))
      throw new Error(stderr.slice(-500));
    return (performance.now() - before) / 1000;
  };
}

/** Seconds. Rejects unless it read the whole log and found nothing wrong. */
function auditOnce(log: string, cwd: string): Promise<number> {
  const spur = fileURLToPath(new URL("../packages/cli/bin/spur.js", import.meta.url));
  return new Promise((resolve, reject) => {
    const before = performance.now();
    const child = spawn(process.execPath, [spur, "audit", log, "--json"], {
      cwd,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, XDG_CONFIG_HOME: cwd },
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.once("exit", (code) => {
      const seconds = (performance.now() - before) / 1000;
      // 2: nobody told it whom to trust, and it says so; 1 would be a refutation.
      if ((code === 0 || code === 2) && text.includes(String(MILLION))) resolve(seconds);
      else reject(new Error(`the audit ended with ${code ?? "a signal"}: ${text.slice(0, 2000)}`));
    });
  });
}
