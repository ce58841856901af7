import { h, type Child } from "../dom.ts";
import { copyable } from "../frame.ts";
import { count, say, TAGS, type Lang } from "../i18n/lang.ts";
import type { Head, Witness } from "./api.ts";

/** The state of the log: how long, how far published, under which name and key. */
export function drawHeadFacts(lang: Lang, head: Head, nowMs: number): Child {
  const { published } = head;
  const waiting = head.size - (published?.size ?? 0);
  return [
    head.demo &&
      h("p", { class: "demo-note" }, h("span", { class: "demo" }, say(lang, "home.demo")), say(lang, "home.demo.note")),
    h(
      "dl",
      { class: "numbers" },
      fact(
        say(lang, "home.size"),
        h("span", { class: "big" }, count(published?.size ?? 0, lang)),
        waiting > 0 && h("span", { class: "soft" }, say(lang, "home.pending", { n: waiting })),
      ),
      fact(say(lang, "home.time"), checkpointTime(lang, head, nowMs)),
      fact(say(lang, "home.origin"), h("code", {}, head.origin)),
      published !== null && fact(say(lang, "home.root"), h("code", {}, rootOf(published))),
    ),
    witnessesOf(lang, head, nowMs),
    h(
      "details",
      { class: "key" },
      h("summary", {}, say(lang, "home.key")),
      copyable(lang, head.vkey),
      h("p", { class: "soft small" }, say(lang, "home.key.note")),
      h(
        "p",
        { class: "soft small" },
        head.contentDays > 0 ? say(lang, "home.content", { n: head.contentDays }) : say(lang, "home.content.kept"),
      ),
    ),
  ];
}

/** Who has cosigned what is published, in the ledger's own words: whoever wants to know verifies evidence under his own policy. */
function witnessesOf(lang: Lang, { witnesses, published }: Head, nowMs: number): Child {
  if (witnesses === undefined || witnesses.witnesses.length === 0) return false;
  const covering = witnesses.witnesses.filter(({ size }) => size !== undefined && size === published?.size);
  const counts = { n: covering.length, of: witnesses.witnesses.length };
  const { waiting } = witnesses;
  return h(
    "details",
    { class: "key" },
    h("summary", {}, say(lang, "home.witnesses", counts)),
    waiting !== undefined &&
      h(
        "p",
        { class: "small" },
        say(lang, "home.witnesses.waiting", { size: waiting.size, time: ago(lang, waiting.sinceMs, nowMs) }),
      ),
    h(
      "ul",
      {},
      ...witnesses.witnesses.map((one) => h("li", {}, h("code", {}, one.key), " ", witnessState(lang, one, nowMs))),
    ),
    h("p", { class: "soft small" }, say(lang, "home.witnesses.note")),
  );
}

function witnessState(lang: Lang, { own, size, atMs, failing }: Witness, nowMs: number): Child {
  const parts = [
    ...(own === true ? [say(lang, "home.witness.own")] : []),
    size === undefined || atMs === undefined
      ? say(lang, "home.witness.never")
      : say(lang, "home.witness.size", { size, time: ago(lang, atMs, nowMs) }),
    ...(failing === undefined
      ? []
      : [say(lang, "home.witness.failing", { reason: failing.reason, time: ago(lang, failing.sinceMs, nowMs) })]),
  ];
  return h("span", { class: "soft small" }, parts.join(" · "));
}

function checkpointTime(lang: Lang, { published }: Head, nowMs: number): Child {
  if (published === null) return h("span", { class: "soft" }, say(lang, "home.unpublished"));
  const { atMs } = published;
  if (atMs === undefined || !Number.isFinite(atMs)) return h("span", { class: "big" }, count(published.size, lang));
  const when = h("time", { class: "big", datetime: new Date(atMs).toISOString() }, ago(lang, atMs, nowMs));
  return [when, h("span", { class: "soft" }, absolute(lang, atMs))];
}

/** Third line of a checkpoint's text (C2SP tlog-checkpoint), for showing. */
function rootOf(published: NonNullable<Head["published"]>): string {
  return published.root ?? published.checkpoint?.split("\n")[2] ?? "";
}

function fact(name: string, ...value: readonly Child[]): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
}

function absolute(lang: Lang, atMs: number): string {
  return new Intl.DateTimeFormat(TAGS[lang], { dateStyle: "medium", timeStyle: "medium" }).format(atMs);
}

/** "3 minutes ago", in the reader's language. */
export function ago(lang: Lang, atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1000);
  const words = new Intl.RelativeTimeFormat(TAGS[lang], { numeric: "auto" });
  if (Math.abs(seconds) < 60) return words.format(seconds, "second");
  if (Math.abs(seconds) < 3600) return words.format(Math.round(seconds / 60), "minute");
  if (Math.abs(seconds) < 86_400) return words.format(Math.round(seconds / 3600), "hour");
  return words.format(Math.round(seconds / 86_400), "day");
}
