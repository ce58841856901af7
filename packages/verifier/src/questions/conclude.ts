import type { Checked, Held } from "../evidence/checks/checked.ts";
import { THESE_ENTRIES } from "../evidence/findings.ts";
import type { Answer, Ask, Coverage } from "../evidence/report.ts";
import { sentence, type Phrase, type SentenceCode, type Values } from "../evidence/sentences.ts";

/** What a question found: the findings it needs and the entries it walked, in reading order. */
export interface Walked {
  readonly needed: readonly number[];
  readonly trace: readonly number[];
  /** The sentence if all that is needed holds, and how far that reaches. */
  readonly whole: Phrase;
  readonly coverage?: Coverage;
  /** The sentence if something that is needed cannot be checked. */
  readonly open: Phrase;
}

/** The state of a question by the rule of formats §3, from the verdicts of the findings it needs and the levels of the entries it walked. */
export function conclude(ask: Ask, checked: Checked, walked: Walked): Answer {
  const entries = walked.trace.map((index) => checked.held.get(index)).filter((one): one is Held => one !== undefined);
  const findings = [...new Set([...entries.flatMap((one) => one.findings), ...walked.needed])].sort((a, b) => a - b);
  const list = findings.map((position) => checked.findings.list[position]);
  const failed = list.filter((one) => one?.verdict === "fail").length;
  const open = list.filter((one) => one?.verdict === "not-checked");
  // All that is open is open for one reason: nobody who is trusted has signed.
  const unsigned = open.length > 0 && open.every((one) => one?.values["signer"] === "unknown");
  const mark = checked.findings.signer === "trusted" ? {} : { signer: "unknown" };
  const common = { ask, findings, trace: walked.trace, coverage: walked.coverage ?? THESE_ENTRIES };
  const say = (state: Answer["state"], code: SentenceCode, given: Values): Answer => {
    const values = { ...given, ...mark };
    return { ...common, state, code, values, sentence: sentence(code, values) };
  };
  if (failed > 0) return say("refuted", "answer/refuted", { ask, count: failed });
  if (unsigned) return say("not-checked", ...walked.whole);
  if (open.length > 0) return say("not-checked", ...walked.open);
  const observed = entries.every((one) => one.outer?.evidence === "observed");
  return say(observed ? "proven" : "recorded", ...walked.whole);
}

/** The file has nothing on this question. */
export function notRecorded(ask: Ask): Answer {
  const values = { ask };
  const code = "answer/not-recorded";
  const nothing = { coverage: THESE_ENTRIES, findings: [], trace: [] };
  return { ...nothing, ask, state: "not-recorded", code, values, sentence: sentence(code, values) };
}
