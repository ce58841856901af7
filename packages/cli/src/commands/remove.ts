import type { Command } from "commander";
import { openClient, secondsToMs, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { confirms } from "../io.ts";
import { isObject, maybeText, text, type JsonObject } from "../json.ts";
import { REF_HELP, resolveRef } from "../ref.ts";
import { cleanLine, many, print, printJson, typed } from "../text.ts";

const BASES = ["erasure-request", "consent-withdrawn", "unlawful-content", "retention-end", "purpose-end", "other"];
/** Ordering, publishing and destroying wait for each other. */
const REMOVAL_SECONDS = 120;

interface Options extends ServerOptions {
  readonly basis: string;
  readonly reason?: string;
  readonly request?: string;
  readonly now?: true;
  readonly yes?: true;
  readonly json?: true;
}

export function addRemove(program: Command, context: Context): void {
  const command = program
    .command("remove")
    .summary("destroy the content of records; that they existed, and on what basis they went, stays")
    .description(
      "Orders the removal, publishes the order, destroys the keys of the content, and records the result. It cannot be undone,\n" +
        `and every backup made before can no longer be read.\n${REF_HELP}`,
    )
    .argument("<ref...>", "record ids, log indexes, or last")
    .requiredOption("--basis <basis>", BASES.join(", "))
    .option("--reason <text>", "why; it is sealed, like the content was")
    .option("--request <text>", "the request it follows, like a file number; sealed")
    .option("--now", "at once: keys are destroyed before this returns")
    .option("--yes", "do not ask");
  withExamples(
    withJson(withServer(command)),
    typed("remove", "last", "--basis", "erasure-request", "--now"),
    typed("remove", "402", "--basis", "other", "--reason", "a trial", "--now", "--yes"),
  );
  command.action(async (refs: readonly string[], options: Options) => {
    checkOptions(refs, options);
    const client = openClient(context.io, options);
    const recs: string[] = [];
    for (const ref of refs) recs.push(await resolveRef(client, ref));
    await confirm(context, recs, options);
    const { answer } = await client.post(
      "/spur/v1/removals",
      {
        ...(recs.length === 1 ? { rec: recs[0] } : { recs }),
        basis: options.basis,
        ...(options.reason === undefined ? {} : { reason: options.reason }),
        ...(options.request === undefined ? {} : { request: options.request }),
      },
      { timeoutMs: secondsToMs(options.timeout, REMOVAL_SECONDS) },
    );
    const removals = Array.isArray(answer["removals"]) ? answer["removals"].filter(isObject) : [answer];
    if (options.json) printJson(context.io, answer);
    else {
      for (const removal of removals) tell(context, removal);
      tellBackups(context, answer, client.words);
    }
    context.finish(removals.length > 0 && removals.every((removal) => removal["state"] === "completed") ? 0 : 2);
  });
}

function checkOptions(refs: readonly string[], options: Options): void {
  if (!BASES.includes(options.basis)) {
    throw new CliError("cli/option", `--basis ${options.basis}`, { hint: `one of ${BASES.join(", ")}` });
  }
  if (!options.now) {
    throw new CliError("cli/option", "a removal destroys keys at once, and with them every earlier backup", {
      hint: `say so: ${typed("remove", ...refs, "--basis", options.basis, "--now")}`,
    });
  }
}

async function confirm({ io, style }: Context, recs: readonly string[], options: Options): Promise<void> {
  if (options.yes) return;
  if (io.ask === undefined) {
    throw new CliError("cli/confirm", "nobody is here to be asked", { hint: "--yes removes without asking" });
  }
  io.stderr.write(
    `This destroys the content of ${many(recs.length, "record")} for ever, and voids every backup made before:\n`,
  );
  for (const rec of recs) io.stderr.write(`  ${style.bold(rec)}\n`);
  if (!(await confirms(io.ask, "Destroy it?")))
    throw new CliError("cli/confirm", "nothing was removed", { hint: "you said no" });
}

function tell({ io, style }: Context, removal: JsonObject): void {
  const state = text(removal, "state");
  const entry = (name: string) => {
    const value = removal[name];
    return isObject(value) && typeof value["index"] === "number" ? `entry ${value["index"]}` : "no entry";
  };
  if (state === "completed") {
    print(
      io,
      `${style.good("✓ removed")}  ordered as ${entry("order")}, completed as ${entry("completed")}: the content's key is destroyed.`,
    );
  } else {
    print(
      io,
      `${style.bad("✗ not removed")}  ordered as ${entry("order")}, ${cleanLine(state)} as ${entry("completed")}.`,
    );
    print(io, "  The content is out of reach; start the ledger again and it tries to destroy it again.");
  }
}

function tellBackups({ io }: Context, answer: JsonObject, words: readonly string[]): void {
  const before = maybeText(answer, "voidsBackupsBefore");
  if (before !== undefined) {
    print(
      io,
      `Backups made before ${cleanLine(before)} can no longer be read. A fresh one:`,
      `  ${typed("backup", "--to", "spur-backup", ...words)}`,
    );
  }
}
