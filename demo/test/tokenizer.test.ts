import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode, END, FIRST_CHARACTER, learnTokenizer, makeTokenizer } from "../src/tokenizer.ts";
import { FIXTURE_ROWS } from "./fixture.ts";

const texts = FIXTURE_ROWS.map((row) => row.text);
const tokenizer = learnTokenizer(texts, 600);

/** Bytes of tokens, single-byte tokens included: what the tokens say, exactly. */
function bytesOf(tokens: readonly number[]): number[] {
  return tokens.flatMap((t) => (t < FIRST_CHARACTER ? [t - 1] : [...new TextEncoder().encode(tokenizer.texts[t])]));
}

describe("tokenizer", () => {
  it("loses nothing, whatever the text", () => {
    const unit = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...texts), fc.string({ unit: "grapheme" }));
    fc.assert(
      fc.property(unit, (text) => {
        expect(bytesOf(encode(tokenizer, text))).toEqual([...new TextEncoder().encode(text)]);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("reads a lone surrogate as U+FFFD and never as an end", () => {
    expect(bytesOf(encode(tokenizer, "a\ud800b"))).toEqual([...new TextEncoder().encode("a\ufffdb")]);
    expect(encode(tokenizer, "\0\ud800")).not.toContain(END);
  });

  it("learns words of all three languages", () => {
    expect(tokenizer.texts).toContain(" checkpoint");
    expect(tokenizer.texts).toContain(" damit");
    expect(tokenizer.texts).toContain("之前");
    expect(tokenizer.texts.length).toBeLessThanOrEqual(600);
  });

  it("has whole characters only, so that no choice of tokens can break UTF-8", () => {
    for (const text of tokenizer.texts) expect(text.isWellFormed()).toBe(true);
    for (const text of tokenizer.texts.slice(FIRST_CHARACTER)) expect(text.length).toBeGreaterThan(0);
  });

  it("does not depend on the order of equal counts", () => {
    const again = learnTokenizer([...texts].reverse(), 600);
    expect(again.characters).toEqual(tokenizer.characters);
  });

  it("takes a long run without spaces in good time", () => {
    const started = performance.now();
    expect(bytesOf(encode(tokenizer, "签".repeat(60_000)))).toHaveLength(180_000);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each([
    ["two characters in one", ["ab"], []],
    ["a character twice", ["a", "a"], []],
    ["half a surrogate pair", ["\ud800"], []],
    ["an empty character", [""], []],
    ["a merge of a token to come", ["a"], [[257, 258]]],
    ["a merge with a byte", ["a"], [[257, 5]]],
    [
      "a merge twice",
      ["a", "b"],
      [
        [257, 258],
        [257, 258],
      ],
    ],
    ["a negative token", ["a"], [[-1, 257]]],
  ] as [string, string[], [number, number][]][])("refuses %s", (_, characters, merges) => {
    expect(() => makeTokenizer(characters, merges)).toThrow(/tokenizer\/invalid/);
  });
});
