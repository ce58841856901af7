// A shell on a machine that has the system's Node and npm, and nothing of this repository in its PATH.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { root } from "../imports.ts";

/** The first `node` in PATH that npm did not put there: the machine's own, of whatever version. */
export function systemNode(): { path: string; version: string; major: number } {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "node");
    if (folder === "" || folder.includes("node_modules") || !existsSync(path)) continue;
    if (realpathSync(path).startsWith(realpathSync(root))) continue;
    const version = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.trim();
    return { path, version, major: Number(/^v(\d+)/.exec(version)?.[1]) };
  }
  throw new Error("no node in PATH but the repository's own");
}

/** A user's environment: a home of his own, the machine's PATH without any node_modules/.bin, and nothing that npm leaves behind. */
export function userEnv(home: string): Record<string, string> {
  mkdirSync(home, { recursive: true });
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_)|NODE|SPUR_|VITEST|XDG_|INIT_CWD)/i.test(name),
  );
  const path = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "" && !folder.includes("node_modules"));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    PATH: [dirname(systemNode().path), ...path].join(delimiter),
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_STATE_HOME: join(home, "state"),
    npm_config_cache: process.env["npm_config_cache"] ?? join(process.env["HOME"] ?? home, ".npm"),
    npm_config_update_notifier: "false",
    NO_COLOR: "1",
  };
}

export interface Ran {
  readonly exit: number;
  readonly out: string;
  /** Output and errors as they came. */
  readonly text: string;
}

/** Types a line into a POSIX shell; with `answer`, at a terminal, where the command may ask. */
export function type(
  line: string,
  { cwd, env, answer }: { cwd: string; env: Record<string, string>; answer?: string },
): Promise<Ran> {
  // script(1) gives the command a terminal; it stands in util-linux, as does the shell's own job control.
  const child =
    answer === undefined
      ? spawn("/bin/sh", ["-c", line], { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
      : spawn("script", ["-q", "-e", "-c", line, "/dev/null"], { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  if (answer !== undefined) child.stdin?.end(`${answer}\n`);
  return ended(child);
}

function ended(child: ChildProcess): Promise<Ran> {
  return new Promise((resolve, reject) => {
    let out = "";
    let text = "";
    child.stdout?.on("data", (bytes: Buffer) => {
      out += bytes.toString("utf8");
      text += bytes.toString("utf8");
    });
    child.stderr?.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ exit: code ?? -1, out, text });
    });
  });
}

/** A folder that looks like the repository's root after `npm ci`, in which what is written harms nothing. */
export function likeTheRoot(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(root)) {
    if (name.startsWith(".git") || /^spur-(data|demo)/.test(name)) continue;
    symlinkSync(join(root, name), join(folder, name));
  }
  return folder;
}
