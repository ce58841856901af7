import type { Report, Verdict } from "@spur/verifier/evidence/report";
import { h, type Child } from "../dom.ts";
import { count, say, type Lang } from "../i18n/lang.ts";
import { sentenceOf } from "../i18n/sentence.ts";
import { verdictIcon } from "./icons.ts";
import { stateBadge } from "./report-views.ts";

/** What the page shows as the verdict: green only if all required checks pass under a key that the reader named. */
export function shownVerdict(report: Report): Verdict {
  if (report.verdict === "fail" || report.exit === 1 || report.signer === "refuted") return "fail";
  return report.verdict === "pass" && report.exit === 0 && report.signer === "trusted" ? "pass" : "not-checked";
}

export function isDemo(report: Report): boolean {
  return report.origin?.startsWith("demo.spur.invalid/") === true;
}

/** The one big sentence, and what it stands on. */
export function drawVerdict(lang: Lang, report: Report, file: Child, receipt: boolean): HTMLElement {
  const verdict = shownVerdict(report);
  const tally = (one: Verdict): number => report.findings.filter((finding) => finding.verdict === one).length;
  const [asked] = report.answers;
  return h(
    "div",
    { class: `verdict ${verdict}` },
    h(
      "div",
      { class: "verdict-top" },
      verdictIcon(verdict, 44),
      h(
        "div",
        {},
        h(
          "p",
          { class: "verdict-word" },
          say(lang, `verdict.${verdict}`),
          isDemo(report) && h("span", { class: "demo" }, say(lang, "verify.demo")),
        ),
        h("h2", { id: "sentence", tabindex: -1 }, sentenceOf(lang, report)),
      ),
    ),
    verdict === "fail" &&
      h(
        "ul",
        { class: "failed" },
        report.findings
          // Said already, where it is the verdict itself.
          .filter(({ verdict, code }) => verdict === "fail" && code !== report.code)
          .slice(0, 3)
          .map((finding) => h("li", {}, sentenceOf(lang, finding))),
      ),
    // Where something is refuted, no single answer may stand beside it and look better.
    asked !== undefined &&
      verdict !== "fail" &&
      h(
        "div",
        { class: "asked" },
        h("p", { class: "label" }, say(lang, "verdict.asked")),
        h("p", { class: "question" }, say(lang, `ask.${asked.ask}`)),
        // Said already, where the verdict is the answer itself.
        h("p", {}, stateBadge(lang, asked.state), asked.code !== report.code && [" ", sentenceOf(lang, asked)]),
      ),
    h(
      "dl",
      { class: "facts" },
      fact(say(lang, "file.name"), file),
      report.origin !== undefined &&
        fact(
          say(lang, "verdict.origin"),
          h("code", {}, report.origin),
          " ",
          h("span", { class: "soft" }, `· ${say(lang, `verdict.signer.${report.signer}`)}`),
        ),
      !receipt && report.size !== undefined && fact(say(lang, "verdict.size"), count(report.size, lang)),
      fact(
        say(lang, "findings.title"),
        say(lang, "verdict.counts", { pass: tally("pass"), open: tally("not-checked"), fail: tally("fail") }),
      ),
      fact(say(lang, "verdict.digest"), h("code", { class: "digest" }, report.file)),
    ),
  );
}

function fact(name: string, ...value: readonly Child[]): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
}
