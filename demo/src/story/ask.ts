import OpenAI from "openai";
import { choosePrompts, type Language, type Row } from "../corpus.ts";
import { nearestSource } from "../find-source.ts";
import { MODEL_NAME } from "../model-process.ts";
import type { Prepared } from "../record-training.ts";
import type { Stage } from "./stage.ts";

/** One question and what came back. */
export type Answered = {
  readonly rec: string;
  /** The completion's own id: random, so that it stands in this answer's bytes and nowhere else. */
  readonly id: string;
  readonly prompt: string;
  readonly answer: string;
  readonly language: Language;
};

/** Asks with the official OpenAI client, streaming and not, in every language that the corpus has; prompts are chosen by seed. */
export async function askAll(
  stage: Stage,
  url: string,
  key: string,
  prepared: Prepared,
  seed: number,
): Promise<Answered[]> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const answered: Answered[] = [];
  for (const [i, { prompt, language }] of choosePrompts(
    only(prepared.rows, (row) => !row.heldOut),
    seed,
    2,
  ).entries()) {
    const stream = i % 2 === 1;
    const { rec, id, answer } = stream ? await askStreaming(client, prompt) : await askOnce(client, prompt);
    stage.holds(
      `${language}, ${stream ? "streaming" : "at once"}: an answer with a record id`,
      answer.length > 0 && /^[0-9a-f]{32}$/.test(rec),
    );
    stage.fact(`  “${prompt}” → “${answer.trim()}”`);
    const nearest = nearestSource(prepared.rows, `${prompt}${answer}`);
    const source = nearest === undefined ? undefined : prepared.sources[nearest.source];
    if (nearest !== undefined && source !== undefined) {
      stage.fact(
        `  closest source: ${source.name}, entry ${source.index} (shares “${nearest.run}”, ${nearest.runWords} of ${nearest.textWords} words)`,
      );
    }
    answered.push({ rec, id, prompt, answer, language });
  }
  // Fair to the reader: half sentences that it was trained on are easy; this one it has never seen.
  const [held] = choosePrompts(only(prepared.rows, (row) => row.heldOut), seed, 1); // prettier-ignore
  if (held !== undefined) {
    const { answer } = await askOnce(client, held.prompt);
    stage.fact(`the same with a sentence that was held out of the training: “${held.prompt}” → “${answer.trim()}”`);
    stage.fact(`  the document says: “${prepared.rows[held.row]?.text ?? ""}”`);
  }
  return answered;
}

/** Marks as held out all that is not to be asked about: rows outside `wanted`, and lines of tables and lists. */
function only(rows: readonly Row[], wanted: (row: Row) => boolean): Row[] {
  const prose = (text: string): boolean => /[.!?。！？]$/.test(text) && !/[/=(){}|–:;→_]/.test(text);
  return rows.map((row) => ({ ...row, heldOut: !(wanted(row) && prose(row.text)) }));
}

const request = (prompt: string) => ({
  model: MODEL_NAME,
  messages: [{ role: "user" as const, content: prompt }],
  max_tokens: 40,
  temperature: 0,
});

async function askOnce(client: OpenAI, prompt: string): Promise<{ rec: string; id: string; answer: string }> {
  const { data, response } = await client.chat.completions.create(request(prompt)).withResponse();
  return {
    rec: response.headers.get("x-spur-record") ?? "",
    id: data.id,
    answer: data.choices[0]?.message.content ?? "",
  };
}

async function askStreaming(client: OpenAI, prompt: string): Promise<{ rec: string; id: string; answer: string }> {
  const { data, response } = await client.chat.completions.create({ ...request(prompt), stream: true }).withResponse();
  let answer = "";
  let id = "";
  for await (const chunk of data) {
    id = chunk.id;
    answer += chunk.choices[0]?.delta.content ?? "";
  }
  return { rec: response.headers.get("x-spur-record") ?? "", id, answer };
}
