// One byte changed anywhere in an evidence file never gives the same all-pass report (docs/formats.md §7).
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "@spur/verifier/evidence/report";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { verifyReceipt } from "@spur/verifier/evidence/receipt";
import { trustFromVkeys, type Trust } from "@spur/verifier/trust/trust";
import { cleanUp, startTestLedger } from "./support/ledger.ts";
import { tellStory } from "./support/story.ts";

let evidence: Uint8Array;
let receipt: Uint8Array;
let trust: Trust;

beforeAll(async () => {
  const spur = await startTestLedger({ demo: true });
  const story = await tellStory(spur);
  const rec = story.answers[0] ?? "";
  evidence = await story.api.bytes(`/spur/v1/records/${rec}/evidence?ask=Q5&open=request,response`);
  receipt = await story.api.bytes(`/spur/v1/records/${rec}/receipt`);
  trust = trustFromVkeys([spur.ledger.vkey, spur.ledger.receiptsVkey]);
  await cleanUp();
  await story.model.stop();
}, 60_000);
afterAll(cleanUp);

/** The report without the digest of the file, which always differs. */
const comparable = (report: Report): string => JSON.stringify({ ...report, file: "" });
const passes = (report: Report): boolean => report.findings.every(({ verdict }) => verdict === "pass");

/**
 * Every position: one bit that wanders, so that letters change case, digits their value and base64 its padding bits; at every 128th
 * position each of the eight.
 */
function* changes(file: Uint8Array): Generator<{ at: number; changed: Uint8Array }> {
  for (let at = 0; at < file.length; at++) {
    const bits = at % 128 === 0 ? [0, 1, 2, 3, 4, 5, 6, 7] : [(at * 5) % 8];
    for (const bit of bits) {
      const changed = file.slice();
      changed[at] = (file[at] as number) ^ (1 << bit);
      yield { at, changed };
    }
  }
}

/** Verifies each changed file; the positions at which the change went unnoticed. */
function unnoticed(
  file: Uint8Array,
  verify: (bytes: Uint8Array) => Report,
): { tried: number; same: number[]; better: number[]; exits: Set<number> } {
  const good = verify(file);
  const wanted = comparable(good);
  const found = { tried: 0, same: [] as number[], better: [] as number[], exits: new Set<number>() };
  for (const { at, changed } of changes(file)) {
    const report = verify(changed);
    found.tried++;
    found.exits.add(report.exit);
    if (comparable(report) === wanted) found.same.push(at);
    // No change may lift a verdict, either.
    if (report.exit < good.exit || (report.exit === 0 && passes(report) && !passes(good))) found.better.push(at);
  }
  return found;
}

describe("one changed byte", () => {
  it("in evidence: at every position, the report is another one", () => {
    const verify = (bytes: Uint8Array): Report => verifyEvidence(bytes, trust);
    const good = verify(evidence);
    expect(good.exit).toBe(0);
    expect(good.signer).toBe("trusted");
    const found = unnoticed(evidence, verify);
    process.stdout.write(
      `\n${found.tried} changes in ${evidence.length} bytes of evidence; exits ${[...found.exits].join(", ")}\n`,
    );
    expect(found.same).toEqual([]);
    expect(found.better).toEqual([]);
    expect(found.tried).toBeGreaterThan(evidence.length);
  }, 60_000);

  it("in a receipt: at every position, the report is another one", () => {
    const verify = (bytes: Uint8Array): Report => verifyReceipt(bytes, trust, {});
    expect(verify(receipt).exit).toBe(0);
    const found = unnoticed(receipt, verify);
    expect(found.same).toEqual([]);
    expect(found.better).toEqual([]);
  }, 30_000);

  it("a byte too many or too few, anywhere, is noticed", () => {
    const wanted = comparable(verifyEvidence(evidence, trust));
    for (let at = 0; at <= evidence.length; at += 97) {
      const cut = Buffer.concat([evidence.subarray(0, at), evidence.subarray(at + 1)]);
      const more = Buffer.concat([evidence.subarray(0, at), Buffer.from(" "), evidence.subarray(at)]);
      if (at < evidence.length) expect(comparable(verifyEvidence(cut, trust))).not.toBe(wanted);
      expect(comparable(verifyEvidence(more, trust))).not.toBe(wanted);
    }
  });
});
