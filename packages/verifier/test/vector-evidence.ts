// Vectors of what a caller trusts and of the files that he verifies under it.
import { toHex, utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { formatEvidence, parseEvidence } from "../src/evidence/format.ts";
import {
  formatReceiptFile,
  parseReceipt,
  parseReceiptFile,
  receiptText,
  verifyReceipt,
} from "../src/evidence/receipt.ts";
import { verifyMisbehaviour } from "../src/evidence/misbehaviour.ts";
import { verifyTlogProof } from "../src/evidence/proof.ts";
import type { Report } from "../src/evidence/report.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { formatVkey, openNote, parseNote, parseVkey } from "../src/note/note.ts";
import { formatTlogProof, parseTlogProof } from "../src/tlog/proof.ts";
import { parsePolicy, quorumMet } from "../src/trust/policy.ts";
import { formatTrust, parseTrust } from "../src/trust/trust.ts";
import { cases, check, refused, same, type Case, type Vector } from "./vector-runner.ts";

/** Cases of receipt.json. */
export function receiptCases(file: Vector): Case[] {
  const open = (v: Vector) => {
    const note = parseNote(v.note);
    const { verified, invalid, unknown } = openNote(note, [parseVkey(file.vkey)]);
    if (verified.length !== 1 || invalid.length + unknown.length > 0) throw new VerifyError("receipt/signature", "");
    const receipt = parseReceipt(note.text);
    if (receipt.origin !== file.origin) throw new VerifyError("receipt/origin", receipt.origin);
    return receipt;
  };
  return cases(
    file,
    (v) => {
      const receipt = open(v);
      same(receiptText(receipt), v.text, "text");
      same([receipt.rec, receipt.index], [v.rec, v.index], "record");
      same([toHex(receipt.leaf), toHex(receipt.commitment)], [v.leafHash, v.commitment], "digests");
    },
    (v) => refusedAs(v.verdict, "receipt/version", () => open(v)),
  );
}

/** "not-checked" where, and only where, the version is unknown. */
function refusedAs(verdict: string | undefined, unknown: string, call: () => unknown): void {
  if (verdict === "not-checked") return refused(unknown, call);
  refused(undefined, () => {
    try {
      return call();
    } catch (error) {
      check(!(error instanceof VerifyError && error.code === unknown), `told as ${unknown}`);
      throw error;
    }
  });
}

/** Cases of policy.json. */
export function policyCases(file: Vector): Case[] {
  return cases(
    file,
    (v) => {
      const policy = parsePolicy(v.policy);
      same(
        policy.logs.map(({ key }) => formatVkey(key)),
        v.logs,
        "logs",
      );
      same([...policy.witnesses.keys()], v.witnesses, "witnesses");
      for (const { cosigned, met } of v.quorum) same(quorumMet(policy, new Set(cosigned)) ?? null, met, "quorum");
    },
    (v) => refused(undefined, () => parsePolicy(v.policy)),
  );
}

/** Cases of trust.json. */
export function trustCases(file: Vector): Case[] {
  return cases(
    file,
    (v) => {
      const trust = parseTrust(utf8(v.text));
      same(parseTrust(formatTrust(trust)), trust, "written and read again");
    },
    (v) => refusedAs(v.verdict, "trust/version", () => parseTrust(utf8(v.text))),
  );
}

/** The text of a file of evidence.json: whole, or a good one with an edit. */
export function fileText(file: Vector, v: Vector): string {
  if (v.text !== undefined) return v.text;
  const base = file.files[v.file] as string;
  if (v.edit === undefined) return base;
  const { at, cut, insert } = v.edit;
  const edited = base.slice(0, at) + insert + base.slice(at + cut);
  check(edited !== base, "an edit that changes nothing");
  return edited;
}

function expect(report: Report, v: Vector): void {
  const shown = report.findings.filter((one) => one.verdict !== "pass").map((one) => `${one.check}: ${one.sentence}`);
  same([report.verdict, report.exit], [v.verdict, v.exit], `verdict and exit (${shown.join(" ")})`);
  if (v.verdict !== "pass") check(report.sentence !== "", "a sentence");
  if (v.state !== undefined) same(report.answers[0]?.state, v.state, "state of the question");
  if (v.check === undefined) return;
  const found = report.findings.some((one) => one.check === v.check && one.verdict === v.verdict);
  check(found, `no finding "${v.check}" with verdict ${v.verdict} (${shown.join(" ")})`);
}

/** Cases of evidence.json. */
export function evidenceCases(file: Vector): Case[] {
  const run = (v: Vector): void => {
    expect(verifyEvidence(utf8(fileText(file, v)), parseTrust(utf8(file.trust[v.trust]))), v);
  };
  const whole = Object.entries(file.files as { [name: string]: string }).map(([name, text]) => ({
    name: `file: ${name} is what its writer writes`,
    run: () => same(formatEvidence(parseEvidence(utf8(text))), utf8(text), "bytes"),
  }));
  return [...cases(file, run, run), ...whole];
}

/** Cases of receipt-file.json. */
export function receiptFileCases(file: Vector): Case[] {
  const run = (v: Vector): void => {
    const evidence = v.evidence === undefined ? {} : { evidence: utf8(file.files[v.evidence]) };
    expect(verifyReceipt(utf8(v.text), parseTrust(utf8(file.trust[v.trust])), evidence), v);
  };
  const valid = (v: Vector): void => {
    run(v);
    same(formatReceiptFile(parseReceiptFile(utf8(v.text))), utf8(v.text), "bytes");
  };
  return cases(file, valid, run);
}

/** Cases of tlog-proof.json. */
export function proofCases(file: Vector): Case[] {
  const run = (v: Vector): void => {
    const entry = v.entry === undefined ? {} : { entry: utf8(v.entry) };
    expect(verifyTlogProof(utf8(v.text), parseTrust(utf8(file.trust[v.trust])), entry), v);
  };
  const valid = (v: Vector): void => {
    run(v);
    same(formatTlogProof(parseTlogProof(v.text)), v.text, "text");
  };
  return cases(file, valid, run);
}

/** Cases of misbehaviour.json: a file convicts, or it convicts nobody; no file is ever a pass. */
export function misbehaviourCases(file: Vector): Case[] {
  const run = (v: Vector): void => {
    const report = verifyMisbehaviour(utf8(v.text), parseTrust(utf8(file.trust[v.trust])));
    expect(report, v);
    const checks = report.findings.map((one) => one.check);
    check(checks.every((one) => one === "misbehaviour" || one === "format") && checks.length === 1, checks.join());
  };
  return cases(file, run, run);
}
