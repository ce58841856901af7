import type { Command } from "commander";
import { withExamples, withJson, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { confirms } from "../io.ts";
import { loadOptional } from "../optional.ts";
import { cleanLine, many, print, printJson, typed } from "../text.ts";

/** What says where the ledger lies and who cosigns it; as for `up`. */
interface Place {
  readonly data?: string;
  readonly keys?: string;
  readonly config?: string;
  readonly witnessPolicy?: string;
  readonly ownWitness?: readonly string[];
  readonly detectOnly?: true;
}

interface Options extends Place {
  readonly compromised?: true;
  readonly newOrigin?: string;
  readonly yes?: true;
  readonly json?: true;
}

interface Wanted extends Place {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly compromised: boolean;
  readonly newOrigin?: string;
}

interface RetiredLog {
  readonly origin: string;
  readonly vkey: string;
  readonly state?: string;
  readonly size: number;
  readonly already?: true;
  readonly successor?: {
    readonly origin: string;
    readonly vkey: string;
    readonly retiredData: string;
    readonly retiredKeys: string;
  };
}

interface RetiredReceiptsKey {
  readonly origin: string;
  readonly vkey: string;
  readonly retired?: string;
  readonly state: string;
  readonly resumed?: true;
}

interface RetireModule {
  retireLogKey(wanted: Wanted): Promise<RetiredLog>;
  retireReceiptsKey(wanted: Wanted): Promise<RetiredReceiptsKey>;
}

export function addRetire(key: Command, context: Context): void {
  const command = key
    .command("retire")
    .summary("take back a key with which the ledger signs, on record")
    .description(
      "Works on the folders of a ledger that is stopped.\n" +
        "receipts: a new key for receipts takes the place of the old one; the log says so, and goes on.\n" +
        "log: the log takes back its own key in its last entry, publishes that, and takes nothing more: no record, no removal, no opening.\n" +
        "     What it holds can be proved as before. With --new-origin another log goes on in its place, and each names the other.",
    )
    .argument("<log|receipts>", "which of its two signing keys")
    .option("--compromised", "somebody else may have it: then nothing that it ever signed counts any more")
    .option("--new-origin <name>", "with `log`: open a log of this name that goes on in its place")
    .option("--data <folder>", "the ledger's data (default: ./spur-data)")
    .option("--keys <folder>", "its keys (default: beside the data, with -keys)")
    .option("--config <file>", "default: ./spur.yaml where there is one")
    .option("--witness-policy <file>", "as for `up`: the change is published with these witnesses' cosignatures")
    .option("--own-witness <name...>", "as for `up`")
    .option("--detect-only", "as for `up`")
    .option("--yes", "do not ask");
  withExamples(
    withJson(command),
    typed("key", "retire", "receipts", "--compromised"),
    typed("key", "retire", "log", "--new-origin", "example.com/spur-2"),
    typed("key", "retire", "log", "--compromised", "--data", "./spur-data", "--yes"),
  );
  command.action(async (which: string, { yes, json, compromised, ...place }: Options) => {
    const { io } = context;
    if (which !== "log" && which !== "receipts") {
      throw new CliError("cli/option", `there is no signing key ${JSON.stringify(which)}`, {
        hint: "log, or receipts",
      });
    }
    if (which === "receipts" && place.newOrigin !== undefined)
      throw new CliError("cli/option", "--new-origin goes with `key retire log`", {
        hint: typed("key", "retire", "--help"),
      });
    if (!yes) await confirm(context, which, place);
    const { retireLogKey, retireReceiptsKey } = await loadOptional<RetireModule>("@spur/ledger/retire", "key retire");
    const wanted = { ...place, env: io.env, cwd: io.cwd, compromised: compromised === true };
    if (which === "log") {
      const done = await retireLogKey(wanted);
      if (json) printJson(io, done);
      else tellLog(context, done, place);
    } else {
      const done = await retireReceiptsKey(wanted);
      if (json) printJson(io, done);
      else tellReceipts(context, done);
    }
    context.finish(0);
  });
}

async function confirm({ io }: Context, which: "log" | "receipts", { newOrigin }: Options): Promise<void> {
  if (io.ask === undefined)
    throw new CliError("cli/confirm", "nobody is here to be asked", { hint: "--yes goes on without asking" });
  const after = newOrigin === undefined ? "" : ` The log ${newOrigin} goes on in its place.`;
  io.stderr.write(
    which === "receipts"
      ? "The key that signs receipts goes out of use, and a new one comes.\n"
      : `This closes the log for ever: nothing can be added to it, and nothing in it can be removed on record or opened.${after}\n`,
  );
  if (!(await confirms(io.ask, which === "log" ? "Close it?" : "Change it?")))
    throw new CliError("cli/confirm", "nothing was changed", { hint: "you said no" });
}

function tellLog(
  { io, style }: Context,
  { origin, vkey, size, state, already, successor }: RetiredLog,
  { data, keys }: Place,
) {
  const place = [...(data === undefined ? [] : ["--data", data]), ...(keys === undefined ? [] : ["--keys", keys])];
  const before = already === true ? " (it was before)" : "";
  const how = state === undefined ? "" : ` Its last entry says that its key is ${cleanLine(state)}.`;
  print(io, `${style.bold(cleanLine(origin))} is closed${before}, at ${many(size, "entry", "entries")}.${how}`);
  if (state === "compromised") {
    print(
      io,
      "Evidence that leaves this entry out says nothing of it. Whoever trusts the key must hear of it, and type:",
      `  ${typed("trust", "remove", vkey.split("+")[0] ?? "")}`,
    );
  }
  print(io, "It can still be served, to be read and proved:");
  if (successor === undefined) {
    print(io, `  ${typed("up", ...place)}`);
    return;
  }
  const { retiredData, retiredKeys } = successor;
  print(io, `  ${typed("up", "--data", retiredData, "--keys", retiredKeys, "--port", "7788")}`);
  print(io, `${style.bold(cleanLine(successor.origin))} goes on in its place, with a key that is new to everybody:`);
  print(io, `  ${cleanLine(successor.vkey)}`, "Start it:", `  ${typed("up", ...place)}`);
}

function tellReceipts({ io, style }: Context, { vkey, retired, state, resumed }: RetiredReceiptsKey): void {
  if (resumed === true) print(io, "An earlier change of the key had been broken off; it is complete now.");
  print(io, `Receipts are signed with a new key: ${style.bold(cleanLine(vkey))}`);
  if (retired !== undefined) print(io, `  ${cleanLine(state)}: ${cleanLine(retired)}`);
  print(
    io,
    state === "compromised"
      ? "What was ever signed with the old one counts no more for whoever sees the log."
      : "Receipts that were given stay good.",
  );
}
