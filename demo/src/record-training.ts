import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Api, WireRecord } from "./api.ts";
import { datasetBytes, prepareCorpus, type Row } from "./corpus.ts";
import type { CorpusFile } from "./read-corpus.ts";
import { configText, demoConfig, type TrainConfig } from "./train-config.ts";
import { train, type Metric, type TrainResult } from "./train.ts";

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** Digest of the trainer's own sources: every file of this folder, by name. */
export function codeDigest(): string {
  const folder = new URL("./", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith(".ts") || name.endsWith(".js")).sort(); // prettier-ignore
  return sha256(names.map((name) => `${name} ${sha256(readFileSync(new URL(name, folder)))}\n`).join(""));
}

/** What was prepared, and where it is on record. */
export type Prepared = {
  readonly rows: readonly Row[];
  readonly dataset: Uint8Array;
  readonly record: WireRecord;
  readonly sources: readonly (WireRecord & { readonly name: string })[];
};

/** Sources → processing → dataset: each on record before what is made from it. */
export async function prepareOnRecord(api: Api, files: readonly CorpusFile[], seed: number): Promise<Prepared> {
  const payloads = await Promise.all(files.map(({ bytes }) => api.payload(bytes)));
  const sources = await api.record(
    ...files.map(({ name }, i) => {
      const { sha256: digest, rowsRoot, rows, bytes } = payloads[i]!;
      return {
        predicateType: "spur:source/v1",
        predicate: { kind: "own", bytes, rows },
        slots: { name, licence: "Apache-2.0" },
        digests: { sha256: digest, spurRowsV1: rowsRoot },
      };
    }),
  );
  const { rows } = prepareCorpus(files, seed);
  const dataset = datasetBytes(rows);
  const { sha256: digest, rowsRoot, rows: count, bytes } = await api.payload(dataset);
  const inputs = sources.map(({ rec }) => ({ rec }));
  const [run] = await api.record({
    predicateType: "spur:data-run/v1",
    predicate: {
      inputs,
      code: codeDigest(),
      outcome: "complete",
      rowsIn: payloads.reduce((n, one) => n + one.rows, 0),
      rowsOut: count,
    },
    slots: { job: "prepare corpus", parameters: JSON.stringify({ seed }) },
  });
  const [record] = await api.record({
    predicateType: "spur:dataset/v1",
    predicate: {
      run: { rec: run!.rec },
      sources: inputs,
      bytes,
      rows: count,
      heldOut: rows.filter((row) => row.heldOut).length,
    },
    slots: { name: "demo corpus" },
    digests: { sha256: digest, spurRowsV1: rowsRoot },
  });
  return { rows, dataset, record: record!, sources: sources.map((source, i) => ({ ...source, name: files[i]!.name })) };
}

/** What a training left on record. */
export type Trained = {
  readonly result: TrainResult;
  readonly config: TrainConfig;
  readonly run: WireRecord;
  readonly checkpoints: readonly (WireRecord & { readonly step: number })[];
  readonly model: WireRecord;
  readonly modelSha256: string;
};

/** Run first, then its steps: data, code, configuration and seed are on record before the first number. */
export async function trainOnRecord(
  api: Api,
  prepared: Prepared,
  seed: number,
  onMetric: (metric: Metric, steps: number) => void,
): Promise<Trained> {
  const config = demoConfig(prepared.rows, seed);
  const [run] = await api.record({
    predicateType: "spur:training-run/v1",
    predicate: {
      datasets: [{ rec: prepared.record.rec }],
      code: codeDigest(),
      config: sha256(configText(config)),
      steps: config.steps,
      seed,
    },
    slots: {
      name: "demo model",
      environment: `Node ${process.version}, ${process.platform} ${process.arch}`,
      parameters: configText(config),
    },
  });
  const checkpoints: (WireRecord & { step: number })[] = [];
  const metrics: Metric[] = [];
  const result = await train(prepared.dataset, config, {
    metric(metric) {
      metrics.push(metric);
      onMetric(metric, config.steps);
    },
    async checkpoint({ step, weights, state }) {
      const [stored, kept] = await Promise.all([api.payload(weights), api.payload(state)]);
      const parent = checkpoints.at(-1);
      const [record] = await api.record({
        predicateType: "spur:checkpoint/v1",
        predicate: {
          run: { rec: run!.rec },
          ...(parent === undefined ? {} : { parent: { rec: parent.rec } }),
          step,
          state: kept.sha256,
          bytes: stored.bytes,
        },
        digests: { sha256: stored.sha256 },
      });
      checkpoints.push({ ...record!, step });
    },
  });
  const lines = new TextEncoder().encode(metrics.map((metric) => `${JSON.stringify(metric)}\n`).join(""));
  const log = await api.payload(lines);
  const final = checkpoints.at(-1)!;
  const modelSha256 = sha256(result.weights);
  const [, model] = await api.record(
    {
      predicateType: "spur:training-log/v1",
      predicate: {
        run: { rec: run!.rec },
        fromStep: 0,
        toStep: result.step,
        rows: log.rows,
        loss: result.loss.toFixed(4),
        ...(result.heldOutLoss === undefined ? {} : { heldOutLoss: result.heldOutLoss.toFixed(4) }),
        state: "complete",
      },
      digests: { sha256: log.sha256, spurRowsV1: log.rowsRoot },
    },
    {
      predicateType: "spur:model/v1",
      predicate: {
        run: { rec: run!.rec },
        checkpoint: { rec: final.rec },
        format: "safetensors",
        bytes: result.weights.length,
      },
      slots: { name: "spur-demo", licence: "Apache-2.0" },
      digests: { sha256: modelSha256 },
    },
  );
  return { result, config, run: run!, checkpoints, model: model!, modelSha256 };
}
