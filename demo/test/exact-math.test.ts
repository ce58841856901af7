import { describe, expect, it } from "vitest";
import { dot, exp, log, nextUint32, permutation, rngFromSeed } from "../src/exact-math.ts";

describe("exp and log", () => {
  it("are within a few units in the last place of the engine's own", () => {
    for (let x = -700; x <= 700; x += 0.37) expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
    for (let x = 1e-9; x < 1e9; x *= 1.07)
      expect(Math.abs(log(x) - Math.log(x))).toBeLessThanOrEqual(1e-15 * Math.max(1, Math.abs(Math.log(x))));
  });

  it("hold at the borders", () => {
    expect(exp(0)).toBe(1);
    expect(log(1)).toBe(0);
    expect(exp(-1000)).toBe(0);
    expect(exp(1000)).toBe(Infinity);
    expect(exp(NaN)).toBeNaN();
    for (const bad of [0, -1, NaN, Infinity, 5e-324]) expect(() => log(bad)).toThrow(RangeError);
  });

  it("give these bits on every engine", () => {
    const bits = (x: number): string => new BigUint64Array(Float64Array.of(x).buffer)[0]!.toString(16);
    expect([exp(1), exp(-0.1), exp(100.5), log(2), log(10), log(0.3)].map(bits)).toEqual([
      "4005bf0a8b14576a",
      "3fecf46d99d52b3a",
      "48ffcc37a76f9e76",
      "3fe62e42fefa39ef",
      "40026bb1bbb55516",
      "bff34378fcbda721",
    ]);
  });
});

describe("random numbers", () => {
  it("follow from seed and stream alone", () => {
    const first = (seed: number, stream?: number) =>
      Array.from(
        { length: 3 },
        (
          (rng) => () =>
            nextUint32(rng)
        )(rngFromSeed(seed, stream)),
      );
    expect(first(7)).toEqual(first(7));
    expect(first(7)).not.toEqual(first(8));
    expect(first(7)).not.toEqual(first(7, 1));
    expect(first(7 + 2 ** 32)).not.toEqual(first(7));
  });

  it("spread evenly", () => {
    const rng = rngFromSeed(1);
    const buckets = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) buckets[nextUint32(rng) >>> 28]! += 1;
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("permute without loss", () => {
    expect([...permutation(1000, rngFromSeed(3))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });
});

it("dot sums every length", () => {
  for (let n = 0; n < 12; n++) {
    const a = Float32Array.from({ length: n + 2 }, (_, i) => i);
    let want = 0;
    for (let k = 0; k < n; k++) want += (k + 2) * (k + 1);
    expect(dot(a, 2, a, 1, n)).toBe(want);
  }
});
