import type { Answer, Coverage, Finding, QuestionState, Report, Verdict } from "@spur/verifier/evidence/report";
import { h, type Child } from "../dom.ts";
import { copyable } from "../frame.ts";
import { say, sayIfKnown, type Lang } from "../i18n/lang.ts";
import { sentenceOf } from "../i18n/sentence.ts";
import { verdictIcon } from "./icons.ts";

/** A section with a heading; the sentence below it says what the reader is looking at. */
export function section(title: string, lead: string | undefined, ...content: readonly Child[]): HTMLElement {
  return h(
    "section",
    { class: "part" },
    h("h2", {}, title),
    lead !== undefined && h("p", { class: "lead" }, lead),
    ...content,
  );
}

export function stateBadge(lang: Lang, state: QuestionState): HTMLElement {
  const look: Verdict = state === "proven" ? "pass" : state === "refuted" ? "fail" : "not-checked";
  const none = state === "not-recorded";
  return h(
    "span",
    { class: `state ${none ? "none" : look} ${state}` },
    !none && verdictIcon(look, 14),
    say(lang, `state.${state}`),
  );
}

export function coverageText(lang: Lang, coverage: Coverage): string {
  switch (coverage.kind) {
    case "entries":
      return say(lang, "coverage.entries");
    case "register":
      return say(lang, coverage.to === 0 ? "coverage.register.none" : "coverage.register", {
        name: coverage.name,
        to: coverage.to,
      });
    case "log":
      return say(lang, "coverage.log", { size: coverage.size });
  }
}

/** How a finding is listed: what holds within the file but has no trusted signer is told apart from what was not looked at. */
type Group = "fail" | "open" | "unsigned" | "pass";
const GROUPS: readonly Group[] = ["fail", "open", "unsigned", "pass"];

function groupOf(finding: Finding): Group {
  if (finding.verdict === "fail" || finding.verdict === "pass") return finding.verdict;
  return finding.values["signer"] === "unknown" ? "unsigned" : "open";
}

/** One sentence per finding: what is refuted first, then what is open; many of one kind that say the same share a fold. */
export function drawFindings(lang: Lang, report: Report): HTMLElement {
  const rows: Child[] = [];
  for (const group of GROUPS) {
    const byKind = new Map<string, Finding[]>();
    for (const finding of report.findings) {
      const kind = `${finding.check} ${finding.code}`;
      if (groupOf(finding) === group) byKind.set(kind, [...(byKind.get(kind) ?? []), finding]);
    }
    if (group === "unsigned" && byKind.size > 0)
      rows.push(h("li", { class: "between" }, say(lang, "findings.unsigned")));
    for (const findings of byKind.values()) {
      // What is refuted is never folded away.
      if (findings.length > 3 && group !== "fail") rows.push(drawFold(lang, group, findings));
      else rows.push(findings.map((finding) => drawFinding(lang, finding)));
    }
  }
  return section(say(lang, "findings.title"), say(lang, "findings.lead"), h("ul", { class: "findings" }, rows));
}

function drawFold(lang: Lang, group: "open" | "unsigned" | "pass", findings: readonly Finding[]): HTMLElement {
  const verdict = group === "pass" ? "pass" : "not-checked";
  return h(
    "li",
    { class: `finding ${verdict}` },
    verdictIcon(verdict),
    h(
      "details",
      {},
      h(
        "summary",
        {},
        findings[0] && h("span", { class: "check" }, say(lang, `check.${findings[0].check}`)),
        " ",
        say(lang, `findings.more.${group}`, { n: findings.length }),
      ),
      h(
        "ul",
        { class: "folded" },
        findings.map((finding) => h("li", {}, sentenceOf(lang, finding, true), reach(lang, finding))),
      ),
    ),
    h("span", { class: "word" }, say(lang, `verdict.word.${verdict}`)),
  );
}

function drawFinding(lang: Lang, finding: Finding): HTMLElement {
  return h(
    "li",
    { class: `finding ${finding.verdict}` },
    verdictIcon(finding.verdict),
    h(
      "div",
      {},
      h("span", { class: "check" }, say(lang, `check.${finding.check}`)),
      " ",
      h("span", {}, sentenceOf(lang, finding, true)),
      reach(lang, finding),
      finding.verdict === "fail" && h("code", { class: "code" }, finding.code),
    ),
    h("span", { class: "word" }, say(lang, `verdict.word.${finding.verdict}`)),
  );
}

/** How far a finding reaches, where that is further than the entries at hand. */
function reach(lang: Lang, finding: Finding): Child {
  return finding.coverage.kind !== "entries" && h("span", { class: "reach" }, coverageText(lang, finding.coverage));
}

/** Every reach that a confirmed finding of this file has: its entries, registers as a whole, the log. */
export function drawCoverage(lang: Lang, report: Report): HTMLElement {
  const reaches = new Map<string, Coverage>();
  for (const { verdict, coverage } of report.findings) {
    if (verdict === "pass") reaches.set(coverageText(lang, coverage), coverage);
  }
  const kinds = (["entries", "register", "log"] as const).map((kind) => ({
    kind,
    texts: [...reaches].filter(([, coverage]) => coverage.kind === kind).map(([text]) => text),
  }));
  return section(
    say(lang, "coverage.title"),
    undefined,
    reaches.size === 0 && h("p", { class: "soft" }, say(lang, "coverage.none")),
    h(
      "ul",
      { class: "coverage" },
      kinds.map(
        ({ kind, texts }) =>
          texts.length > 0 &&
          h(
            "li",
            {},
            texts.map((text) => h("span", { class: "reach" }, text)),
            h("p", {}, say(lang, `coverage.lead.${kind}`)),
          ),
      ),
    ),
    h("p", { class: "soft" }, say(lang, "coverage.note")),
  );
}

/** Questions and their states, one row each. */
export function drawAnswers(lang: Lang, answers: readonly Answer[]): HTMLElement {
  return h(
    "ul",
    { class: "answers" },
    answers.map((answer) =>
      h(
        "li",
        { class: answer.state },
        h("span", { class: "number" }, answer.ask === "lineage" ? "↳" : answer.ask),
        h(
          "div",
          {},
          h("p", { class: "question" }, sayIfKnown(lang, `ask.${answer.ask}`) ?? String(answer.ask)),
          answer.state !== "not-recorded" &&
            h(
              "p",
              { class: "soft" },
              sentenceOf(lang, answer),
              " ",
              answer.coverage.kind !== "entries" && h("span", { class: "reach" }, coverageText(lang, answer.coverage)),
            ),
        ),
        stateBadge(lang, answer.state),
      ),
    ),
  );
}

/** Commands that check this again, and what this file could not. `vkey`: one that the reader trusts, never the file's own word. */
export function drawCommands(lang: Lang, report: Report, fileName: string, vkey: string | undefined): HTMLElement {
  const how = [
    ...new Set(
      report.findings.flatMap((finding) =>
        finding.verdict === "not-checked" && finding.how !== undefined ? [finding.how] : [],
      ),
    ),
  ];
  return section(
    say(lang, "commands.title"),
    say(lang, "commands.lead"),
    h("h3", {}, say(lang, "commands.file")),
    copyable(
      lang,
      `npx spur verify ${shellWord(fileName)} --trust ${vkey === undefined ? say(lang, "commands.key") : shellWord(vkey)}`,
    ),
    h("h3", {}, say(lang, "commands.audit")),
    copyable(lang, `npx spur audit ${say(lang, "commands.address")}`),
    how.length > 0 && [h("h3", {}, say(lang, "commands.more")), how.map((command) => copyable(lang, command))],
  );
}

/** A name from outside as one word of a POSIX shell: a command that is copied from here runs nothing but itself. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_.,:@%+=\/][A-Za-z0-9_.,:@%+=\/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The limits (what is not claimed) that apply to this file. */
export function drawLimits(lang: Lang, report: Report): HTMLElement {
  const passed = (check: string): boolean =>
    report.findings.some((finding) => finding.check === check && finding.verdict === "pass");
  const types = new Set(report.entries.map((entry) => entry.type));
  const removal = types.has("spur:removal/v1");
  const limits = [
    report.origin?.startsWith("demo.spur.invalid/") === true && "limits.demo",
    "limits.true",
    "limits.absence",
    !passed("witnesses") && !passed("anchor") && "limits.rollback",
    !passed("time") && !passed("anchor") && "limits.time",
    passed("anchor") && "limits.chain",
    report.entries.some((entry) => entry.evidence !== "observed") && "limits.reported",
    report.entries.some((entry) => entry.opened.length > 0) && "limits.opened",
    removal && "limits.removal",
    removal && types.has("spur:model/v1") && "limits.model",
  ] as const;
  return section(
    say(lang, "limits.title"),
    undefined,
    h(
      "ul",
      { class: "limits" },
      limits.map((key) => key !== false && h("li", {}, say(lang, key))),
    ),
  );
}
