// What the suites share: running other people's programs, and saying plainly why one cannot be run here.
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "../imports.ts";

/** One suite. `run` resolves to what was seen to hold, throws Skip where it cannot run, and any other error where it fails. */
export interface Suite {
  readonly name: string;
  readonly about: string;
  run(say: (text: string) => void): Promise<string>;
}

/** This machine lacks something: said, and counted apart. */
export class Skip extends Error {
  override readonly name = "Skip";
}

/** Throws unless it holds. */
export function holds(what: string, condition: boolean): asserts condition {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** Where downloads and virtual environments are kept between runs. */
export function cacheFolder(name: string): string {
  const folder = join(root, "node_modules", ".cache", "spur-peers", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Path of a program; throws Skip where it is not installed. */
export function need(tool: string, hint: string): string {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, tool);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  throw new Skip(`${tool} is not installed (${hint})`);
}

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly text: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. The loop stays free: our own servers answer it. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env, input, timeoutMs = 300_000 }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: timeoutMs,
    });
    let out = "";
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => {
      out += bytes.toString("utf8");
      text += bytes.toString("utf8");
    });
    child.stderr.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
    child.stdin.on("error", () => undefined); // a program that does not read ends the pipe
    child.stdin.end(input ?? "");
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ exit: code ?? -1, out, text: signal === null ? text : `${text}\nended by ${signal}` });
    });
  });
}

/** Runs a program that must succeed. */
export async function good(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await run(command, args, options);
  if (ran.exit !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${ran.exit}:\n${ran.text.slice(-3000)}`);
  return ran;
}

/** A Python of its own with exactly these packages; throws Skip where the package index cannot be reached. */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const python = need("python3", "Python 3.9 or newer");
  const folder = cacheFolder(`python-${name}`);
  const own = join(folder, "bin", "python");
  if (!existsSync(own)) await good(python, ["-m", "venv", folder]);
  const installed = await run(own, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  if (installed.exit !== 0) throw new Skip(`pip could not install ${packages.join(", ")}: ${lastLine(installed.text)}`);
  return own;
}

export const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
