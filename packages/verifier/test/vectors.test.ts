import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { casesOf } from "./vector-runner.ts";

const folder = new URL("../../../vectors/", import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));

it("are what vectors/make.ts writes", () => {
  const make = fileURLToPath(new URL("make.ts", folder));
  expect(execFileSync(process.execPath, [make, "--check"], { encoding: "utf8" })).toContain(", 0 different");
});

describe.each(names)("vectors/%s.json", (name) => {
  const cases = casesOf(name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"))) ?? [];
  it("is run", () => expect(cases.length).toBeGreaterThan(0));
  for (const { name: title, run } of cases) it(title, run);
});
