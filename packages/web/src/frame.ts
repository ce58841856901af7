import { fill, h, s } from "./dom.ts";
import { LANGUAGES, NAMES, pickLang, say, TAGS, type Lang } from "./i18n/lang.ts";

/** The mark: a trail of four steps. */
export function mark(): SVGElement {
  return s(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", width: 28, height: 28, "aria-hidden": "true" },
    s("path", { d: "M5 26L12 20L18 14L27 6" }),
    [
      [5, 26, 2],
      [12, 20, 2.7],
      [18, 14, 3.2],
      [27, 6, 4],
    ].map(([cx, cy, r]) => s("circle", { cx: cx ?? 0, cy: cy ?? 0, r: r ?? 0 })),
  );
}

/** The head of both pages: mark, name, and the switch of languages. */
export function drawHead(head: HTMLElement, lang: Lang, name: string, choose: (lang: Lang) => void): void {
  document.documentElement.lang = TAGS[lang];
  fill(
    head,
    h("div", { class: "brand" }, mark(), h("span", { class: "word" }, "Spur"), h("span", { class: "soft" }, name)),
    h(
      "div",
      { class: "langs", role: "group", "aria-label": say(lang, "lang.switch") },
      LANGUAGES.map((one) =>
        h(
          "button",
          {
            type: "button",
            lang: TAGS[one],
            "aria-pressed": one === lang ? "true" : "false",
            on: {
              click: () => {
                choose(one);
                // Drawn anew: give the keyboard its place back.
                head.querySelector<HTMLElement>(`button[lang="${TAGS[one]}"]`)?.focus();
              },
            },
          },
          NAMES[one],
        ),
      ),
    ),
  );
}

/** The language asked for in the address (`#lang=de`), else the reader's own. Nothing is stored. */
export function firstLang(): Lang {
  const asked = new URLSearchParams(location.hash.slice(1)).get("lang");
  return pickLang(asked === null ? navigator.languages : [asked]);
}

/** A button that copies `text`; where the browser has no clipboard for the page (file://), the text is selected instead. */
export function copyable(lang: Lang, text: string): HTMLElement {
  const code = h("code", { translate: "no" }, text);
  const button = h("button", { type: "button", class: "quiet copy" }, say(lang, "commands.copy"));
  button.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection()?.removeAllRanges();
    getSelection()?.addRange(range);
    const copied = (): void => {
      button.textContent = say(lang, "commands.copied");
      setTimeout(() => {
        button.textContent = say(lang, "commands.copy");
      }, 1_600);
    };
    // A page on http:// has no clipboard in the type's sense; the selection stays for the reader's own keys.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    clipboard?.writeText(text).then(copied, () => {
      button.blur();
    });
  });
  return h("div", { class: "command" }, code, button);
}
