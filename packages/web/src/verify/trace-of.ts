import type { Report, ShownEntry } from "@spur/verifier/evidence/report";
import type { TraceEdge } from "../trace/layout.ts";

/**
 * The trace to draw: what the verifier walked for the asked question and everything that these entries refer to, step by step; or all
 * records that the file shows. A reference is drawn whole only if the verifier confirmed it.
 */
export function traceOf(report: Report): { nodes: readonly ShownEntry[]; edges: readonly TraceEdge[] } {
  const byIndex = new Map(report.entries.map((entry) => [entry.index, entry]));
  const wanted = new Set<number>();
  const waiting = [...(report.answers[0]?.trace ?? [])];
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    const entry = byIndex.get(index);
    if (entry === undefined || wanted.has(index)) continue;
    wanted.add(index);
    waiting.push(...entry.references.map((reference) => reference.index));
  }
  const nodes = report.entries.filter(({ index, type }) =>
    wanted.size > 0 ? wanted.has(index) : !["spur:key/v1", "spur:registers/v1"].includes(type),
  );
  const shown = new Set(nodes.map((entry) => entry.index));
  const confirmed = new Set(
    // By the code, which stays the same where no trusted key stands behind it: that is said by the verdict, not by each line.
    report.findings
      .filter(({ code }) => code === "reference/ok")
      .map(({ values }) => `${values["index"]} ${values["target"]}`),
  );
  return {
    nodes,
    edges: nodes.flatMap(({ index: from, references }) =>
      references
        .filter(({ index }) => shown.has(index))
        .map(({ index: to, role }) => ({
          from,
          to,
          role,
          verdict: confirmed.has(`${from} ${to}`) ? ("pass" as const) : ("not-checked" as const),
        })),
    ),
  };
}
