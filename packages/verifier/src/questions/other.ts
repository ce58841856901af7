import type { Answer, Question } from "../evidence/report.ts";
import { notRecorded } from "./conclude.ts";

/** The questions for which no record has a writer yet. They are listed, since silence is not an answer. */
export const NOT_YET: readonly Question[] = ["Q1", "Q2", "Q3", "Q4", "Q6", "Q7", "Q9"];

/** Says that the file has nothing on this question; takes no evidence, and so can't be talked into anything. */
export function answerOther(question: Question): Answer {
  return notRecorded(question);
}
