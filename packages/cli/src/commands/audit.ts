import { resolve } from "node:path";
import type { Command } from "commander";
import { auditLog, type AuditReport } from "../audit-log.ts";
import { openClient, secondsToMs, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, withTrust, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import type { Exit } from "../io.ts";
import { isObject, list, maybeText, number, object, text, type JsonObject } from "../json.ts";
import { loadOptional } from "../optional.ts";
import { printFindings, verdictLine } from "../print-report.ts";
import { startProgress } from "../progress.ts";
import { cleanLine, many, print, printJson, typed } from "../text.ts";
import { loadTrust } from "../trust-store.ts";

const CUSTODY_SECONDS = 3600;

interface Options extends ServerOptions {
  readonly trust?: readonly string[];
  readonly custody?: true;
  readonly data?: string;
  readonly keys?: string;
  readonly json?: true;
}

interface CustodyModule {
  auditCustody(options: { data: string; keys: string; progress: (done: number, of: number) => void }): Promise<object>;
}

export function addAudit(program: Command, context: Context): void {
  const command = program
    .command("audit")
    .summary("check a whole log from outside: every entry, tile, register, and that it only grew")
    .description(
      "Reads all files of a log, from its address or from a folder, and holds them against one another, against the signed root, and\n" +
        "against what you saw of it last time. Content is not looked at: that is --custody, for who may open it.",
    )
    .argument("[url|folder]", "the log (with --custody: the ledger)")
    .option(
      "--custody",
      "does the ledger still hold all content that it has not removed? Needs scope open, or its folders",
    )
    .option("--data <folder>", "with --custody: data of a ledger that is not running")
    .option("--keys <folder>", "with --custody: its keys (default: beside the data, with -keys)");
  withExamples(
    withJson(withTrust(withServer(command))),
    typed("audit", "http://127.0.0.1:7787"),
    typed("audit", "./mirror", "--trust", "log.vkey"),
    typed("audit", "--custody"),
    typed("audit", "--custody", "--data", "./spur-data", "--keys", "./spur-data-keys"),
  );
  command.action(async (place: string | undefined, options: Options) => {
    context.finish(options.custody ? await custody(context, place, options) : await whole(context, place, options));
  });
}

async function whole(context: Context, place: string | undefined, options: Options): Promise<Exit> {
  const where = place ?? options.url ?? context.io.env["SPUR_URL"];
  if (where === undefined)
    throw new CliError("cli/option", "which log?", { hint: typed("audit", "http://127.0.0.1:7787") });
  if (options.data !== undefined || options.keys !== undefined) {
    throw new CliError("cli/option", "--data and --keys belong to --custody", {
      hint: `the log in a folder is named by itself: ${typed("audit", "./spur-data")}`,
    });
  }
  const report = await auditLog(context.io, where, {
    trust: await loadTrust(context.io, options.trust),
    timeoutMs: secondsToMs(options.timeout, 30),
    progress: startProgress(context.io, "auditing"),
  });
  if (options.json) printJson(context.io, report);
  else printAudit(context, report);
  return report.exit;
}

function printAudit({ io, style }: Context, report: AuditReport): void {
  print(io, verdictLine(style, report.exit, report.sentence));
  print(
    io,
    style.dim(`  ${cleanLine(report.where)} · ${many(report.tiles, "tile")} · ${(report.ms / 1000).toFixed(1)} s`),
  );
  printFindings({ io, style }, report.findings, true);
  if (report.misbehaviour !== undefined) {
    const { file, vkey } = report.misbehaviour;
    print(io, "", style.bold("For others"), `  ${typed("verify", file, "--trust", vkey)}`);
  }
  const registers = Object.entries(report.registers).map(([name, { entries }]) => `${cleanLine(name)} ${entries}`);
  if (registers.length > 0) print(io, "", style.bold("Registers"), `  ${registers.join(" · ")}`);
  const { completed, failed, pending } = report.removals;
  if (completed + failed + pending.length > 0) {
    print(io, `  removals: ${completed} completed, ${failed} failed, ${pending.length} pending`);
  }
  const seen =
    report.exit === 0
      ? "Its checkpoint is remembered, to be held against the next one."
      : "Its checkpoint is not remembered.";
  print(io, "", style.bold("Coverage"), `  whole log to size ${report.size.toLocaleString("en-US")}. ${seen}`);
  print(io, style.dim("  Content is not checked from outside; its keeper checks it with: npx spur audit --custody"));
}

/** The ledger's own word on its content: from inside, since nobody else can open it. */
async function custody({ io, style }: Context, place: string | undefined, options: Options): Promise<Exit> {
  const report = object(
    options.data === undefined ? await custodyOf(io, place, options) : await custodyIn(io, options.data, options),
    "report",
  );
  const verdict = text(report, "verdict");
  const exit = verdict === "pass" ? 0 : verdict === "fail" ? 1 : 2;
  if (options.json) {
    printJson(io, report);
    return exit;
  }
  print(io, verdictLine(style, exit, text(report, "sentence")));
  if (isObject(report["counts"])) {
    const counts = Object.entries(report["counts"]).map(
      ([name, n]) => `${cleanLine(name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`))} ${String(n)}`,
    );
    print(io, style.dim(`  ${counts.join(" · ")}`));
  }
  const findings = list(report, "findings");
  for (const [title, of] of [
    ["Refuted", "fail"],
    ["Not checked", "not-checked"],
  ] as const) {
    const some = findings.filter((finding) => finding["verdict"] === of);
    if (some.length > 0) print(io, "", style.bold(title));
    for (const finding of some) print(io, `  ${of === "fail" ? style.bad("✗") : style.unsure("?")} ${line(finding)}`);
  }
  print(
    io,
    "",
    style.bold("Coverage"),
    `  every sealed record of the log to size ${number(report, "size").toLocaleString("en-US")}; its keeper's own word`,
  );
  return exit;
}

function line(finding: JsonObject): string {
  return `${cleanLine(text(finding, "sentence"))} [${cleanLine(maybeText(finding, "code") ?? "")}]`;
}

async function custodyOf(io: Context["io"], place: string | undefined, options: Options): Promise<unknown> {
  const client = openClient(io, { ...options, ...(place === undefined ? {} : { url: place }) });
  return (await client.post("/spur/v1/custody", {}, { timeoutMs: secondsToMs(options.timeout, CUSTODY_SECONDS) }))
    .answer;
}

async function custodyIn(io: Context["io"], data: string, options: Options): Promise<unknown> {
  const { auditCustody } = await loadOptional<CustodyModule>("@spur/ledger/custody", "audit --custody --data");
  const folder = resolve(io.cwd, data);
  const keys = resolve(io.cwd, options.keys ?? `${data.replace(/[/\\]+$/, "")}-keys`);
  const bar = startProgress(io, "opening");
  try {
    return await auditCustody({ data: folder, keys, progress: (done, of) => bar.at(done, of) });
  } finally {
    bar.end();
  }
}
