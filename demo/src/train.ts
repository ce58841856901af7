import { parseDataset } from "./corpus.ts";
import { DemoError } from "./errors.ts";
import { log, permutation, rngFromSeed, type Rng } from "./exact-math.ts";
import { decodeModel, encodeModel, shapeOf, type TrainedModel } from "./model-file.ts";
import { backward, emptyMoments, forward, initialModel, lossOf, scratchFor, update, type Moments } from "./model.ts";
import { loadSafetensors, saveSafetensors } from "./safetensors.ts";
import { encode, END, learnTokenizer, type Tokenizer } from "./tokenizer.ts";
import { checkConfig, type TrainConfig } from "./train-config.ts";

/** Losses are means in nats a token: `loss` over the tokens of the step, as they were met; `heldOutLoss` over rows never trained on. */
export type Metric = { readonly step: number; readonly loss: number; readonly heldOutLoss?: number };
/** `weights` is the model file after `step`; `state` is what else the next step depends on. Both are safetensors. */
export type TrainCheckpoint = { readonly step: number; readonly weights: Uint8Array; readonly state: Uint8Array };

export type TrainEvents = {
  metric?(metric: Metric): void | Promise<void>;
  checkpoint?(checkpoint: TrainCheckpoint): void | Promise<void>;
};

export type TrainResult = TrainCheckpoint & {
  readonly loss: number;
  /** Over `heldOutTokens` tokens of held-out rows: all, or an even sample of ten times `evaluateTokens`. Absent if no row is held out. */
  readonly heldOutLoss?: number;
  /** What guessing would cost on the same held-out tokens: every token alike, and tokens as often as in training. */
  readonly uniformLoss: number;
  readonly unigramLoss?: number;
  readonly trainTokens: number;
  readonly heldOutTokens: number;
  readonly parameters: number;
};

/** All that changes from step to step. */
type Training = TrainedModel & { readonly moments: Moments; readonly rng: Rng; epoch: number; cursor: number };

/**
 * Trains from the seed of `config`. Same dataset and config, same bytes, on any engine and CPU. Lets the event loop run between steps;
 * waits for each event handler.
 * @throws DemoError `train/config`, `dataset/invalid`, `dataset/too-small`, `train/diverged`
 */
export async function train(dataset: Uint8Array, config: TrainConfig, on: TrainEvents = {}): Promise<TrainResult> {
  checkConfig(config);
  const rows = parseDataset(dataset);
  const tokenizer = learnTokenizer(
    rows.filter((row) => !row.heldOut).map((row) => row.text),
    config.vocabulary,
  );
  const model = initialModel(shapeOf(config, tokenizer), config.seed);
  const start = {
    model,
    tokenizer,
    config,
    step: 0,
    moments: emptyMoments(model),
    rng: rngFromSeed(config.seed, 2),
    epoch: 0,
    cursor: 0,
  };
  return run(start, tokenize(rows, tokenizer, config), config.steps, on);
}

/**
 * Goes on from a checkpoint to `untilStep` as if training had never stopped: the replay of a segment. Whether `dataset` is the one that
 * was recorded is for the caller to check by digest; here only its number of tokens is compared.
 * @throws DemoError as `train`, and `resume/state`, `resume/dataset`, or one of `model/…`, `safetensors/…`
 */
export async function resume(
  checkpoint: Omit<TrainCheckpoint, "step">,
  dataset: Uint8Array,
  untilStep: number,
  on: TrainEvents = {},
): Promise<TrainResult> {
  const trained = decodeModel(checkpoint.weights);
  const text = tokenize(parseDataset(dataset), trained.tokenizer, trained.config);
  const training = decodeState(trained, checkpoint.state, text.train.targets.length);
  if (!Number.isSafeInteger(untilStep) || untilStep <= training.step || untilStep > training.config.steps) {
    throw new DemoError("resume/state", `no step ${untilStep} after ${training.step} in ${training.config.steps}`);
  }
  return run(training, text, untilStep, on);
}

/** Rows in one line of tokens, with enough ends between them that no context reaches into the row before; `targets` are the tokens to predict. */
type Text = { readonly tokens: Int32Array; readonly targets: Int32Array };

function tokenize(
  rows: readonly { text: string; heldOut: boolean }[],
  tokenizer: Tokenizer,
  { context, order }: TrainConfig,
): { train: Text; heldOut: Text } {
  const gap = new Array<number>(Math.max(context, order)).fill(END);
  const part = (heldOut: boolean): Text => {
    const tokens = [...gap];
    const targets: number[] = [];
    for (const row of rows.filter((r) => r.heldOut === heldOut)) {
      for (const token of [...encode(tokenizer, row.text), END]) {
        targets.push(tokens.length);
        tokens.push(token);
      }
      tokens.push(...gap);
    }
    return { tokens: Int32Array.from(tokens), targets: Int32Array.from(targets) };
  };
  const text = { train: part(false), heldOut: part(true) };
  if (text.train.targets.length < 2) throw new DemoError("dataset/too-small", "no row to train on");
  return text;
}

async function run(
  from: Training,
  text: { train: Text; heldOut: Text },
  untilStep: number,
  on: TrainEvents,
): Promise<TrainResult> {
  const { model, moments, config, rng } = from;
  const { tokens, targets } = text.train;
  const scratch = scratchFor(model);
  const dropout = { rng, runPercent: config.runDropPercent, hiddenPercent: config.hiddenDropPercent };
  const rate = Number(config.learningRate);
  const directRate = Number(config.directLearningRate);
  const state = { ...from };
  let order = orderOf(config, state.epoch, targets.length);
  let last: { loss: number; checkpoint: TrainCheckpoint } | undefined;
  for (let step = from.step + 1; step <= untilStep; step++) {
    let sum = 0;
    for (let i = 0; i < config.stepTokens; i++) {
      if (state.cursor === targets.length) {
        state.cursor = 0;
        state.epoch += 1;
        order = orderOf(config, state.epoch, targets.length);
      }
      const at = targets[order[state.cursor++]!]!;
      forward(model, tokens, at, scratch, dropout);
      sum += lossOf(model, scratch, tokens[at]!);
      backward(model, scratch, tokens[at]!);
      update(model, moments, scratch, rate, directRate);
    }
    const loss = sum / config.stepTokens;
    if (loss - loss !== 0) throw new DemoError("train/diverged", `step ${step}`);
    const evaluated =
      step % config.evaluateEvery === 0 ? evaluate(from, text.heldOut, config.evaluateTokens) : undefined;
    await on.metric?.({ step, loss, ...(evaluated === undefined ? {} : { heldOutLoss: evaluated }) });
    if (step % config.checkpointEvery === 0 || step === untilStep) {
      const at = { ...state, step };
      const checkpoint = { step, weights: encodeModel(at), state: encodeState(at, targets.length) };
      await on.checkpoint?.(checkpoint);
      last = { loss, checkpoint };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { loss, checkpoint } = last!; // untilStep > from.step, and the last step always makes one
  const heldOutTokens = Math.min(text.heldOut.targets.length, config.evaluateTokens * 10);
  const heldOutLoss = evaluate(from, text.heldOut, heldOutTokens);
  const unigram =
    heldOutLoss === undefined ? {} : { unigramLoss: unigramLoss(text, model.shape.vocabulary, heldOutTokens) };
  return {
    ...checkpoint,
    loss,
    ...(heldOutLoss === undefined ? {} : { heldOutLoss }),
    ...unigram,
    uniformLoss: log(model.shape.vocabulary),
    trainTokens: targets.length,
    heldOutTokens,
    parameters: model.input.length + model.output.length + model.direct.length,
  };
}

/** The order in which an epoch visits its examples; depends on seed and epoch alone, so a checkpoint needs only a cursor. */
function orderOf(config: TrainConfig, epoch: number, examples: number): Uint32Array {
  return permutation(examples, rngFromSeed(config.seed, 1000 + epoch));
}

/** At most `limit` targets, evenly spread over all of them. */
function sample({ targets }: Text, limit: number): Int32Array {
  const count = Math.min(limit, targets.length);
  return Int32Array.from({ length: count }, (_, i) => targets[Math.floor((i * targets.length) / count)]!);
}

/** Mean loss over a sample of targets; absent if there are none. Changes nothing. */
function evaluate({ model }: TrainedModel, text: Text, limit: number): number | undefined {
  const targets = sample(text, limit);
  if (targets.length === 0) return undefined;
  const scratch = scratchFor(model);
  let sum = 0;
  for (const at of targets) {
    forward(model, text.tokens, at, scratch);
    sum += lossOf(model, scratch, text.tokens[at]!);
  }
  return sum / targets.length;
}

/** The baseline that knows frequencies only: counts of the training tokens, plus one each. */
function unigramLoss(
  { train: { tokens, targets }, heldOut }: { train: Text; heldOut: Text },
  vocabulary: number,
  limit: number,
): number {
  const counts = new Float64Array(vocabulary).fill(1);
  for (const at of targets) counts[tokens[at]!]! += 1;
  let sum = 0;
  const asked = sample(heldOut, limit);
  for (const at of asked) sum -= log(counts[heldOut.tokens[at]!]! / (targets.length + vocabulary));
  return sum / asked.length;
}

const STATE_FORMAT = "spur-demo-state/v1";

function encodeState({ moments, rng, epoch, cursor, step }: Training, trainTokens: number): Uint8Array {
  const tensor = (data: Float32Array) => ({ dtype: "F32" as const, shape: [data.length], data });
  return saveSafetensors({
    tensors: { direct: tensor(moments.direct), input: tensor(moments.input), output: tensor(moments.output) },
    metadata: {
      cursor: String(cursor),
      epoch: String(epoch),
      format: STATE_FORMAT,
      rng: [...rng.state].join(" "),
      step: String(step),
      trainTokens: String(trainTokens),
    },
  });
}

function decodeState(trained: TrainedModel, bytes: Uint8Array, trainTokens: number): Training {
  const { tensors, metadata } = loadSafetensors(bytes);
  const number = (text: string | undefined, below: number): number => {
    const n = Number(text);
    if (!Number.isSafeInteger(n) || n < 0 || n >= below || String(n) !== text)
      throw new DemoError("resume/state", `number ${String(text)}`);
    return n;
  };
  if (metadata["format"] !== STATE_FORMAT || number(metadata["step"], 2 ** 53) !== trained.step) {
    throw new DemoError("resume/state", "state and weights are not of one step");
  }
  if (metadata["trainTokens"] !== String(trainTokens))
    throw new DemoError("resume/dataset", `${trainTokens} tokens to train on`);
  const words = (metadata["rng"] ?? "").split(" ").map((word) => number(word, 2 ** 32));
  if (words.length !== 4) throw new DemoError("resume/state", "random state");
  const moments = emptyMoments(trained.model);
  for (const name of ["input", "output", "direct"] as const) {
    const given = tensors[name];
    if (given?.dtype !== "F32" || given.data.length !== moments[name].length)
      throw new DemoError("resume/state", `tensor ${name}`);
    moments[name].set(given.data);
  }
  return {
    ...trained,
    moments,
    rng: { state: Uint32Array.from(words) },
    epoch: number(metadata["epoch"], 2 ** 31),
    cursor: number(metadata["cursor"], trainTokens + 1),
  };
}
