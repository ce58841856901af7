import { rename, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { utf8 } from "@spur/verifier/bytes";
import { parseEvidence } from "@spur/verifier/evidence/format";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { parseOuter } from "@spur/verifier/statement/entry";
import { formatTlogProof } from "@spur/verifier/tlog/proof";
import { NO_TRUST } from "@spur/verifier/trust/trust";
import { openClient, type Client, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { embedEvidence, findVerifierPage } from "../html.ts";
import { REF_HELP, resolveRef } from "../ref.ts";
import { many, print, printJson, typed } from "../text.ts";

const MAX_EVIDENCE_MIB = 64;

interface Options extends ServerOptions {
  readonly ask?: string;
  readonly open?: string;
  readonly html?: true;
  readonly format?: string;
  readonly output?: string;
  readonly close?: true;
  readonly json?: true;
}

export function addEvidence(program: Command, context: Context): void {
  const command = program
    .command("evidence")
    .summary("write the file with which anybody can verify a record, offline")
    .description(
      `Writes the evidence of a record: entries, proofs, the signed checkpoint and, where asked for, its content.\n${REF_HELP}`,
    )
    .argument("<ref>", "record id, log index, or last")
    .option("--ask <question>", "what the file answers: Q1 … Q9, or lineage (default: what the record is for)")
    .option("--open <slots>", "content to show, like request,response; whoever holds the file reads it, for ever")
    .option("--close", "first close the registers, so that the file can show that nothing newer is missing")
    .option("--html", "evidence and verifier in one page, to be opened with a browser")
    .option("--format <format>", "evidence, or tlog-proof: C2SP's form for the entry alone, which other tools read")
    .option("-o, --output <file>", 'where to write ("-": standard output)');
  withExamples(
    withJson(withServer(command)),
    typed("evidence", "last", "-o", "answer.evidence.json"),
    typed("evidence", "last", "--open", "request,response", "--html", "-o", "answer.html"),
    typed("evidence", "402", "--ask", "lineage", "--close", "-o", "trace.evidence.json"),
    typed("evidence", "last", "--format", "tlog-proof"),
  );
  command.action(async (ref: string, options: Options) => {
    if (options.ask !== undefined && !/^(Q[1-9]|lineage)$/.test(options.ask)) {
      throw new CliError("cli/option", `--ask ${options.ask}`, { hint: "one of Q1 … Q9, or lineage" });
    }
    const { format = "evidence" } = options;
    if (format !== "evidence" && format !== "tlog-proof")
      throw new CliError("cli/option", `--format ${format}`, { hint: "evidence, or tlog-proof" });
    const asProof = format === "tlog-proof";
    if (asProof && (options.html || options.open !== undefined || options.ask !== undefined)) {
      throw new CliError("cli/option", "a tlog-proof holds one entry: no page, no content, no question", {
        hint: "leave out --html, --open and --ask",
      });
    }
    const client = openClient(context.io, options);
    const rec = await resolveRef(client, ref);
    if (options.close) await client.post("/spur/v1/registers/close", {});
    const evidence = await fetchEvidence(client, rec, options);
    const page = options.html ? await findVerifierPage(client) : undefined;
    const bytes = asProof ? asTlogProof(evidence, rec) : page ? embedEvidence(page.html, evidence) : evidence;
    await write(context, rec, bytes, evidence, options, page?.from);
    context.finish(0);
  });
}

async function fetchEvidence(client: Client, rec: string, options: Options): Promise<Uint8Array> {
  const { ask, open } = options;
  const query = new URLSearchParams({
    ...(ask === undefined ? {} : { ask }),
    ...(open === undefined ? {} : { open }),
  }).toString();
  const bytes = await client.bytes(
    `/spur/v1/records/${rec}/evidence${query === "" ? "" : `?${query}`}`,
    MAX_EVIDENCE_MIB,
  );
  if (!new TextDecoder().decode(bytes.subarray(0, 64)).startsWith("{")) {
    throw new CliError("http/answer", "what the ledger sent is no evidence", {
      hint: "is this the address of a Spur ledger?",
    });
  }
  return bytes;
}

/** The entry of a record, as C2SP writes it. Its bytes stand in the line for extra data: where they hash to the leaf, the proof is whole. */
function asTlogProof(evidence: Uint8Array, rec: string): Uint8Array {
  const { entries, checkpoint } = parseEvidence(evidence);
  const shown = entries.find(({ entry }) => parseOuter(entry).rec === rec);
  if (shown === undefined)
    throw new CliError("http/answer", "the evidence that the ledger sent does not show the record");
  return utf8(formatTlogProof({ extra: shown.entry, index: shown.index, hashes: shown.proof, checkpoint }));
}

/** What the file was made to answer is not in it, whoever signed. */
function answersNothing(evidence: Uint8Array): boolean {
  return verifyEvidence(evidence, NO_TRUST).answers[0]?.state === "not-recorded";
}

async function write(
  { io }: Context,
  rec: string,
  bytes: Uint8Array,
  evidence: Uint8Array,
  options: Options,
  pageFrom?: string,
): Promise<void> {
  if (options.output === "-") {
    io.stdout.write(new TextDecoder().decode(bytes));
    return;
  }
  const ending = options.format === "tlog-proof" ? "tlog-proof" : `evidence.${options.html ? "html" : "json"}`;
  const name = options.output ?? `${rec.slice(0, 8)}.${ending}`;
  const file = resolve(io.cwd, name);
  // In one step, so that a full disk leaves no half of a file that looks like evidence.
  await writeFile(`${file}.part`, bytes);
  await rename(`${file}.part`, file);
  if (options.json) {
    printJson(io, { file, record: rec, bytes: bytes.length });
    return;
  }
  print(io, `Wrote ${name} (${many(bytes.length, "byte")}).`);
  if (options.format !== "tlog-proof" && answersNothing(evidence)) {
    print(
      io,
      "No question is about a record of this kind by itself, so verifying ends with exit code 2: nothing is answered.",
    );
    print(io, "That it stands in the log is proven by:", `  ${typed("evidence", rec, "--format", "tlog-proof")}`);
  }
  if (options.open !== undefined) print(io, "It shows content: whoever holds it can read that, also after a removal.");
  if (pageFrom !== undefined)
    print(io, `Open ${basename(name)} in any browser. The verifier in it came from ${pageFrom}.`);
  print(io, "Verify it, here or anywhere:", `  ${typed("verify", name)}`);
}
