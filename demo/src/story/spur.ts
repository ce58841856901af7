import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../packages/cli/bin/spur.js", import.meta.url));

/** What a command printed and how it ended. */
export type Ran = { readonly exit: number; readonly text: string };

/** Runs the real command line in its own process: what the story shows is what a reader can type. */
export function spur(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
    child.stderr.on("data", (bytes: Buffer) => (text += bytes.toString("utf8")));
    child.once("error", reject);
    child.once("close", (code) => resolve({ exit: code ?? -1, text }));
  });
}
