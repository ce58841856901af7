import { exp, log, nextUnit, rngFromSeed, type Rng } from "./exact-math.ts";
import { forward, forwardClass, scratchFor, type Model, type Scratch } from "./model.ts";
import type { TrainedModel } from "./model-file.ts";
import { encode, END, FIRST_CHARACTER, isCjk, type Tokenizer } from "./tokenizer.ts";

export type GenerateOptions = {
  readonly maxTokens: number;
  /** 0 takes the likeliest token each time; otherwise probabilities are raised to 1/temperature. */
  readonly temperature: number;
  readonly seed: number;
  /** Only the likeliest tokens that together reach this share are drawn from; 1 = all. Default 0.9. */
  readonly topP?: number;
};

export type GenerateEnd = { readonly finish: "stop" | "length"; readonly completionTokens: number };

const NO_REPEAT = 4; // a run of four tokens is not said twice: small models fall into loops

/**
 * Goes on with `prompt` by the model alone: no text but the prompt is looked at. Yields the text of one token at a time; tokens are whole
 * characters and single bytes are never chosen, so each piece is well-formed. Same model, prompt and options, same text.
 */
export function* generate(
  { model, tokenizer }: TrainedModel,
  prompt: string,
  options: GenerateOptions,
): Generator<string, GenerateEnd, undefined> {
  const spaced = /\s$/.test(prompt);
  const tokens = promptTokens(tokenizer, prompt);
  const rng = rngFromSeed(options.seed, 3);
  const scratch = scratchFor(model);
  const p = new Float64Array(model.shape.vocabulary);
  let done = 0;
  for (let asked = takeBack(tokenizer, tokens); asked !== "";) {
    probabilitiesOf(model, tokens, scratch, p);
    const token = likeliestThatSays(asked, tokenizer, p);
    const text = tokenizer.texts[token]!;
    tokens.push(token);
    if (text.length > asked.length) {
      yield text.slice(asked.length);
      done = 1;
    }
    asked = asked.slice(text.length);
  }
  for (let n = done; n < options.maxTokens; n++) {
    probabilitiesOf(model, tokens, scratch, p);
    p.fill(0, 1, FIRST_CHARACTER);
    if (n === 0) p[END] = 0; // an answer has at least one token
    for (const token of repeats(tokens)) p[token] = 0;
    const token = options.temperature === 0 ? likeliest(p) : draw(p, options.temperature, options.topP ?? 0.9, rng);
    if (token === END) return { finish: "stop", completionTokens: n };
    tokens.push(token);
    const text = tokenizer.texts[token]!;
    const piece = n === 0 && spaced && text.startsWith(" ") ? text.slice(1) : text;
    if (piece !== "") yield piece;
  }
  return { finish: "length", completionTokens: options.maxTokens };
}

/** A prompt as the model reads it: rows have single spaces, and a word's token begins with its space, so none may be left at the end. */
export function promptTokens(tokenizer: Tokenizer, prompt: string): number[] {
  return encode(tokenizer, prompt.replace(/\s+/g, " ").trim());
}

const MOST_TAKEN_BACK = 8; // characters

/**
 * Where words have no spaces between them, a prompt may end within what training saw as one token; its last tokens are then such as the model
 * never met there. So the last characters are taken back, and the model says them again in the tokens it prefers.
 */
function takeBack(tokenizer: Tokenizer, tokens: number[]): string {
  let taken = "";
  while (tokens.length > 0 && taken.length < MOST_TAKEN_BACK) {
    const text = tokenizer.texts[tokens.at(-1)!]!;
    if (text === "" || !isCjk(text.codePointAt(0)!)) break;
    taken = text + taken;
    tokens.pop();
  }
  return taken;
}

/** The likeliest token that says the start of `asked`, or all of it and more. There is one: its first character came from a token. */
function likeliestThatSays(asked: string, tokenizer: Tokenizer, p: Float64Array): number {
  let best = -1;
  tokenizer.texts.forEach((text, token) => {
    const fits = text !== "" && (asked.startsWith(text) || text.startsWith(asked));
    if (fits && (best < 0 || p[token]! > p[best]!)) best = token;
  });
  return best;
}

function probabilitiesOf(model: Model, tokens: readonly number[], scratch: Scratch, p: Float64Array): void {
  forward(model, tokens, tokens.length, scratch);
  for (let c = 0; c < model.classes; c++) {
    const ofClass = forwardClass(model, scratch, c);
    for (let k = 0; k < ofClass.count; k++) p[c * model.classSize + k] = scratch.classes.p[c]! * ofClass.p[k]!;
  }
}

/** Tokens that would end a run of NO_REPEAT tokens which was already there. */
function repeats(tokens: readonly number[]): number[] {
  const found: number[] = [];
  const tail = tokens.slice(-(NO_REPEAT - 1));
  for (let i = 0; i + NO_REPEAT <= tokens.length; i++) {
    if (tail.every((token, k) => tokens[i + k] === token)) found.push(tokens[i + NO_REPEAT - 1]!);
  }
  return found;
}

/** The largest; of equals the first. END if nothing is left. */
function likeliest(p: Float64Array): number {
  let best = END;
  for (let i = 0; i < p.length; i++) if (p[i]! > p[best]!) best = i;
  return best;
}

function draw(p: Float64Array, temperature: number, topP: number, rng: Rng): number {
  const top = Math.max(p[likeliest(p)]!, 1e-300);
  const candidates: { token: number; weight: number }[] = [];
  // Relative to the largest, so that a low temperature can't make all weights vanish.
  p.forEach((share, token) => {
    if (share > 1e-30) candidates.push({ token, weight: exp(log(share / top) / temperature) });
  });
  if (candidates.length === 0) return END;
  candidates.sort((a, b) => b.weight - a.weight || a.token - b.token);
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  let kept = 0;
  let count = 0;
  while (count < candidates.length && (count === 0 || kept < topP * total)) kept += candidates[count++]!.weight;
  let rest = nextUnit(rng) * kept;
  for (let i = 0; i < count; i++) {
    rest -= candidates[i]!.weight;
    if (rest < 0) return candidates[i]!.token;
  }
  return candidates[count - 1]!.token;
}
