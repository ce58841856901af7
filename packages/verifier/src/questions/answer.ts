import type { Checked } from "../evidence/checks/checked.ts";
import { QUESTIONS, type Answer, type Ask } from "../evidence/report.ts";
import { answerLineage } from "./lineage.ts";
import { notRecorded } from "./conclude.ts";
import { answerQ5 } from "./q5.ts";
import { answerQ8 } from "./q8.ts";

/** Every question, the asked one first: from what was checked, whatever the file was made for. */
export function answerAll(checked: Checked): Answer[] {
  const { ask } = checked.evidence;
  const rest = [...QUESTIONS, "lineage" as const].filter((one) => one !== ask);
  return [ask, ...rest].map((one) => answer(one, checked));
}

function answer(ask: Ask, checked: Checked): Answer {
  if (ask === "Q5") return answerQ5(checked);
  if (ask === "Q8") return answerQ8(checked);
  if (ask === "lineage") return answerLineage(checked);
  // The other questions have no record yet. They are listed all the same, since silence is not an answer.
  return notRecorded(ask);
}
