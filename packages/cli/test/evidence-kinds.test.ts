// Evidence of every kind of record, as it comes without a question: where one is about the record it is answered, and where none is it is said.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanUp, startTestLedger, type TestLedger } from "../../../test/support/ledger.ts";
import { ask } from "../../../test/support/story.ts";
import { startUpstream, type ScriptedUpstream } from "../../../test/support/upstream.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

let terminal: Terminal;
let upstream: ScriptedUpstream;
let spur: TestLedger;

beforeAll(async () => {
  upstream = await startUpstream();
  spur = await startTestLedger({ upstream: upstream.url });
  terminal = openTerminal({ SPUR_URL: spur.url, SPUR_KEY: spur.key });
  const rec = await ask(spur, "kept and removed", { model: "plain" });
  const draft = { predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 }, slots: { name: "x" } };
  const { records } = (await spur.good("POST", "/spur/v1/records", { body: { drafts: [draft] } })) as { records: { rec: string }[] }; // prettier-ignore
  for (const target of [rec, records[0]?.rec ?? ""])
    await spur.good("POST", "/spur/v1/removals", { body: { rec: target, basis: "other" } });
  await spur.good("POST", "/spur/v1/registers/close");
  await spur.good("POST", "/spur/v1/publish");
});
afterAll(async () => {
  await cleanUp();
  await upstream.close();
  terminal.close();
});

/** Indexes of the entries of a type, oldest first. */
async function indexesOf(type: string): Promise<number[]> {
  const { records } = (await spur.good("GET", `/spur/v1/records?type=spur:${type}/v1`)) as { records: { index: number }[] }; // prettier-ignore
  return records.map(({ index }) => index).sort((a, b) => a - b);
}

describe("evidence without a question", () => {
  it.each([
    ["output", 0],
    ["decision", 0],
    ["removal", 0],
    ["removal", 1],
    ["deployment", 0],
  ])("of a record that a question is about: %s (%i)", async (type, nth) => {
    const { out } = await terminal.spur(`evidence ${(await indexesOf(type))[nth]} -o some.json`);
    expect(out).not.toContain("No question is about");
    const { exit, text } = await terminal.spur(`verify some.json --trust ${spur.ledger.vkey}`);
    // A deployment that names no model ends there: that is told, and not what this is about.
    expect([type, exit, text]).toEqual([type, type === "deployment" ? 2 : 0, expect.not.stringContaining("✗")]);
  });

  it.each(["key", "policy", "source", "registers"])("of one that no question is about: %s", async (type) => {
    const { exit, out } = await terminal.spur(`evidence ${(await indexesOf(type))[0]} -o some.json`);
    expect([exit, out]).toEqual([0, expect.stringContaining("No question is about a record of this kind by itself")]);
    const plain = await terminal.spur(`verify some.json --trust ${spur.ledger.vkey}`);
    expect([plain.exit, plain.out]).toEqual([2, expect.stringContaining("What this file shows is genuine")]);
    // As printed: the proof that answers no question, and leaves none open.
    const line = /^ {2}npx spur (evidence .*tlog-proof.*)$/m.exec(out)?.[1] ?? "";
    expect((await terminal.spur(`${line} -o some.tlog-proof`)).exit).toBe(0);
    expect((await terminal.spur(`verify some.tlog-proof --trust ${spur.ledger.vkey}`)).exit).toBe(0);
  });
});
