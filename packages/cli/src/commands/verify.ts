import { open } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { fromUtf8 } from "@spur/verifier/bytes";
import { verifyMisbehaviour } from "@spur/verifier/evidence/misbehaviour";
import { verifyTlogProof } from "@spur/verifier/evidence/proof";
import { verifyReceipt } from "@spur/verifier/evidence/receipt";
import type { Report } from "@spur/verifier/evidence/report";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import type { Trust } from "@spur/verifier/trust/trust";
import { withExamples, withJson, withTrust, type Context } from "../context.ts";
import { CliError, toldOf, type Told } from "../errors.ts";
import { evidenceInHtml } from "../html.ts";
import { printReport, verdictLine } from "../print-report.ts";
import { cleanLine, print, typed } from "../text.ts";
import { isVkey, loadTrust } from "../trust-store.ts";

/** Evidence has at most 64 MiB; in a page it is base64, with the verifier around it. */
const MAX_FILE = 92 * 1024 * 1024;

interface Options {
  readonly trust?: readonly string[];
  readonly entry?: string;
  readonly all?: true;
  readonly json?: true;
}

export function addVerify(program: Command, context: Context): void {
  const command = program
    .command("verify")
    .summary("verify evidence or a receipt, offline, trusting nobody but whom you name")
    .description(
      "Verifies evidence files (also inside a page written with --html), receipts, C2SP tlog-proofs of any log, and proofs\n" +
        "that a log has misbehaved. Nothing is asked of anybody.\n" +
        "Exit 0: verified. 1: refuted, or a log convicted. 2: could not be checked, for example because its signer is unknown to you.",
    )
    .argument("<file...>", "evidence, receipt, page, tlog-proof, or proof of misbehaviour")
    .option("--entry <file>", "the entry that a tlog-proof is about, if it does not stand in the proof itself")
    .option("--all", "list every finding, also the many that are as they should be");
  withExamples(
    withJson(withTrust(command)),
    typed("verify", "answer.evidence.json"),
    typed("verify", "answer.evidence.json", "--trust", "log.vkey"),
    typed("verify", "receipt.json", "answer.evidence.json", "--json"),
    typed("verify", "entry.tlog-proof", "--entry", "entry.bin", "--trust", "policy.txt"),
  );
  command.action(async (named: readonly string[], options: Options) => {
    // `--trust KEY KEY`: the second is no file, so it can only be meant like the first.
    const keys = options.trust === undefined ? [] : named.filter(isVkey);
    const names = named.filter((name) => !keys.includes(name));
    if (names.length === 0) throw new CliError("cli/option", "which file?", { hint: typed("verify", "--help") });
    const trust = await loadTrust(context.io, options.trust === undefined ? undefined : [...options.trust, ...keys]);
    const files: FileRead[] = [];
    for (const name of names) files.push(await readOne(context, name, names.length > 1));
    const entry = await readEntry(context, options.entry, files);
    const evidence = files.flatMap(({ bytes }) => (bytes !== undefined && kindOf(bytes) === "evidence" ? [bytes] : []));
    const given = { trust, evidence, nowMs: context.io.now(), ...(entry && { entry }) };
    const exits = files.map((file) => {
      const report = file.bytes === undefined ? undefined : reportOn(file.bytes, given);
      tell(context, file, report, options, names.length > 1);
      return report?.exit ?? 2;
    });
    context.finish(exits.includes(1) ? 1 : exits.includes(2) ? 2 : 0);
  });
}

interface FileRead {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly error?: Told;
}

/** Among several, one unreadable file keeps nobody from the verdict on the others. */
async function readOne({ io }: Context, name: string, several: boolean): Promise<FileRead> {
  try {
    return { name, bytes: unwrapped(await readBounded(resolve(io.cwd, name), name)) };
  } catch (error) {
    if (!several) throw error;
    return { name, error: toldOf(error) };
  }
}

/** By how our own formats and C2SP's begin; whatever begins otherwise has to be evidence, and is told what it is not. */
function kindOf(bytes: Uint8Array): "evidence" | "receipt" | "misbehaviour" | "proof" {
  const beginning = new TextDecoder().decode(bytes.subarray(0, 40));
  if (beginning.startsWith("c2sp.org/tlog-proof@")) return "proof";
  const [, kind] = /^\{"format":"spur-(receipt-file|misbehaviour)\//.exec(beginning) ?? [];
  return kind === "misbehaviour" ? kind : kind === undefined ? "evidence" : "receipt";
}

/** `--entry` is for tlog-proofs alone: where there is none, whoever named it expects a check that is not made. */
async function readEntry(context: Context, name: string | undefined, files: readonly FileRead[]) {
  if (name === undefined) return undefined;
  if (!files.some(({ bytes }) => bytes !== undefined && kindOf(bytes) === "proof")) {
    throw new CliError("cli/option", "--entry goes with a tlog-proof, and there is none", {
      hint: typed("verify", "--help"),
    });
  }
  return readBounded(resolve(context.io.cwd, name), name);
}

interface Given {
  readonly trust: Trust;
  /** Every evidence file that was named. */
  readonly evidence: readonly Uint8Array[];
  readonly entry?: Uint8Array;
  readonly nowMs: number;
}

/** A receipt is held against every evidence file named beside it: a contradiction anywhere counts, else the one that says most. */
function reportOn(bytes: Uint8Array, { trust, evidence, nowMs, entry }: Given): Report {
  const kind = kindOf(bytes);
  if (kind === "misbehaviour") return verifyMisbehaviour(bytes, trust);
  if (kind === "proof") return verifyTlogProof(bytes, trust, { nowMs, ...(entry && { entry }) });
  if (kind === "evidence") return verifyEvidence(bytes, trust, { nowMs });
  const alone = verifyReceipt(bytes, trust, { nowMs });
  const reports = evidence.map((file) => verifyReceipt(bytes, trust, { nowMs, evidence: file }));
  const passes = (report: Report) => report.findings.filter(({ verdict }) => verdict === "pass").length;
  return (
    reports.find(({ exit }) => exit === 1) ?? [alone, ...reports].sort((a, b) => passes(b) - passes(a))[0] ?? alone
  );
}

function tell(
  context: Context,
  { name, error }: FileRead,
  report: Report | undefined,
  options: Options,
  several: boolean,
): void {
  const { io, style } = context;
  if (options.json) {
    // Several reports: one a line, so that each can be read by itself.
    const whole = report === undefined ? { name, error, exit: 2 } : several ? { name, ...report } : report;
    io.stdout.write(`${JSON.stringify(whole, null, several ? 0 : 2)}\n`);
    return;
  }
  if (report !== undefined) printReport(context, cleanLine(name), report, options.all === true);
  else print(io, verdictLine(style, 2, `${error?.detail ?? ""} [${error?.code ?? ""}]`));
  if (several) print(io, "");
}

/** The evidence itself, also where it stands in a page. What the page says around it is not looked at. */
function unwrapped(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0x3c ? evidenceInHtml(fromUtf8(bytes)) : bytes;
}

/** Throws `cli/file` for what is no file, is empty, or is too long to be evidence. */
async function readBounded(path: string, name: string): Promise<Uint8Array> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT")
      throw new CliError("cli/file", `there is no file ${name}`, {
        hint: `evidence is written by: ${typed("evidence", "last")}`,
        cause,
      });
    if (code === "EACCES")
      throw new CliError("cli/file", `${name} may not be read by you`, { hint: "ask its owner for a copy", cause });
    throw cause;
  });
  try {
    const found = await handle.stat();
    if (found.isDirectory())
      throw new CliError("cli/file", `${name} is a folder`, {
        hint: `name the files in it; a whole log is checked by: ${typed("audit", name)}`,
      });
    if (found.size > MAX_FILE)
      throw new CliError("cli/file", `${name} has ${found.size} bytes; evidence has at most 64 MiB`, {
        hint: "this is no evidence",
      });
    const bytes = await readUpTo(handle, MAX_FILE + 1);
    if (bytes.length > MAX_FILE)
      throw new CliError("cli/file", `${name} does not end; evidence has at most 64 MiB`, {
        hint: "this is no evidence",
      });
    if (bytes.length === 0) throw new CliError("cli/file", `${name} is empty`, { hint: "was it copied whole?" });
    return bytes;
  } finally {
    await handle.close();
  }
}

/** A pipe has no size beforehand. */
async function readUpTo(handle: Awaited<ReturnType<typeof open>>, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < most) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(1 << 20, most - bytes)));
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    bytes += bytesRead;
  }
  return Buffer.concat(parts);
}
