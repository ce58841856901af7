import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";

/** 0 verified or done, 1 refuted, 2 could not do it or could not check. */
export type Exit = 0 | 1 | 2;

/** Where text goes. */
export interface Out {
  write(text: string): unknown;
}

/** All that a command touches of the outside besides files: a test hands in its own. */
export interface Io {
  readonly stdout: Out;
  readonly stderr: Out;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths are resolved against it. */
  readonly cwd: string;
  /** Somebody is looking at it: progress and colours are shown. */
  readonly isTty: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The global one where it is left out. */
  readonly fetch?: typeof fetch;
  /** Asks and returns the answer. Absent where nobody can answer; then a command that must ask refuses. */
  readonly ask?: (question: string) => Promise<string>;
  /** Resolves when the process is told to stop (Ctrl-C). Absent: `up` returns once it has started and stopped again. */
  readonly untilStopped?: () => Promise<void>;
}

/** The part of `process` that is used. */
type Process = Pick<NodeJS.Process, "env" | "cwd" | "on" | "ppid"> & {
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
};

export function processIo(process: Process): Io {
  // `spur audit … | head` closes the pipe: that is no fault worth a stack trace.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const asks = process.stdin.isTTY === true && process.stderr.isTTY;
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    isTty: process.stderr.isTTY,
    now: () => Date.now(),
    ...(asks ? { ask: (question: string) => askOn(process.stdin, process.stderr, question) } : {}),
    untilStopped: () =>
      new Promise<void>((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
        if (startedByNpm(process.env)) whenOrphaned(process, resolve);
      }),
  };
}

/** `npm start` and `npx spur …` put a shell between: what stops npm ends that shell, and nobody tells us. */
function startedByNpm(env: Io["env"]): boolean {
  return /^'?spur\b/.test(env["npm_lifecycle_script"] ?? "");
}

const ORPHAN_MS = 500;

function whenOrphaned(process: Process, then: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    then();
  }, ORPHAN_MS);
  timer.unref();
}

async function askOn(input: Readable, output: NodeJS.WritableStream, question: string): Promise<string> {
  const lines = createInterface({ input, output });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/** Asks a yes-or-no question; anything but yes is no. */
export async function confirms(ask: (question: string) => Promise<string>, question: string): Promise<boolean> {
  return /^(y|yes|j|ja|是)$/iu.test((await ask(`${question} [y/N] `)).trim());
}
