import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A process that said it is ready. */
export interface Running {
  /** The JSON document that it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly readyMs: number;
  /** The process that does the work, below any wrapper. */
  readonly pid: number;
  stop(): Promise<void>;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Starts a script of this folder, or `spur`, and waits for the one JSON document that it prints. `before`: a command to run it under. */
export async function startProcess(
  script: string,
  args: readonly string[],
  options: { before?: readonly string[]; cwd?: string; timeoutMs?: number } = {},
): Promise<Running> {
  const path = script === "spur" ? here("../packages/cli/bin/spur.js") : here(script);
  const [command, ...rest] = [...(options.before ?? []), process.execPath, path, ...args];
  const startedAt = performance.now();
  const env = { ...process.env, SPUR_DISCOVER: "false", NODE_NO_WARNINGS: "1" };
  const child = spawn(command as string, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const { ready, text } = await firstDocument(child, options.timeoutMs ?? 30_000).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  const readyMs = performance.now() - startedAt;
  void text;
  const pid = options.before === undefined ? (child.pid as number) : onlyChild(child.pid as number);
  return {
    ready,
    readyMs,
    pid,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) {
          resolve();
          return;
        }
        const hard = setTimeout(() => child.kill("SIGKILL"), 20_000);
        child.once("exit", () => {
          clearTimeout(hard);
          resolve();
        });
        process.kill(pid, "SIGTERM");
      }),
  };
}

function firstDocument(
  child: ChildProcess,
  timeoutMs: number,
): Promise<{ ready: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    let text = "";
    let errors = "";
    const timer = setTimeout(() => {
      reject(new Error(`not ready after ${timeoutMs} ms: ${text}${errors}`));
    }, timeoutMs);
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      try {
        const ready = JSON.parse(text) as Record<string, unknown>;
        clearTimeout(timer);
        resolve({ ready, text });
      } catch {
        // not whole yet
      }
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code ?? "a signal"}: ${text}${errors}`));
    });
  });
}

function onlyChild(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
  if (child === undefined || child === "") throw new Error(`${pid} has no child`);
  return Number(child);
}

/** Resident memory of a process in MB; undefined where the system does not tell. */
export function rssMB(pid: number): number | undefined {
  try {
    const line = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return line === null ? undefined : (Number(line[1]) * 1024) / 1e6;
  } catch {
    return undefined;
  }
}
