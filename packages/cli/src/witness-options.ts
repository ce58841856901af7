import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

/** Where `node:sqlite` needs no flag, and says whether a transaction is open. */
const NODE = [22, 16] as const;

/** The rest of the command line runs on older ones. Throws `cli/old-node`. */
export function demandNode(node = process.versions.node): void {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major > NODE[0] || (major === NODE[0] && minor >= NODE[1])) return;
  throw new CliError("cli/old-node", `\`spur witness\` needs Node ${NODE.join(".")} or newer; this is ${node}`, {
    hint: "install Node 24; with ML-DSA-44 signatures it has all that a witness does",
  });
}

export function withData(command: Command): Command {
  return command.option("--data <folder>", "what the witness remembers, and its copies of logs", "./spur-witness");
}

/** A verifier key, or a file that holds one and nothing else. */
export async function keyText(io: Io, given: string): Promise<string> {
  if (given.includes("+")) return given.trim();
  return (await readFile(resolve(io.cwd, given), "utf8")).trim();
}
