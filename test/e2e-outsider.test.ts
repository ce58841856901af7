// What an outsider learns: everything that a log like the demo's shows without a key, held against the list in docs/formats.md.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEntry } from "@spur/verifier/statement/entry";
import { formatBundlePath, parseBundle } from "@spur/verifier/tlog/tile";
import { ask, tellStory, type Story } from "./support/story.ts";
import { call, cleanUp, startTestLedger, type TestLedger } from "./support/ledger.ts";

// Written out here a second time, so that a member which is added to a predicate's schema by mistake is noticed.
const REC = /^[0-9a-f]{32}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;
type Kind =
  "reference" | "references" | "integer" | "decimal" | "digest" | "registers" | "custodians" | readonly string[];
const PUBLIC: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  source: { kind: ["web", "third-party", "user", "public", "synthetic", "own", "other"], bytes: "integer", rows: "integer" },
  "data-run": { inputs: "references", code: "digest", outcome: ["complete", "failed", "aborted"], rowsIn: "integer", rowsOut: "integer" },
  dataset: { run: "reference", sources: "references", bytes: "integer", rows: "integer", heldOut: "integer" },
  "training-run": { datasets: "references", base: "reference", code: "digest", config: "digest", steps: "integer", seed: "integer" },
  checkpoint: { run: "reference", parent: "reference", step: "integer", state: "digest", bytes: "integer" },
  model: { run: "reference", checkpoint: "reference", format: ["safetensors", "gguf", "onnx", "directory", "other"], bytes: "integer" },
  deployment: {
    model: "reference", operator: ["self", "third-party", "unknown"], served: "digest", check: ["matched", "mismatch", "not-checked"], contentDays: "integer",
  },
  output: { deployment: "reference", outcome: ["complete", "partial", "refused", "cancelled", "interrupted", "failed", "cached"] },
  decision: {
    output: "reference", actor: ["rule", "model", "person"], verdict: ["released", "withheld", "altered", "not-delivered"], policy: "reference", policyVersion: "integer",
  },
  policy: { kind: ["output", "retention", "publication"], version: "integer" },
  access: { purpose: ["open", "evidence", "audit"] },
  removal: {
    target: "reference", kind: ["content", "entry"], state: ["ordered", "completed", "failed"], order: "reference", custodians: "custodians",
    basis: ["erasure-request", "consent-withdrawn", "unlawful-content", "retention-end", "purpose-end", "other"],
  },
  key: { purpose: ["log", "receipts", "statements"], algorithm: ["ed25519"], state: ["active", "retired", "compromised"] },
  registers: { size: "integer", last: "registers" },
}; // prettier-ignore

/** Which registers there are: a predicate's type tells its register. */
const REGISTERS: Readonly<Record<string, string>> = {
  source: "sources", "data-run": "data-runs", dataset: "datasets", "training-run": "training-runs", checkpoint: "checkpoints", model: "models",
  deployment: "deployments", output: "outputs", decision: "decisions", policy: "policies", access: "accesses", removal: "removals", key: "keys",
  registers: "registers",
}; // prettier-ignore
const OUTER = ["at", "evidence", "prev", "rec", "reg", "retention", "sealed", "seq", "statement", "v"];
/** Predicates whose digests are meant to be matched in public. */
const PLAIN_DIGESTS = ["source", "dataset", "checkpoint", "model", "key", "registers"];
const SEALED_ONLY = ["output", "decision", "access", "removal", "policy", "deployment", "training-run", "data-run"];

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

let spur: TestLedger;
let story: Story | undefined;
let entries: { readonly bytes: Buffer; readonly json: JsonObject }[];
const SHORT = "The log keeps";
const LONG = `The log keeps ${"every entry in order and ".repeat(400)}`;
const SECRETS = ["unmistakable-caller-label", "extraordinarily private reason", "case file 4711"];

beforeAll(async () => {
  spur = await startTestLedger({ demo: true });
  story = await tellStory(spur, ["Das Protokoll ist", SHORT, LONG, "每一步都"]);
  const other = (await spur.good("POST", "/spur/v1/keys", {
    body: { label: SECRETS[0], scopes: ["write", "open", "remove"] },
  })) as { key: string };
  const rec = await ask(spur, "A witness signs", { key: other.key });
  await spur.good("POST", `/spur/v1/records/${rec}/open`, {
    key: other.key,
    body: { slots: ["response"], reason: SECRETS[1] },
  });
  await spur.good("POST", "/spur/v1/removals", {
    key: other.key,
    body: { rec, basis: "consent-withdrawn", reason: SECRETS[1], request: SECRETS[2] },
  });
  await spur.good("POST", "/spur/v1/publish");
  entries = await readLog(spur.url);
}, 60_000);

afterAll(async () => {
  await cleanUp();
  await story?.model.stop();
});

/** Every entry, from the public files alone. */
async function readLog(url: string): Promise<{ bytes: Buffer; json: JsonObject }[]> {
  const checkpoint = (await call(url, "GET", "/log/checkpoint")).text;
  const size = Number(checkpoint.split("\n")[1]);
  const out: { bytes: Buffer; json: JsonObject }[] = [];
  for (let index = 0; index * 256 < size; index++) {
    const width = Math.min(256, size - index * 256);
    const bundle = await call(url, "GET", `/log/${formatBundlePath({ index, width })}`);
    for (const bytes of parseBundle(bundle.bytes, width)) {
      parseEntry(bytes); // throws for whatever the verifier would refuse
      out.push({ bytes: Buffer.from(bytes), json: JSON.parse(Buffer.from(bytes).toString("utf8")) as JsonObject });
    }
  }
  expect(out).toHaveLength(size);
  return out;
}

const statementOf = (entry: JsonObject): JsonObject => entry["statement"] as JsonObject;
const typeOf = (entry: JsonObject): string => String(statementOf(entry)["predicateType"]).replace(/^spur:|\/v1$/g, "");
const predicateOf = (entry: JsonObject): JsonObject => statementOf(entry)["predicate"] as JsonObject;
const isReference = (value: Json): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.keys(value).sort().join() === "index,rec" &&
  REC.test(String((value as JsonObject)["rec"])) &&
  Number.isSafeInteger((value as JsonObject)["index"]);

/** What is wrong with a public value; undefined if it is of its kind. */
function wrong(value: Json, kind: Kind): string | undefined {
  const told = JSON.stringify(value);
  if (Array.isArray(kind)) return kind.includes(value) ? undefined : `${told} is not of its list`;
  const good: Record<string, () => boolean> = {
    reference: () => isReference(value),
    references: () => Array.isArray(value) && value.every(isReference),
    integer: () => Number.isSafeInteger(value) && (value as number) >= 0,
    decimal: () => typeof value === "string" && DECIMAL.test(value),
    digest: () => typeof value === "string" && DIGEST.test(value),
    custodians: () =>
      JSON.stringify(Object.keys(value as object)) === '["vault"]' &&
      ["destroyed", "failed", "had-none"].includes(String((value as JsonObject)["vault"])),
    registers: () =>
      Array.isArray(value) &&
      value.every(
        (one: JsonObject) =>
          Object.keys(one).sort().join() === "index,name,seq" &&
          Object.values(REGISTERS).includes(String(one["name"])) &&
          Number.isSafeInteger(one["seq"]),
      ),
  };
  return good[kind as string]?.() === true ? undefined : `${told} is no ${String(kind)}`;
}

describe("what an outsider learns from the log", () => {
  it("is only what docs/formats.md says", () => {
    const seen = new Map<string, Map<string, Set<string>>>();
    const complaints: string[] = [];
    for (const { json } of entries) {
      const type = typeOf(json);
      const table = PUBLIC[type];
      if (table === undefined) {
        complaints.push(`${type}: not on the list`);
        continue;
      }
      const members = seen.get(type) ?? new Map<string, Set<string>>();
      seen.set(type, members);
      for (const [name, value] of Object.entries(predicateOf(json))) {
        const kind = table[name];
        const problem = kind === undefined ? "no such member" : wrong(value, kind);
        if (problem !== undefined) complaints.push(`${type}.${name}: ${problem}`);
        members.set(
          name,
          (members.get(name) ?? new Set()).add(typeof value === "string" && !DIGEST.test(value) ? value : String(kind)),
        );
      }
    }
    const lines = [...seen].map(
      ([type, members]) =>
        `${type.padEnd(13)} ${[...members].map(([name, values]) => `${name}: ${[...values].join(" | ")}`).join(", ")}`,
    );
    process.stdout.write(`\nWhat an outsider learns from ${entries.length} entries:\n  ${lines.join("\n  ")}\n`);
    expect(complaints).toEqual([]);
    // The story must have shown all of it, or nothing was held against the list.
    expect([...seen.keys()].sort()).toEqual(Object.keys(PUBLIC).sort());
  });

  it("outside the predicate: register, number, hour, how we know, class of retention, digests", () => {
    for (const { json } of entries) {
      const type = typeOf(json);
      expect(Object.keys(json).filter((name) => !OUTER.includes(name))).toEqual([]);
      expect(json["reg"]).toBe(REGISTERS[type]);
      expect(json["at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\dZ$/);
      expect(["observed", "reported", "imported"]).toContain(json["evidence"]);
      expect(["data", "training", "service", "output", "people", "system"]).toContain(json["retention"]);
      const statement = statementOf(json);
      expect(Object.keys(statement).sort()).toEqual(["_type", "predicate", "predicateType", "subject"]);
      const [subject, ...more] = statement["subject"] as JsonObject[];
      expect(more).toEqual([]);
      expect(subject?.["name"]).toBe(json["rec"]);
      const digests = subject?.["digest"] as Record<string, string>;
      for (const digest of Object.values(digests)) expect(digest).toMatch(DIGEST);
      // A plain digest of private content could be matched against guesses: these carry the salted commitment alone.
      if (SEALED_ONLY.includes(type)) expect(Object.keys(digests)).toEqual(["spurCommitmentV1"]);
      if (!PLAIN_DIGESTS.includes(type)) expect(Object.keys(digests)).toEqual(["spurCommitmentV1"]);
      const sealed = json["sealed"] as JsonObject | undefined;
      if (sealed !== undefined)
        expect(Object.entries(sealed).every(([name, value]) => name === "ct" && DIGEST.test(String(value)))).toBe(true);
    }
  });

  it("no text of anybody: no string that is not a fixed word, a digest or an id", () => {
    const fixed = new Set([
      "spur-entry/v1",
      "https://in-toto.io/Statement/v1",
      "observed",
      "reported",
      "imported",
      "data",
      "training",
      "service",
      "output",
      "people",
      "system",
    ]);
    for (const table of Object.values(PUBLIC))
      for (const kind of Object.values(table))
        if (Array.isArray(kind)) for (const word of kind as string[]) fixed.add(word);
    for (const [type, register] of Object.entries(REGISTERS)) fixed.add(register).add(`spur:${type}/v1`);
    for (const word of ["destroyed", "had-none", "failed"]) fixed.add(word);
    const free = new Set<string>();
    const walk = (value: Json): void => {
      if (typeof value === "string") {
        if (!fixed.has(value) && !REC.test(value) && !DIGEST.test(value) && !/^\d{4}-\d\d-\d\dT\d\dZ$/.test(value))
          free.add(value);
      } else if (typeof value === "object" && value !== null) Object.values(value).forEach(walk);
    };
    for (const { json } of entries) walk(json);
    expect([...free]).toEqual([]);
  });

  it("nothing of what was asked, answered, named or given as a reason, in any public byte", async () => {
    const shown: Uint8Array[] = [Buffer.concat(entries.map(({ bytes }) => bytes))];
    for (const path of ["/spur/v1/head", "/spur/v1/records?limit=500", "/spur/v1/questions", "/health", "/metrics"])
      shown.push((await call(spur.url, "GET", path)).bytes);
    for (const rec of story?.answers ?? []) {
      for (const path of ["", "/trace", "/evidence?ask=Q5", "/evidence?ask=lineage"]) {
        const answer = await call(spur.url, "GET", `/spur/v1/records/${rec}${path}`);
        expect(answer.status).toBe(200);
        shown.push(answer.bytes);
        // Entries stand in evidence as base64.
        if (path.startsWith("/evidence"))
          for (const { entry } of answer.json.entries as { entry: string }[]) shown.push(Buffer.from(entry, "base64"));
      }
    }
    const all = Buffer.concat(shown);
    expect(all.length).toBeGreaterThan(20_000);
    for (const secret of [
      ...SECRETS,
      ...(story?.prompts ?? []),
      spur.key,
      "spur-demo",
      "small model",
      "demo corpus",
      "a test asks for it",
    ])
      expect(all.includes(secret), secret).toBe(false);
  });

  it("not how long a request or an answer was: entries differ in size only by the digits of their numbers", () => {
    // A register's first entry has no `prev`.
    const later = (type: string) => entries.filter(({ json }) => typeOf(json) === type && json["prev"] !== undefined);
    const outputs = later("output");
    expect(outputs.length).toBeGreaterThanOrEqual(4);
    // SHORT and LONG differ by 10,000 bytes of request.
    const shape = ({ bytes }: (typeof entries)[number]): number =>
      bytes.toString("utf8").replaceAll(/(?<=:)\d+(?=[,}])/g, "0").length;
    expect(new Set(outputs.map(shape)).size).toBe(1);
    expect(new Set(later("decision").map(shape)).size).toBe(1);
  });

  it("not who wrote, opened or removed: the list of records has no owner, and every hour is all that is told of time", async () => {
    const { records } = (await call(spur.url, "GET", "/spur/v1/records?limit=500")).json as { records: object[] };
    expect(records).toHaveLength(entries.length);
    const names = new Set(records.flatMap((row) => Object.keys(row)));
    expect([...names].sort()).toEqual(["at", "evidence", "index", "rec", "register", "removed", "seq", "type"]);
    const now = new Date().toISOString();
    const all = Buffer.concat(entries.map(({ bytes }) => bytes)).toString("utf8");
    // Neither minutes nor milliseconds of this hour stand anywhere.
    expect(all).not.toContain(now.slice(0, 16));
    expect(all).not.toMatch(/\b1[789]\d{11}\b/);
  });
});
