import type { Report, ShownEntry } from "@spur/verifier/evidence/report";
import type { TraceEdge } from "../trace/layout.ts";

/**
 * The trace to draw: the entries that the verifier walked for the asked question, or all that the file shows; and between them the
 * references that the entries make. A reference is drawn whole only if the verifier confirmed it.
 */
export function traceOf(report: Report): { nodes: readonly ShownEntry[]; edges: readonly TraceEdge[] } {
  const walked = new Set(report.answers[0]?.trace ?? []);
  const records = report.entries.filter((entry) => !["spur:key/v1", "spur:registers/v1"].includes(entry.type));
  const nodes = walked.size > 1 ? report.entries.filter((entry) => walked.has(entry.index)) : records;
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
