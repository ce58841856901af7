import type { Row } from "./corpus.ts";
import { isCjk } from "./tokenizer.ts";

/** Which document shares the longest run of words with a text. Overlap of words, not a proof of where the model learnt it. */
export type NearestSource = {
  readonly source: number;
  /** Row of the dataset that holds the run. */
  readonly row: number;
  /** The run as that row writes it. */
  readonly run: string;
  /** Words in it (of Chinese: characters), and words in the text. */
  readonly runWords: number;
  readonly textWords: number;
};

const LEAST = 2; // a single shared word says nothing

/** Absent if no row shares two words in a row. Of equal runs: the row that shares more words in all, then the earlier row. */
export function nearestSource(rows: readonly Row[], text: string): NearestSource | undefined {
  const asked = wordsOf(text);
  const places = new Map<string, number[]>();
  asked.forEach(({ word }, i) => places.set(word, [...(places.get(word) ?? []), i]));
  let best: (NearestSource & { readonly shared: number }) | undefined;
  rows.forEach((row, index) => {
    const words = wordsOf(row.text);
    // lengths.get(i): how long the run is that ends at word i of the text and at the present word of the row
    let lengths = new Map<number, number>();
    let longest = 0;
    let end = 0;
    let shared = 0;
    words.forEach(({ word }, j) => {
      const next = new Map<number, number>();
      for (const i of places.get(word) ?? []) next.set(i, (lengths.get(i - 1) ?? 0) + 1);
      for (const length of next.values()) if (length > longest) [longest, end] = [length, j];
      if (next.size > 0) shared += 1;
      lengths = next;
    });
    if (
      longest < LEAST ||
      (best !== undefined && (longest < best.runWords || (longest === best.runWords && shared <= best.shared)))
    )
      return;
    const run = row.text.slice(words[end - longest + 1]!.start, words[end]!.stop);
    best = { source: row.source, row: index, run, runWords: longest, textWords: asked.length, shared };
  });
  if (best === undefined) return undefined;
  const { shared: _, ...nearest } = best;
  return nearest;
}

/** Words as they stand between spaces and signs; each CJK character is one. Capitals count as small letters. */
function wordsOf(text: string): { word: string; start: number; stop: number }[] {
  const words: { word: string; start: number; stop: number }[] = [];
  let start = -1;
  const close = (stop: number): void => {
    if (start >= 0) words.push({ word: text.slice(start, stop).toLowerCase(), start, stop });
    start = -1;
  };
  let at = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (isCjk(code)) {
      close(at);
      words.push({ word: character, start: at, stop: at + character.length });
    } else if (/[\s!-/:-@[-`{-~\u00a1-\u00bf\u2000-\u206f\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]/.test(character))
      close(at);
    else if (start < 0) start = at;
    at += character.length;
  }
  close(text.length);
  return words;
}
