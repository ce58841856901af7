import { describe, expect, it } from "vitest";
import { utf8 } from "../src/bytes.ts";
import type { Report, Verdict } from "../src/evidence/report.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { parseTrust } from "../src/trust/trust.ts";
import { edited, makeStory, type Loose } from "./make-log.ts";

describe("leaving out", () => {
  const story = makeStory();
  const { output } = story;
  const order = { target: output.ref, kind: "content", basis: "erasure-request" };
  const ordered = story.log.add({ type: "spur:removal/v1", predicate: { ...order, state: "ordered" } });
  story.log.add({
    type: "spur:removal/v1",
    predicate: { ...order, state: "completed", order: ordered.ref, custodians: { vault: "destroyed" } },
  });
  const close = story.log.close();
  const under = parseTrust(utf8(story.log.trustText()));
  const all = story.log.entries.map(({ index }) => index);
  const rank = { fail: 0, "not-checked": 1, pass: 2 } satisfies Record<Verdict, number>;
  const states = { refuted: 0, "not-recorded": 1, "not-checked": 2, recorded: 3, proven: 4 };
  const reach = (report: Report) =>
    report.findings.reduce((sum, one) => sum + (one.coverage.kind === "register" ? 1 : 0), 0);

  /** The verdict of each thing that was looked at. */
  const byName = (report: Report) => {
    const map = new Map<string, Verdict>();
    for (const { check, values, verdict } of report.findings) {
      const { index = "", target = "", role = "", name = "", row = "", register = "" } = values;
      map.set([check, index, target, role, name, row, register].join("|"), verdict);
    }
    return map;
  };

  describe.each(["Q5", "Q8", "lineage"] as const)("asked %s", (ask) => {
    const file = story.log.evidenceFile({
      ask,
      entries: all,
      open: [
        [story.dataset.index, "row", 0],
        [output.index, 0],
        [output.index, 1],
      ],
      registers: [close.index],
    });
    const whole = verifyEvidence(file, under);
    const names = byName(whole);
    it("starts from a file that passes", () => {
      expect(whole.exit).toBe(0);
    });
    const cuts: readonly [string, (f: Loose) => void][] = [
      ...all.map((index): [string, (f: Loose) => void] => [`entry ${index}`, (f) => f.entries.splice(index, 1)]),
      ...[0, 1, 2].map((i): [string, (f: Loose) => void] => [`opening ${i}`, (f) => f.opened.splice(i, 1)]),
      ["the list of closings", (f) => (f.registers = [])],
      ["all entries", (f) => [(f.entries = []), (f.opened = []), (f.registers = [])]],
    ];
    it.each(cuts)("%s never raises a verdict", (name, cut) => {
      const report = verifyEvidence(edited(file, cut), under);
      expect(rank[report.verdict]).toBeLessThanOrEqual(rank[whole.verdict]);
      expect(report.exit).not.toBe(1);
      for (const [key, verdict] of byName(report)) {
        const before = names.get(key);
        if (before !== undefined) expect(rank[verdict], key).toBeLessThanOrEqual(rank[before]);
        else expect(verdict, key).toBe("not-checked");
      }
      for (const answer of report.answers) {
        const before = whole.answers.find((one) => one.ask === answer.ask);
        expect(states[answer.state], answer.ask).toBeLessThanOrEqual(states[before?.state ?? "refuted"]);
      }
      expect(report.findings.filter((one) => one.verdict === "pass").length).toBeLessThanOrEqual(
        whole.findings.filter((one) => one.verdict === "pass").length,
      );
      if (name.startsWith("entry")) expect(reach(report)).toBeLessThan(reach(whole));
    });
  });
});
