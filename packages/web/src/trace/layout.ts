import type { Verdict } from "@spur/verifier/evidence/report";

/** An entry as the picture shows it. */
export interface TraceNode {
  readonly index: number;
  readonly rec: string;
  /** "spur:output/v1", or another type: drawn as "entry". */
  readonly type: string;
  /** What stands in the box beside the index, in the reader's language. */
  readonly note?: string;
  readonly verdict?: Verdict;
}

/** A reference: the entry `from` names the earlier entry `to`. */
export interface TraceEdge {
  readonly from: number;
  readonly to: number;
  readonly role: string;
  readonly verdict?: Verdict;
}

export interface Box {
  /** More than one where a stage has too many entries to draw each. */
  readonly nodes: readonly TraceNode[];
  readonly kind: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Line {
  readonly path: string;
  /** Not confirmed by the verifier. */
  readonly broken: boolean;
  readonly role: string;
}

export interface TraceLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
}

/** Stages from the answer back to its sources; what stands in one array shares a stage. */
const STAGES: readonly (readonly string[])[] = [
  ["output", "decision", "removal", "access"],
  ["deployment", "policy"],
  ["model"],
  ["checkpoint", "replay"],
  ["training-run", "training-log"],
  ["dataset"],
  ["data-run"],
  ["source", "foreign"],
];

/** "spur:output/v1" -> "output"; what the picture has no word for -> "other". */
export function kindOf(type: string): string {
  const name = /^spur:([a-z-]+)\/v[0-9]+$/.exec(type)?.[1] ?? "other";
  return STAGES.some((stage) => stage.includes(name)) || ["key", "registers", "alert", "successor"].includes(name)
    ? name
    : "other";
}

/**
 * Places the boxes and draws the lines of a trace; pure, in pixels. `across`: stages stand side by side (a wide page), else below one
 * another (a phone). Entries of one kind beyond `most` share a box. Of the references only those are drawn that no longer way replaces.
 */
export function layoutTrace(
  nodes: readonly TraceNode[],
  edges: readonly TraceEdge[],
  options: { readonly across: boolean; readonly width: number; readonly most?: number },
): TraceLayout {
  const most = options.most ?? (options.across ? 3 : 1);
  const stages = stagesOf(nodes, most);
  return options.across ? across(stages, edges, options.width) : down(stages, edges, options.width);
}

interface Group {
  readonly kind: string;
  readonly nodes: readonly TraceNode[];
}

function stagesOf(nodes: readonly TraceNode[], most: number): Group[][] {
  const order = [...STAGES, ["key", "registers", "alert", "successor", "other"]];
  const stages: Group[][] = [];
  for (const kinds of order) {
    const stage: Group[] = [];
    for (const kind of kinds) {
      const same = nodes.filter((node) => kindOf(node.type) === kind).sort((a, b) => a.index - b.index);
      if (same.length > most) stage.push({ kind, nodes: same });
      else stage.push(...same.map((node) => ({ kind, nodes: [node] })));
    }
    if (stage.length > 0) stages.push(stage);
  }
  return stages;
}

function across(stages: readonly Group[][], edges: readonly TraceEdge[], width: number): TraceLayout {
  const gap = 22;
  const boxWidth = Math.min(148, Math.floor((width - 8 - gap * (stages.length - 1)) / Math.max(1, stages.length)));
  const boxHeight = 70;
  const step = boxHeight + 18;
  const boxes = stages.flatMap((stage, column) =>
    stage.map((group, row) => ({
      ...group,
      x: column * (boxWidth + gap),
      y: row * step,
      width: boxWidth,
      height: boxHeight,
    })),
  );
  return {
    width: stages.length * boxWidth + Math.max(0, stages.length - 1) * gap,
    height: Math.max(0, Math.max(0, ...stages.map((stage) => stage.length)) * step - 18),
    boxes,
    lines: linesOf(boxes, edges, (a, b) => {
      if (a.x === b.x)
        return straight(a.x + 22, a.y > b.y ? a.y : a.y + a.height, b.x + 22, a.y > b.y ? b.y + b.height : b.y);
      const forward = b.x > a.x;
      const from = { x: forward ? a.x + a.width : a.x, y: a.y + a.height / 2 };
      const to = { x: forward ? b.x : b.x + b.width, y: b.y + b.height / 2 };
      // Past a stage in between, the line dips below that stage's first box instead of hiding behind it.
      const far = Math.abs(b.x - a.x) > boxWidth + gap + 1;
      const mid = (from.x + to.x) / 2;
      if (far && from.y === to.y) {
        const low = from.y + boxHeight / 2 + 9;
        return `M${from.x} ${from.y}C${from.x + gap} ${from.y} ${from.x} ${low} ${from.x + gap} ${low}H${to.x - gap}C${to.x} ${low} ${to.x - gap} ${to.y} ${to.x} ${to.y}`;
      }
      return `M${from.x} ${from.y}C${mid} ${from.y} ${mid} ${to.y} ${to.x} ${to.y}`;
    }),
  };
}

function down(stages: readonly Group[][], edges: readonly TraceEdge[], width: number): TraceLayout {
  const gap = 26;
  const boxHeight = 58;
  const boxes: Box[] = [];
  let y = 0;
  for (const stage of stages) {
    for (let at = 0; at < stage.length; at += 2) {
      const row = stage.slice(at, at + 2);
      const boxWidth = Math.floor((width - 8 - 12 * (row.length - 1)) / row.length);
      row.forEach((group, i) => {
        boxes.push({ ...group, x: i * (boxWidth + 12), y, width: boxWidth, height: boxHeight });
      });
      y += boxHeight + (at + 2 < stage.length ? 12 : gap);
    }
  }
  return {
    width,
    height: Math.max(0, y - gap),
    boxes,
    lines: linesOf(boxes, edges, (a, b) => {
      if (a.y === b.y)
        return straight(a.x < b.x ? a.x + a.width : a.x, a.y + 29, a.x < b.x ? b.x : b.x + b.width, b.y + 29);
      const from = { x: a.x + Math.min(28, a.width / 2), y: a.y > b.y ? a.y : a.y + a.height };
      const to = { x: b.x + Math.min(28, b.width / 2), y: a.y > b.y ? b.y + b.height : b.y };
      const mid = (from.y + to.y) / 2;
      return `M${from.x} ${from.y}C${from.x} ${mid} ${to.x} ${mid} ${to.x} ${to.y}`;
    }),
  };
}

function straight(x1: number, y1: number, x2: number, y2: number): string {
  return `M${x1} ${y1}L${x2} ${y2}`;
}

/** Lines between boxes, one for each pair; a line that a longer way replaces is left out, unless the verifier did not confirm it. */
function linesOf(boxes: readonly Box[], edges: readonly TraceEdge[], draw: (a: Box, b: Box) => string): Line[] {
  const boxOf = new Map(boxes.flatMap((box, i) => box.nodes.map((node) => [node.index, i] as const)));
  const pairs = new Map<string, { from: number; to: number; broken: boolean; role: string }>();
  for (const edge of edges) {
    const from = boxOf.get(edge.from);
    const to = boxOf.get(edge.to);
    if (from === undefined || to === undefined || from === to) continue;
    const broken = edge.verdict !== undefined && edge.verdict !== "pass";
    const before = pairs.get(`${from} ${to}`);
    pairs.set(`${from} ${to}`, {
      from,
      to,
      broken: broken || before?.broken === true,
      role: before?.role ?? edge.role,
    });
  }
  const next = new Map<number, number[]>();
  for (const { from, to } of pairs.values()) next.set(from, [...(next.get(from) ?? []), to]);
  const lines: Line[] = [];
  for (const { from, to, broken, role } of pairs.values()) {
    const others = (next.get(from) ?? []).filter((other) => other !== to);
    if (!broken && others.some((other) => reaches(next, other, to))) continue;
    const [a, b] = [boxes[from], boxes[to]];
    if (a !== undefined && b !== undefined) lines.push({ path: draw(a, b), broken, role });
  }
  return lines;
}

function reaches(next: ReadonlyMap<number, readonly number[]>, from: number, to: number): boolean {
  const seen = new Set([from]);
  const waiting = [from];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (at === to) return true;
    for (const other of next.get(at) ?? []) {
      if (seen.has(other)) continue;
      seen.add(other);
      waiting.push(other);
    }
  }
  return false;
}
