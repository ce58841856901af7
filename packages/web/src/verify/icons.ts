import type { Verdict } from "@spur/verifier/evidence/report";
import { s } from "../dom.ts";

/** A shape of its own for each verdict, so that colour is never the only sign. */
export function verdictIcon(verdict: Verdict, size = 20): SVGElement {
  const shape = {
    pass: [s("circle", { cx: 12, cy: 12, r: 11 }), s("path", { d: "M6.8 12.4L10.4 16L17.4 8.4" })],
    "not-checked": [
      s("rect", { x: 2.5, y: 2.5, width: 19, height: 19, rx: 4, transform: "rotate(45 12 12)" }),
      s("path", { d: "M9.2 9.3a2.9 2.9 0 1 1 4.3 2.5c-1 .6-1.5 1.1-1.5 2.2M12 17.2v.2" }),
    ],
    fail: [
      s("path", { class: "fillshape", d: "M7.6 1H16.4L23 7.6V16.4L16.4 23H7.6L1 16.4V7.6Z" }),
      s("path", { d: "M8 8L16 16M16 8L8 16" }),
    ],
  }[verdict];
  return s(
    "svg",
    { class: `icon ${verdict}`, viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" },
    shape,
  );
}
