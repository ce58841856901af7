import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { datasetBytes } from "../src/corpus.ts";
import { decodeModel, encodeModel } from "../src/model-file.ts";
import { loadSafetensors, saveSafetensors } from "../src/safetensors.ts";
import { checkConfig, configText, DEMO_CONFIG, demoConfig } from "../src/train-config.ts";
import { resume, train, type Metric, type TrainCheckpoint, type TrainResult } from "../src/train.ts";
import { FIXTURE_DATASET, FIXTURE_ROWS, sha256, TINY_CONFIG } from "./fixture.ts";

/**
 * Weights of the tiny training, here and on every other engine and processor. If a change of code moves it, the change is one of format or
 * arithmetic: say so in the changelog. If a machine moves it, that machine's arithmetic is not what exact-math.ts relies on.
 */
const GOLDEN = "0ed408bcb2719a622b481629d726bb3def6c38a2ea3f1af3228c9d24825e91ce";

/** Without its first training row. */
const SHORTER_DATASET = datasetBytes(
  FIXTURE_ROWS.filter((_, i) => i !== FIXTURE_ROWS.findIndex((row) => !row.heldOut)),
);

const checkpoints: TrainCheckpoint[] = [];
const metrics: Metric[] = [];
let result: TrainResult;
beforeAll(async () => {
  result = await train(FIXTURE_DATASET, TINY_CONFIG, {
    metric: (m) => void metrics.push(m),
    checkpoint: (c) => void checkpoints.push(c),
  });
});

describe("train", () => {
  it("gives the golden weights", () => {
    expect(sha256(result.weights)).toBe(GOLDEN);
  });

  it("gives them in an interpreter too, where no compiler could rearrange a sum", async () => {
    const script = fileURLToPath(new URL("golden.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--no-opt",
      "--no-maglev",
      "--no-sparkplug",
      script,
    ]);
    expect(stdout.trim()).toBe(GOLDEN);
  });

  it("gives others for another seed, another rate, another corpus", async () => {
    const shorter = { ...TINY_CONFIG, steps: 3 };

    const runs = [
      train(FIXTURE_DATASET, shorter),
      train(FIXTURE_DATASET, { ...shorter, seed: 8 }),
      train(FIXTURE_DATASET, { ...shorter, learningRate: "0.06" }),
      train(SHORTER_DATASET, shorter),
    ];
    const digests = (await Promise.all(runs)).map((r) =>
      sha256(loadSafetensors(r.weights).tensors["output"]!.data as Uint8Array),
    );
    expect(new Set(digests).size).toBe(4);
  });

  it("reports every step, evaluations and checkpoints when they are due", () => {
    expect(metrics.map((m) => m.step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(metrics.filter((m) => m.heldOutLoss !== undefined).map((m) => m.step)).toEqual([10, 20, 30]);
    expect(checkpoints.map((c) => c.step)).toEqual([10, 20, 30]);
    expect(checkpoints.at(-1)?.weights).toEqual(result.weights);
  });

  it("waits for its handlers and passes their errors on", async () => {
    const failing = train(FIXTURE_DATASET, TINY_CONFIG, { checkpoint: () => Promise.reject(new Error("disk full")) });
    await expect(failing).rejects.toThrow("disk full");
  });

  it("lets the event loop run", async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await train(FIXTURE_DATASET, { ...TINY_CONFIG, steps: 20 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it("has no held-out loss to report without held-out rows", async () => {
    const all = datasetBytes(FIXTURE_ROWS.map((row) => ({ ...row, heldOut: false })));
    const { heldOutLoss, unigramLoss, heldOutTokens } = await train(all, { ...TINY_CONFIG, steps: 2 });
    expect({ heldOutLoss, unigramLoss, heldOutTokens }).toEqual({ heldOutTokens: 0 });
  });

  it("refuses a dataset with nothing to train on", async () => {
    const none = datasetBytes(FIXTURE_ROWS.map((row) => ({ ...row, heldOut: true })));
    await expect(train(none, TINY_CONFIG)).rejects.toThrow("dataset/too-small");
  });
});

describe("learning", () => {
  it("falls on held-out rows far below what frequencies alone give", async () => {
    const config = {
      ...TINY_CONFIG,
      steps: 120,
      stepTokens: 200,
      hidden: 16,
      directWeights: 65_536,
      evaluateEvery: 40,
    };
    const seen: number[] = [];
    const { heldOutLoss, unigramLoss, uniformLoss } = await train(FIXTURE_DATASET, config, {
      metric: (m) => {
        if (m.heldOutLoss !== undefined) seen.push(m.heldOutLoss);
      },
    });
    expect(unigramLoss).toBeLessThan(uniformLoss - 1);
    expect(heldOutLoss).toBeLessThan(unigramLoss! / 2);
    expect(seen[0]).toBeGreaterThan(seen.at(-1)!);
  });
});

describe("resume", () => {
  it("from any checkpoint gives the same bytes as training that never stopped", async () => {
    for (const from of checkpoints.slice(0, 2)) {
      const again: TrainCheckpoint[] = [];
      const seen: Metric[] = [];
      const end = await resume(from, FIXTURE_DATASET, 30, {
        checkpoint: (c) => void again.push(c),
        metric: (m) => void seen.push(m),
      });
      expect(sha256(end.weights)).toBe(sha256(result.weights));
      expect(sha256(end.state)).toBe(sha256(result.state));
      expect(again.map((c) => sha256(c.weights))).toEqual(
        checkpoints.filter((c) => c.step > from.step).map((c) => sha256(c.weights)),
      );
      expect(seen).toEqual(metrics.filter((m) => m.step > from.step));
    }
  });

  it("crosses the end of an epoch", async () => {
    const config = { ...TINY_CONFIG, steps: 16, stepTokens: 1500, checkpointEvery: 4 };
    const saved: TrainCheckpoint[] = [];
    const end = await train(FIXTURE_DATASET, config, { checkpoint: (c) => void saved.push(c) });
    expect(Number(loadSafetensors(end.state).metadata["epoch"])).toBeGreaterThan(1);
    expect(sha256((await resume(saved[0]!, FIXTURE_DATASET, 16)).weights)).toBe(sha256(end.weights));
  });

  it("notices one changed weight", async () => {
    const { tensors, metadata } = loadSafetensors(checkpoints[1]!.weights);
    const input = Float32Array.from(tensors["input"]!.data);
    input[0]! += 0.001;
    const weights = saveSafetensors({
      tensors: { ...tensors, input: { ...tensors["input"]!, data: input } },
      metadata,
    });
    const end = await resume({ weights, state: checkpoints[1]!.state }, FIXTURE_DATASET, 30);
    expect(sha256(end.weights)).not.toBe(sha256(result.weights));
  });

  it("stops at the first number that isn't finite", async () => {
    const { tensors, metadata } = loadSafetensors(checkpoints[1]!.weights);
    const input = { ...tensors["input"]!, data: new Float32Array(tensors["input"]!.data.length).fill(3e38) };
    const weights = saveSafetensors({ tensors: { ...tensors, input }, metadata });
    await expect(resume({ weights, state: checkpoints[1]!.state }, FIXTURE_DATASET, 30)).rejects.toThrow(
      "train/diverged",
    );
  });

  it("refuses what doesn't belong together", async () => {
    const [first, second] = checkpoints as [TrainCheckpoint, TrainCheckpoint];
    const mixed = { weights: first.weights, state: second.state };
    await expect(resume(mixed, FIXTURE_DATASET, 30)).rejects.toThrow("resume/state");
    await expect(resume(first, SHORTER_DATASET, 30)).rejects.toThrow("resume/dataset");
    for (const until of [10, 31, 20.5, NaN])
      await expect(resume(first, FIXTURE_DATASET, until)).rejects.toThrow("resume/state");
    await expect(resume({ weights: first.state, state: first.state }, FIXTURE_DATASET, 30)).rejects.toThrow(
      "model/invalid",
    );
    const { tensors, metadata } = loadSafetensors(first.state);
    for (const change of [
      { rng: "1 2 3" },
      { rng: "1 2 3 4294967296" },
      { cursor: "-1" },
      { epoch: "1e2" },
      { format: "x" },
    ]) {
      const state = saveSafetensors({ tensors, metadata: { ...metadata, ...change } });
      await expect(resume({ weights: first.weights, state }, FIXTURE_DATASET, 30)).rejects.toThrow("resume/state");
    }
  });
});

describe("model file", () => {
  it("is one file with weights, vocabulary, config and step, and reads back to the same bytes", () => {
    const read = decodeModel(result.weights);
    expect(read.step).toBe(30);
    expect(read.config).toEqual(TINY_CONFIG);
    expect(encodeModel(read)).toEqual(result.weights);
  });

  it("is refused when altered", () => {
    const { tensors, metadata } = loadSafetensors(result.weights);
    const text = (value: unknown) => {
      const data = new TextEncoder().encode(JSON.stringify(value));
      return { vocabulary: { dtype: "U8" as const, shape: [data.length], data } };
    };
    const altered = (t: object, m: object = {}) =>
      saveSafetensors({
        tensors: { ...tensors, ...t },
        metadata: { ...metadata, ...m },
      });
    const extra = { more: { dtype: "U8" as const, shape: [1], data: Uint8Array.of(1) } };
    const short = { direct: { dtype: "F32" as const, shape: [1], data: Float32Array.of(1) } };
    expect(() => decodeModel(altered(extra))).toThrow("model/invalid");
    expect(() => decodeModel(altered(short))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { format: "other" }))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { step: "1.5" }))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { step: "007" }))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { more: "1" }))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { config: "{" }))).toThrow("model/invalid");
    expect(() => decodeModel(altered({}, { config: configText({ ...TINY_CONFIG, hidden: 11 }) }))).toThrow(
      "model/invalid",
    );
    expect(() => decodeModel(altered({}, { config: configText({ ...TINY_CONFIG, hidden: 1e9 }) }))).toThrow(
      "train/config",
    );
    expect(() => decodeModel(altered(text({ characters: ["ab"], merges: [] })))).toThrow("tokenizer/invalid");
    expect(() => decodeModel(altered(text({ characters: ["a"], merges: [] })))).toThrow("model/invalid");
    expect(() => decodeModel(altered(text(null)))).toThrow("tokenizer/invalid");
  });
});

describe("config", () => {
  it("has one spelling", () => {
    const turned = Object.fromEntries(Object.entries(TINY_CONFIG).reverse());
    expect(configText(checkConfig(turned))).toBe(configText(TINY_CONFIG));
    expect(checkConfig(DEMO_CONFIG)).toEqual(DEMO_CONFIG);
    expect(checkConfig(demoConfig(FIXTURE_ROWS, 3)).seed).toBe(3);
  });

  it.each([
    ["a missing member", { seed: undefined }],
    ["an unknown member", { more: 1 }],
    ["a fraction", { steps: 1.5 }],
    ["a number as text", { steps: "10" }],
    ["a rate as number", { learningRate: 0.1 }],
    ["a rate with an exponent", { learningRate: "1e-3" }],
    ["no step", { steps: 0 }],
    ["all units dropped", { hiddenDropPercent: 100 }],
    ["another format", { format: "spur-demo-train/v2" }],
  ])("refuses %s", (_, change) => {
    expect(() => checkConfig({ ...TINY_CONFIG, ...change })).toThrow("train/config");
  });
});
