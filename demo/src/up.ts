import { existsSync, readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startLedger, type RunningLedger, type StartOptions } from "@spur/ledger/main";
import { connect, type Api } from "./api.ts";
import { MODEL_NAME, startModel, type ModelProcess } from "./model-process.ts";
import { readCorpus, readOwnDocuments } from "./read-corpus.ts";
import { prepareOnRecord, trainOnRecord } from "./record-training.ts";

export const SEED = 7;
/** The repository's root: the demo model learns from its documents. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export const corpusFiles = (path: string | undefined) =>
  path === undefined ? readOwnDocuments(ROOT) : readCorpus(path);

/** Where the demo keeps its model and which record it is: operational, not evidence. */
type Standing = { readonly model: string; readonly sha256: string };

/** Beside the data folder, so that the story can put copies of that in and out of place. */
export const filesFolder = (data: string): string => `${data}-files`;

const standingFile = (data: string): string => join(data, "model.json");
export const modelFile = (data: string): string => join(data, "model.safetensors");

export function readStanding(data: string): Standing | undefined {
  if (!existsSync(standingFile(data)) || !existsSync(modelFile(data))) return undefined;
  return JSON.parse(readFileSync(standingFile(data), "utf8")) as Standing;
}

export function writeStanding(data: string, weights: Uint8Array, standing: Standing): void {
  mkdirSync(data, { recursive: true });
  writeFileSync(modelFile(data), weights);
  writeFileSync(standingFile(data), `${JSON.stringify(standing)}\n`);
}

/** The operator's key of a ledger on this machine. */
export function operatorKey(keys: string): string {
  return readFileSync(join(keys, "operator.key"), "utf8").trim();
}

/** Compares what the model's server serves with the record, and puts it behind the gateway. */
export async function serveModel(ledger: RunningLedger, model: ModelProcess, standing: Standing): Promise<void> {
  await ledger.serve({
    modelName: MODEL_NAME,
    baseUrl: model.baseUrl,
    contentDays: ledger.config.contentDays,
    operator: "self",
    model: standing.model,
    served: model.sha256,
    check: model.sha256 === standing.sha256 ? "matched" : "mismatch",
  });
}

/** `spur up --demo`: serves the demo model, training it first where there is none yet. */
export async function startDemo(
  options: StartOptions & { readonly corpus?: string; readonly onStep?: (text: string) => void },
): Promise<RunningLedger> {
  const { corpus, onStep, ...rest } = options;
  const files = filesFolder(resolve(options.cwd, options.data ?? options.env["SPUR_DATA"] ?? "spur-demo"));
  let standing = readStanding(files);
  let model: Promise<ModelProcess> | undefined;
  if (standing !== undefined) model = startModel(modelFile(files)); // beside the ledger's own start
  model?.catch(() => undefined);
  let ledger: RunningLedger | undefined;
  try {
    ledger = await startLedger({ ...rest, demo: true });
    if (standing === undefined) {
      const api: Api = connect(ledger.url, operatorKey(ledger.config.keys));
      onStep?.("no model yet: training one from the project's documents, about ten seconds");
      const prepared = await prepareOnRecord(api, corpusFiles(corpus), SEED);
      const trained = await trainOnRecord(api, prepared, SEED, () => undefined);
      standing = { model: trained.model.rec, sha256: trained.modelSha256 };
      writeStanding(files, trained.result.weights, standing);
    }
    model ??= startModel(modelFile(files));
    const server = await model;
    await serveModel(ledger, server, standing);
    const running = ledger;
    return {
      ...running,
      notices: [
        ...running.notices,
        `demo model ${MODEL_NAME} at ${server.baseUrl}: small, trained on this project's own documents`,
      ],
      async close() {
        await running.close();
        await server.stop();
      },
    };
  } catch (error) {
    await ledger?.close();
    await model?.then((server) => server.stop()).catch(() => undefined);
    throw error;
  }
}
