import type { Answer, CheckName, Coverage, Finding, Report, Verdict } from "@spur/verifier/evidence/report";
import { ENGLISH } from "@spur/verifier/evidence/sentences";
import type { Context } from "./context.ts";
import { clean, cleanLine, DEFAULT_URL, many, print, typed, type Style } from "./text.ts";
import { isVkey } from "./trust-store.ts";

/** Passed findings of one kind that are listed one by one; more are counted, unless everything is asked for. */
const LISTED = 2;
/** Said once by the heading. */
const UNTRUSTED = ` ${ENGLISH["note/untrusted"]}`;
const WORDS = { 0: "VERIFIED", 1: "REFUTED", 2: "NOT CHECKED" } as const;

const STATES = {
  refuted: "refuted",
  proven: "proven",
  recorded: "recorded, not proven",
  "not-checked": "not checked",
  "not-recorded": "not recorded",
} as const;

/** The one sentence, findings in groups, what was not checked and how it would be, and how far all this reaches. */
export function printReport({ io, style }: Context, name: string, report: Report, all: boolean): void {
  print(io, verdictLine(style, report.exit, report.sentence));
  const about = [
    name,
    report.origin,
    report.size === undefined ? undefined : `log of ${many(report.size, "entry", "entries")}`,
  ];
  print(
    io,
    style.dim(
      `  ${about
        .filter((part) => part !== undefined)
        .map(cleanLine)
        .join(" · ")}`,
    ),
  );

  printAnswers(
    { io, style },
    report.answers.filter((answer) => answer.state !== "not-recorded"),
  );
  printFindings({ io, style }, report.findings, all);
  printEntries({ io, style }, report);
  printCoverage({ io, style }, report);
}

export function verdictLine(style: Style, exit: 0 | 1 | 2, sentence: string): string {
  const paint = exit === 0 ? style.good : exit === 1 ? style.bad : style.unsure;
  return `${paint(style.bold(`${exit === 0 ? "✓" : exit === 1 ? "✗" : "?"} ${WORDS[exit]}`))}  ${cleanLine(sentence)}`;
}

type Shown = Pick<Context, "io" | "style">;

export function printAnswers({ io, style }: Shown, answers: readonly Answer[]): void {
  if (answers.length === 0) return;
  print(io, "", style.bold("Answers"));
  for (const answer of answers) {
    const state = stateMark(style, answer.state);
    print(
      io,
      `  ${state} ${answer.ask}  ${cleanLine(answer.sentence)} ${style.dim(`(${STATES[answer.state]}; ${reach(answer.coverage)})`)}`,
    );
  }
}

function stateMark(style: Style, state: Answer["state"]): string {
  if (state === "refuted") return style.bad("✗");
  return state === "proven" ? style.good("✓") : style.unsure("?");
}

/** `code` is any text: an audit has codes of its own. */
type AnyFinding = Omit<Finding, "code"> & { readonly code: string };

export function printFindings({ io, style }: Shown, findings: readonly AnyFinding[], all: boolean): void {
  const failed = findings.filter((finding) => finding.verdict === "fail");
  // Under no trusted key, what holds within the file is not thereby true; the verifier marks it so, and it is shown apart.
  const within = findings.filter(
    (finding) => finding.verdict === "not-checked" && finding.values["signer"] === "unknown",
  );
  const open = findings.filter((finding) => finding.verdict === "not-checked" && !within.includes(finding));
  const passed = findings.filter((finding) => finding.verdict === "pass");

  if (failed.length > 0) {
    print(io, "", style.bold("Refuted"));
    for (const finding of failed)
      print(io, `  ${mark(style, "fail")} ${cleanLine(finding.sentence)} ${style.dim(`[${finding.code}]`)}`);
  }
  printAgreeing({ io, style }, "Checked", passed, all);
  printAgreeing({ io, style }, "Consistent with itself, whoever signed it", within, all);
  if (open.length > 0) {
    print(io, "", style.bold("Not checked"));
    for (const [check, group] of grouped(open)) {
      const shown = all ? group : group.filter((finding) => finding.required).slice(0, 5);
      const rest = all ? [] : group.filter((finding) => !shown.includes(finding));
      for (const finding of shown)
        print(io, `  ${mark(style, "not-checked")} ${check}: ${cleanLine(finding.sentence)}`);
      const [first] = rest;
      if (first !== undefined) {
        const more = rest.length === 1 ? "" : style.dim(` (and ${rest.length - 1} more like it)`);
        print(io, `  ${mark(style, "not-checked")} ${check}: ${cleanLine(first.sentence)}${more}`);
      }
      for (const how of new Set(group.flatMap(howOf))) print(io, `      to check it${cleanLine(how)}`);
    }
  }
}

/** The verifier knows no address: what can be typed here is made of what the finding tells. */
function howOf({ how, values }: AnyFinding): readonly string[] {
  const { key, index } = values;
  if (how === "npx spur trust add URL" && typeof key === "string" && isVkey(key))
    return [`, if this is the key that its owner publishes: ${typed("trust", "add", key)}`];
  if (how === "npx spur evidence" && typeof index === "number") return [`: ${typed("evidence", String(index))}`];
  return how === undefined ? [] : [`: ${how.replace(/ URL$/, ` ${DEFAULT_URL}`)}`];
}

function printAgreeing({ io, style }: Shown, title: string, findings: readonly AnyFinding[], all: boolean): void {
  if (findings.length === 0) return;
  print(io, "", style.bold(title));
  for (const [check, group] of grouped(findings)) {
    const sign = mark(style, group[0]?.verdict ?? "not-checked");
    if (all || group.length <= LISTED) {
      for (const finding of group)
        print(io, `  ${sign} ${check}: ${cleanLine(finding.sentence).replace(UNTRUSTED, "")}`);
    } else {
      print(
        io,
        `  ${sign} ${check}: ${many(group.length, "time")}, each as it should be ${style.dim("(--all lists them)")}`,
      );
    }
  }
}

function mark(style: Style, verdict: Verdict): string {
  if (verdict === "fail") return style.bad("✗");
  return verdict === "pass" ? style.good("✓") : style.unsure("?");
}

function grouped(findings: readonly AnyFinding[]): Map<CheckName, AnyFinding[]> {
  const groups = new Map<CheckName, AnyFinding[]>();
  for (const finding of findings) groups.set(finding.check, [...(groups.get(finding.check) ?? []), finding]);
  return groups;
}

/** Content that was opened and verified, cut to what a screen takes. */
function printEntries({ io, style }: Shown, report: Report): void {
  const opened = report.entries.filter((entry) => entry.opened.length > 0);
  if (opened.length === 0) return;
  print(io, "", style.bold("Opened"));
  for (const entry of opened) {
    print(io, `  entry ${entry.index}, ${cleanLine(entry.type)}, ${cleanLine(entry.at)}`);
    for (const { name, text, bytes, absent } of entry.opened) {
      const content = absent ? "left empty" : text === undefined ? `${many(bytes, "byte")}, not text` : cut(text);
      print(io, `    ${cleanLine(name)}: ${content}`);
    }
  }
}

function cut(text: string): string {
  const shown = cleanLine(text.slice(0, 400));
  return text.length > 400 ? `${shown} … (${many(text.length, "character")})` : shown;
}

function printCoverage({ io, style }: Shown, report: Report): void {
  const kinds = new Set([...report.findings, ...report.answers].map((one) => reach(one.coverage)));
  print(io, "", style.bold("Coverage"), `  ${[...kinds].join(" · ")}`);
  print(
    io,
    style.dim(
      "  What stands on record is unchanged. Whether everything was recorded, and whether a report was true, no file can show.",
    ),
  );
}

export function reach(coverage: Coverage): string {
  if (coverage.kind === "entries") return "these entries";
  if (coverage.kind === "register") return `register ${clean(coverage.name)}, 1..${coverage.to}`;
  return `whole log to size ${coverage.size.toLocaleString("en-US")}`;
}

export function stateWords(state: Answer["state"]): string {
  return STATES[state];
}
