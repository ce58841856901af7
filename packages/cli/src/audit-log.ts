import { equalBytes, toBase64 } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { createAudit, createAuditState, type Audit, type AuditResult } from "@spur/verifier/audit/fold";
import type { CheckName, Finding, Report } from "@spur/verifier/evidence/report";
import { sha256 } from "@spur/verifier/hash";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { formatVkey } from "@spur/verifier/note/vkey";
import type { Trust } from "@spur/verifier/trust/trust";
import { readEntries, type Reading } from "./audit-read.ts";
import { createRecTable, SEEDS } from "./audit-recs.ts";
import { checkSigners, type Signers } from "./audit-signers.ts";
import { CliError } from "./errors.ts";
import { openLog, type LogReader } from "./fetch-log.ts";
import type { Exit, Io } from "./io.ts";
import { forkProof, type LogKey } from "./misbehaviour.ts";
import type { Progress } from "./progress.ts";
import { readSeen, writeSeen, type Seen } from "./seen.ts";
import { createTreeCheck, type TreeCheck } from "./tree-check.ts";

/** Wrong tiles that are named; more are counted. */
const NAMED = 20;

/** As `Finding`, with codes of our own for what only who fetches can see. */
export type AuditFinding = Omit<Finding, "code"> & { readonly code: string };

export interface AuditReport {
  readonly format: "spur-audit/v1";
  readonly where: string;
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  readonly signer: Report["signer"];
  readonly exit: Exit;
  readonly sentence: string;
  readonly findings: readonly AuditFinding[];
  readonly tiles: number;
  readonly registers: AuditResult["registers"];
  readonly removals: AuditResult["removals"];
  readonly withheld: number;
  readonly unknown: number;
  /** The size seen last time, where there was one. */
  readonly seen?: number;
  /** A file that convicts the log before anybody who knows its key, and that key. */
  readonly misbehaviour?: { readonly file: string; readonly vkey: string };
  readonly ms: number;
}

export interface AuditOptions {
  readonly trust: Trust;
  readonly timeoutMs: number;
  readonly progress: Progress;
  /** Threads beside this one; by default as many as the log is worth and the machine has. */
  readonly threads?: number;
}

/**
 * Reads a whole log: every bundle, every tile at every level, and holds them against one another, against the signed root, against the
 * rules for entries and registers, and against the checkpoint seen last time. Throws where nothing can be said at all.
 */
export async function auditLog(
  io: Io,
  place: string,
  { trust, timeoutMs, progress, threads }: AuditOptions,
): Promise<AuditReport> {
  const startedAt = io.now();
  const log = await openLog(io, place, { timeoutMs });
  const noteText = await log.checkpoint();
  const { origin, size, root } = parseCheckpoint(parseNote(noteText).text);
  const signers = checkSigners(noteText, trust, place);
  const seen = await readSeen(io, origin);

  const audit = createAudit(
    origin,
    createAuditState(createRecTable(crypto.getRandomValues(new Uint32Array(SEEDS)), size)),
  );
  const tree = createTreeCheck((tile) => log.tile(tile), seen === undefined ? [] : [seen.checkpoint.size]);
  const reading = { log, size, watched: seen?.checkpoint.size, threads };
  const stopped = await readAll(reading, audit, tree, progress);
  const result = audit.finish(size, { root, signer: signers.signer });
  const whole = stopped.length === 0;

  const remembered = await checkSeen(io, seen, { origin, size, root }, noteText, tree, signers, log);
  const all: AuditFinding[] = [
    ...signers.findings,
    // What agrees so far says little of a log that could not be read to its end.
    ...result.findings.filter(({ verdict }) => whole || verdict !== "pass"),
    ...stopped,
    ...checkTiles(tree, size, whole),
    ...checkOwnKey(result, signers),
    ...remembered.findings,
  ];
  const findings = signers.signer === "trusted" ? all : all.map(unconfirmed);
  const exit = exitOf(findings);
  if (exit === 0 && (seen === undefined || size > seen.checkpoint.size)) await writeSeen(io, origin, noteText);
  return {
    format: "spur-audit/v1",
    where: log.where,
    origin,
    size,
    root: toBase64(root),
    signer: signers.signer,
    exit,
    sentence: sentenceOf(exit, findings, whole, signers.signer, origin, size),
    findings,
    tiles: tree.tiles,
    registers: result.registers,
    removals: result.removals,
    withheld: result.withheld,
    unknown: result.unknown,
    ...(seen === undefined ? {} : { seen: seen.checkpoint.size }),
    ...(remembered.proof === undefined ? {} : { misbehaviour: remembered.proof }),
    ms: io.now() - startedAt,
  };
}

/** Feeds every entry to both checks. What ends it early is told as findings: a lie as a failure, silence as not checked. */
async function readAll(reading: Reading, audit: Audit, tree: TreeCheck, progress: Progress): Promise<AuditFinding[]> {
  try {
    await readEntries(reading, audit, tree, progress);
    return [];
  } catch (error) {
    if (error instanceof VerifyError)
      return [found("inclusion", "fail", error.code, `What the log serves is broken: ${error.detail}.`, reading.size)];
    if (error instanceof CliError) {
      return [
        found(
          "inclusion",
          "not-checked",
          error.code,
          `The log could not be read to its end: ${error.detail}.`,
          reading.size,
          error.hint,
        ),
      ];
    }
    throw error;
  } finally {
    progress.end();
  }
}

function checkTiles(tree: TreeCheck, size: number, whole: boolean): AuditFinding[] {
  const wrong = tree.wrong
    .slice(0, NAMED)
    .map((path) => found("inclusion", "fail", "audit/tile", `${path} is not what the entries below it hash to.`, size));
  if (tree.wrong.length > NAMED) {
    wrong.push(
      found(
        "inclusion",
        "fail",
        "audit/tile",
        `${tree.wrong.length - NAMED} more tiles are not what the entries below them hash to.`,
        size,
      ),
    );
  }
  if (wrong.length > 0 || !whole) return wrong;
  return [
    found(
      "inclusion",
      "pass",
      "audit/tiles",
      `Every tile at every level is what the entries below it hash to (tiles: ${tree.tiles}).`,
      size,
    ),
  ];
}

/** Entry 0 announces the log's own key: a log that was signed by another has a second life somewhere. */
function checkOwnKey(result: AuditResult, signers: Signers): AuditFinding[] {
  const own = result.keys.find(({ index, purpose }) => index === 0 && purpose === "log");
  if (own === undefined || signers.key === undefined) return [];
  if (equalBytes(own.sha256, sha256(signers.key.publicKey))) return [];
  return [
    found(
      "log signature",
      "fail",
      "audit/own-key",
      "Entry 0 announces another key than the one that signed the checkpoint.",
      result.entries,
    ),
  ];
}

/** Held against memory: a log may only grow. Where it did not, both signed notes are kept, and made into a proof for others if they are one. */
async function checkSeen(
  io: Io,
  seen: Seen | undefined,
  now: { readonly origin: string; readonly size: number; readonly root: Uint8Array },
  noteText: string,
  tree: TreeCheck,
  signers: Signers,
  log: LogReader,
): Promise<{ readonly findings: readonly AuditFinding[]; readonly proof?: AuditReport["misbehaviour"] }> {
  if (seen === undefined) return { findings: [] };
  const before = seen.checkpoint;
  const root = before.size === now.size ? now.root : tree.rootAt(before.size);
  const one = (verdict: Finding["verdict"], code: string, sentence: string): readonly AuditFinding[] => [
    found("inclusion", verdict, code, sentence, now.size),
  ];
  if (before.size <= now.size && root === undefined) {
    const sentence = `Whether it extends the log of size ${before.size} that you saw before is not checked.`;
    return { findings: one("not-checked", "audit/seen-open", sentence) };
  }
  if (before.size <= now.size && root !== undefined && equalBytes(root, before.root))
    return { findings: one("pass", "audit/seen", `It extends the log of size ${before.size} that you saw before.`) };
  // Only a trusted signature makes it the log's own word; anybody can serve anything under its name.
  const kept = signers.signer === "trusted" ? await writeSeen(io, now.origin, noteText, ".conflict") : undefined;
  const what =
    before.size > now.size
      ? `You have seen this log with ${before.size} entries; now it shows ${now.size}: it went back`
      : `This log is not the one that you saw before at size ${before.size}: its past was changed`;
  const code = before.size > now.size ? "audit/rollback" : "audit/fork";
  if (kept === undefined || signers.key === undefined) return { findings: one("fail", code, `${what}.`) };
  const vkey = formatVkey(signers.key);
  const bytes = await proofOf({ origin: now.origin, vkey }, seen.note, noteText, log);
  if (bytes === undefined)
    return { findings: one("fail", code, `${what}. Both signed checkpoints are kept: ${seen.file} and ${kept}.`) };
  const file = await writeSeen(io, now.origin, bytes, ".misbehaviour.json");
  return { findings: one("fail", code, `${what}. ${file} proves it to anybody.`), proof: { file, vkey } };
}

/** A log that only went back contradicts nobody but this memory; and of the larger tree there may be no tiles any more. */
async function proofOf(key: LogKey, before: string, now: string, log: LogReader): Promise<Uint8Array | undefined> {
  try {
    return await forkProof(key, before, now, log.tile);
  } catch (error) {
    if (error instanceof VerifyError || error instanceof CliError) return undefined;
    throw error;
  }
}

export function found(
  check: CheckName,
  verdict: Finding["verdict"],
  code: string,
  sentence: string,
  size: number,
  how?: string,
): AuditFinding {
  return {
    check,
    verdict,
    required: true,
    code,
    values: {},
    sentence,
    coverage: { kind: "log", size },
    ...(how === undefined ? {} : { how }),
  };
}

/** Nothing is confirmed by a stranger's signature: what agrees, agrees with itself. */
function unconfirmed(finding: AuditFinding): AuditFinding {
  if (finding.verdict !== "pass") return finding;
  return { ...finding, verdict: "not-checked", values: { ...finding.values, signer: "unknown" } };
}

function exitOf(findings: readonly AuditFinding[]): Exit {
  if (findings.some(({ verdict }) => verdict === "fail")) return 1;
  return findings.some(({ required, verdict }) => required && verdict !== "pass") ? 2 : 0;
}

function sentenceOf(
  exit: Exit,
  findings: readonly AuditFinding[],
  whole: boolean,
  signer: Report["signer"],
  origin: string,
  size: number,
): string {
  const failed = findings.filter(({ verdict }) => verdict === "fail").length;
  const entries = `${size.toLocaleString("en-US")} ${size === 1 ? "entry" : "entries"}`;
  if (exit === 1) return `Do not rely on this log: ${failed} ${failed === 1 ? "check" : "checks"} of ${origin} failed.`;
  if (exit === 0) return `All ${entries} of ${origin} are in place, and give the root that was signed.`;
  if (!whole) return `The ${entries} of ${origin} could not all be read.`;
  if (signer !== "trusted")
    return `The ${entries} of ${origin} are consistent with themselves; the signer is unknown to you.`;
  return `The ${entries} of ${origin} are in place, but a check that you require could not be made.`;
}
