import { resolve } from "node:path";
import type { Command } from "commander";
import { openClient, secondsToMs, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { isObject } from "../json.ts";
import { loadOptional } from "../optional.ts";
import { cleanLine, print, printJson, typed } from "../text.ts";

/** The ledger's side; what it returns is shown as it comes. */
interface BackupModule {
  backup(options: { data: string; to: string }): Promise<object>;
  recover(options: { data: string; keys: string; from: readonly string[] }): Promise<object>;
}

interface RetireModule {
  retire(options: { data: string; keys: string; newOrigin: string }): Promise<object>;
}

interface Folders {
  readonly data: string;
  readonly keys?: string;
  readonly json?: true;
}

const DATA = "./spur-data";
const BACKUP_SECONDS = 3600;

/** Where the keys of a data folder lie unless said otherwise. */
export function keysFolder(context: Context, folders: { data: string; keys?: string }): string {
  return resolve(context.io.cwd, folders.keys ?? `${folders.data.replace(/[/\\]+$/, "")}-keys`);
}

export function addBackup(program: Command, context: Context): void {
  const { io } = context;
  const command = program
    .command("backup")
    .summary("copy a ledger's data, without its root key")
    .description(
      "Copies the data folder of a ledger, running or not, in a state that holds together. The root key stays where it is: whoever has\n" +
        "both can read all content. After the next completed removal the content in this backup can no longer be read; entries and proofs can.",
    )
    .requiredOption("--to <folder>", "a folder on the ledger's machine that does not exist yet, or is empty")
    .option("--data <folder>", "data of a ledger that is not running");
  withExamples(
    withJson(withServer(command)),
    typed("backup", "--to", "/mnt/backup/spur-monday"),
    typed("backup", "--to", "/mnt/backup/spur-monday", "--data", "./spur-data"),
  );
  command.action(async (options: ServerOptions & { data?: string; to: string; json?: true }) => {
    const to = resolve(io.cwd, options.to);
    const { result, data } =
      options.data === undefined
        ? await backupRunning(context, options, to)
        : { result: await backupFolder(context, options.data, to), data: options.data };
    if (options.json) printJson(io, result);
    else {
      print(io, `Backed up to ${options.to}.`);
      tell(context, result);
      print(
        io,
        "The root key is not in it. To come back from it:",
        `  ${typed("recover", "--from", options.to, "--data", data)}`,
      );
    }
    context.finish(0);
  });
}

/** A running ledger copies itself: only it can do so between two commits. */
async function backupRunning(
  { io }: Context,
  options: ServerOptions,
  to: string,
): Promise<{ result: object; data: string }> {
  const client = openClient(io, options);
  try {
    const timeoutMs = secondsToMs(options.timeout, BACKUP_SECONDS);
    const { answer: result } = await client.post("/spur/v1/backup", { to }, { timeoutMs });
    // Where its data lies is not told over the network; the usual places are.
    const { demo } = await client.get("/spur/v1/head");
    return { result, data: demo === true ? "./spur-demo" : DATA };
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "http/unreachable") throw error;
    throw new CliError(error.code, error.detail, {
      hint: `where no ledger runs, name its data: ${typed("backup", "--to", to, "--data", DATA)}`,
      cause: error,
    });
  }
}

async function backupFolder({ io }: Context, data: string, to: string): Promise<object> {
  const { backup } = await loadOptional<BackupModule>("@spur/ledger/backup", "backup");
  return backup({ data: resolve(io.cwd, data), to });
}

export function addRecover(program: Command, context: Context): void {
  const { io } = context;
  const command = program
    .command("recover")
    .summary("bring a ledger back from a backup, and say what was lost")
    .description(
      "Takes the log forward from a backup to everything that is known of it elsewhere. Content whose key was destroyed since stays gone\n" +
        "and is reported as lost by restore. A log that cannot be continued is never continued.",
    )
    .option("--from <folder|url>", "a backup, or a mirror of the log; repeat it to name both", collect, [])
    .option("--new-origin <name>", "retire this log, keep its folders aside, and open a new one that names it")
    .option("--data <folder>", "the ledger's data", io.env["SPUR_DATA"] ?? DATA)
    .option("--keys <folder>", "its keys (default: beside the data, with -keys)", io.env["SPUR_KEYS"]);
  withExamples(
    withJson(command),
    typed("recover", "--from", "/mnt/backup/spur-monday", "--data", "./spur-data"),
    typed("recover", "--from", "/mnt/backup/spur-monday", "--from", "https://mirror.example/log"),
    typed("recover", "--new-origin", "example.com/spur-2"),
  );
  command.action(async (options: Folders & { from: string[]; newOrigin?: string }) => {
    const folders = { data: resolve(io.cwd, options.data), keys: keysFolder(context, options) };
    if (options.newOrigin === undefined && options.from.length === 0) {
      throw new CliError("cli/option", "nothing to recover from", {
        hint: "--from a backup or a mirror; or --new-origin to open a new log",
      });
    }
    const from = options.from.map((one) => (/^https?:\/\//.test(one) ? one : resolve(io.cwd, one)));
    const { newOrigin } = options;
    const result =
      newOrigin === undefined
        ? await (await loadOptional<BackupModule>("@spur/ledger/restore", "recover")).recover({ ...folders, from })
        : await (await loadOptional<RetireModule>("@spur/ledger/retire", "recover")).retire({ ...folders, newOrigin });
    if (options.json) printJson(io, result);
    else {
      print(io, newOrigin === undefined ? `Recovered ${options.data}.` : "A new log goes on in its place.");
      tell(context, result);
      print(io, "Start it:", `  ${typed("up", "--data", options.data)}`);
    }
    context.finish(0);
  });
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** The counts that the ledger reports, one a line. */
function tell({ io }: Context, result: object): void {
  if (!isObject(result)) return;
  for (const [name, value] of Object.entries(result)) {
    if (typeof value !== "string" && typeof value !== "number") continue;
    print(io, `  ${name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)}: ${cleanLine(String(value))}`);
  }
}
