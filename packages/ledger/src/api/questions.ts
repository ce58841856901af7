import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { QUESTIONS, type Answer, type Ask, type QuestionState } from "@spur/verifier/evidence/report";
import { gatherEvidence, publishedLog, type GatherDeps } from "./gather.ts";

// Which kind of record a question is shown for on the front page.
const SUBJECT: Partial<Record<Ask, string>> = { Q5: "spur:output/v1", Q8: "spur:training-run/v1" };
const CACHE_MS = 2_000;

/**
 * The nine questions as they stand for the newest records. The ledger gathers, the verifier judges, here as everywhere;
 * trust is the log's own key, so this says what the record holds, not that the operator is to be believed.
 */
export function createQuestions(deps: GatherDeps): () => Promise<readonly Answer[]> {
  let cached: { at: number; answers: Promise<readonly Answer[]> } | undefined;
  return () => {
    const now = performance.now();
    if (cached === undefined || now - cached.at > CACHE_MS) {
      const answers = ask(deps);
      cached = { at: now, answers };
      answers.catch(() => (cached = undefined));
    }
    return cached.answers;
  };
}

async function ask(deps: GatherDeps): Promise<readonly Answer[]> {
  const trust = trustFromVkeys([deps.ledger.thread.info.vkey]);
  const found = new Map<Ask, Answer>();
  // Of what is published: everybody may ask, and asking must not publish.
  const size = (await publishedLog(deps.folder))?.size ?? 0;
  for (const [question, type] of Object.entries(SUBJECT) as [Ask, string][]) {
    const row = await deps.projector.query("last", type, size);
    if (row === undefined) continue;
    const report = verifyEvidence(await gatherEvidence(deps, row, question, [], false), trust);
    for (const answer of report.answers) {
      if (answer.state === "not-recorded") continue;
      const before = found.get(answer.ask);
      if (before === undefined || rank(answer.state) > rank(before.state)) found.set(answer.ask, answer);
    }
  }
  return QUESTIONS.map((question) => found.get(question) ?? notRecorded(question));
}

const ORDER: readonly QuestionState[] = ["not-recorded", "not-checked", "recorded", "proven", "refuted"];
const rank = (state: QuestionState): number => ORDER.indexOf(state);

function notRecorded(question: Ask): Answer {
  return { ask: question, state: "not-recorded", code: "answer/not-recorded", values: { ask: question }, sentence: "Nothing on record answers this yet.", coverage: { kind: "entries" }, findings: [], trace: [] }; // prettier-ignore
}
