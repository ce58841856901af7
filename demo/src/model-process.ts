import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { DemoError } from "./errors.ts";

export const MODEL_NAME = "spur-demo";

/** The model's server in a process of its own; it ends with ours. */
export type ModelProcess = {
  readonly baseUrl: string;
  /** SHA-256 of the bytes that it loaded, as it says itself. */
  readonly sha256: string;
  stop(): Promise<void>;
};

export async function startModel(file: string): Promise<ModelProcess> {
  const server = fileURLToPath(new URL("./server.ts", import.meta.url));
  const child: ChildProcess = spawn(
    process.execPath,
    [server, "--model", file, "--port", "0", "--name", MODEL_NAME, "--parent-pipe"],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const ended = new Promise<never>((_resolve, reject) => {
    child.once("exit", (code) => reject(new DemoError("model/ended", `the model's server ended with ${code}`)));
    child.once("error", reject);
  });
  ended.catch(() => undefined);
  const line = new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once("line", resolve));
  const { port, modelSha256 } = JSON.parse(await Promise.race([line, ended])) as { port: number; modelSha256: string };
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    sha256: modelSha256,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.stdin?.end();
        if (child.exitCode !== null || child.signalCode !== null) resolve();
      }),
  };
}
