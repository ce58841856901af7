import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where a ledger under test keeps its folders. */
export interface Place {
  readonly data: string;
  readonly keys: string;
}

/** A ledger's process. `ended`: how it went. */
export interface Child {
  readonly process: ChildProcess;
  /** Undefined if it ended before it answered. */
  readonly ready: Promise<Ready | undefined>;
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
  /** kill -9, of the ledger itself and not of what wraps it. */
  kill(): Promise<void>;
  /** Ends it in good order. */
  stop(): Promise<number | null>;
}

export interface Ready {
  readonly url: string;
  readonly vkey: string;
  readonly refused?: string;
  readonly message?: string;
}

const DRIVER = fileURLToPath(new URL("driver.ts", import.meta.url));

/** Starts a ledger; `before` is a command to run it under, such as strace with its options. */
export function startChild(
  place: Place,
  upstream: string,
  options: { before?: readonly string[]; publishEvery?: number } = {},
): Child {
  const before = options.before ?? [];
  const args = [
    ...before,
    process.execPath,
    "--no-warnings",
    DRIVER,
    place.data,
    place.keys,
    upstream,
    String(options.publishEvery ?? 0.2),
  ];
  const child = spawn(args[0] as string, args.slice(1), {
    stdio: ["pipe", "pipe", "pipe"],
    // What is compiled is kept between starts: most of a start is that.
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: join(tmpdir(), "spur-faults-compiled") },
  });
  child.stdin.on("error", () => undefined);
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-4000)));
  let over = false;
  const ended = new Promise<{ code: number | null; signal: string | null; stderr: string }>((resolve) => {
    child.once("close", (code, signal) => {
      over = true;
      resolve({ code, signal, stderr });
    });
  });
  const ready = new Promise<Ready | undefined>((resolve) => {
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      if (text.endsWith("\n")) resolve(JSON.parse(text) as Ready);
    });
    void ended.then(() => {
      resolve(undefined);
    });
  });
  return {
    process: child,
    ready,
    ended,
    async kill() {
      if (!over) {
        for (const pid of before.length > 0 ? childrenOf(child.pid as number) : []) tryKill(pid);
        child.kill("SIGKILL");
      }
      await ended;
    },
    async stop() {
      child.stdin.end();
      return (await ended).code;
    },
  };
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(join("/proc", String(pid), "task", String(pid), "children"), "latin1").trim().split(" ").filter((text) => text !== "").map(Number); // prettier-ignore
  } catch {
    return [];
  }
}
