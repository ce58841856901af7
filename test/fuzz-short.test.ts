// The short form of `npm run fuzz`: other inputs at each run, and the seed is told where one fails.
import { expect, it } from "vitest";
import { fuzz } from "./fuzz/fuzz.ts";
import { TARGETS, Wrong } from "./fuzz/targets.ts";

const COUNT = 3000;

it.each(TARGETS)("$name: changed files are refused or mean what they say", { timeout: 60_000 }, (target) => {
  const { inputs, refused } = fuzz(target, COUNT, Math.floor(Math.random() * 1_000_000));
  expect(inputs).toBe(COUNT);
  expect(refused).toBeLessThanOrEqual(COUNT);
});

it("notices what must not be", () => {
  const wrong = { name: "wrong", seeds: [Buffer.from("abc")], run: () => { throw new Wrong("accepted"); } }; // prettier-ignore
  expect(() => fuzz(wrong, 1, 1)).toThrow(/accepted\n {2}again: npm run fuzz -- "wrong" --seed 1 --from 0 --count 1/);
  const broken = { name: "broken", seeds: [Buffer.from("abc")], run: () => { throw new TypeError("x is undefined"); } }; // prettier-ignore
  expect(() => fuzz(broken, 1, 1)).toThrow(/x is undefined/);
});
