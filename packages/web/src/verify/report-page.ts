import type { Answer, Report } from "@spur/verifier/evidence/report";
import { drawOpened } from "../chat/draw.ts";
import { h, type Child } from "../dom.ts";
import { say, type Lang } from "../i18n/lang.ts";
import { drawTrace } from "../trace/draw.ts";
import { kindOf } from "../trace/layout.ts";
import { noteOf } from "../trace/note.ts";
import { drawAnswers, drawCommands, drawCoverage, drawFindings, drawLimits, section } from "./report-views.ts";
import { traceOf } from "./trace-of.ts";
import { shownVerdict } from "./verdict-view.ts";

export interface ReportPage {
  readonly lang: Lang;
  readonly report: Report;
  readonly fileName: string;
  /** A receipt without the evidence that it could be held against. */
  readonly lonelyReceipt: boolean;
  /** A key that the reader trusts, for the commands. */
  readonly vkey?: string;
}

/** Everything below the verdict. `place` is where it will stand: a picture needs to know its room. */
export function drawReportPage(place: HTMLElement, page: ReportPage): Child {
  const { lang, report } = page;
  const shown = report.entries.length > 0;
  return [
    page.lonelyReceipt && h("p", { class: "part" }, say(lang, "file.receipt")),
    shown &&
      section(
        say(lang, "chat.title"),
        say(lang, "chat.lead"),
        drawOpened(lang, report.entries) ?? h("p", { class: "soft" }, say(lang, "chat.none")),
      ),
    shown && section(say(lang, "trace.title"), say(lang, "trace.lead"), picture(lang, report, roomIn(place))),
    drawFindings(lang, report),
    drawCoverage(lang, report),
    report.answers.length > 0 &&
      shownVerdict(report) !== "fail" &&
      section(say(lang, "questions.title"), say(lang, "questions.lead"), drawAnswers(lang, nine(report.answers))),
    drawCommands(lang, report, page.fileName, page.vkey),
    drawLimits(lang, report),
  ];
}

function picture(lang: Lang, report: Report, width: number): HTMLElement {
  const { nodes, edges } = traceOf(report);
  if (nodes.length === 0) return h("p", { class: "soft" }, say(lang, "trace.none"));
  return drawTrace(
    lang,
    nodes.map(({ index, rec, type, predicate }) => {
      const note = noteOf(lang, kindOf(type), predicate);
      return { index, rec, type, ...(note === undefined ? {} : { note }) };
    }),
    edges,
    width,
  );
}

/** What a part of the report leaves for a picture, in pixels: its padding and border are the style's. */
function roomIn(place: HTMLElement): number {
  const probe = h("section", { class: "part" }, h("div"));
  place.append(probe);
  const width = Math.max(240, probe.firstElementChild?.clientWidth ?? 0);
  probe.remove();
  return width;
}

/** All nine, each once, in order; the asked one may stand first and again at its place. */
function nine(answers: readonly Answer[]): readonly Answer[] {
  const byAsk = new Map([...answers].reverse().map((answer) => [answer.ask, answer]));
  byAsk.delete("lineage");
  return [...byAsk.values()].sort((a, b) => (a.ask < b.ask ? -1 : 1));
}
