import type { Command } from "commander";
import { QUESTIONS, type QuestionState } from "@spur/verifier/evidence/report";
import { openClient, secondsToMs, type Client, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import type { Exit } from "../io.ts";
import { isObject, list, text, type JsonObject } from "../json.ts";
import { stateWords } from "../print-report.ts";
import { clean, cleanLine, print, printJson, typed } from "../text.ts";

const ANSWER_SECONDS = 600;
const STATES: readonly string[] = ["refuted", "proven", "recorded", "not-checked", "not-recorded"];

interface Options extends ServerOptions {
  readonly json?: true;
  readonly model?: string;
}

export function addAsk(program: Command, context: Context): void {
  const command = program
    .command("ask")
    .summary("ask the record one of the nine questions, or ask a model through the gateway")
    .description(
      "With Q1 … Q9: how the record answers that question; without: all nine.\n" +
        "With any other text: sends it to a model through the gateway and says how to prove the answer.",
    )
    .argument("[question]", "Q1 … Q9, or what to say to the model")
    .option("--model <name>", "the model to ask (default: the only one that is served)");
  withExamples(withJson(withServer(command)), typed("ask", "Q5"), typed("ask", "--model", "demo", "The record shows"));
  command.action(async (question: string | undefined, options: Options) => {
    const client = openClient(context.io, options);
    const asksRecord = question === undefined || (/^q[1-9]$/i.test(question) && options.model === undefined);
    context.finish(
      asksRecord
        ? await askRecord(context, client, question?.toUpperCase(), options)
        : await askModel(context, client, question, options),
    );
  });
}

/** The nine questions as they are asked in public. */
const WORDING: Readonly<Record<string, string>> = {
  Q1: "Was this model trained on another company's outputs?",
  Q2: "Where did user data go, and to whom was it given?",
  Q3: "Which chips trained it, where, and were they allowed?",
  Q4: "Did the training cost what was claimed?",
  Q5: "Who let this output through or held it back, under which rule, and can it be removed?",
  Q6: "Was user data collected lawfully, and can it be erased?",
  Q7: "Does it run locally, with no data leaving?",
  Q8: "Can others repeat the training with their own data?",
  Q9: "Whom does it serve, and through whom?",
};

async function askRecord(
  { io, style }: Context,
  client: Client,
  question: string | undefined,
  options: Options,
): Promise<Exit> {
  const answered = await client.getAny("/spur/v1/questions");
  const all = isObject(answered) ? list(answered, "answers") : list({ answers: answered }, "answers");
  const answers = all.filter((answer) =>
    question === undefined ? isQuestion(answer["ask"]) : answer["ask"] === question,
  );
  if (answers.length === 0)
    throw new CliError("http/answer", `the ledger gave no answer to ${question ?? "any question"}`);
  if (options.json) printJson(io, question === undefined ? answers : answers[0]);
  for (const answer of options.json ? [] : answers) {
    const state = stateOf(answer);
    const paint = state === "proven" ? style.good : state === "refuted" ? style.bad : style.unsure;
    const symbol = state === "proven" ? "✓" : state === "refuted" ? "✗" : "?";
    print(
      io,
      `${paint(`${symbol} ${text(answer, "ask")} ${stateWords(state)}`)}  ${WORDING[text(answer, "ask")] ?? ""}`,
      ...(state === "not-recorded" ? [] : [`    ${cleanLine(text(answer, "sentence"))}`]),
    );
  }
  if (!options.json) {
    print(
      io,
      "",
      "As the ledger computes it from its own log. To check it without trusting the ledger:",
      `  ${typed("audit", client.url)}`,
    );
  }
  const states = answers.map(stateOf);
  // All nine at once is an overview; one question is a question.
  if (states.includes("refuted")) return 1;
  return question !== undefined && !states.every((state) => state === "proven" || state === "recorded") ? 2 : 0;
}

function isQuestion(value: unknown): boolean {
  return QUESTIONS.some((question) => question === value);
}

function stateOf(answer: JsonObject): QuestionState {
  const state = text(answer, "state");
  if (!STATES.includes(state)) throw new CliError("http/answer", `unknown state ${state}`);
  return state as QuestionState;
}

async function askModel(
  { io, style }: Context,
  client: Client,
  prompt: string | undefined,
  options: Options,
): Promise<Exit> {
  if (prompt === undefined || prompt === "") {
    throw new CliError("cli/option", "nothing to ask the model", {
      hint: typed("ask", "--model", options.model ?? "NAME", "your words"),
    });
  }
  const model = options.model ?? (await onlyModel(client));
  const { answer, headers } = await client.post(
    "/v1/chat/completions",
    { model, messages: [{ role: "user", content: prompt }] },
    { timeoutMs: secondsToMs(options.timeout, ANSWER_SECONDS) },
  );
  const rec = headers.get("x-spur-record");
  const said = contentOf(answer);
  if (options.json) {
    printJson(io, { model, ...(rec === null ? {} : { record: rec }), answer: said });
    return 0;
  }
  print(io, clean(said), "");
  if (rec === null || !/^[0-9a-f]{32}$/.test(rec)) {
    throw new CliError("http/answer", "the answer came without a record id: it did not pass a Spur gateway", {
      hint: "name the ledger's own address with --url",
    });
  }
  const file = `${rec.slice(0, 8)}.evidence.json`;
  print(io, style.dim(`record ${rec}`), "To hold the proof of this answer, and to verify it without us:");
  print(io, `  ${typed("evidence", rec, "--open", "request,response", "-o", file, ...client.words)}`);
  print(io, `  ${typed("trust", "add", client.url)}`, `  ${typed("verify", file)}`);
  return 0;
}

async function onlyModel(client: Client): Promise<string> {
  const models = list(await client.get("/v1/models"), "data").map((one) => text(one, "id"));
  const [only] = models;
  if (only !== undefined && models.length === 1) return only;
  const names = models.map((name) => JSON.stringify(name)).join(", ");
  throw new CliError(
    "cli/option",
    models.length === 0 ? "no model is served here" : `which model? Served here: ${clean(names)}`,
    {
      hint:
        models.length === 0
          ? "start the ledger with --upstream URL"
          : typed("ask", "--model", only ?? "NAME", "your words"),
    },
  );
}

function contentOf(answer: JsonObject): string {
  const [choice] = list(answer, "choices");
  const message = choice?.["message"];
  const content = isObject(message) ? message["content"] : undefined;
  return typeof content === "string" ? content : JSON.stringify(message ?? null);
}
