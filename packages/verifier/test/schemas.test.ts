import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CHECKS, QUESTIONS } from "../src/evidence/report.ts";
import { EVIDENCE_LEVELS, RETENTIONS } from "../src/statement/entry.ts";
import { PREDICATES } from "../src/statement/predicates.ts";
import { fileText } from "./vector-evidence.ts";
import { ruleText, type Vector } from "./vector-runner.ts";

const load = (path: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../../${path}.json`, import.meta.url), "utf8"));
const schemas = {
  entry: load("docs/schemas/entry"),
  evidence: load("docs/schemas/evidence"),
  misbehaviour: load("docs/schemas/misbehaviour"),
  "receipt-file": load("docs/schemas/receipt-file"),
  trust: load("docs/schemas/trust"),
};

/** The keywords of JSON Schema that our schemas use; any other one is an error, so that none is thought to be checked and is not. */
function fits(value: Vector, schema: Vector, root: Vector): boolean {
  if (typeof schema === "boolean") return schema;
  const object = typeof value === "object" && value !== null && !Array.isArray(value);
  const all = (list: Vector[], of: (item: Vector) => boolean): boolean => list.every(of);
  return Object.entries(schema as { [keyword: string]: Vector }).every(([keyword, wanted]): boolean => {
    switch (keyword) {
      case "$schema":
      case "$id":
      case "$defs":
      case "title":
      case "description":
      case "then":
      case "else":
        return true;
      case "$ref":
        return fits(value, root.$defs[wanted.replace("#/$defs/", "")], root);
      case "type":
        if (wanted === "object") return object;
        if (wanted === "array") return Array.isArray(value);
        return wanted === "integer" ? Number.isInteger(value) : typeof value === wanted;
      case "const":
        return value === wanted;
      case "enum":
        return wanted.includes(value);
      case "pattern":
        return typeof value !== "string" || new RegExp(wanted, "u").test(value);
      case "minimum":
        return typeof value !== "number" || value >= wanted;
      case "maximum":
        return typeof value !== "number" || value <= wanted;
      case "required":
        return !object || all(wanted, (name) => Object.hasOwn(value, name));
      case "minProperties":
        return !object || Object.keys(value).length >= wanted;
      case "additionalProperties":
        return !object || all(Object.keys(value), (name) => Object.hasOwn(schema.properties, name));
      case "properties":
        return (
          !object ||
          all(Object.keys(value), (name) => !Object.hasOwn(wanted, name) || fits(value[name], wanted[name], root))
        );
      case "items":
        return !Array.isArray(value) || all(value, (item) => fits(item, wanted, root));
      case "minItems":
        return !Array.isArray(value) || value.length >= wanted;
      case "maxItems":
        return !Array.isArray(value) || value.length <= wanted;
      case "uniqueItems":
        return !Array.isArray(value) || new Set(value).size === value.length;
      case "not":
        return !fits(value, wanted, root);
      case "oneOf":
        return wanted.filter((one: Vector) => fits(value, one, root)).length === 1;
      case "if":
        return fits(value, (fits(value, wanted, root) ? schema.then : schema.else) ?? true, root);
      default:
        throw new Error(`keyword ${keyword}`);
    }
  });
}

const fitsFile = (name: keyof typeof schemas, text: string): boolean =>
  fits(JSON.parse(text), schemas[name], schemas[name]);
const entryText = (v: Vector): string => (v.rule === undefined ? v.entry : ruleText(v.rule));
const parses = (text: string): boolean => {
  try {
    return JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
};

describe("docs/schemas", () => {
  const entries = load("vectors/entry");
  const evidence = load("vectors/evidence");
  const receipts = load("vectors/receipt-file");
  const misbehaviour = load("vectors/misbehaviour");
  const trust = load("vectors/trust");

  it("take every valid vector", () => {
    for (const v of entries.valid) expect(fitsFile("entry", entryText(v)), v.name).toBe(true);
    for (const v of evidence.valid) expect(fitsFile("evidence", fileText(evidence, v)), v.name).toBe(true);
    for (const v of receipts.valid) expect(fitsFile("receipt-file", v.text), v.name).toBe(true);
    for (const v of misbehaviour.valid) expect(fitsFile("misbehaviour", v.text), v.name).toBe(true);
    for (const v of trust.valid) expect(fitsFile("trust", v.text), v.name).toBe(true);
  });

  // What a schema cannot say is said in its description and in docs/formats.md; the rest it must refuse.
  const beyond = {
    entry: [
      "February 30th", "year 0099", "blobs unsorted", "two blobs for a slot", "blob of slot 8", "subject named otherwise", "rows root without the payload's digest", "rows root without the number of rows",
      "removal completed where the custodian failed", "removal failed where the custodian destroyed", "closing unsorted", "closing lists a register twice",
      "closing lists an index that is not below its own", "closing lists more entries than fit", "closing whose subject is another predicate", "white space", "duplicate member", "members unsorted",
      "65,536 bytes", "a closing that lists a register of a later version", "reference forward", "reference to itself", "prev not smaller than its own index",
    ],
    evidence: ["white space", "final newline", "a member twice", "entries unsorted", "an entry twice", "openings unsorted", "an opening twice", "rows before slots", "17 levels"],
    misbehaviour: ["a vkey that is none", "the vkey of a witness", "white space", "a member twice"],
    trust: ["a member twice", "a policy that is wrong", "a statement key that is none"],
  }; // prettier-ignore

  it("refuse every invalid vector but those that no schema can refuse", () => {
    const taken = (name: keyof typeof schemas, list: Vector[], textOf: (v: Vector) => string) =>
      list.filter((v) => parses(textOf(v)) && fitsFile(name, textOf(v))).map((v) => v.name);
    expect(taken("entry", entries.invalid, entryText)).toEqual(beyond.entry);
    const ofFormat = evidence.invalid.filter((v: Vector) => v.check === "format");
    expect(taken("evidence", ofFormat, (v) => fileText(evidence, v))).toEqual(beyond.evidence);
    // Of accusations most are well-formed: what their form alone refuses is the last part of the vectors.
    const forms = misbehaviour.invalid.slice(
      misbehaviour.invalid.findIndex((v: Vector) => v.name === "unknown member"),
    );
    expect(taken("misbehaviour", forms, (v) => v.text)).toEqual(beyond.misbehaviour);
    expect(taken("trust", trust.invalid, (v) => v.text)).toEqual(beyond.trust);
  });

  it("know the predicates, levels, classes, checks and questions that the verifier knows", () => {
    const branches = new Map<string, Vector>(schemas.entry.oneOf.map((one: Vector) => [one.title, one]));
    expect([...branches.keys()].sort()).toEqual([...PREDICATES.keys(), "a published envelope"].sort());
    for (const { type, register, slots, digests } of PREDICATES.values()) {
      const { reg, statement, sealed } = branches.get(type).properties;
      const digest = statement.properties.subject.items.properties.digest.properties;
      expect([type, reg.const], type).toEqual([statement.properties.predicateType.const, register]);
      expect(sealed !== false, type).toBe(slots.length > 0);
      expect(Object.keys(digest).sort(), type).toEqual(
        [...digests, ...(slots.length > 0 ? ["spurCommitmentV1"] : [])].sort(),
      );
    }
    expect(schemas.entry.properties.evidence.enum).toEqual(EVIDENCE_LEVELS);
    expect(schemas.entry.properties.retention.enum).toEqual(RETENTIONS);
    expect(schemas.trust.properties.require.items.enum).toEqual(CHECKS);
    expect(schemas.evidence.properties.ask.enum).toEqual([...QUESTIONS, "lineage"]);
  });

  it("agree with the table of predicates in docs/formats.md", () => {
    const text = readFileSync(new URL("../../../docs/formats.md", import.meta.url), "utf8");
    for (const { type, register, slots } of PREDICATES.values()) {
      const name = type.slice("spur:".length, -"/v1".length);
      const sealed = slots.length === 0 ? "–" : slots.join(", ");
      expect(text).toContain(`| \`${name}\` | ${register} | ${sealed} |`);
    }
  });
});
