import { h, type Child } from "../dom.ts";
import { count, say, sayIfKnown, type Lang } from "../i18n/lang.ts";
import { drawTrace, kindName } from "../trace/draw.ts";
import { kindOf } from "../trace/layout.ts";
import { noteOf } from "../trace/note.ts";
import type { RecordRow, Trace } from "./api.ts";

export interface RecordPanel {
  readonly lang: Lang;
  readonly trace: Trace;
  readonly row: RecordRow;
  readonly width: number;
  readonly accessKey: string;
  readonly setAccessKey: (key: string) => void;
  readonly download: () => void;
  readonly openVerifier: () => void;
  readonly close: () => void;
}

/** One record: its trace back to the sources, and its evidence. */
export function drawRecord(panel: RecordPanel): HTMLElement {
  const { lang, row, trace } = panel;
  const shown = trace.entries.filter(({ type }) => !["spur:key/v1", "spur:registers/v1"].includes(type));
  const nodes = (shown.length > 0 ? shown : trace.entries).map(({ index, rec, type, predicate }) => {
    const note = noteOf(lang, kindOf(type), predicate);
    return { index, rec, type, ...(note === undefined ? {} : { note }) };
  });
  const sealedOutput = row.type === "spur:output/v1";
  return h(
    "section",
    { class: "part record", "aria-labelledby": "record-title", tabindex: -1 },
    h(
      "div",
      { class: "record-top" },
      h(
        "div",
        {},
        h(
          "h2",
          { id: "record-title" },
          `${kindName(lang, kindOf(row.type))} · ${say(lang, "trace.entry", { index: row.index })}`,
        ),
        h("code", { class: "soft" }, row.rec),
      ),
      h("button", { type: "button", class: "quiet", on: { click: panel.close } }, say(lang, "home.close")),
    ),
    drawTrace(lang, nodes, trace.edges, panel.width),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", on: { click: panel.openVerifier } }, say(lang, "home.open")),
      h("button", { type: "button", class: "second", on: { click: panel.download } }, say(lang, "home.evidence")),
      h("a", { href: "/verify.html", target: "_blank", rel: "noopener" }, say(lang, "home.verifier")),
    ),
    sealedOutput &&
      row.removed !== true &&
      h(
        "details",
        { class: "access", open: panel.accessKey !== "" },
        h("summary", {}, say(lang, "home.access")),
        h("label", { for: "access-key" }, say(lang, "home.access.label")),
        h("input", {
          id: "access-key",
          type: "password",
          autocomplete: "off",
          spellcheck: "false",
          value: panel.accessKey,
          placeholder: "spur_…",
          on: { input: (event) => panel.setAccessKey((event.target as HTMLInputElement).value.trim()) },
        }),
      ),
    h("p", { class: "problem", id: "record-problem", role: "alert" }),
  );
}

/** The newest records, one a row. */
export function drawRecords(
  lang: Lang,
  rows: readonly RecordRow[],
  chosen: string | undefined,
  choose: (row: RecordRow) => void,
): HTMLElement {
  const head = ["home.entry", "home.type", "home.register", "home.hour", "home.level"] as const;
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head.map((key) => h("th", { scope: "col" }, say(lang, key))),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((row) =>
        h(
          "tr",
          { class: row.rec === chosen ? "chosen" : "", on: { click: () => choose(row) } },
          h("td", { class: "number" }, count(row.index, lang)),
          h(
            "td",
            {},
            // The button is what the keyboard finds; the whole row takes the mouse.
            h(
              "button",
              { type: "button", class: "quiet name", "aria-pressed": row.rec === chosen ? "true" : "false" },
              kindName(lang, kindOf(row.type)),
            ),
            row.removed === true && h("span", { class: "state none" }, say(lang, "home.removed")),
          ),
          h("td", {}, cell(row.register), h("span", { class: "soft" }, ` ${count(row.seq, lang)}`)),
          h("td", { class: "soft" }, hour(row.at)),
          h("td", { class: "soft" }, sayIfKnown(lang, `level.${row.evidence}`) ?? row.evidence),
        ),
      ),
    ),
  );
}

const cell = (text: string): Child => h("span", { translate: "no" }, text);

/** "2026-11-22T04Z" -> "2026-11-22 04 h UTC" */
function hour(at: string): string {
  const parts = /^(\d{4}-\d{2}-\d{2})T(\d{2})Z$/.exec(at);
  return parts === null ? at : `${parts[1] ?? ""} ${parts[2] ?? ""} h UTC`;
}
