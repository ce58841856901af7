import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../packages/cli/bin/spur.js", import.meta.url));

/** What a command printed and how it ended. */
export type Ran = { readonly exit: number; readonly text: string };

export type Spur = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Ran>;

/** Runs the real command line in its own process: what the story shows is what a reader can type. `base`: the caller's environment. */
export function spurIn(base: Readonly<Record<string, string | undefined>>): Spur {
  return (args, env = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [CLI, ...args], {
        env: { ...base, NO_COLOR: "1", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
      child.stderr.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
      child.once("error", reject);
      child.once("close", (code) => resolve({ exit: code ?? -1, text }));
    });
}
