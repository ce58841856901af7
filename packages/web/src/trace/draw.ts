import { h, s, type Child } from "../dom.ts";
import { say, sayIfKnown, type Lang } from "../i18n/lang.ts";
import { kindOf, layoutTrace, type Box, type TraceEdge, type TraceNode } from "./layout.ts";

/** The trace as a picture with a list that says the same. `width`: what there is to draw on, in pixels. */
export function drawTrace(
  lang: Lang,
  nodes: readonly TraceNode[],
  edges: readonly TraceEdge[],
  width: number,
): HTMLElement {
  // Side by side as long as a word fits into a box.
  const across = layoutTrace(nodes, edges, { across: true, width });
  const narrow = across.boxes.some((box) => box.width < 88);
  const layout = narrow ? layoutTrace(nodes, edges, { across: false, width: Math.min(width, 480) }) : across;
  const drawn = s(
    "svg",
    {
      class: "trace",
      viewBox: `-2 -2 ${layout.width + 8} ${layout.height + 8}`,
      width: layout.width + 8,
      height: layout.height + 8,
      role: "img",
      "aria-label": layout.boxes.map((box) => title(lang, box)).join(" → "),
    },
    s(
      "defs",
      {},
      s(
        "marker",
        {
          id: "tip",
          viewBox: "0 0 8 8",
          refX: 7,
          refY: 4,
          markerWidth: 6,
          markerHeight: 6,
          orient: "auto-start-reverse",
        },
        s("path", { d: "M0 0.5L7.5 4L0 7.5Z", class: "tip" }),
      ),
    ),
    layout.lines.map((line) =>
      s("path", { d: line.path, class: line.broken ? "line broken" : "line", "marker-end": "url(#tip)" }),
    ),
    layout.boxes.map((box, i) => drawBox(lang, box, i === 0)),
  );
  return h(
    "div",
    { class: "trace-picture" },
    drawn,
    layout.lines.some((line) => line.broken) && h("p", { class: "soft" }, say(lang, "trace.broken")),
    h("details", {}, h("summary", {}, say(lang, "trace.list")), traceList(lang, nodes, edges)),
  );
}

function drawBox(lang: Lang, box: Box, first: boolean): SVGElement {
  const one = box.nodes.length === 1 ? box.nodes[0] : undefined;
  const indexes = box.nodes.map((node) => node.index);
  const place =
    one === undefined
      ? `${box.nodes.length} × · ${Math.min(...indexes)} … ${Math.max(...indexes)}`
      : say(lang, "trace.entry", { index: one.index });
  const bad = box.nodes.some((node) => node.verdict !== undefined && node.verdict !== "pass");
  // Side by side the box is narrow and high, below one another wide and low.
  const lines = box.height < 64 ? [[place, one?.note].filter(Boolean).join(" · ")] : [place, one?.note];
  return s(
    "g",
    {
      class: `box ${box.kind}${first ? " first" : ""}${bad ? " open" : ""}`,
      transform: `translate(${box.x} ${box.y})`,
    },
    s("title", {}, `${title(lang, box)}${one === undefined ? "" : ` · ${one.rec}`}`),
    // A pile: this box stands for several entries.
    one === undefined && s("rect", { x: 4, y: 4, width: box.width, height: box.height, rx: 10, class: "under" }),
    s("rect", { width: box.width, height: box.height, rx: 10 }),
    line(kindName(lang, box.kind), 24, box.width - 18, "name"),
    lines.map((text, i) => text !== undefined && line(text, 43 + 16 * i, box.width - 18, "place")),
  );
}

/** One line of a box: made smaller by up to a sixth, then cut, to stay inside. */
function line(text: string, y: number, room: number, look: "name" | "place"): SVGElement {
  const size = look === "name" ? 13 : 12;
  const measure = (part: string): number => widthOf(part, `${look === "name" ? 600 : 400} ${size}px`);
  const scale = Math.max(0.84, Math.min(1, room / measure(text)));
  let shown = text;
  while (shown !== "" && measure(shown) * scale > room) shown = `${shown.replace(/.…?$/u, "").trimEnd()}…`;
  return s("text", { x: 10, y, class: look, "font-size": size * scale }, shown);
}

let ruler: CanvasRenderingContext2D | null | undefined;

/** Width of a text in the page's own font, in pixels. */
function widthOf(text: string, font: string): number {
  ruler ??= document.createElement("canvas").getContext("2d");
  // Without a canvas (some hardened browsers), the width of wide letters.
  if (ruler === null) return text.length * 8;
  ruler.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

function title(lang: Lang, box: Box): string {
  const [one] = box.nodes;
  if (box.nodes.length > 1) return say(lang, "trace.group", { n: box.nodes.length, type: kindName(lang, box.kind) });
  const place = one === undefined ? "" : say(lang, "trace.entry", { index: one.index });
  return [kindName(lang, box.kind), place, one?.note].filter(Boolean).join(", ");
}

/** A predicate's kind in the reader's language. */
export function kindName(lang: Lang, kind: string): string {
  return sayIfKnown(lang, `type.${kind}`) ?? say(lang, "type.other");
}

function traceList(lang: Lang, nodes: readonly TraceNode[], edges: readonly TraceEdge[]): Child {
  return h(
    "ol",
    { class: "trace-list" },
    nodes.map((node) =>
      h(
        "li",
        {},
        h("strong", {}, kindName(lang, kindOf(node.type))),
        ` · ${say(lang, "trace.entry", { index: node.index })}`,
        node.note !== undefined && ` · ${node.note}`,
        " ",
        h("code", {}, node.rec),
        edges
          .filter((edge) => edge.from === node.index)
          .map((edge) =>
            h(
              "span",
              { class: "edge" },
              ` → ${edge.role}: ${say(lang, "trace.entry", { index: edge.to })}`,
              edge.verdict !== undefined &&
                edge.verdict !== "pass" &&
                ` (${say(lang, `verdict.word.${edge.verdict}`)})`,
            ),
          ),
      ),
    ),
  );
}
