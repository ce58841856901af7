import { toHex } from "../bytes.ts";
import { entriesOf, type Checked, type Held } from "../evidence/checks/checked.ts";
import type { Answer } from "../evidence/report.ts";
import { conclude, notRecorded, type Walked } from "./conclude.ts";

/** Q8: can others repeat the training with their own data? Recipe first, checkpoints in a chain, a replay with the same weights. */
export function answerQ8(checked: Checked): Answer {
  const runs = entriesOf(checked.held, "spur:training-run/v1").map(({ index }) => walkRun(checked, index));
  if (runs.length === 0) return notRecorded("Q8");
  const answers = runs.map((run) => conclude("Q8", checked, run));
  const worst = ["refuted", "not-checked", "recorded", "proven"].map((state) =>
    answers.find((one) => one.state === state),
  );
  return worst.find((one) => one !== undefined) ?? notRecorded("Q8");
}

function walkRun(checked: Checked, run: number): Walked {
  const { findings, held, edges, origin } = checked;
  const values = { index: run, origin };
  const mine = edges.to(run).filter((edge) => edge.role === "run" && edge.holds);
  const typed = (type: string) =>
    mine.flatMap(({ from }) => (held.get(from)?.entry?.predicateType === type ? [from] : []));
  const checkpoints = typed("spur:checkpoint/v1");
  const [first] = [...checkpoints, ...typed("spur:training-log/v1")].sort((a, b) => a - b);
  // That the run stands before all of them is what its reference holding means: a reference never points forward.
  const recipe =
    first === undefined
      ? findings.notChecked("answer", "q8/no-steps", { index: run })
      : findings.pass("answer", "q8/recipe", { index: run, first });
  const chain = checkChain(checked, run, checkpoints);
  const ofRun = new Set(checkpoints);
  const replays = typed("spur:replay/v1").map((index) => ({ index, ...checkReplay(checked, run, index, ofRun) }));
  const same = replays.find((one) => one.same === true);
  const needed = [...mine.map((edge) => edge.finding), recipe, ...chain, ...replays.flatMap((one) => one.needed)];
  if (same === undefined) {
    needed.push(findings.notChecked("answer", "q8/no-replay", { index: run }, "npx spur replay"));
  }
  return {
    needed,
    trace: [run, ...checkpoints, ...(same === undefined ? [] : [same.index])],
    whole: ["q8/repeatable", { ...values, count: checkpoints.length, from: same?.from ?? 0, to: same?.to ?? 0 }],
    open: ["q8/incomplete", values],
  };
}

/** Each checkpoint but the first names the one before it, of the same run and with fewer steps done. */
function checkChain({ findings, held, edges }: Checked, run: number, checkpoints: readonly number[]): number[] {
  const needed: number[] = [];
  const refute = (checkpoint: number, detail: string) =>
    needed.push(findings.fail("answer", "q8/chain-refuted", { index: run, checkpoint, detail }));
  const total = numberOf(held.get(run), "steps");
  const ofRun = new Set(checkpoints);
  let whole = checkpoints.length > 0;
  checkpoints.forEach((index, i) => {
    const step = numberOf(held.get(index), "step");
    if (step > total) refute(index, `step ${step} of ${total}`);
    const parent = edges.from(index).find((edge) => edge.role === "parent");
    if (parent !== undefined) needed.push(parent.finding);
    if (parent?.holds === true) {
      const before = held.get(parent.to);
      if (!ofRun.has(parent.to)) refute(index, `its parent ${parent.to} is of another run`);
      if (numberOf(before, "step") >= step) refute(index, `its parent ${parent.to} is not earlier`);
    }
    // A run has one beginning and no branches: each checkpoint follows the one that was recorded before it.
    if (i === 0 ? parent !== undefined : parent?.holds !== true || parent.to !== checkpoints[i - 1]) whole = false;
  });
  const from = numberOf(held.get(checkpoints[0] ?? -1), "step");
  const to = numberOf(held.get(checkpoints.at(-1) ?? -1), "step");
  if (!whole) needed.push(findings.notChecked("answer", "q8/no-chain", { index: run }));
  else needed.push(findings.pass("answer", "q8/chain", { index: run, count: checkpoints.length, from, to }));
  return needed;
}

/** The digests decide whether a replay came out the same; what it says of itself must agree. */
function checkReplay({ findings, held, edges }: Checked, run: number, replay: number, ofRun: ReadonlySet<number>) {
  const ends = ["from", "to"].map((role) => edges.from(replay).find((edge) => edge.role === role));
  const needed = ends.flatMap((edge) => (edge === undefined ? [] : [edge.finding]));
  const [start, end] = ends.map((edge) => (edge?.holds === true ? held.get(edge.to) : undefined));
  const entry = held.get(replay)?.entry;
  if (start === undefined || end?.entry?.sha256 === undefined || entry === undefined) return { needed };
  const [from, to] = [numberOf(start, "step"), numberOf(end, "step")];
  const same = entry.predicate["recomputed"] === toHex(end.entry.sha256);
  const detail =
    same !== (entry.predicate["result"] === "same")
      ? same
        ? "it says different, its digest says same"
        : "it says same, its digest says different"
      : from >= to || !ofRun.has(start.index) || !ofRun.has(end.index)
        ? "its ends are not two checkpoints of this run in order"
        : undefined;
  if (detail !== undefined) {
    needed.push(findings.fail("answer", "q8/replay-refuted", { replay, detail }));
    return { needed };
  }
  const values = { index: run, replay, from, to };
  // That other weights came out is no contradiction: it is on record, and it does not make this run repeatable.
  if (same) needed.push(findings.pass("answer", "q8/replayed", values));
  else findings.notChecked("answer", "q8/differs", values);
  return { needed, same, from, to };
}

function numberOf(held: Held | undefined, name: string): number {
  const value = held?.entry?.predicate[name];
  return typeof value === "number" ? value : 0;
}
