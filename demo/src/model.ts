import { addScaled, dot, exp, log, nextBelow, nextUnit, rngFromSeed, type Rng } from "./exact-math.ts";
import { END } from "./tokenizer.ts";

/** Sizes: tokens in all, tokens of context, width of the hidden layer, longest hashed run, and number of direct weights. */
export type Shape = {
  readonly vocabulary: number;
  readonly context: number;
  readonly hidden: number;
  readonly order: number;
  readonly direct: number;
};

/**
 * p(next token | tokens before), a neural n-gram model with direct connections (Bengio et al. 2003; Mikolov et al. 2011, "RNNME"):
 * one learnt vector for each (position, token) of the context, summed and cut at 0, is the hidden layer; beside it, runs of the last 0..`order`
 * tokens act on the output directly, through one weight for each (run, output), hashed into a table. Runs share weights by chance, none is
 * kept as text. The output is in two steps, a class of √V tokens and the token within it, each a softmax over a *segment* of scores.
 */
export type Model = {
  readonly shape: Shape;
  readonly classSize: number;
  readonly classes: number;
  /** [context × vocabulary, hidden] */
  readonly input: Float32Array;
  /** [classes + vocabulary, hidden]; token t is row classes + t and belongs to class ⌊t / classSize⌋ */
  readonly output: Float32Array;
  /** [direct] */
  readonly direct: Float32Array;
};

export function emptyModel(shape: Shape): Model {
  const classSize = Math.ceil(Math.sqrt(shape.vocabulary));
  const classes = Math.ceil(shape.vocabulary / classSize);
  const input = new Float32Array(shape.context * shape.vocabulary * shape.hidden);
  const output = new Float32Array((classes + shape.vocabulary) * shape.hidden);
  return { shape, classSize, classes, input, output, direct: new Float32Array(shape.direct) };
}

/** Small uniform vectors by seed. Direct weights start at 0, so that a run never seen in training says nothing. */
export function initialModel(shape: Shape, seed: number): Model {
  const model = emptyModel(shape);
  const rng = rngFromSeed(seed, 1);
  for (let i = 0; i < model.input.length; i++) model.input[i] = (nextUnit(rng) - 0.5) * 0.2;
  for (let i = 0; i < model.output.length; i++) model.output[i] = (nextUnit(rng) - 0.5) * 0.4;
  return model;
}

/** A segment of the output: all classes, or the tokens of one class. `p` holds its probabilities, then the gradient of its scores. */
export type Segment = { first: number; count: number; hash: number; readonly p: Float32Array };

/** What one prediction needs on its way; reused, so that training allocates nothing. */
export type Scratch = {
  readonly rows: Int32Array; // rows of `input` in use
  readonly runs: Int32Array; // hashes of the runs of 0..order tokens
  longest: number; // runs longer than this are left out
  scale: number; // of the hidden units that dropout spares
  readonly hidden: Float32Array;
  readonly hiddenGradient: Float32Array;
  readonly classes: Segment;
  readonly tokens: Segment;
};

export function scratchFor({ shape, classes, classSize }: Model): Scratch {
  return {
    rows: new Int32Array(shape.context),
    runs: new Int32Array(shape.order + 1),
    longest: shape.order,
    scale: 1,
    hidden: new Float32Array(shape.hidden),
    hiddenGradient: new Float32Array(shape.hidden),
    classes: { first: 0, count: classes, hash: 0, p: new Float32Array(classes) },
    tokens: { first: 0, count: 0, hash: 0, p: new Float32Array(classSize) },
  };
}

/** Percentages of training examples whose longest run is cut at random, and of hidden units left out: both against learning by heart only. */
export type Dropout = { readonly rng: Rng; readonly runPercent: number; readonly hiddenPercent: number };

/** From the tokens before `at` (ends, before the start) to the hidden layer and the probabilities of the classes. */
export function forward(
  model: Model,
  tokens: ArrayLike<number>,
  at: number,
  scratch: Scratch,
  dropout?: Dropout,
): void {
  const { context, vocabulary, hidden: width, order } = model.shape;
  const { hidden, rows, runs } = scratch;
  hidden.fill(0);
  for (let p = 0; p < context; p++) {
    rows[p] = p * vocabulary + (tokens[at - 1 - p] ?? END);
    addScaled(hidden, 0, 1, model.input, rows[p]! * width, width);
  }
  runs[0] = 0x2545f491;
  for (let n = 1; n <= order; n++) runs[n] = mix(runs[n - 1]!, (tokens[at - n] ?? END) + n);
  const cut = dropout !== undefined && nextBelow(dropout.rng, 100) < dropout.runPercent;
  scratch.longest = cut ? nextBelow(dropout.rng, order) : order;
  const drop = dropout?.hiddenPercent ?? 0;
  scratch.scale = 100 / (100 - drop);
  for (let i = 0; i < width; i++) {
    const off = hidden[i]! <= 0 || (dropout !== undefined && nextBelow(dropout.rng, 100) < drop);
    hidden[i] = off ? 0 : hidden[i]! * scratch.scale;
  }
  probabilities(model, scratch, scratch.classes);
}

/** The probabilities of the tokens of class c, given the class, after `forward`: into `scratch.tokens`. */
export function forwardClass(model: Model, scratch: Scratch, c: number): Segment {
  const segment = scratch.tokens;
  segment.first = model.classes + c * model.classSize;
  segment.count = Math.min(model.classSize, model.shape.vocabulary - c * model.classSize);
  segment.hash = c + 1;
  probabilities(model, scratch, segment);
  return segment;
}

function probabilities(model: Model, scratch: Scratch, { first, count, hash, p }: Segment): void {
  const width = model.shape.hidden;
  for (let k = 0; k < count; k++) p[k] = dot(model.output, (first + k) * width, scratch.hidden, 0, width);
  for (let n = 0; n <= scratch.longest; n++) {
    const base = mix(scratch.runs[n]!, hash) >>> 0;
    for (let k = 0; k < count; k++) p[k]! += model.direct[(base + k) % model.shape.direct]!;
  }
  let max = -Infinity;
  for (let k = 0; k < count; k++) if (p[k]! > max) max = p[k]!;
  let sum = 0;
  for (let k = 0; k < count; k++) sum += p[k] = exp(p[k]! - max);
  for (let k = 0; k < count; k++) p[k]! /= sum;
}

/** −ln p(target) in nats, after `forward`. A probability that binary32 rounds to 0 counts as 1e-30; NaN stays NaN. */
export function lossOf(model: Model, scratch: Scratch, target: number): number {
  const tokens = forwardClass(model, scratch, Math.floor(target / model.classSize));
  const p = scratch.classes.p[Math.floor(target / model.classSize)]!;
  const q = tokens.p[target % model.classSize]!;
  return Number.isNaN(p * q) ? NaN : -log(Math.max(p, 1e-30)) - log(Math.max(q, 1e-30));
}

/** After `lossOf`: turns the probabilities of both segments into gradients of their scores, and gives the gradient of the summed input rows. */
export function backward(model: Model, scratch: Scratch, target: number): void {
  const width = model.shape.hidden;
  const { hidden, hiddenGradient, classes, tokens, scale } = scratch;
  classes.p[Math.floor(target / model.classSize)]! -= 1; // d(−ln softmax)/d score = p − [is target]
  tokens.p[target % model.classSize]! -= 1;
  hiddenGradient.fill(0);
  for (const { first, count, p } of [classes, tokens]) {
    for (let k = 0; k < count; k++) addScaled(hiddenGradient, 0, p[k]!, model.output, (first + k) * width, width);
  }
  for (let i = 0; i < width; i++) hiddenGradient[i] = hidden[i]! > 0 ? hiddenGradient[i]! * scale : 0;
}

/** Sums of squared gradients: one for each row of `input` and `output` (mean over the row), one for each direct weight. */
export type Moments = { readonly input: Float32Array; readonly output: Float32Array; readonly direct: Float32Array };

export function emptyMoments({ shape, classes }: Model): Moments {
  return {
    input: new Float32Array(shape.context * shape.vocabulary),
    output: new Float32Array(classes + shape.vocabulary),
    direct: new Float32Array(shape.direct),
  };
}

/** One step of Adagrad (Duchi et al. 2011), by rows, on what `backward` found: each step is rate · gradient / √(sum of squares so far). */
export function update(model: Model, moments: Moments, scratch: Scratch, rate: number, directRate: number): void {
  const width = model.shape.hidden;
  const { hidden, hiddenGradient } = scratch;
  const hiddenSquare = dot(hidden, 0, hidden, 0, width) / width;
  for (const { first, count, hash, p } of [scratch.classes, scratch.tokens]) {
    for (let k = 0; k < count; k++) {
      const row = first + k;
      moments.output[row]! += p[k]! * p[k]! * hiddenSquare;
      addScaled(model.output, row * width, (-rate * p[k]!) / Math.sqrt(moments.output[row]! + 1e-6), hidden, 0, width);
    }
    for (let n = 0; n <= scratch.longest; n++) {
      const base = mix(scratch.runs[n]!, hash) >>> 0;
      for (let k = 0; k < count; k++) {
        const i = (base + k) % model.shape.direct;
        moments.direct[i]! += p[k]! * p[k]!;
        model.direct[i]! -= (directRate * p[k]!) / Math.sqrt(moments.direct[i]! + 0.01);
      }
    }
  }
  const square = dot(hiddenGradient, 0, hiddenGradient, 0, width) / width;
  for (const row of scratch.rows) {
    moments.input[row]! += square;
    addScaled(model.input, row * width, -rate / Math.sqrt(moments.input[row]! + 1e-8), hiddenGradient, 0, width);
  }
}

/** Integer mixing in the manner of MurmurHash3's finaliser. */
function mix(a: number, b: number): number {
  let z = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 15), 0xc2b2ae35);
  return z ^ (z >>> 13);
}
