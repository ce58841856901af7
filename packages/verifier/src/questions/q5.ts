import { auditCommand, entriesOf, type Checked, type CompleteRegister, type Edge } from "../evidence/checks/checked.ts";
import type { Answer } from "../evidence/report.ts";
import type { Phrase } from "../evidence/sentences.ts";
import { isObject } from "../statement/canonical.ts";
import { conclude, notRecorded, type Walked } from "./conclude.ts";

/** Q5: who let this output through or held it back, under which rule, and can it be removed? */
export function answerQ5(checked: Checked): Answer {
  const outputs = entriesOf(checked.held, "spur:output/v1").map(({ index }) => walkOutput(checked, index));
  const [first] = outputs;
  if (first === undefined) return notRecorded("Q5");
  if (outputs.length === 1) return conclude("Q5", checked, first);
  const worst = outputs.find((one) => conclude("Q5", checked, one).state === "not-checked") ?? first;
  const values = { ...worst.open[1], count: outputs.length };
  return conclude("Q5", checked, {
    needed: outputs.flatMap((one) => one.needed),
    trace: [...new Set(outputs.flatMap((one) => one.trace))],
    whole: ["q5/many", values],
    open: ["q5/many-incomplete", values],
  });
}

function walkOutput(checked: Checked, index: number): Walked {
  const { findings, held, origin } = checked;
  const open: Phrase = ["q5/incomplete", { index, origin }];
  const decisions = edgesTo(checked, index, "output", "spur:decision/v1");
  const removal = checkRemoval(checked, index);
  // What a later entry decides replaces what an earlier one did.
  const edge = decisions.at(-1);
  const decision = edge && held.get(edge.from)?.entry;
  if (edge === undefined || decision === undefined) {
    const needed = [
      findings.notChecked("answer", "q5/no-decision", { index }, `npx spur trace ${index}`),
      ...removal.needed,
    ];
    return { needed, trace: [index], whole: open, open };
  }
  const { actor, verdict, policyVersion: version } = decision.predicate as Record<string, string | number>;
  const values = {
    index,
    origin,
    decision: edge.from,
    actor: actor ?? "",
    verdict: verdict ?? "",
    version: version ?? 0,
  };
  const only = checkOnly(checked, index, edge.from);
  const policy = checked.edges.from(edge.from).filter((one) => one.role === "policy");
  const needed = [
    ...decisions.map((one) => one.finding),
    ...policy.map((one) => one.finding),
    findings.pass("answer", "q5/decision", values),
    ...removal.needed,
  ];
  for (const { to, holds } of policy) {
    const rule = held.get(to)?.entry?.predicate;
    if (!holds || (rule?.["version"] === version && rule?.["kind"] === "output")) continue;
    needed.push(findings.fail("answer", "q5/policy", { decision: edge.from, version: version ?? 0, target: to }));
  }
  const common = { needed, open, trace: [index, edge.from, ...policy.filter((one) => one.holds).map((one) => one.to)] };
  if (removal.done !== undefined) {
    return {
      ...common,
      whole: ["q5/decided-removed", { ...values, removal: removal.done }],
      trace: [...common.trace, removal.done],
    };
  }
  if (only === undefined || removal.none === undefined) return { ...common, whole: ["q5/decided", values] };
  return {
    ...common,
    whole: ["q5/decided-alone", { ...values, closing: only.closing }],
    coverage: { kind: "register", name: only.name, to: only.to },
  };
}

/** By rising index of the entry that refers. */
function edgesTo({ edges, held }: Checked, index: number, role: string, type: string): Edge[] {
  const into = edges.to(index).filter((one) => one.role === role && one.holds);
  return into.filter((one) => held.get(one.from)?.entry?.predicateType === type);
}

/** "No later decision" needs all decisions up to a closing that came after this one. */
function checkOnly(
  { findings, registers, origin }: Checked,
  index: number,
  decision: number,
): CompleteRegister | undefined {
  const register = registers.get("decisions");
  if (register !== undefined && register.closing > decision) {
    const { name, to, closing } = register;
    findings.pass("answer", "q5/last-decision", { index, closing }, { kind: "register", name, to });
    return register;
  }
  findings.notChecked("answer", "q5/later-decisions", { index }, auditCommand(origin));
  return undefined;
}

/** What the file shows of a removal. `none`: there was none up to a closing, and the file holds them all. */
function checkRemoval(checked: Checked, index: number): { needed: number[]; done?: number; none?: CompleteRegister } {
  const { findings, held, registers, origin } = checked;
  const needed: number[] = [];
  let [done, failed, ordered]: (number | undefined)[] = [];
  for (const { from } of edgesTo(checked, index, "target", "spur:removal/v1")) {
    const { state, basis, order } = held.get(from)?.entry?.predicate ?? {};
    if (state === "ordered") ordered = from;
    if (state === "failed") failed = from;
    if (state === "completed") {
      done = from;
      const values = { index, removal: from, basis: typeof basis === "string" ? basis : "" };
      needed.push(findings.pass("answer", "q5/removed", values));
    }
    const target = isObject(order) ? held.get(order["index"] as number)?.entry?.predicate["target"] : undefined;
    if (isObject(target) && target["index"] !== index) {
      needed.push(findings.fail("answer", "q5/removal-wrong", { index, removal: from }));
    }
  }
  if (done !== undefined) return { needed, done };
  if (failed !== undefined) findings.notChecked("answer", "q5/removal-failed", { index, removal: failed });
  else if (ordered !== undefined) {
    findings.notChecked("answer", "q5/removal-open", { index, removal: ordered }, auditCommand(origin));
  } else {
    const register = registers.get("removals");
    if (register !== undefined && register.closing > index) {
      const { name, to, closing } = register;
      findings.pass("answer", "q5/not-removed", { index, closing }, { kind: "register", name, to });
      return { needed, none: register };
    }
    findings.notChecked("answer", "q5/removals-open", { index }, auditCommand(origin));
  }
  return { needed };
}
