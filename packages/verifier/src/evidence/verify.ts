import { toHex } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { answerAll } from "../questions/answer.ts";
import { canonicalBytes } from "../statement/canonical.ts";
import type { Trust } from "../trust/trust.ts";
import type { Checked, Held } from "./checks/checked.ts";
import { checkCheckpoint } from "./checks/checkpoint.ts";
import { checkEnvelopes } from "./checks/dsse.ts";
import { checkEntries } from "./checks/entries.ts";
import { checkLogKey, checkSuccessors } from "./checks/keys.ts";
import { checkOpenings, type Shown } from "./checks/openings.ts";
import { checkReferences } from "./checks/references.ts";
import { checkRegisters } from "./checks/registers.ts";
import { checkAge, checkHours } from "./checks/time.ts";
import { createFindings, exitOf, type Findings } from "./findings.ts";
import { parseEvidence } from "./format.ts";
import type { Answer, CheckName, Report, ShownEntry } from "./report.ts";
import { sentence, type Phrase } from "./sentences.ts";

export interface VerifyOptions {
  /** The caller's clock, in milliseconds since 1970; without it no age is judged. */
  readonly nowMs?: number;
}

/** A report, and what was checked on the way; `checked` is absent where the file could not be read that far. */
type Verified = { readonly report: Report; readonly checked?: Checked };

/** Verifies an evidence file under what the caller trusts. Never throws: a hostile file gives a report that says so. */
export function verifyEvidence(bytes: Uint8Array, trust: Trust, options: VerifyOptions = {}): Report {
  return checkEvidence(bytes, trust, options).report;
}

/** `verifyEvidence`, for a caller that checks something else against the same entries. */
export function checkEvidence(bytes: Uint8Array, trust: Trust, options: VerifyOptions = {}): Verified {
  const findings = createFindings(requiredBy(trust));
  return reporting(bytes, findings, () => {
    const evidence = readFile(() => parseEvidence(bytes), findings);
    if (evidence === undefined) return {};
    const checkpoint = checkCheckpoint(evidence.checkpoint, evidence.log, trust, findings);
    if (checkpoint === undefined) return {};
    // After the signature, since nothing passes under a stranger's.
    findings.pass("format", "format/ok");
    const { origin, size } = checkpoint;
    const held = checkEntries(evidence, checkpoint, findings);
    const shown = checkOpenings(evidence.opened, held, findings);
    checkLogKey(held, checkpoint.key, findings);
    checkSuccessors(held, trust, findings);
    checkEnvelopes(held, trust.statementKeys, findings);
    const edges = checkReferences(held, origin, findings);
    const registers = checkRegisters(evidence, held, { origin, size }, findings);
    checkHours(held, checkpoint.seenAt, findings);
    checkAge(checkpoint.seenAt, trust, options.nowMs, findings);
    const count = evidence.anchors.length;
    if (count > 0)
      findings.notChecked("anchor", "anchor/unknown", {
        count,
        digest: toHex(sha256(canonicalBytes(evidence.anchors))),
      });
    const checked = { evidence, trust, origin, size, held, edges, registers, findings };
    const answers = answerAll(checked);
    findings.absent(trust.require);
    return { checked, answers, origin, size, entries: [...held.values()].flatMap((one) => show(one, shown)) };
  });
}

/** What the caller's own trust demands of a checkpoint, though formats §3 does not require it of everybody's. */
export function requiredBy({ require, policy, maxAgeHours }: Trust): CheckName[] {
  return [...require, ...(policy.quorum ? ["witnesses" as const] : []), ...(maxAgeHours ? ["time" as const] : [])];
}

/** Only "the file is of another version" is not checked; whatever else keeps it from being read contradicts the format it claims. */
export function readFile<T>(parse: () => T, findings: Findings): T | undefined {
  let file: T;
  try {
    file = parse();
  } catch (error) {
    if (error instanceof VerifyError && error.code === "file/version") {
      findings.notChecked("format", "format/unknown", { detail: error.detail });
    } else {
      findings.refute("format", "format/refuted", {}, error);
    }
    return undefined;
  }
  return file;
}

interface Seen {
  readonly checked?: Checked;
  readonly answers?: readonly Answer[];
  readonly origin?: string;
  readonly size?: number;
  readonly entries?: readonly ShownEntry[];
  /** The one sentence if all is well and no question is asked. */
  readonly whole?: Phrase;
}

/** Runs the checks and makes the report. What a check throws beyond findings is a defect of ours, and is told as one. */
export function reporting(bytes: Uint8Array, findings: Findings, run: () => Seen): Verified {
  let seen: Seen = {};
  try {
    seen = run();
  } catch (error) {
    findings.notChecked("format", "report/defect", { detail: String(error) });
  }
  const { checked, answers = [], entries = [], whole, ...about } = seen;
  const { signer } = findings;
  const [asked] = answers;
  const [code, values] = headline(findings, asked, whole);
  const report: Report = {
    format: "spur-report/v1",
    file: toHex(sha256(bytes)),
    ...about,
    signer,
    ...exitOf(findings.list, asked),
    sentence: sentence(code, values),
    code,
    values,
    findings: findings.list,
    answers,
    entries,
  };
  return { report, ...(checked && { checked }) };
}

/** The one sentence: what must not be relied on first, then what the file was made to answer. */
function headline(findings: Findings, asked: Answer | undefined, whole: Phrase | undefined): Phrase {
  const charge = findings.list.find(({ check }) => check === "misbehaviour");
  if (charge !== undefined) return [charge.code, charge.values];
  const failed = findings.list.filter(({ verdict }) => verdict === "fail").length;
  if (failed > 0) return ["report/refuted", { count: failed }];
  const defect = findings.list.find(({ code }) => code === "report/defect" || code === "format/unknown");
  if (defect !== undefined) return [defect.code, defect.values];
  if (findings.signer !== "trusted") return ["report/signer-unknown", {}];
  const open = findings.list.filter(({ required, verdict }) => required && verdict === "not-checked").length;
  if (open > 0) return ["report/incomplete", { count: open }];
  if (whole !== undefined) return whole;
  if (asked === undefined || asked.state === "not-recorded") return ["report/no-answer", {}];
  return [asked.code, asked.values];
}

function show({ index, entry }: Held, shown: ReadonlyMap<number, readonly Shown[]>): ShownEntry[] {
  if (entry === undefined) return [];
  const { rec, reg: register, seq, at, evidence, predicate, predicateType: type = "dsse" } = entry;
  const references = entry.references.map(({ role, target: { rec, index } }) => ({ role, rec, index }));
  const opened = shown.get(index) ?? [];
  return [{ index, rec, type, register, seq, at, evidence, predicate, references, opened }];
}
