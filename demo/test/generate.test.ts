import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { choosePrompts } from "../src/corpus.ts";
import { generate, promptTokens, type GenerateEnd, type GenerateOptions } from "../src/generate.ts";
import { decodeModel, type TrainedModel } from "../src/model-file.ts";
import { train } from "../src/train.ts";
import { FIXTURE_DATASET, FIXTURE_ROWS, TINY_CONFIG } from "./fixture.ts";

let model: TrainedModel;
beforeAll(async () => {
  const config = {
    ...TINY_CONFIG,
    steps: 150,
    stepTokens: 200,
    hidden: 16,
    directWeights: 65_536,
    checkpointEvery: 150,
  };
  model = decodeModel((await train(FIXTURE_DATASET, config)).weights);
});

const greedy: GenerateOptions = { maxTokens: 40, temperature: 0, seed: 1 };

function say(prompt: string, options: GenerateOptions): { pieces: string[]; end: GenerateEnd } {
  const pieces: string[] = [];
  const running = generate(model, prompt, options);
  while (true) {
    const next = running.next();
    if (next.done) return { pieces, end: next.value };
    pieces.push(next.value);
  }
}

describe("generate", () => {
  it("goes on in the language of the prompt, to the end of a sentence", () => {
    for (const { prompt, language } of choosePrompts(FIXTURE_ROWS, 3, 4)) {
      const { pieces, end } = say(prompt, greedy);
      const whole = prompt + pieces.join("");
      const pattern = {
        en: /^The \w+ \w+ the \w+ before the \w+ reads it\.$/,
        de: /^Vor jeder Prüfung .+, damit .+ nichts verliert\.$/,
        zh: /^在.+读取之前，.+必须.+每一份.+。$/,
        other: /^$/,
      }[language];
      expect(whole).toMatch(pattern);
      expect(end.finish).toBe("stop");
      expect(end.completionTokens).toBe(pieces.length);
    }
  });

  it("says the same for the same seed, and something else for another", () => {
    const at = (seed: number) => say("The ", { maxTokens: 30, temperature: 1.5, seed, topP: 1 }).pieces.join("");
    expect(at(1)).toBe(at(1));
    expect(new Set([1, 2, 3, 4, 5].map(at)).size).toBeGreaterThan(3);
    expect(say("The ", { ...greedy, seed: 2 })).toEqual(say("The ", greedy));
  });

  it("gives well-formed text in every piece, whatever the prompt and the temperature", () => {
    const options = fc.record({
      maxTokens: fc.integer({ min: 1, max: 12 }),
      temperature: fc.constantFrom(0, 0.01, 0.7, 2),
      seed: fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }),
      topP: fc.constantFrom(0, 0.5, 1),
    });
    const prompt = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("", " ", "\ud800", "审", "🙂🙂", "Prüf", "在大学"),
    );
    fc.assert(
      fc.property(prompt, options, (text, chosen) => {
        const { pieces, end } = say(text, chosen);
        for (const piece of pieces) {
          expect(piece.isWellFormed()).toBe(true);
          expect(piece).not.toBe("");
          expect(piece).not.toContain("\ufffd");
        }
        expect(end.completionTokens).toBeGreaterThan(0);
        expect(end.completionTokens).toBeLessThanOrEqual(chosen.maxTokens);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it("stops at the limit", () => {
    expect(say("The", { ...greedy, maxTokens: 3 }).end).toEqual({ finish: "length", completionTokens: 3 });
  });

  it("begins a word after a prompt that ends in a space", () => {
    const [first] = say("The witness ", greedy).pieces;
    expect(first).not.toMatch(/^ /);
    expect(say("The witness", greedy).pieces.join("")).toBe(` ${say("The witness ", greedy).pieces.join("")}`);
  });

  it("reads white space as the rows have it", () => {
    expect(promptTokens(model.tokenizer, "  The\n\nwitness\t")).toEqual(promptTokens(model.tokenizer, "The witness"));
  });

  it("does not repeat a run of four tokens", () => {
    const said = say("The", { maxTokens: 400, temperature: 2, seed: 5, topP: 1 });
    const tokens = promptTokens(model.tokenizer, "The");
    const runs = new Set<string>();
    // Texts of tokens differ, so pieces stand for tokens.
    const all = [...tokens.map((t) => model.tokenizer.texts[t]!), ...said.pieces];
    for (let i = 0; i + 4 <= all.length; i++) runs.add(JSON.stringify(all.slice(i, i + 4)));
    expect(runs.size).toBe(Math.max(0, all.length - 3));
  });
});
