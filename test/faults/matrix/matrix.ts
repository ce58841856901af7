import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { MatrixOptions, MatrixResult } from "./matrix-driver.ts";

const DRIVER = fileURLToPath(new URL("matrix-driver.ts", import.meta.url));

export interface MatrixRun {
  /** Steps that failed; a story may have fewer of them in one run than in another. */
  readonly met: number;
  readonly missed: number;
  readonly starts: number;
  readonly acknowledged: number;
  readonly heads: number;
  readonly faults: readonly string[];
}

/** Lets steps of a ledger and requests to its witnesses fail, before they are done and after, in a process of their own. */
export async function matrixRun(options: MatrixOptions, progress: (name: string, done: number) => void = () => undefined): Promise<MatrixRun> {
  const child = spawn(process.execPath, ["--no-warnings", DRIVER, JSON.stringify(options)], { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"] } });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let stderr = "";
  child.stderr.on("data", (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-4000)));
  const faults: string[] = [];
  let [met, missed, starts, acknowledged, heads] = [0, 0, 0, 0, 0];
  for await (const line of createInterface({ input: child.stdout })) {
    const result = JSON.parse(line) as MatrixResult;
    if (result.step === undefined) missed++;
    else met++;
    starts += result.starts + 1;
    acknowledged += result.acknowledged;
    heads += result.heads;
    const where = `${result.step ?? "no step"}; again: npm run faults -- --again matrix:${result.name}`;
    faults.push(...result.faults.map((fault) => `${fault}; ${where}`));
    progress(`${result.name} ${result.step ?? ""}`, met + missed);
  }
  const code = await ended;
  if (code !== 0) faults.push(`the driver ended with ${String(code)}: ${stderr}`);
  return { met, missed, starts, acknowledged, heads, faults };
} // prettier-ignore
