import { describe, expect, it } from "vitest";
import { nextUnit, rngFromSeed } from "../src/exact-math.ts";
import {
  backward,
  emptyMoments,
  forward,
  forwardClass,
  initialModel,
  lossOf,
  scratchFor,
  update,
  type Dropout,
  type Model,
} from "../src/model.ts";

const shape = { vocabulary: 300, context: 3, hidden: 6, order: 2, direct: 500 };
const context = [5, 290, 17];
const target = 123;

/** Weights large enough that every part of the network has a say. */
function roughModel(): Model {
  const model = initialModel(shape, 1);
  const rng = rngFromSeed(2);
  for (const weights of [model.input, model.output, model.direct])
    for (let i = 0; i < weights.length; i++) weights[i] = nextUnit(rng) - 0.4;
  return model;
}

/** The same units drop out each time it is called. */
const dropouts: [string, () => Dropout | undefined][] = [
  ["without dropout", () => undefined],
  ["with dropout", () => ({ rng: rngFromSeed(5), runPercent: 100, hiddenPercent: 40 })],
];

describe.each(dropouts)("gradient, %s", (_, dropout) => {
  const lossWith = (model: Model): number => {
    const scratch = scratchFor(model);
    forward(model, context, context.length, scratch, dropout());
    return lossOf(model, scratch, target);
  };

  /** With all moments at 10^12 and rates of 10^6, one update subtracts the gradient itself. */
  const analytic = (): Model => {
    const model = roughModel();
    const before = roughModel();
    const moments = emptyMoments(model);
    for (const sums of [moments.input, moments.output, moments.direct]) sums.fill(1e12);
    const scratch = scratchFor(model);
    forward(model, context, context.length, scratch, dropout());
    lossOf(model, scratch, target);
    backward(model, scratch, target);
    update(model, moments, scratch, 1e6, 1e6);
    const difference = (a: Float32Array, b: Float32Array) => a.map((x, i) => x - b[i]!);
    return {
      ...model,
      input: difference(before.input, model.input),
      output: difference(before.output, model.output),
      direct: difference(before.direct, model.direct),
    };
  };

  it.each(["input", "output", "direct"] as const)("of %s agrees with finite differences for every weight", (name) => {
    const gradient = analytic()[name];
    const model = roughModel();
    const step = 2 ** -7;
    let nonZero = 0;
    for (let i = 0; i < gradient.length; i++) {
      const kept = model[name][i]!;
      model[name][i] = kept + step;
      const above = lossWith(model);
      model[name][i] = kept - step;
      const below = lossWith(model);
      model[name][i] = kept;
      const numeric = (above - below) / (2 * step);
      expect(Math.abs(numeric - gradient[i]!), `${name}[${i}]`).toBeLessThan(2e-3 * Math.max(0.05, Math.abs(numeric)));
      if (Math.abs(numeric) > 1e-3) nonZero += 1;
    }
    expect(nonZero).toBeGreaterThan(name === "input" ? 5 : 30);
  });
});

describe("probabilities", () => {
  it("of all tokens sum to 1, and the loss is their logarithm", () => {
    const model = roughModel();
    const scratch = scratchFor(model);
    forward(model, context, context.length, scratch);
    let sum = 0;
    let asked = 0;
    for (let c = 0; c < model.classes; c++) {
      const { count, p } = forwardClass(model, scratch, c);
      for (let k = 0; k < count; k++) {
        sum += scratch.classes.p[c]! * p[k]!;
        if (c * model.classSize + k === target) asked = scratch.classes.p[c]! * p[k]!;
      }
    }
    expect(sum).toBeCloseTo(1, 5);
    expect(lossOf(model, scratch, target)).toBeCloseTo(-Math.log(asked), 5);
  });

  it("stand on the last tokens only", () => {
    const model = roughModel();
    const loss = (tokens: number[]): number => {
      const scratch = scratchFor(model);
      forward(model, tokens, tokens.length, scratch);
      return lossOf(model, scratch, target);
    };
    expect(loss([9, 9, ...context])).toBe(loss([1, 2, 3, ...context]));
    expect(loss([5, 290, 18])).not.toBe(loss(context));
    expect(loss([6, 290, 17])).not.toBe(loss(context));
  });
});
