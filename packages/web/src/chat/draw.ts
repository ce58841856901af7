import type { ShownEntry } from "@spur/verifier/evidence/report";
import { h, type Child } from "../dom.ts";
import { count, say, sayIfKnown, type Lang } from "../i18n/lang.ts";
import { readRequest, readResponse, type Turn } from "./read.ts";

type Opened = ShownEntry["opened"][number];
/** Longer texts are cut until the reader asks for the rest: a hostile file may hold megabytes. */
const MOST_SHOWN = 6_000;

/** What the file opened of its entries: conversations as chat, everything as exact bytes. */
export function drawOpened(lang: Lang, entries: readonly ShownEntry[]): HTMLElement | undefined {
  const withContent = entries.filter((entry) => entry.opened.length > 0);
  if (withContent.length === 0) return undefined;
  return h(
    "div",
    { class: "opened" },
    withContent.map((entry) => {
      const turns = turnsOf(entry);
      return h(
        "article",
        {},
        withContent.length > 1 && h("h3", {}, say(lang, "chat.entry", { index: entry.index })),
        turns !== undefined && [
          h(
            "div",
            { class: "chat" },
            turns.map((turn) => drawTurn(lang, turn)),
          ),
          h("p", { class: "soft small" }, say(lang, "chat.reading")),
        ],
        entry.opened.map((opened) => drawBytes(lang, opened, turns === undefined)),
      );
    }),
  );
}

function turnsOf(entry: ShownEntry): readonly Turn[] | undefined {
  const text = (name: string): string | undefined => entry.opened.find((opened) => opened.name === name)?.text;
  const request = text("request");
  const response = text("response");
  const asked = request === undefined ? undefined : readRequest(request);
  const answered = response === undefined ? undefined : readResponse(response);
  return asked === undefined && answered === undefined ? undefined : [...(asked ?? []), ...(answered ?? [])];
}

function drawTurn(lang: Lang, turn: Turn): HTMLElement {
  const who =
    turn.choice !== undefined ? say(lang, "chat.choice", { n: turn.choice + 1 }) : say(lang, `chat.${turn.role}`);
  return h(
    "div",
    { class: `turn ${turn.role}` },
    h(
      "p",
      { class: "who" },
      who,
      turn.name !== undefined && h("span", { class: "soft" }, ` ${turn.name.slice(0, 40)}`),
    ),
    turn.reasoning !== undefined &&
      h(
        "details",
        { class: "reasoning" },
        h("summary", {}, say(lang, "chat.reasoning")),
        longText(lang, turn.reasoning),
      ),
    turn.text !== "" && longText(lang, turn.text),
    turn.calls.map((call) =>
      h(
        "div",
        { class: "call" },
        h("p", { class: "soft" }, say(lang, "chat.call", { name: call.name.slice(0, 80) })),
        longText(lang, call.arguments),
      ),
    ),
    turn.media.map((kind) => h("p", { class: "soft" }, say(lang, "chat.media", { kind: kind.slice(0, 40) }))),
  );
}

function drawBytes(lang: Lang, opened: Opened, open: boolean): HTMLElement {
  const row = /^row ([0-9]+)$/.exec(opened.name);
  const name =
    row === null
      ? (sayIfKnown(lang, `slot.${opened.name}`) ?? opened.name)
      : say(lang, "slot.row", { n: Number(row[1]) });
  const content: Child =
    opened.absent === true
      ? h("p", { class: "soft" }, say(lang, "chat.absent"))
      : opened.text === undefined
        ? h("p", { class: "soft" }, say(lang, "chat.binary", { n: opened.bytes }))
        : longText(lang, opened.text, "code");
  return h(
    "details",
    { class: "bytes", open: open && opened.bytes < 2_000 },
    h(
      "summary",
      {},
      h("strong", {}, name),
      h("span", { class: "soft" }, ` · ${say(lang, "chat.bytes")} · ${say(lang, "file.bytes", { n: opened.bytes })}`),
    ),
    content,
  );
}

/** Text of strangers: in a direction of its own, wrapped, cut until asked for. */
function longText(lang: Lang, text: string, kind: "text" | "code" = "text"): HTMLElement {
  const body = h("div", { class: kind === "code" ? "text exact" : "text", dir: "auto", translate: "no" });
  if (text.length <= MOST_SHOWN) {
    body.textContent = text;
    return body;
  }
  const shown = h("span", {}, `${text.slice(0, MOST_SHOWN)}…`);
  const more = h(
    "button",
    {
      type: "button",
      class: "quiet",
      on: {
        click: () => {
          body.textContent = text;
        },
      },
    },
    say(lang, "chat.more", { n: count(text.length, lang) }),
  );
  body.append(shown, h("br"), more);
  return body;
}
