import { entriesOf, type Checked } from "../evidence/checks/checked.ts";
import type { Answer } from "../evidence/report.ts";
import { conclude, notRecorded } from "./conclude.ts";

/** Where a trace may begin, in this order. */
const STARTS = ["output", "deployment", "model", "training-run", "dataset", "data-run"];

/** From an answer back to the data: output → decision → deployment → model → checkpoints → run → dataset → data-run → source. */
export function answerLineage(checked: Checked): Answer {
  const { findings, held, edges, origin } = checked;
  const starts = STARTS.map((type) => entriesOf(held, `spur:${type}/v1`)).find((found) => found.length > 0) ?? [];
  const [start] = starts;
  if (start === undefined) return notRecorded("lineage");
  const needed: number[] = [];
  const trace = new Set(starts.map(({ index }) => index));
  for (const { index } of starts) {
    for (const edge of edges.to(index)) if (edge.role === "output" && edge.holds) trace.add(edge.from);
  }
  let [missing, sources] = [0, 0];
  let end: { index: number; type: string } | undefined;
  // A Set hands out what is added while it is walked; references only point backwards, so the walk ends.
  for (const index of trace) {
    const steps = edges.from(index);
    for (const edge of steps) {
      needed.push(edge.finding);
      if (edge.holds) trace.add(edge.to);
      else missing++;
    }
    const type = held.get(index)?.entry?.predicateType?.slice("spur:".length, -"/v1".length) ?? "other";
    if (type === "source") sources++;
    if (["source", "policy", "decision"].includes(type) || steps.length > 0) continue;
    end ??= { index, type: type === "model" ? "model-file" : type };
  }
  const values = { index: start.index, origin, steps: trace.size, sources, missing };
  if (end !== undefined) needed.push(findings.notChecked("answer", "lineage/end", end));
  return conclude("lineage", checked, {
    needed,
    trace: [...trace],
    whole: ["lineage/whole", values],
    open:
      end !== undefined && missing === 0
        ? ["lineage/ends", { ...values, end: end.index, type: end.type }]
        : ["lineage/broken", values],
  });
}
