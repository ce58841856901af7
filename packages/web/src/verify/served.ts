import { fill, h } from "../dom.ts";
import { say, type Lang } from "../i18n/lang.ts";

/** Who handed the reader this page, and what to do if he doesn't believe them: a page that verifies may be the operator's own. */
export function drawServed(
  place: HTMLElement,
  lang: Lang,
  page: { readonly embedded: boolean; readonly fromOpener: boolean },
): void {
  const file = location.protocol === "file:";
  const http = location.protocol === "http:" || location.protocol === "https:";
  const where = file ? readable(location.pathname) : http ? location.host : location.protocol;
  fill(
    place,
    h("h2", {}, say(lang, "served.title")),
    h("p", { id: "served" }, say(lang, file ? "served.file" : http ? "served.host" : "served.other", { where })),
    h("p", {}, say(lang, page.embedded ? "served.embedded" : "served.compare")),
    page.fromOpener && h("p", {}, say(lang, "served.opener", { where })),
    h("p", {}, say(lang, "served.quiet")),
  );
}

function readable(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
