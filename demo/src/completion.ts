import { generate, type GenerateEnd } from "./generate.ts";
import type { TrainedModel } from "./model-file.ts";
import type { ChatRequest } from "./chat-request.ts";

/** One choice of an answer, piece by piece. A stop string ends it and is not part of it: what may be the start of one is held back. */
export function* complete(
  model: TrainedModel,
  { prompt, maxTokens, temperature, topP, stop }: ChatRequest,
  seed: number,
): Generator<string, GenerateEnd, undefined> {
  const pieces = generate(model, prompt, { maxTokens, temperature, topP, seed });
  let held = "";
  let tokens = 0;
  while (true) {
    const next = pieces.next();
    if (next.done) {
      if (held !== "") yield held;
      return next.value;
    }
    tokens += 1;
    held += next.value;
    const found = stop.map((text) => held.indexOf(text)).filter((at) => at >= 0);
    if (found.length > 0) {
      const before = held.slice(0, Math.min(...found));
      if (before !== "") yield before;
      return { finish: "stop", completionTokens: tokens };
    }
    const safe = held.length - longestStart(held, stop);
    if (safe > 0) yield held.slice(0, safe);
    held = held.slice(safe);
  }
}

/** Length of the longest end of `text` with which one of the stops begins. */
function longestStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--)
      if (text.endsWith(stop.slice(0, n))) longest = n;
  }
  return longest;
}
