import { fill, h } from "../dom.ts";
import { say, type Lang } from "../i18n/lang.ts";
import { canRemember, type Given } from "./trust-store.ts";

export interface TrustPanel {
  readonly lang: Lang;
  readonly given: Given;
  readonly kept: boolean;
  /** The log key that the file names: a hint, believed by nobody. */
  readonly hint?: string;
  /** Text of a key or trust file; answers with what is wrong with it, or undefined. */
  readonly use: (text: string) => string | undefined;
  readonly reset: () => void;
  readonly keep: (yes: boolean) => void;
  /** Folded while there is nothing to decide. */
  readonly folded: boolean;
}

/** Where the reader says whom to trust. */
export function drawTrust(place: HTMLElement, panel: TrustPanel): void {
  const { lang, given, hint } = panel;
  const problem = h("p", { class: "problem", role: "alert" });
  const use = (text: string): void => {
    const why = panel.use(text);
    problem.textContent = why === undefined ? "" : say(lang, "trust.bad", { why });
  };
  const known = given.kind === "keys" && hint !== undefined && given.vkeys.includes(hint);
  const area = h("textarea", {
    id: "trust-text",
    rows: 3,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: say(lang, "trust.placeholder"),
  });
  const picker = h("input", { type: "file", id: "trust-file", class: "away" });
  picker.addEventListener("change", () => {
    const [file] = picker.files ?? [];
    if (file !== undefined) {
      file.text().then(use, () => {
        problem.textContent = say(lang, "file.unreadable");
      });
    }
  });
  const form = h(
    "form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          use(area.value);
        },
      },
    },
    h("label", { for: "trust-text" }, say(lang, "trust.paste")),
    area,
    h(
      "div",
      { class: "row" },
      h("button", { type: "submit" }, say(lang, "trust.use")),
      h("button", { type: "button", class: "second", on: { click: () => picker.click() } }, say(lang, "trust.pick")),
      picker,
      h("label", { for: "trust-file", class: "away" }, say(lang, "trust.pick")),
    ),
    problem,
  );
  fill(
    place,
    h(
      "details",
      { class: "trust part", open: !panel.folded },
      h("summary", {}, h("h2", {}, say(lang, "trust.title")), h("span", { class: "soft" }, summary(lang, given))),
      h("p", { class: "lead" }, say(lang, "trust.why")),
      given.kind !== "nobody" &&
        h(
          "div",
          { class: "given" },
          h("p", { class: "label" }, say(lang, "trust.now")),
          given.kind === "keys"
            ? given.vkeys.map((vkey) => h("p", {}, h("code", {}, vkey)))
            : h("p", {}, say(lang, "trust.file", { n: new TextEncoder().encode(given.text).length })),
          h(
            "div",
            { class: "row" },
            h("button", { type: "button", class: "second", on: { click: panel.reset } }, say(lang, "trust.drop")),
            canRemember() &&
              h(
                "label",
                { class: "check-box" },
                h("input", {
                  type: "checkbox",
                  checked: panel.kept,
                  on: { change: (event) => panel.keep((event.target as HTMLInputElement).checked) },
                }),
                ` ${say(lang, "trust.remember")}`,
              ),
          ),
        ),
      hint !== undefined &&
        !known &&
        h(
          "div",
          { class: "hint" },
          h("p", { class: "label" }, say(lang, "trust.hint")),
          h("p", {}, h("code", {}, hint.slice(0, 400))),
          h("p", {}, h("strong", {}, say(lang, "trust.hint.ask")), " ", say(lang, "trust.hint.note")),
          h("button", { type: "button", class: "second", on: { click: () => use(hint) } }, say(lang, "trust.hint.yes")),
        ),
      form,
    ),
  );
}

function summary(lang: Lang, given: Given): string {
  if (given.kind === "nobody") return say(lang, "trust.none");
  const names =
    given.kind === "keys"
      ? given.vkeys.map((vkey) => vkey.split("+")[0] ?? vkey).join(", ")
      : say(lang, "trust.file", { n: given.text.length });
  return `${say(lang, "trust.now")}: ${names}`;
}
