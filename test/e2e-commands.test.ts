// Everything that `npm start` prints, typed as it is printed into a shell that has only the machine's own Node and npm.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanUp, temporaryFolder } from "./support/ledger.ts";
import { likeTheRoot, systemNode, type, userEnv } from "./support/shell.ts";

interface Started {
  readonly child: ChildProcess;
  readonly text: string;
  /** From the start of the process until it said where it listens, in ms. */
  readonly readyMs: number;
  /** Processor time that it and its children had used by then, in ms; Infinity where nobody tells. */
  readonly cpuMs: number;
}

/** User and system time of a process group so far (proc(5): fields 5 and 14 to 17, in hundredths of a second). */
function cpuMsOf(group: number): number {
  if (!existsSync("/proc/self/stat")) return Infinity;
  let ticks = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(fields[2]) === group) for (const field of fields.slice(11, 15)) ticks += Number(field);
    } catch {
      continue; // it has just ended
    }
  }
  return ticks * 10;
}

let root: string;
let env: Record<string, string>;
let started: Started;
const running: ChildProcess[] = [];

/** Starts `spur up --demo` and reads what it prints until it has said everything. */
function start(command: string, args: readonly string[]): Promise<Started> {
  const begun = performance.now();
  const child = spawn(command, args, {
    cwd: root,
    env: { ...env, SPUR_PORT: "0" },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  return new Promise((resolve, reject) => {
    let text = "";
    let readyMs = 0;
    let cpuMs = Infinity;
    const take = (bytes: Buffer): void => {
      text += bytes.toString("utf8");
      if (readyMs === 0 && text.includes("Spur records")) {
        readyMs = performance.now() - begun;
        cpuMs = cpuMsOf(child.pid ?? 0);
      }
      if (text.includes("Ctrl-C stops it.")) resolve({ child, text, readyMs, cpuMs });
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`it ended with ${code}: ${text}`));
    });
  });
}

/** What Ctrl-C does: the signal goes to every process of the terminal's foreground group. */
async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return child.exitCode;
  const gone = new Promise<number | null>((resolve) => child.once("close", resolve));
  // Nobody types within a tenth of a second of reading that he can.
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.kill(-child.pid, "SIGINT");
  return gone;
}

beforeAll(async () => {
  const base = temporaryFolder();
  root = likeTheRoot(join(base, "spur"));
  env = userEnv(join(base, "home"));
  started = await start("npm", ["start"]);
}, 90_000);
afterAll(async () => {
  for (const child of running) await stop(child);
  rmSync(join(root, "node_modules"), { force: true }); // a link: what follows must not look into it
  await cleanUp();
});

describe(`npm start, on ${systemNode().version}`, () => {
  it("says that it is a demo, where it listens, and its operator key once", () => {
    expect(started.text).toMatch(/Spur records at http:\/\/127\.0\.0\.1:\d+ .*demo/);
    expect(started.text).toMatch(/log {2}demo\.spur\.invalid\//);
    const key = /spur_[A-Za-z0-9_-]{43}/.exec(started.text)?.[0] ?? "none";
    expect(started.text.split(key)).toHaveLength(2);
    expect(readFileSync(join(root, "spur-demo-keys", "operator.key"), "utf8").trim()).toBe(key);
  });

  it("prints commands that work as they are typed, each exits 0", async () => {
    const lines = started.text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("npx spur "));
    for (const word of ["ask", "trace", "evidence", "trust add", "verify", "audit"])
      expect(
        lines.some((line) => line.startsWith(`npx spur ${word}`)),
        word,
      ).toBe(true);
    const printed = new Set<string>();
    for (const line of lines) {
      // As ssh does, it asks whether to trust: there must be a terminal, and somebody who says yes.
      const ran = await type(line, {
        cwd: root,
        env,
        ...(line.startsWith("npx spur trust add") ? { answer: "y" } : {}),
      });
      expect([line, ran.exit], ran.text).toEqual([line, 0]);
      expect(ran.text.length, line).toBeGreaterThan(20);
      for (const next of ran.out.split("\n")) if (/^\s*npx spur /.test(next)) printed.add(next.trim());
    }
    // What these commands print to go on with can be typed as well, but for words that stand for something (URL, KEY …).
    for (const next of printed) {
      if (lines.includes(next) || /[A-Z]{3}/.test(next) || next.includes("trust add")) continue;
      const then = await type(next, { cwd: root, env });
      expect([next, then.exit], then.text).toEqual([next, 0]);
    }
  }, 120_000);

  it("is ready within 1.5 s when the model exists, and says nothing of a key again", async () => {
    await stop(started.child);
    const key = readFileSync(join(root, "spur-demo-keys", "operator.key"), "utf8").trim();
    // Other work of the machine slows any one start: of three the best counts, and where more wants to run than there are
    // processors, what two of them do in 1.5 s in place of the clock.
    const tries: { readyMs: number; cpuMs: number; good: boolean }[] = [];
    while (tries.length < 3 && !tries.some(({ good }) => good)) {
      const busy = (loadavg()[0] ?? 0) > availableParallelism();
      const again = await start(systemNode().path, ["packages/cli/bin/spur.js", "up", "--demo"]);
      const { readyMs, cpuMs } = again;
      tries.push({ readyMs: Math.round(readyMs), cpuMs, good: readyMs <= 1500 || (busy && cpuMs <= 3000) });
      expect(again.text).not.toContain(key);
      expect(await stop(again.child)).toBe(0);
    }
    process.stdout.write(
      `\nready after ${tries.map(({ readyMs, cpuMs }) => `${readyMs} ms (processor ${cpuMs} ms)`).join(", ")}\n`,
    );
    expect(tries.at(-1)).toMatchObject({ good: true });
  }, 60_000);
});
