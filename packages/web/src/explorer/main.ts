import type { Answer } from "@spur/verifier/evidence/report";
import { byId, fill, h, type Child } from "../dom.ts";
import { drawHead, firstLang } from "../frame.ts";
import { say, type Lang } from "../i18n/lang.ts";
import { drawAnswers, section } from "../verify/report-views.ts";
import { api, type Head, type RecordRow, type Trace } from "./api.ts";
import { drawHeadFacts } from "./head-view.ts";
import { handOver, saveBytes } from "./hand-over.ts";
import { drawRecord, drawRecords } from "./record-view.ts";
import { drawTry } from "./try-view.ts";

interface State {
  lang: Lang;
  head?: Head;
  rows: readonly RecordRow[];
  /** There may be older records than those shown. */
  more: boolean;
  answers: readonly Answer[];
  chosen?: { readonly row: RecordRow; readonly trace: Trace };
  /** Kept in this variable and nowhere else. */
  accessKey: string;
  problem?: string;
}

const state: State = { lang: firstLang(), rows: [], more: false, answers: [], accessKey: "" };
const PLACES = ["now", "questions", "record", "records", "try"] as const;
/** How often the page asks how long the log is, in milliseconds. */
const EVERY_MS = 4_000;

/** Draws the page and keeps it up to date while somebody looks at it. */
export function start(): void {
  fill(
    byId("main"),
    PLACES.map((id) => h("div", { id })),
  );
  draw();
  run(refresh().then(chooseFromAddress));
  setInterval(() => {
    if (document.visibilityState === "visible") run(refresh());
  }, EVERY_MS);
  window.addEventListener("hashchange", () => run(chooseFromAddress()));
}

async function refresh(): Promise<void> {
  try {
    const head = await api.head();
    const grown = head.published?.size !== state.head?.published?.size;
    state.head = head;
    const failed = state.problem !== undefined;
    delete state.problem;
    if (!grown && !failed) {
      drawNow();
      return;
    }
    const rows = await api.records();
    state.more = rows.length === 50;
    state.rows = rows;
    state.answers = await api.questions();
    draw();
  } catch (error) {
    state.problem = error instanceof Error ? error.message : String(error);
    drawNow();
  }
}

function draw(): void {
  const { lang } = state;
  drawHead(byId("head"), lang, "", (chosen) => {
    state.lang = chosen;
    draw();
  });
  drawNow();
  drawChosen();
  drawRows();
  drawQuestions();
  drawFoot();
}

function drawNow(): void {
  const { lang, head, problem } = state;
  document.title =
    head === undefined ? "Spur" : `${head.demo ? `${say(lang, "home.demo")} · ` : ""}${head.origin} · Spur`;
  // Redrawn every few seconds: what the reader has unfolded stays so.
  const unfolded = byId("now").querySelector("details")?.open === true;
  const again = { type: "button", class: "second", on: { click: () => run(refresh()) } };
  const trouble: Child = problem !== undefined && [
    h("p", { class: "problem" }, say(lang, "home.down", { why: problem })),
    h("button", again, say(lang, "home.retry")),
  ];
  fill(
    byId("now"),
    h("h1", {}, say(lang, "home.lead")),
    h("div", { role: "status" }, trouble),
    head === undefined
      ? problem === undefined && h("p", { class: "soft" }, say(lang, "home.loading"))
      : drawHeadFacts(lang, head, Date.now()),
  );
  const details = byId("now").querySelector("details");
  if (details !== null) details.open = unfolded;
}

function drawChosen(): void {
  const { lang, chosen, accessKey } = state;
  const place = byId("record");
  if (chosen === undefined) {
    fill(place);
    return;
  }
  const { row, trace } = chosen;
  fill(
    place,
    drawRecord({
      lang,
      row,
      trace,
      accessKey,
      width: roomIn(place),
      setAccessKey: (key) => {
        state.accessKey = key;
      },
      download: () => run(giveEvidence(row, (bytes, name) => saveBytes(bytes, name))),
      openVerifier: () => {
        // The window must open in the click itself; the file follows when both are ready.
        const verifier = window.open("/verify.html");
        run(giveEvidence(row, (bytes, name) => verifier && handOver(verifier, bytes, name)));
      },
      close: () => {
        location.hash = "";
      },
    }),
  );
}

function drawRows(): void {
  const { lang, rows, more, chosen } = state;
  const older = { type: "button", class: "second", on: { click: () => run(loadOlder()) } };
  fill(
    byId("records"),
    rows.length > 0 &&
      section(
        say(lang, "home.records"),
        say(lang, "home.records.lead"),
        h("div", { class: "scroll" }, drawRecords(lang, rows, chosen?.row.rec, choose)),
        more && h("button", older, say(lang, "home.older")),
      ),
  );
}

function drawQuestions(): void {
  const { lang, answers, rows, head } = state;
  fill(
    byId("questions"),
    answers.length > 0 &&
      section(say(lang, "questions.title"), say(lang, "questions.lead.log"), drawAnswers(lang, answers)),
  );
  const empty = !rows.some((row) => row.type === "spur:output/v1");
  fill(byId("try"), head !== undefined && drawTry(lang, location.origin, empty));
}

function drawFoot(): void {
  const { lang, head } = state;
  fill(
    byId("foot"),
    h("p", {}, say(lang, "home.quiet"), head !== undefined && ` Spur ${head.version}.`),
    h("p", {}, h("a", { href: "/verify.html" }, say(lang, "home.verifier"))),
  );
}

async function loadOlder(): Promise<void> {
  const before = state.rows.at(-1)?.index;
  if (before === undefined) return;
  const rows = await api.records(before);
  state.more = rows.length === 50;
  state.rows = [...state.rows, ...rows];
  drawRows();
}

function choose(row: RecordRow): void {
  const wanted = `rec=${row.rec}`;
  if (location.hash.slice(1) === wanted) byId("record").scrollIntoView({ block: "start" });
  else location.hash = wanted;
}

/** The record that the address names (`#rec=<rec>`), so that a record can be linked to. */
async function chooseFromAddress(): Promise<void> {
  const rec = new URLSearchParams(location.hash.slice(1)).get("rec");
  delete state.chosen;
  if (rec !== null && /^[0-9a-f]{32}$/.test(rec)) {
    const trace = await api.trace(rec);
    const row = state.rows.find((one) => one.rec === rec) ?? trace.entries.find((one) => one.rec === rec);
    if (row !== undefined) state.chosen = { row, trace };
  }
  drawChosen();
  drawRows();
  if (state.chosen === undefined) return;
  byId("record").scrollIntoView({ block: "start" });
  byId("record").querySelector<HTMLElement>("section")?.focus({ preventScroll: true });
}

async function giveEvidence(row: RecordRow, give: (bytes: ArrayBuffer, name: string) => void): Promise<void> {
  const problem = document.getElementById("record-problem");
  try {
    const slots = row.type === "spur:output/v1" && row.removed !== true ? ["request", "response"] : [];
    give(await api.evidence(row.rec, state.accessKey, slots), `${row.rec.slice(0, 8)}.evidence.json`);
    if (problem !== null) problem.textContent = "";
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (problem !== null) problem.textContent = say(state.lang, "home.access.failed", { why });
  }
}

function roomIn(place: HTMLElement): number {
  const probe = h("section", { class: "part" }, h("div"));
  place.append(probe);
  const width = Math.max(240, probe.firstElementChild?.clientWidth ?? 0);
  probe.remove();
  return width;
}

function run(promise: Promise<void>): void {
  promise.catch((error: unknown) => {
    state.problem = error instanceof Error ? error.message : String(error);
    drawNow();
  });
}
