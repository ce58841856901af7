import type { Report } from "@spur/verifier/evidence/report";
import { byId, fill, h, type Child } from "../dom.ts";
import { evidenceInPage } from "../embedded.ts";
import { drawHead, firstLang } from "../frame.ts";
import { say, type Lang } from "../i18n/lang.ts";
import { check, readTrust, stillGood } from "./check.ts";
import { listenToOpener } from "./handover.ts";
import { takeFile, type Taken } from "./intake.ts";
import { peek, type Kind, type Peek } from "./peek.ts";
import { drawReportPage } from "./report-page.ts";
import { drawServed } from "./served.ts";
import { drawTrust } from "./trust-panel.ts";
import { NOBODY, remember, remembered, type Given } from "./trust-store.ts";
import { drawVerdict, isDemo, shownVerdict } from "./verdict-view.ts";

/** How the file came here: given by the reader, inside the page, or handed over by the explorer. */
type From = "reader" | "page" | "opener";

interface State {
  lang: Lang;
  given: Given;
  /** The reader asked this device to remember what he trusts. */
  kept: boolean;
  file?: Taken & { readonly peek: Peek; readonly from: From };
  /** The evidence seen last: a receipt is held against it. */
  evidence?: Uint8Array;
  /** Given together with a tlog-proof: what it is about. */
  entry?: Uint8Array;
  report?: Report;
}

const stored = remembered();
const kept = stillGood(stored) ? stored : NOBODY;
const state: State = { lang: firstLang(), given: kept, kept: kept.kind !== "nobody" };
const picker = h("input", {
  type: "file",
  id: "evidence-file",
  class: "away",
  tabindex: -1,
  "aria-hidden": "true",
  multiple: true,
  accept: ".json,.html,.tlog-proof,application/json,text/html",
});

/** Draws the page and listens. Phrases must be there before. */
export function start(): void {
  document.body.append(picker);
  picker.addEventListener("change", () => {
    const files = [...(picker.files ?? [])];
    picker.value = "";
    reported(takeGiven(files));
  });
  listenToDrops();
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = byId("main").clientWidth;
    if (state.report !== undefined && Math.abs(width - drawnWidth) > 40) drawReport();
    drawnWidth = width;
  }).observe(byId("main"));
  draw();
  const inside = evidenceInPage(document);
  if (inside !== undefined) take({ name: "evidence.json", bytes: inside }, "page");
  else listenToOpener((taken) => take(taken, "opener"));
}

function draw(): void {
  const { lang, report, file } = state;
  const title = report === undefined ? say(lang, "verify.title") : say(lang, `verdict.${shownVerdict(report)}`);
  document.title = `${title} · Spur`;
  drawHead(byId("head"), lang, "verify", (chosen) => {
    state.lang = chosen;
    byId("status").textContent = "";
    draw();
  });
  byId("skip").textContent = say(lang, "verify.skip");
  drawIntro();
  drawTrustPanel();
  drawReport();
  const embedded = evidenceInPage(document) !== undefined;
  drawServed(byId("foot"), lang, { embedded, fromOpener: file?.from === "opener" });
}

function drawIntro(): void {
  const { lang, file } = state;
  const title = say(lang, "verify.title");
  const pick = say(lang, file === undefined ? "file.pick" : "file.another");
  const button = h("button", { type: "button", on: { click: () => picker.click() } }, pick);
  if (file !== undefined) {
    fill(byId("intro"), h("div", { class: "again" }, h("h1", { class: "small-title" }, title), button));
    return;
  }
  fill(
    byId("intro"),
    h("h1", {}, title),
    h("p", { class: "lead" }, say(lang, "verify.lead")),
    h(
      "div",
      { class: "drop" },
      h("p", { class: "drop-title" }, say(lang, "file.drop")),
      h("p", { class: "soft" }, say(lang, "file.or")),
      button,
      h("p", { class: "soft small" }, say(lang, "file.kinds")),
    ),
  );
}

function drawTrustPanel(): void {
  const { lang, given, file, report } = state;
  drawTrust(byId("trust"), {
    lang,
    given,
    kept: state.kept,
    ...(file?.peek.vkey === undefined ? {} : { hint: file.peek.vkey }),
    folded: report === undefined ? given.kind !== "nobody" : report.signer !== "unknown" || report.verdict === "fail",
    use: useTrust,
    reset: () => setTrust(NOBODY),
    keep: (yes) => {
      state.kept = yes;
      remember(yes ? state.given : NOBODY);
    },
  });
}

function drawReport(): void {
  const { lang, report, file, given } = state;
  const place = byId("report");
  if (report === undefined || file === undefined) {
    fill(byId("verdict"));
    fill(place);
    return;
  }
  document.body.classList.toggle("is-demo", isDemo(report));
  fill(byId("verdict"), drawVerdict(lang, report, fileFacts(lang, file), file.peek.kind === "receipt"));
  fill(
    place,
    drawReportPage(place, {
      lang,
      report,
      fileName: file.name,
      lonelyReceipt: file.peek.kind === "receipt" && state.evidence === undefined,
      ...(given.kind === "keys" && given.vkeys[0] !== undefined ? { vkey: given.vkeys[0] } : {}),
    }),
  );
}

function fileFacts(lang: Lang, file: Taken & { readonly from: From }): Child {
  const size = h("span", { class: "soft" }, ` · ${say(lang, "file.bytes", { n: file.bytes.length })}`);
  if (file.from !== "page") return [h("span", { translate: "no" }, file.name), size];
  const save = { type: "button", class: "quiet", on: { click: () => saveFile(file) } };
  return [say(lang, "file.embedded"), size, " ", h("button", save, say(lang, "file.save"))];
}

function saveFile(file: Taken): void {
  const address = URL.createObjectURL(new Blob([file.bytes as Uint8Array<ArrayBuffer>], { type: "application/json" }));
  h("a", { href: address, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Judges the file under what the reader trusts now. */
function judge(): void {
  const { file, lang, evidence, entry } = state;
  delete state.report;
  const status = byId("status");
  status.textContent = "";
  if (file !== undefined) {
    try {
      state.report = check(file.bytes, state.given, {
        nowMs: Date.now(),
        kind: file.peek.kind,
        ...(evidence && { evidence }),
        ...(entry && { entry }),
      });
    } catch (error) {
      status.textContent = say(lang, "verdict.failed", { why: String(error) });
    }
  }
  draw();
}

function take(taken: Taken, from: From): void {
  const file = { ...taken, from, peek: peek(taken.bytes) };
  state.file = file;
  if (file.peek.kind === "evidence") state.evidence = taken.bytes;
  delete state.report;
  draw();
  byId("status").textContent = say(state.lang, "file.checking");
  // Painted first: a large file takes a moment.
  setTimeout(() => {
    judge();
    byId("verdict").scrollIntoView({ block: "start" });
    document.getElementById("sentence")?.focus({ preventScroll: true });
  }, 30);
}

/** Takes the files that the reader gave at once: a receipt is judged against the evidence beside it, a tlog-proof with the entry beside it. */
async function takeGiven(files: readonly File[]): Promise<void> {
  const taken: Taken[] = [];
  for (const file of files.slice(0, 2)) {
    const one = await takeFile(file);
    if (typeof one === "string") byId("status").textContent = say(state.lang, one);
    else taken.push(one);
  }
  const kindOf = (one: Taken): Kind => peek(one.bytes).kind;
  const judged = taken.find((one) => kindOf(one) !== "evidence") ?? taken[0];
  const beside = taken.find((one) => one !== judged)?.bytes;
  delete state.entry;
  if (judged && beside) state[kindOf(judged) === "receipt" ? "evidence" : "entry"] = beside;
  if (judged !== undefined) take(judged, "reader");
}

/** Answers with what is wrong with the text, or undefined. */
function useTrust(text: string): string | undefined {
  const read = readTrust(text, state.given);
  if (typeof read === "string") return read;
  setTrust(read);
  return undefined;
}

function setTrust(given: Given): void {
  state.given = given;
  if (given.kind === "nobody") state.kept = false;
  if (state.kept || given.kind === "nobody") remember(given);
  judge();
  const target = document.getElementById("sentence");
  target?.scrollIntoView({ block: "center" });
  target?.focus({ preventScroll: true });
}

function listenToDrops(): void {
  for (const type of ["dragover", "dragenter"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      document.body.classList.add("dragging");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const files = [...(event.dataTransfer?.files ?? [])];
    const [first] = files;
    if (first === undefined) return;
    // A trust file dropped on the trust panel is trust; everything else is something to judge.
    const onTrust = event.target instanceof Node && byId("trust").contains(event.target);
    reported(onTrust ? takeTrust(first) : takeGiven(files));
  });
}

async function takeTrust(file: File): Promise<void> {
  const why = useTrust(await file.text());
  if (why !== undefined) byId("status").textContent = say(state.lang, "trust.bad", { why });
}

function reported(promise: Promise<void>): void {
  promise.catch((error: unknown) => {
    byId("status").textContent = say(state.lang, "verdict.failed", { why: String(error) });
  });
}
