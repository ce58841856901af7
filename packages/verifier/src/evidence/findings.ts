import { VerifyError } from "../errors.ts";
import type { Answer, CheckName, Coverage, Finding, Report, Verdict } from "./report.ts";
import { ENGLISH, sentence, type SentenceCode, type Templates, type Values } from "./sentences.ts";

/** Required unless the caller says more (formats §3). */
const ALWAYS_REQUIRED: readonly CheckName[] = ["format", "log signature", "inclusion", "opening", "row"];
export const THESE_ENTRIES: Coverage = { kind: "entries" };
/** Values come from the file; nobody needs more of one in a sentence. */
const MAX_VALUE = 200;

/** Where checks put what they saw. Each method but `absent` returns the position of the new finding. */
export type Findings = ReturnType<typeof createFindings>;

export function createFindings(required: readonly CheckName[], templates: Templates = ENGLISH) {
  const list: Finding[] = [];
  type Kind = readonly [CheckName, Verdict, SentenceCode];
  const add = ([check, verdict, code]: Kind, given: Values, coverage = THESE_ENTRIES, how?: string): number => {
    const clipped = Object.entries(given).map(([name, value]) => [
      name,
      typeof value === "string" ? clip(value) : value,
    ]);
    const values = Object.fromEntries(clipped) as Values;
    list.push({
      check,
      verdict,
      required: ALWAYS_REQUIRED.includes(check) || required.includes(check),
      code,
      values,
      sentence: sentence(code, values, templates),
      coverage,
      ...(how === undefined ? {} : { how }),
    });
    return list.length - 1;
  };
  const findings = {
    list: list as readonly Finding[],
    /** "unknown" until a trusted key has verified: until then `pass` says "not checked", since nothing is confirmed by a stranger's word. */
    signer: "unknown" as Report["signer"],
    pass(check: CheckName, code: SentenceCode, values: Values = {}, coverage = THESE_ENTRIES): number {
      if (findings.signer === "trusted") return add([check, "pass", code], values, coverage);
      return add([check, "not-checked", code], { ...values, signer: "unknown" }, coverage);
    },
    notChecked(check: CheckName, code: SentenceCode, values: Values = {}, how?: string): number {
      return add([check, "not-checked", code], values, THESE_ENTRIES, how);
    },
    fail(check: CheckName, code: SentenceCode, values: Values = {}): number {
      return add([check, "fail", code], values);
    },
    /** What the caller requires by name, and the file has nothing for. */
    absent(names: readonly CheckName[]): void {
      for (const name of names) {
        if (!list.some(({ check }) => check === name)) findings.notChecked(name, "require/absent", { name });
      }
    },
    /** `fail` with the code and detail of a `VerifyError`; anything else is thrown on, since it is a defect of ours. */
    refute(check: CheckName, code: SentenceCode, values: Values, error: unknown): number {
      if (!(error instanceof VerifyError)) throw error;
      return add([check, "fail", code], { ...values, error: error.code, detail: error.detail });
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
