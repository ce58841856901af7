// A log like the demo's, made the way the demo makes it: a real, small training, the model served behind the gateway, answers, a removal.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type Api } from "@spur/demo/api";
import type { CorpusFile } from "@spur/demo/read-corpus";
import { prepareOnRecord, codeDigest } from "@spur/demo/record-training";
import { configText, demoConfig } from "@spur/demo/train-config";
import { train } from "@spur/demo/train";
import { MODEL_NAME, startModel, type ModelProcess } from "@spur/demo/model-process";
import type { TestLedger } from "./ledger.ts";

const SENTENCES = [
  "The log keeps every entry in order and nobody can change it later.",
  "A witness signs what it has seen, and a reader compares the signatures.",
  "Ein Eintrag bleibt für immer, auch wenn sein Inhalt entfernt wurde.",
  "Das Protokoll ist öffentlich, die Inhalte aber sind versiegelt.",
  "每一步都会留下痕迹，任何人都不能悄悄删除。",
  "记录是公开的，内容却是密封的，只有所有者能打开。",
];

/** Two documents in three languages. */
export function smallCorpus(): CorpusFile[] {
  const text = (seed: number): string =>
    Array.from({ length: 12 }, (_, i) => SENTENCES[(i * seed + i) % SENTENCES.length]).join("\n\n");
  return ["a.md", "b.md"].map((name, i) => ({ name, bytes: new TextEncoder().encode(`${text(i + 1)}\n`) }));
}

export interface Story {
  readonly api: Api;
  readonly model: ModelProcess;
  /** Recs of the answers, in order; the last one's content is removed. */
  readonly answers: readonly string[];
  readonly prompts: readonly string[];
  readonly removed: string;
  /** The run's rec. */
  readonly run: string;
}

const sha256 = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");

/** Leaves the story on record, registers closed, and published. The caller stops `model`. */
export async function tellStory(
  spur: TestLedger,
  prompts: readonly string[] = ["The log keeps", "Das Protokoll ist", "每一步都", "A witness signs"],
): Promise<Story> {
  const api = connect(spur.url, spur.key);
  const prepared = await prepareOnRecord(api, smallCorpus(), 7);
  const config = { ...demoConfig(prepared.rows, 7), steps: 40, checkpointEvery: 20, evaluateEvery: 20, stepTokens: 50 };
  const [run] = await api.record({
    predicateType: "spur:training-run/v1",
    predicate: {
      datasets: [{ rec: prepared.record.rec }],
      code: codeDigest(),
      config: sha256(configText(config)),
      steps: config.steps,
      seed: 7,
    },
    slots: { name: "small model", parameters: configText(config) },
  });
  const recs: string[] = [];
  const { weights } = await train(prepared.dataset, config, {
    async checkpoint({ step, weights: bytes, state }) {
      const [stored, kept] = await Promise.all([api.payload(bytes), api.payload(state)]);
      const parent = recs.at(-1);
      const [made] = await api.record({
        predicateType: "spur:checkpoint/v1",
        predicate: {
          run: { rec: run?.rec },
          ...(parent === undefined ? {} : { parent: { rec: parent } }),
          step,
          state: kept.sha256,
          bytes: stored.bytes,
        },
        digests: { sha256: stored.sha256 },
      });
      recs.push(made?.rec ?? "");
    },
  });
  const digest = sha256(weights);
  const [model] = await api.record({
    predicateType: "spur:model/v1",
    predicate: {
      run: { rec: run?.rec },
      checkpoint: { rec: recs.at(-1) },
      format: "safetensors",
      bytes: weights.length,
    },
    slots: { name: "small", licence: "Apache-2.0" },
    digests: { sha256: digest },
  });
  const file = join(spur.data, "..", "model.safetensors");
  writeFileSync(file, weights);
  const server = await startModel(file);
  await spur.ledger.serve({
    modelName: MODEL_NAME, baseUrl: server.baseUrl, contentDays: 30, operator: "self", model: model?.rec ?? "", served: server.sha256,
    check: server.sha256 === digest ? "matched" : "mismatch",
  }); // prettier-ignore
  const answers: string[] = [];
  for (const prompt of prompts) answers.push(await ask(spur, prompt));
  const removed = answers.at(-1) ?? "";
  await spur.good("POST", "/spur/v1/removals", {
    body: { rec: removed, basis: "erasure-request", reason: "a test asks for it" },
  });
  await spur.good("POST", "/spur/v1/registers/close");
  await spur.good("POST", "/spur/v1/publish");
  return { api, model: server, answers, prompts, removed, run: run?.rec ?? "" };
}

/** Asks the served model; the rec of its answer. */
export async function ask(
  spur: TestLedger,
  prompt: string,
  how: { key?: string; model?: string } = {},
): Promise<string> {
  const answer = await spur.call("POST", "/v1/chat/completions", {
    ...(how.key === undefined ? {} : { key: how.key }),
    body: {
      model: how.model ?? MODEL_NAME,
      messages: [{ role: "user", content: prompt }],
      max_tokens: 12,
      temperature: 0,
    },
  });
  const rec = answer.headers.get("x-spur-record");
  if (answer.status !== 200 || rec === null) throw new Error(`${answer.status} ${answer.text}`);
  return rec;
}

/** A trust file made from the log's key. */
export function trustText(vkey: string): string {
  return `${JSON.stringify({ format: "spur-trust/v1", policy: `log ${vkey}\nquorum none\n` })}\n`;
}
