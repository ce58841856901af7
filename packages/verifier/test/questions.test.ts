import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../src/bytes.ts";
import type { Ask, Report } from "../src/evidence/report.ts";
import { ENGLISH, sentence } from "../src/evidence/sentences.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { NO_TRUST, parseTrust } from "../src/trust/trust.ts";
import { digest, makeStory, sha256, type EvidenceWish, type Loose } from "./make-log.ts";

type Story = ReturnType<typeof makeStory>;
function ask(story: Story, question: Ask, entries?: readonly number[], more: Partial<EvidenceWish> = {}) {
  const file = story.log.evidenceFile({
    ask: question,
    entries: entries ?? story.log.entries.map(({ index }) => index),
    ...more,
  });
  const report = verifyEvidence(file, parseTrust(utf8(story.log.trustText())));
  const [answer] = report.answers;
  if (answer?.ask !== question) throw new Error("the asked question comes first");
  return { report, answer, ...answer };
}
const code = (report: Report, start: string) =>
  report.findings.map((one) => one.code).filter((one) => one.startsWith(start));

describe("Q5: who let it through", () => {
  it("is proven by output, decision and policy; what needs more is not checked", () => {
    const story = makeStory();
    const { report, answer } = ask(story, "Q5", [story.output.index, story.decision.index, story.policy.index]);
    expect(answer).toMatchObject({
      state: "proven",
      code: "q5/decided",
      coverage: { kind: "entries" },
      trace: [11, 12, 2],
    });
    expect(report.sentence).toBe(
      "Entry 11 of log.example/test is genuine: the answer was let through by a rule under policy version 1; nothing in this file contradicts it.",
    );
    const open = report.findings.filter((one) => one.check === "answer" && one.verdict === "not-checked");
    expect(open.map((one) => [one.code, one.how])).toEqual([
      ["q5/removals-open", "npx spur audit https://log.example/test"],
      ["q5/later-decisions", "npx spur audit https://log.example/test"],
    ]);
    expect(report.exit).toBe(0);
  });

  it("reaches further with the registers closed", () => {
    const story = makeStory();
    const closing = story.log.close();
    const entries = [story.output.index, story.decision.index, story.policy.index, closing.index];
    const { answer, report } = ask(story, "Q5", entries, { registers: [closing.index] });
    expect(answer).toMatchObject({
      state: "proven",
      code: "q5/decided-alone",
      coverage: { kind: "register", name: "decisions", to: 1 },
    });
    expect(report.sentence).toContain("up to entry 14 there is no later decision and no removal");
  });

  it("does not let a closing speak of what came after it", () => {
    const story = makeStory();
    const early = story.log.close();
    const output = story.log.add({
      type: "spur:output/v1",
      predicate: { deployment: story.deployment.ref, outcome: "complete" },
    });
    const predicate = {
      output: output.ref,
      actor: "person",
      verdict: "withheld",
      policy: story.policy.ref,
      policyVersion: 1,
    };
    const decision = story.log.add({ type: "spur:decision/v1", predicate });
    const entries = [
      output.index,
      decision.index,
      story.policy.index,
      story.decision.index,
      story.output.index,
      early.index,
    ];
    const { report } = ask(story, "Q5", entries, { registers: [early.index] });
    expect(code(report, "q5/later")).toEqual(["q5/later-decisions"]);
    expect(code(report, "q5/last")).toEqual(["q5/last-decision"]);
    expect(report.answers[0]?.code).toBe("q5/many");
  });

  it.each<[string, readonly ("output" | "decision" | "policy")[], string]>([
    ["the decision", ["output", "policy"], "q5/incomplete"],
    ["the policy", ["output", "decision"], "q5/incomplete"],
    ["the output", ["decision", "policy"], "answer/not-recorded"],
  ])("is not answered without %s", (_, names, wanted) => {
    const story = makeStory();
    const { report, answer } = ask(
      story,
      "Q5",
      names.map((name) => story[name].index),
    );
    expect(answer.code).toBe(wanted);
    expect(["not-checked", "not-recorded"]).toContain(answer.state);
    expect(report).toMatchObject({ exit: 2, verdict: "not-checked" });
  });

  it("is refuted where the policy is another than the decision says", () => {
    const story = makeStory();
    const predicate = {
      output: story.output.ref,
      actor: "rule",
      verdict: "released",
      policy: story.policy.ref,
      policyVersion: 2,
    };
    story.log.add({ type: "spur:decision/v1", predicate });
    expect(ask(story, "Q5")).toMatchObject({ state: "refuted", code: "answer/refuted", report: { exit: 1 } });
  });

  it("takes the latest of several decisions", () => {
    const story = makeStory();
    const predicate = {
      output: story.output.ref,
      actor: "person",
      verdict: "withheld",
      policy: story.policy.ref,
      policyVersion: 1,
    };
    story.log.add({ type: "spur:decision/v1", predicate });
    expect(ask(story, "Q5").report.sentence).toContain("the answer was held back by a person");
  });

  it("tells a removal by its state, and refutes one that ends another's order", () => {
    const story = makeStory();
    const removal = (state: string, more: object = {}, target = story.output.ref) =>
      story.log.add({
        type: "spur:removal/v1",
        predicate: { target, kind: "content", basis: "unlawful-content", state, ...more },
      });
    const order = removal("ordered");
    expect(code(ask(story, "Q5").report, "q5/removal")).toEqual(["q5/removal-open"]);
    removal("failed", { order: order.ref, custodians: { vault: "failed" } });
    expect(code(ask(story, "Q5").report, "q5/removal")).toEqual(["q5/removal-failed"]);
    const again = removal("ordered");
    const done = removal("completed", { order: again.ref, custodians: { vault: "destroyed" } });
    const { answer, report } = ask(story, "Q5");
    expect(answer).toMatchObject({ state: "proven", code: "q5/decided-removed", values: { removal: done.index } });
    expect(report.sentence).toContain("its content was removed since");
    expect(report.findings.find((one) => one.code === "q5/removed")?.sentence).toContain("can still be proven");
    // The order is left out of the file: the completion is known, and what it ended is not.
    const without = ask(story, "Q5", [story.output.index, story.decision.index, story.policy.index, done.index]);
    expect(without.state).toBe("proven");
    removal("completed", { order: again.ref, custodians: { vault: "destroyed" } }, story.decision.ref);
    removal("completed", { order: story.log.entries.at(-4)?.ref, custodians: { vault: "destroyed" } });
    const other = removal("ordered", {}, story.decision.ref);
    removal("completed", { order: other.ref, custodians: { vault: "destroyed" } });
    expect(ask(story, "Q5").state).toBe("refuted");
  });

  it("is not proven by what was only reported", () => {
    const story = makeStory();
    const output = story.log.add({
      type: "spur:output/v1",
      predicate: { deployment: story.deployment.ref, outcome: "complete" },
      evidence: "reported",
    });
    const predicate = {
      output: output.ref,
      actor: "rule",
      verdict: "released",
      policy: story.policy.ref,
      policyVersion: 1,
    };
    const decision = story.log.add({ type: "spur:decision/v1", predicate, evidence: "imported" });
    expect(ask(story, "Q5", [output.index, decision.index, story.policy.index]).state).toBe("recorded");
  });
});

describe("Q8: can it be repeated", () => {
  it("is proven by recipe, chain and replay, and recorded where a client reported them", () => {
    const { answer } = ask(makeStory(), "Q8");
    expect(answer).toMatchObject({ state: "proven", code: "q8/repeatable", trace: [6, 7, 8, 13] });
    expect(answer.sentence).toContain("steps 100 to 200 were computed again with the same weights");
    expect(ask(makeStory({ training: "reported" }), "Q8").state).toBe("recorded");
  });

  const replayOf = (story: Story, more: object) => {
    const { run, checkpoint1, checkpoint2 } = story;
    const predicate = {
      run: run.ref,
      from: checkpoint1.ref,
      to: checkpoint2.ref,
      recomputed: digest("other"),
      result: "different",
      ...more,
    };
    return story.log.add({ type: "spur:replay/v1", predicate });
  };
  const same = toHex(sha256(utf8("weights at 200")));

  it("is not checked without replay, or where other weights came out", () => {
    const story = makeStory();
    const upTo = [6, 7, 8];
    expect(ask(story, "Q8", [...upTo, 5])).toMatchObject({
      state: "not-checked",
      code: "q8/incomplete",
      report: { exit: 2 },
    });
    const different = replayOf(story, {});
    const { state, report } = ask(story, "Q8", [...upTo, 5, different.index]);
    expect(state).toBe("not-checked");
    expect(code(report, "q8/")).toEqual(["q8/recipe", "q8/chain", "q8/differs", "q8/no-replay"]);
  });

  it.each<[string, (story: Story) => object]>([
    ["says same and its digest says other", () => ({ result: "same" })],
    ["says different and its digest says same", () => ({ recomputed: same })],
    ["runs backwards", (story) => ({ from: story.checkpoint2.ref, to: story.checkpoint1.ref })],
    [
      "goes from a checkpoint to itself",
      (story) => ({ from: story.checkpoint2.ref, recomputed: same, result: "same" }),
    ],
  ])("is refuted by a replay that %s", (_, change) => {
    const story = makeStory();
    replayOf(story, change(story));
    expect(ask(story, "Q8")).toMatchObject({ state: "refuted", report: { exit: 1 } });
  });

  const checkpoint = (story: Story, more: Loose) =>
    story.log.add({
      type: "spur:checkpoint/v1",
      predicate: { run: story.run.ref, step: 150, state: digest("s"), bytes: 1, ...more },
      payload: utf8("w"),
    });

  it("is refuted by checkpoints that contradict one another", () => {
    for (const more of [
      (story: Story) => ({ parent: story.checkpoint2.ref, step: 150 }),
      (story: Story) => ({ parent: story.checkpoint2.ref, step: 201 }),
    ]) {
      const story = makeStory();
      checkpoint(story, more(story));
      expect(ask(story, "Q8").state).toBe("refuted");
    }
    const story = makeStory();
    const predicate = { datasets: [story.dataset.ref], code: digest("code"), config: digest("c"), steps: 200, seed: 1 };
    const other = story.log.add({ type: "spur:training-run/v1", predicate });
    checkpoint(story, { run: other.ref, parent: story.checkpoint1.ref, step: 150 });
    expect(code(ask(story, "Q8").report, "q8/chain-refuted").length).toBe(1);
  });

  it("is not checked where the chain has a hole or a branch", () => {
    const story = makeStory();
    checkpoint(story, {});
    expect(ask(story, "Q8").state).toBe("not-checked");
    const whole = makeStory();
    expect(ask(whole, "Q8", [5, 6, 8, 13]).state).toBe("not-checked");
  });
});

describe("lineage", () => {
  it("goes back from the answer to the source", () => {
    const story = makeStory();
    const { answer } = ask(story, "lineage");
    expect(answer).toMatchObject({
      state: "proven",
      code: "lineage/whole",
      values: { index: 11, sources: 1, missing: 0 },
    });
    expect(answer.trace[0]).toBe(story.output.index);
    expect(answer.trace[1]).toBe(story.decision.index);
    expect(answer.trace.at(-1)).toBe(story.source.index);
    expect(ask(makeStory({ training: "imported" }), "lineage").state).toBe("recorded");
  });

  it("names each step that is missing", () => {
    const story = makeStory();
    for (const name of [
      "source",
      "dataRun",
      "dataset",
      "run",
      "checkpoint1",
      "model",
      "deployment",
      "policy",
    ] as const) {
      const entries = story.log.entries.map(({ index }) => index).filter((index) => index !== story[name].index);
      const { answer, report } = ask(story, "lineage", entries);
      expect(answer, name).toMatchObject({ state: "not-checked", code: "lineage/broken" });
      expect(report.exit, name).toBe(2);
      const missing = report.findings.filter(
        (one) => one.code === "reference/absent" && one.values["target"] === story[name].index,
      );
      expect(missing.length, name).toBeGreaterThan(0);
    }
  });

  it("says where it ends when nothing earlier is on record", () => {
    const story = makeStory();
    const predicate = { operator: "third-party", check: "not-checked", contentDays: 30 };
    const foreign = story.log.add({ type: "spur:deployment/v1", predicate });
    const output = story.log.add({
      type: "spur:output/v1",
      predicate: { deployment: foreign.ref, outcome: "complete" },
    });
    const { answer, report } = ask(story, "lineage", [foreign.index, output.index]);
    expect(answer).toMatchObject({ state: "not-checked", code: "lineage/ends" });
    expect(report.sentence).toContain(
      `ends at entry ${foreign.index}, a deployment on which nothing earlier is on record`,
    );
  });

  it("begins at a model where there is no answer", () => {
    const story = makeStory();
    const entries = story.log.entries.map(({ index }) => index).filter((index) => index <= story.model.index);
    expect(ask(story, "lineage", entries)).toMatchObject({ state: "proven", values: { index: story.model.index } });
  });
});

it("questions without records say so, and the file cannot answer for them", () => {
  const story = makeStory();
  const { report } = ask(story, "Q2");
  expect(report.answers.map((one) => one.ask)).toEqual([
    "Q2",
    "Q1",
    "Q3",
    "Q4",
    "Q5",
    "Q6",
    "Q7",
    "Q8",
    "Q9",
    "lineage",
  ]);
  expect(report.answers[0]).toMatchObject({ state: "not-recorded", code: "answer/not-recorded" });
  expect(report).toMatchObject({ exit: 2, code: "report/no-answer" });
});

it("calls nothing genuine whose signer is unknown, without saying so", () => {
  const story = makeStory();
  for (const entries of [[11], [11, 12, 2], [6], [11, 10, 9]]) {
    for (const question of ["Q5", "Q8", "lineage"] as const) {
      const report = verifyEvidence(story.log.evidenceFile({ ask: question, entries }), NO_TRUST);
      for (const { state, sentence: text } of report.answers) {
        if (state !== "not-recorded") expect(text).toContain("Signer unknown");
        expect(["not-checked", "not-recorded"]).toContain(state);
      }
    }
  }
});

describe("sentences", () => {
  it("fill every value, in every report that the stories give", () => {
    const story = makeStory();
    const closing = story.log.close();
    for (const under of [NO_TRUST, parseTrust(utf8(story.log.trustText({ maxAgeHours: 1 })))]) {
      for (const question of ["Q5", "Q8", "lineage", "Q1"] as const) {
        for (let from = 0; from < story.log.entries.length; from++) {
          const entries = story.log.entries.map(({ index }) => index).slice(from);
          const file = story.log.evidenceFile({ ask: question, entries, open: [[11, 0]], registers: [closing.index] });
          const report = verifyEvidence(file, under);
          for (const one of [...report.findings, ...report.answers, report]) {
            expect(one.sentence).not.toMatch(/[{}?]|undefined|NaN/);
            expect(one.sentence).toBe(sentence(one.code, one.values));
          }
        }
      }
    }
  });

  it("have a word for every word of the schemas that they show", () => {
    for (const word of [
      "released",
      "withheld",
      "altered",
      "not-delivered",
      "rule",
      "model",
      "person",
      "unlawful-content",
      "other",
    ]) {
      expect(Object.keys(ENGLISH)).toContain(`word/${word}`);
    }
  });

  it("can be told in another language", () => {
    const german = { ...ENGLISH, "inclusion/ok": "Eintrag {index} steht im Log.", "note/untrusted": "(Unbekannt.)" };
    expect(sentence("inclusion/ok", { index: 7, signer: "unknown" }, german)).toBe(
      "Eintrag 7 steht im Log. (Unbekannt.)",
    );
  });
});
