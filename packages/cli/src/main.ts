import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { useSha256 } from "@spur/verifier/hash";
import { useMlDsa44 } from "@spur/verifier/note/cosignature";
import { verifyMlDsa44 } from "@spur/verifier/note/ml-dsa";
import { addAsk } from "./commands/ask.ts";
import { addAudit } from "./commands/audit.ts";
import { addBackup, addRecover } from "./commands/backup.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDemo } from "./commands/demo.ts";
import { addEvidence } from "./commands/evidence.ts";
import { addKey } from "./commands/key.ts";
import { addMonitor } from "./commands/monitor.ts";
import { addRemove } from "./commands/remove.ts";
import { addReplay } from "./commands/replay.ts";
import { addTrace } from "./commands/trace.ts";
import { addTrust } from "./commands/trust.ts";
import { addUp } from "./commands/up.ts";
import { addVerify } from "./commands/verify.ts";
import { addWitness } from "./commands/witness.ts";
import { createContext } from "./context.ts";
import { toldOf } from "./errors.ts";
import type { Exit, Io } from "./io.ts";
import { nativeSha256 } from "./native-sha256.ts";
import { clean, print, printJson, styleOf } from "./text.ts";

export { processIo } from "./io.ts";

/** 0 verified or done, 1 refuted, 2 could not do it or could not check. Never throws, never ends the process. */
export async function run(argv: readonly string[], io: Io): Promise<Exit> {
  let exit: Exit = 0;
  try {
    // Verified to give the same hashes as the verifier's own, and several times as fast.
    useSha256(nativeSha256);
    useMlDsa44(verifyMlDsa44);
    const program = createProgram(io, (code) => (exit = code));
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // --help, --version
    return tell(io, error, argv);
  }
}

function createProgram(io: Io, finish: (exit: Exit) => void): Command {
  const program = new Command("spur")
    .description("Every step of an AI leaves a trace that nobody can silently remove or change.")
    .version(version())
    .exitOverride()
    .showHelpAfterError(false)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Told by `tell`, like every other error.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText(
      "after",
      "\nExit code: 0 verified or done, 1 refuted, 2 could not do it or could not check.\n" +
        "`verify`, `trust` and `audit` need no ledger and no network beyond the files they are given.",
    );
  const context = createContext(io, finish);
  for (const add of [addUp, addDemo, addAsk, addTrace, addEvidence, addVerify, addTrust, addAudit, addRemove])
    add(program, context);
  for (const add of [addReplay, addBackup, addRecover, addKey, addWitness, addMonitor, addCompletion])
    add(program, context);
  return program;
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}

/** One error, in one shape: what went wrong, its code, and what to do. */
function tell(io: Io, error: unknown, argv: readonly string[]): 1 | 2 {
  const { code, detail, hint } = error instanceof CommanderError ? misused(error, argv) : toldOf(error);
  const exit = REFUTES.has(code) ? 1 : 2;
  if (argv.includes("--json")) {
    printJson(io, { error: { code, detail, ...(hint === undefined ? {} : { hint }) }, exit });
    return exit;
  }
  const style = styleOf(io);
  print({ ...io, stdout: io.stderr }, `${style.bad("spur:")} ${clean(detail)} ${style.dim(`[${clean(code)}]`)}`);
  if (hint !== undefined) io.stderr.write(`  → ${clean(hint)}\n`);
  if (io.env["SPUR_DEBUG"] && error instanceof Error)
    io.stderr.write(`${error.stack ?? ""}\n${error.cause instanceof Error ? (error.cause.stack ?? "") : ""}\n`);
  return exit;
}

/** Errors that show a lie, not an inability. */
const REFUTES: ReadonlySet<string> = new Set(["replay/payload", "mirror/forked", "mirror/shrank", "mirror/refuted"]);

function misused(error: CommanderError, argv: readonly string[]): { code: string; detail: string; hint: string } {
  const command = argv.find((word) => !word.startsWith("-"));
  const known = error.code !== "commander.unknownCommand" && command !== undefined;
  const detail = error.message.replace(/^error: /, "").replace(/\n/g, " ");
  return {
    code: "cli/option",
    detail: error.code === "commander.help" ? "this command has subcommands" : detail,
    hint: known ? `npx spur ${command} --help` : "npx spur --help",
  };
}
