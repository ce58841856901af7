import type { Command } from "commander";
import { withExamples, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { loadOptional } from "../optional.ts";
import { cleanLine, print, printJson, typed } from "../text.ts";

/** Only what was said on the command line; the ledger adds environment, file and defaults, in this order. */
export interface UpFlags {
  readonly data?: string;
  readonly keys?: string;
  readonly port?: number;
  readonly host?: string;
  readonly origin?: string;
  readonly upstream?: string;
  readonly upstreamKeyEnv?: string;
  readonly content?: string;
  readonly publishEvery?: number;
  readonly config?: string;
  readonly expose?: true;
  readonly witnessPolicy?: string;
  readonly ownWitness?: readonly string[];
  readonly detectOnly?: true;
  readonly demo?: true;
}

interface Start extends UpFlags {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

interface LedgerModule {
  startLedger(options: Start): Promise<RunningLedger>;
}

interface DemoModule {
  startDemo(options: Start & { readonly onStep: (text: string) => void }): Promise<RunningLedger>;
}

interface RunningLedger {
  readonly url: string;
  readonly origin: string;
  readonly vkey: string;
  /** At the first start only. */
  readonly operatorKey?: string;
  /** What the ledger wants its operator to know: upstreams found, how long content is kept, how to connect one. */
  readonly notices?: readonly string[];
  close(): Promise<void>;
}

export function addUp(program: Command, context: Context): void {
  const command = program
    .command("up")
    .summary("start the ledger: the gateway before your model, and the log")
    .description(
      "Starts the ledger on this machine. Without --upstream it looks on loopback for Ollama, llama.cpp, vLLM and LM Studio.\n" +
        `Flags come before SPUR_* in the environment, and those before spur.yaml. Needs Node 24.12 and Spur's repository.`,
    )
    .option("--data <folder>", "entries and sealed content (default: ./spur-data)")
    .option("--keys <folder>", "root key and signing keys, never inside the data (default: beside it, with -keys)")
    .option("--port <number>", "default: 7787", portOf)
    .option("--host <address>", "default: 127.0.0.1")
    .option("--origin <name>", "name of a new log, like example.com/spur")
    .option("--upstream <url>", "an OpenAI-compatible server, like http://127.0.0.1:11434/v1")
    .option("--upstream-key-env <name>", "environment variable that holds the upstream's key")
    .option("--content <none|days>", "how long content is kept (default: 30 days)", contentOf)
    .option("--publish-every <seconds>", "time between checkpoints (default: 5)", secondsOf)
    .option("--witness-policy <file>", "publish only what the witnesses of this tlog-policy have cosigned")
    .option("--own-witness <name...>", "witnesses of that policy that you run yourself: asked, and never counted")
    .option("--detect-only", "accept a policy under which two different heads could both be published")
    .option("--config <file>", "default: ./spur.yaml where there is one")
    .option(
      "--expose",
      "listen beyond this machine without TLS in front: keys and content then cross the network in the clear",
    )
    .option("--demo", "serve the demo model, with data of its own in ./spur-demo")
    .option("--json", "print one JSON document once it is up");
  withExamples(
    command,
    typed("up"),
    typed("up", "--upstream", "http://127.0.0.1:11434/v1"),
    typed("up", "--demo", "--port", "7788"),
  );
  command.action(async ({ json, ...flags }: UpFlags & { json?: true }) => {
    const { io } = context;
    // The ledger itself puts flags, environment and file together, in this order.
    const options = { ...flags, env: io.env, cwd: io.cwd };
    const ledger =
      flags.demo === true
        ? await (
            await loadOptional<DemoModule>("@spur/demo/up", "up")
          ).startDemo({ ...options, onStep: (text) => print(io, text) })
        : await (await loadOptional<LedgerModule>("@spur/ledger/main", "up")).startLedger(options);
    if (json)
      printJson(io, {
        url: ledger.url,
        origin: ledger.origin,
        vkey: ledger.vkey,
        ...(ledger.operatorKey === undefined ? {} : { operatorKey: ledger.operatorKey }),
      });
    else tell(context, ledger, flags.demo === true);
    await io.untilStopped?.();
    await ledger.close();
    if (!json) print(io, "Stopped. Everything acknowledged is on disk.");
    context.finish(0);
  });
}

function tell({ io, style }: Context, ledger: RunningLedger, demo: boolean): void {
  const at = ledger.url === "http://127.0.0.1:7787" ? [] : ["--url", ledger.url];
  print(
    io,
    `${style.bold("Spur records")} at ${style.bold(ledger.url)}${demo ? "  (demo: its model and its data are for trying only)" : ""}`,
  );
  print(io, `  log  ${cleanLine(ledger.origin)}`, `  key  ${cleanLine(ledger.vkey)}`);
  for (const notice of ledger.notices ?? []) print(io, `  ${cleanLine(notice)}`);
  if (ledger.operatorKey !== undefined) {
    print(
      io,
      "",
      `Your operator key, shown this once: ${style.bold(ledger.operatorKey)}`,
      "  Commands on this machine find it beside the data folder by themselves.",
    );
  }
  print(io, "", "Try, in another terminal:");
  print(io, `  ${typed("ask", demo ? "The record shows" : "Hello", ...at)}`);
  print(io, `  ${typed("trace", "last", ...at)}`);
  print(io, `  ${typed("evidence", "last", "-o", "answer.evidence.json", ...at)}`);
  print(
    io,
    `  ${typed("trust", "add", ledger.url)}`,
    `  ${typed("verify", "answer.evidence.json")}`,
    `  ${typed("audit", ledger.url)}`,
  );
  print(io, "Ctrl-C stops it.");
}

function portOf(given: string): number {
  const port = Number(given);
  if (!/^[0-9]{1,5}$/.test(given) || port > 65_535)
    throw new CliError("cli/option", `--port ${given}`, { hint: "0 to 65535; 0 takes a free one" });
  return port;
}

function secondsOf(given: string): number {
  const seconds = Number(given);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new CliError("cli/option", `--publish-every ${given}`, { hint: "a number of seconds, like 5" });
  return seconds;
}

function contentOf(given: string): string {
  if (given === "none" || (/^[0-9]{1,5}$/.test(given) && Number(given) >= 1)) return given;
  throw new CliError("cli/option", `--content ${given}`, { hint: "none, or a number of days" });
}
