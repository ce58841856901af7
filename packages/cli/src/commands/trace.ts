import type { Command } from "commander";
import { openClient, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { list, number, text, type JsonObject } from "../json.ts";
import { REF_HELP, resolveRef } from "../ref.ts";
import { cleanLine, print, printJson, typed } from "../text.ts";

export function addTrace(program: Command, context: Context): void {
  const command = program
    .command("trace")
    .summary("show what a record goes back to: decision, model, run, data")
    .description(`Shows the entries that a record goes back to, and those that speak of it.\n${REF_HELP}`)
    .argument("<ref>", "record id, log index, or last");
  withExamples(withJson(withServer(command)), typed("trace", "last"), typed("trace", "402", "--json"));
  command.action(async (ref: string, options: ServerOptions & { json?: true }) => {
    const client = openClient(context.io, options);
    const rec = await resolveRef(client, ref);
    const trace = await client.get(`/spur/v1/records/${rec}/trace`);
    if (options.json) printJson(context.io, trace);
    else printTrace(context, rec, trace, client.words);
    context.finish(0);
  });
}

function printTrace({ io, style }: Context, rec: string, trace: JsonObject, words: readonly string[]): void {
  // From the answer back to its sources: an entry refers only to earlier ones.
  const entries = [...list(trace, "entries")].sort((a, b) => number(b, "index") - number(a, "index"));
  const edges = list(trace, "edges");
  print(io, style.bold(`Trace of ${rec}`), "");
  const width = Math.max(0, ...entries.map((entry) => String(number(entry, "index")).length));
  for (const entry of entries) {
    const index = number(entry, "index");
    const type = text(entry, "type").replace(/^spur:|\/v1$/g, "");
    const mark = entry["rec"] === rec ? "→" : " ";
    const about = `${text(entry, "register")} no. ${number(entry, "seq")}, ${text(entry, "at")}, ${text(entry, "evidence")}`;
    print(
      io,
      `${mark} ${String(index).padStart(width)}  ${style.bold(cleanLine(type).padEnd(13))} ${style.dim(cleanLine(about))}`,
    );
    const roles = new Map<string, number[]>();
    for (const edge of edges.filter((one) => one["from"] === index)) {
      const role = cleanLine(text(edge, "role"));
      roles.set(role, [...(roles.get(role) ?? []), number(edge, "to")]);
    }
    for (const [role, targets] of roles)
      print(io, `  ${" ".repeat(width)}    ${role} → ${targets.sort((a, b) => a - b).join(", ")}`);
  }
  print(io, "", "As the ledger tells it. As a file that anybody can verify:");
  print(io, `  ${typed("evidence", rec, "--ask", "lineage", "-o", "trace.evidence.json", ...words)}`);
  print(io, `  ${typed("verify", "trace.evidence.json")}`);
}
