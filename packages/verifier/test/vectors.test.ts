import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { casesOf } from "./vector-runner.ts";

const folder = new URL("../../../vectors/", import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));

describe.each(names)("vectors/%s.json", (name) => {
  const cases = casesOf(name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"))) ?? [];
  it("is run", () => expect(cases.length).toBeGreaterThan(0));
  for (const { name: title, run } of cases) it(title, run);
});
