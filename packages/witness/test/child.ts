// A witness as a process of its own, started as a person starts it, so that it can be killed.
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";

const running = new Set<ChildWitness>();

/** Whatever a failed test has left running. */
export async function killChildren(): Promise<void> {
  for (const child of running) {
    child.kill("SIGKILL");
    await child.ended;
  }
}

const SPUR = join(import.meta.dirname, "../../cli/bin/spur.js");

export interface ChildWitness {
  readonly url: string;
  readonly vkeys: readonly string[];
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** All that it printed, errors too. */
  text(): string;
  /** To the process itself, also where it runs under something else. */
  kill(signal: NodeJS.Signals): void;
}

/** Resolves when it answers; undefined if it ended before. `before`: what it is run under, such as strace. */
export async function startChild(data: string, before: readonly string[] = []): Promise<ChildWitness | undefined> {
  const [command = "", ...args] = [...before, process.execPath, SPUR];
  const child = spawn(
    command,
    [...args, "witness", "serve", "--data", data, "--name", "witness.test/child", "--listen", "127.0.0.1:0", "--json"],
    // A group of its own: what it is run under passes no signal on.
    { stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  let out = "";
  let err = "";
  child.stderr.on("data", (bytes: Buffer) => (err += bytes.toString("utf8")));
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(signal ?? code ?? -1));
  });
  const up = new Promise<{ url: string; vkeys: string[] }>((resolve) => {
    child.stdout.on("data", (bytes: Buffer) => {
      out += bytes.toString("utf8");
      const end = out.indexOf("\n}\n");
      if (end !== -1) {
        const said = JSON.parse(out.slice(0, end + 2)) as { url?: string; vkeys?: string[] };
        if (said.url !== undefined && said.vkeys !== undefined) resolve({ url: said.url, vkeys: said.vkeys });
      }
    });
  });
  const started = await Promise.race([up, ended]);
  if (typeof started !== "object") return undefined;
  const witness: ChildWitness = {
    ended,
    text: () => out + err,
    kill: (signal) => {
      try {
        process.kill(-(child.pid ?? 0), signal);
      } catch {
        // it has ended by itself
      }
    },
    ...started,
  };
  running.add(witness);
  void ended.then(() => running.delete(witness));
  return witness;
}

/** `spur …` to its end, killed after `killAfterMs` if that is given, under what `before` says. */
export function runSpur(
  args: readonly string[],
  { killAfterMs, before = [] }: { killAfterMs?: number; before?: readonly string[] } = {},
): Promise<{ exit: number | string; text: string }> {
  const [command = "", ...rest] = [...before, process.execPath, SPUR, ...args];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ exit: signal ?? code ?? -1, text });
    });
  });
}

/** Why faults can't be injected here; undefined if they can. */
export function whyNoStrace(): string | undefined {
  try {
    execFileSync("strace", ["-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"], {
      stdio: "pipe",
    });
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT" ? "strace is not installed" : "strace cannot trace here";
  }
}
