import { VerifyError } from "../errors.ts";
import type { Answer, CheckName, Coverage, Finding, Report, Verdict } from "./report.ts";
import { sentence, type SentenceCode, type Values } from "./sentences.ts";

/** Required unless the caller says more (formats §3). */
const ALWAYS_REQUIRED: readonly CheckName[] = ["format", "log signature", "inclusion", "opening", "row"];
export const THESE_ENTRIES: Coverage = { kind: "entries" };
/** Values come from the file; nobody needs more of one in a sentence. */
const MAX_VALUE = 200;

/** Where checks put what they saw. Each method returns the position of the new finding. */
export interface Findings {
  readonly list: readonly Finding[];
  /** "unknown" until a trusted key has verified: until then `pass` says "not checked", since nothing is confirmed by a stranger's word. */
  signer: Report["signer"];
  pass(check: CheckName, code: SentenceCode, values?: Values, coverage?: Coverage): number;
  notChecked(check: CheckName, code: SentenceCode, values?: Values, how?: string): number;
  fail(check: CheckName, code: SentenceCode, values?: Values): number;
  /** What the caller requires by name, and the file has nothing for. */
  absent(required: readonly CheckName[]): void;
  /** `fail` with the code and detail of a `VerifyError`; anything else is thrown on, since it is a defect of ours. */
  refute(check: CheckName, code: SentenceCode, values: Values, error: unknown): number;
}

export function createFindings(required: readonly CheckName[]): Findings {
  const list: Finding[] = [];
  const add = (
    check: CheckName,
    verdict: Verdict,
    code: SentenceCode,
    given: Values,
    coverage: Coverage,
    how?: string,
  ) => {
    const values = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, typeof value === "string" ? clip(value) : value]),
    );
    list.push({
      check,
      verdict,
      required: ALWAYS_REQUIRED.includes(check) || required.includes(check),
      code,
      values,
      sentence: sentence(code, values),
      coverage,
      ...(how === undefined ? {} : { how }),
    });
    return list.length - 1;
  };
  const findings: Findings = {
    list,
    signer: "unknown",
    pass(check, code, values = {}, coverage = THESE_ENTRIES) {
      if (findings.signer === "trusted") return add(check, "pass", code, values, coverage);
      return add(check, "not-checked", code, { ...values, signer: "unknown" }, coverage);
    },
    notChecked: (check, code, values = {}, how) => add(check, "not-checked", code, values, THESE_ENTRIES, how),
    fail: (check, code, values = {}) => add(check, "fail", code, values, THESE_ENTRIES),
    absent(names) {
      for (const name of names) {
        if (!list.some(({ check }) => check === name)) findings.notChecked(name, "require/absent", { name });
      }
    },
    refute(check, code, values, error) {
      if (!(error instanceof VerifyError)) throw error;
      return add(check, "fail", code, { ...values, error: error.code, detail: error.detail }, THESE_ENTRIES);
    },
  };
  return findings;
}

function clip(value: string): string {
  return value.length <= MAX_VALUE ? value : `${value.slice(0, MAX_VALUE)}…`;
}

/**
 * 1 if anything fails; else 2 if a required check is not checked; else 0 (formats §3). What a file was made to answer is required of it
 * too: a file that leaves its own question open is not "verified".
 */
export function exitOf(findings: readonly Finding[], asked?: Answer): Pick<Report, "exit" | "verdict"> {
  if (findings.some((one) => one.verdict === "fail")) return { exit: 1, verdict: "fail" };
  const open = asked !== undefined && asked.state !== "proven" && asked.state !== "recorded";
  if (open || findings.some((one) => one.required && one.verdict !== "pass"))
    return { exit: 2, verdict: "not-checked" };
  return { exit: 0, verdict: "pass" };
}
