import { describe, expect, it } from "vitest";
import { kindOf, layoutTrace, type TraceEdge, type TraceNode } from "../src/trace/layout.ts";

const node = (index: number, kind: string): TraceNode => ({ index, rec: String(index), type: `spur:${kind}/v1` });
const edge = (from: number, to: number, verdict: TraceEdge["verdict"] = "pass"): TraceEdge => ({
  from,
  to,
  role: "x",
  verdict,
});

const nodes = [
  node(9, "output"), node(10, "decision"), node(0, "policy"), node(8, "deployment"), node(7, "model"),
  node(6, "checkpoint"), node(5, "checkpoint"), node(4, "training-run"), node(3, "dataset"), node(2, "data-run"), node(1, "source"),
]; // prettier-ignore
const edges = [
  edge(10, 9), edge(10, 0), edge(9, 8), edge(8, 7), edge(7, 6), edge(7, 4), edge(6, 5), edge(6, 4), edge(5, 4), edge(4, 3), edge(3, 2),
  edge(3, 1), edge(2, 1),
]; // prettier-ignore

describe.each([
  ["side by side", { across: true, width: 900 }],
  ["below one another", { across: false, width: 340 }],
])("a trace drawn %s", (_, options) => {
  const layout = layoutTrace(nodes, edges, options);

  it("shows every entry once, inside the picture, none upon another", () => {
    expect(layout.boxes.flatMap((box) => box.nodes.map((one) => one.index)).sort((a, b) => a - b)).toEqual([
      ...nodes.keys(),
    ]);
    for (const box of layout.boxes) {
      expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= layout.width && box.y + box.height <= layout.height).toBe(
        true,
      );
      for (const other of layout.boxes) {
        if (other === box) continue;
        const apart =
          box.x + box.width <= other.x ||
          other.x + other.width <= box.x ||
          box.y + box.height <= other.y ||
          other.y + other.height <= box.y;
        expect(apart).toBe(true);
      }
    }
    expect(layout.width).toBeLessThanOrEqual(options.width);
    expect(layout.boxes[0]?.kind).toBe("output");
  });
  it("draws a reference that a longer way replaces only if it was not confirmed", () => {
    const short = layoutTrace(
      nodes,
      [...edges.filter((one) => !(one.from === 7 && one.to === 4)), edge(7, 4, "not-checked")],
      options,
    );
    expect(short.lines.length).toBe(layout.lines.length + 1);
    expect(short.lines.filter((line) => line.broken)).toHaveLength(1);
    expect(layout.lines.every((line) => !line.broken)).toBe(true);
  });
  it("ends on circles and on references to nowhere", () => {
    const odd = [edge(4, 3), edge(3, 4), edge(3, 3), edge(3, 99)];
    expect(layoutTrace(nodes, odd, options).lines.length).toBeLessThanOrEqual(2);
  });
});

it("puts many of one kind in one box", () => {
  const many = Array.from({ length: 40 }, (_, i) => node(i, "checkpoint"));
  const { boxes } = layoutTrace(many, [], { across: true, width: 900 });
  expect(boxes).toHaveLength(1);
  expect(boxes[0]?.nodes).toHaveLength(40);
});

it("draws nothing from nothing", () => {
  expect(layoutTrace([], [], { across: true, width: 900 })).toEqual({ width: 0, height: 0, boxes: [], lines: [] });
});

it("names only the kinds it knows", () => {
  expect(kindOf("spur:output/v1")).toBe("output");
  expect(kindOf("spur:output/v2")).toBe("output");
  expect(kindOf("dsse")).toBe("other");
  expect(kindOf("spur:constructor/v1")).toBe("other");
});
