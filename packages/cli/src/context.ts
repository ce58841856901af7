import type { Command } from "commander";
import type { Exit, Io } from "./io.ts";
import { styleOf, type Style } from "./text.ts";

/** What every command gets. */
export interface Context {
  readonly io: Io;
  readonly style: Style;
  /** Where the exit code goes. */
  readonly finish: (exit: Exit) => void;
}

export function createContext(io: Io, finish: (exit: Exit) => void): Context {
  return { io, style: styleOf(io), finish };
}

/** `--json` for one command. */
export function withJson(command: Command): Command {
  return command.option("--json", "print one JSON document instead of sentences");
}

/** The options of a command that talks to a ledger. */
export function withServer(command: Command): Command {
  return command
    .option("--url <url>", "address of the ledger (default: $SPUR_URL, else http://127.0.0.1:7787)")
    .option("--key <key>", "access key (default: $SPUR_KEY, else the operator's key of a ledger on this machine)")
    .option("--timeout <seconds>", "how long one answer may take (default: 30)");
}

/** Examples under `--help`. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** `--trust`, once or several times. Not one option with many values: it would swallow the file named after it. */
export function withTrust(command: Command): Command {
  return command.option(
    "--trust <file|key>",
    "whom to believe for this once: a trust file, a C2SP policy, or a key, which may be given several times (default: your own)",
    (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
  );
}
