import { describe, expect, it } from "vitest";
import type { Row } from "../src/corpus.ts";
import { nearestSource } from "../src/find-source.ts";
import { FIXTURE_ROWS } from "./fixture.ts";

const row = (text: string, source: number): Row => ({ text, source, language: "en", heldOut: false });
const rows = [
  row("The log is append-only and the witness signs it.", 0),
  row("A witness signs what it has checked.", 1),
  row("日志只能追加，见证人会检查它。", 2),
];

describe("nearestSource", () => {
  it("finds the longest run of words, as the row writes it", () => {
    expect(nearestSource(rows, "THE WITNESS signs it, says nobody")).toEqual({
      source: 0,
      row: 0,
      run: "the witness signs it",
      runWords: 4,
      textWords: 6,
    });
  });

  it("counts Chinese by characters", () => {
    expect(nearestSource(rows, "他说见证人会检查")).toMatchObject({
      source: 2,
      row: 2,
      run: "见证人会检查",
      runWords: 6,
      textWords: 8,
    });
  });

  it("does not join what stands apart", () => {
    expect(nearestSource(rows, "signs append-only what")?.runWords).toBe(2);
  });

  it("of equal runs takes the row that shares more", () => {
    expect(nearestSource(rows, "witness signs; checked")?.source).toBe(1);
    expect(nearestSource(rows, "witness signs")?.source).toBe(0);
  });

  it("is absent where only single words are shared", () => {
    for (const text of ["", "witness", "x y z", "者之"]) expect(nearestSource(rows, text)).toBeUndefined();
  });

  it("finds every row by its own text", () => {
    FIXTURE_ROWS.forEach((own, i) => {
      if (i % 23 === 0) expect(nearestSource(FIXTURE_ROWS, own.text)).toMatchObject({ row: i, source: own.source });
    });
  });
});
