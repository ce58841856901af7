import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { utf8 } from "../src/bytes.ts";
import type { Report } from "../src/evidence/report.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { useSha256 } from "../src/hash.ts";
import { NO_TRUST, parseTrust } from "../src/trust/trust.ts";
import { createLog } from "./make-log.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

/** A file in which every finding passes, as small as one can be: an envelope of every part of the format. */
const log = createLog({ origin: "l.example", witnesses: 1 });
log.addKeys();
const policy = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 1 }, slots: { text: "é" } });
const closing = log.close();
const small = log.evidenceFile({
  ask: "Q1",
  entries: [policy.index, closing.index],
  open: [[policy.index, 0]],
  registers: [closing.index],
});
const trust = parseTrust(utf8(log.trustText()));

const without = ({ file: _, ...rest }: Report) => JSON.stringify(rest);
const passes = (report: Report) => report.findings.every(({ verdict }) => verdict === "pass");

describe("a change of one byte", () => {
  const before = verifyEvidence(small, trust);
  const asText = without(before);
  const blind = without(verifyEvidence(small, NO_TRUST));

  it("starts from a file in which everything passes", () => {
    expect(before.findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        "format",
        "log signature",
        "witnesses",
        "entry",
        "inclusion",
        "opening",
        "closing",
        "time",
      ]),
    );
    expect(passes(before)).toBe(true);
  });

  const flips = [0x01, 0x20, 0xff];
  it.each(flips)("anywhere (xor %i) never gives the same report again, and never an all-pass one", (mask) => {
    const copy = Uint8Array.from(small);
    for (let i = 0; i < small.length; i++) {
      copy[i] = (small[i] as number) ^ mask;
      const report = verifyEvidence(copy, trust);
      // The question's digit may become another question's: the entries still pass, and the report tells of another question.
      expect(passes(report) && report.answers[0]?.ask === "Q1", `byte ${i}`).toBe(false);
      expect(without(report) === asText, `byte ${i}`).toBe(false);
      copy[i] = small[i] as number;
    }
  });

  it("shows even where nobody is trusted", () => {
    const copy = Uint8Array.from(small);
    for (let i = 0; i < small.length; i += 4) {
      copy[i] = (small[i] as number) ^ 2;
      const report = verifyEvidence(copy, NO_TRUST);
      expect(report.exit === 0 || without(report) === blind, `byte ${i}`).toBe(false);
      copy[i] = small[i] as number;
    }
  });

  it("put in or taken out shows too", () => {
    for (let i = 0; i < small.length; i += 5) {
      const less = Uint8Array.from([...small.subarray(0, i), ...small.subarray(i + 1)]);
      const more = Uint8Array.from([...small.subarray(0, i), small[i] as number, ...small.subarray(i)]);
      for (const file of [less, more]) expect(verifyEvidence(file, trust).exit, `byte ${i}`).not.toBe(0);
    }
  });
});
