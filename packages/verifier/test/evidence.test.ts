import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromBase64, toBase64, utf8 } from "../src/bytes.ts";
import { formatEvidence, parseEvidence } from "../src/evidence/format.ts";
import type { CheckName, Finding, Report, Verdict } from "../src/evidence/report.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { useSha256 } from "../src/hash.ts";
import { formatNote, parseNote } from "../src/note/note.ts";
import type { Json } from "../src/statement/canonical.ts";
import { preAuthEncoding } from "../src/statement/dsse.ts";
import { NO_TRUST, parseTrust, trustFromVkeys } from "../src/trust/trust.ts";
import { createLog, digest, edited, makeSigner, makeStory, SEEN_AT, type Loose } from "./make-log.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const story = makeStory({ witnesses: 2 });
const { log, output, decision, policy, dataset } = story;
const closing = log.close();
const trust = parseTrust(utf8(log.trustText()));
const logOnly = trustFromVkeys([log.key.vkey]);
const all = log.entries.map(({ index }) => index);
const good = log.evidenceFile({
  ask: "Q5",
  entries: all,
  open: [
    [dataset.index, "row", 1],
    [output.index, 0],
    [output.index, 1],
    [output.index, 5],
  ],
  registers: [closing.index],
});

const verdicts = (report: Report, check: CheckName) => report.findings.filter((one) => one.check === check);
function only(report: Report, check: CheckName): Finding {
  const [one, ...more] = verdicts(report, check);
  expect(more, check).toEqual([]);
  return one as Finding;
}
/** The verdict of an edited copy, and what failed in it. */
function fails(file: Uint8Array, under = trust): string[] {
  const report = verifyEvidence(file, under);
  expect(report.exit).toBe(report.findings.some((one) => one.verdict === "fail") ? 1 : report.exit);
  return report.findings.flatMap((one) =>
    one.verdict === "fail" ? [`${one.check}: ${String(one.values["error"] ?? one.code)}`] : [],
  );
}

describe("a good file", () => {
  it("passes in every finding under the keys of its log and witnesses", () => {
    const report = verifyEvidence(good, trust);
    expect(report.findings.filter((one) => one.verdict !== "pass")).toEqual([]);
    expect(report).toMatchObject({
      verdict: "pass",
      exit: 0,
      signer: "trusted",
      origin: log.origin,
      size: log.entries.length,
    });
    expect(report.sentence).toMatch(
      /^Entry 11 of log\.example\/test is genuine: the answer was let through by a rule under policy version 1/,
    );
  });

  it("shows what was opened, and nothing that was not", () => {
    const shown = verifyEvidence(good, trust).entries.find(({ index }) => index === output.index);
    expect(shown?.opened.map(({ name, absent }) => [name, absent])).toEqual([
      ["request", undefined],
      ["response", undefined],
      ["label", true],
    ]);
    expect(shown?.opened[0]?.text).toContain("你好");
    expect(shown?.predicate["outcome"]).toBe("complete");
    const row = verifyEvidence(good, trust).entries.find(({ index }) => index === dataset.index)?.opened;
    expect(row).toEqual([{ name: "row 1", text: "the second row", bytes: 14 }]);
  });

  it("is never green without trust: consistent, signer unknown, exit 2", () => {
    const report = verifyEvidence(good, NO_TRUST);
    expect(report).toMatchObject({ verdict: "not-checked", exit: 2, signer: "unknown", code: "report/signer-unknown" });
    expect(new Set(report.findings.map(({ verdict }) => verdict))).toEqual(new Set<Verdict>(["not-checked"]));
    expect(report.answers.some(({ state }) => state === "proven" || state === "recorded")).toBe(false);
    expect(report.sentence).toContain("consistent with itself; its signer is unknown");
  });

  it("is not confirmed by a key that is trusted for another log", () => {
    const other = createLog({ origin: "log.example/other", seed: "other" });
    expect(verifyEvidence(good, trustFromVkeys([other.key.vkey]))).toMatchObject({ exit: 2, signer: "unknown" });
    // Nor by the very key under another name.
    const renamed = makeSigner("log.example/other", "seed log");
    expect(verifyEvidence(good, trustFromVkeys([renamed.vkey]))).toMatchObject({ exit: 2, signer: "unknown" });
  });

  it("reads back to the same bytes", () => {
    expect(formatEvidence(parseEvidence(good))).toEqual(good);
  });

  it("takes at most 5 ms of the processor when warm: 20 entries, 4 signatures", () => {
    const big = makeStory({ witnesses: 3 });
    for (let i = 0; i < 6; i++) big.log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 + i } });
    const file = big.log.evidenceFile({
      entries: big.log.entries.map(({ index }) => index),
      open: [[big.output.index, 0]],
    });
    const under = parseTrust(utf8(big.log.trustText()));
    let best = Infinity;
    for (let i = 0; i < 40; i++) {
      const start = process.cpuUsage();
      for (let j = 0; j < 3; j++) expect(verifyEvidence(file, under).exit).toBe(0);
      const { user, system } = process.cpuUsage(start);
      best = Math.min(best, (user + system) / 3000);
    }
    expect(parseEvidence(file).entries.length).toBe(20);
    expect(best).toBeLessThan(5);
  });
});

describe("form", () => {
  it.each<[string, (json: Loose) => void]>([
    ["an unknown member", (f) => (f.note = "hello")],
    ["a missing member", (f) => delete f.anchors],
    ["an unknown member of an entry", (f) => (f.entries[0].sure = true)],
    ["an unknown member of an opening", (f) => (f.opened[1].name = "request")],
    ["an unknown member of log", (f) => (f.log.trusted = true)],
    ["entries out of order", (f) => f.entries.reverse()],
    ["an entry twice", (f) => f.entries.splice(1, 0, f.entries[0])],
    ["openings out of order", (f) => f.opened.reverse()],
    ["two openings of one slot", (f) => f.opened.splice(1, 0, f.opened[1])],
    ["a second value for a slot", (f) => f.opened.splice(2, 0, { ...f.opened[1], value: toBase64(utf8("another")) })],
    ["registers out of order", (f) => (f.registers = [3, 2])],
    ["a register index twice", (f) => (f.registers = [14, 14])],
    ["a hash of 31 bytes", (f) => (f.entries[0].proof[0] = toBase64(new Uint8Array(31)))],
    ["an index below 0", (f) => (f.entries[0].index = -1)],
    ["an index as text", (f) => (f.entries[0].index = "0")],
    ["an unknown question", (f) => (f.ask = "Q10")],
    ["a row with a salt", (f) => (f.opened[0].salt = f.opened[1].salt)],
    ["a row without value", (f) => delete f.opened[0].value],
    ["a slot and a row", (f) => (f.opened[1].row = 1)],
    ["17 levels", (f) => (f.anchors = [JSON.parse("[".repeat(15) + "]".repeat(15))])],
  ])("fails with %s", (_, change) => {
    const report = verifyEvidence(edited(good, change), trust);
    expect(report).toMatchObject({ verdict: "fail", exit: 1, code: "report/refuted" });
    expect(only(report, "format").verdict).toBe("fail");
  });

  it.each<[string, (text: string) => string]>([
    ["white space", (text) => text.replace(":", ": ")],
    ["a final newline", (text) => `${text}\n`],
    ["a name twice", (text) => text.replace('"ask":', '"anchors":[],"ask":')],
    ["a float", (text) => text.replace('"index":5', '"index":5.0')],
    ["base64 without padding", (text) => text.replace("==", "")],
    ["base64 with unused bits", (text) => text.replace(/.==/, "B==")],
    ["a lone surrogate", (text) => text.replace('"ask":"Q5"', '"ask":"\\ud800"')],
    ["a cut in the middle", (text) => text.slice(0, text.length / 2)],
    ["nothing", () => ""],
    ["100,000 levels", () => "[".repeat(100_000)],
    ["a list", () => "[]"],
    ["no format", () => "{}"],
  ])("fails with %s", (_, change) => {
    const report = verifyEvidence(utf8(change(new TextDecoder().decode(good))), trust);
    expect(report).toMatchObject({ verdict: "fail", exit: 1 });
  });

  it("fails for bytes that are no text and for a file over 64 MiB", () => {
    expect(verifyEvidence(Uint8Array.of(0xff, 0xfe), trust).exit).toBe(1);
    expect(fails(new Uint8Array(67_108_865))).toEqual(["format: file/too-large"]);
  });

  it("of another version is not checked, never fail", () => {
    const report = verifyEvidence(
      edited(good, (f) => (f.format = "spur-evidence/v2")),
      trust,
    );
    expect(report).toMatchObject({ verdict: "not-checked", exit: 2, code: "format/unknown" });
    expect(only(report, "format")).toMatchObject({ verdict: "not-checked", required: true });
  });

  it("with anchors is not checked for them", () => {
    const report = verifyEvidence(
      edited(good, (f) => (f.anchors = [{ chain: 1 }])),
      trust,
    );
    expect(only(report, "anchor")).toMatchObject({ verdict: "not-checked", required: false });
    expect(report.exit).toBe(0);
  });
});

describe("log signature and witnesses", () => {
  const sign = (change: (text: string) => string, signers = [log.key, ...log.witnesses]) => {
    const text = change(parseNote(log.checkpoint()).text);
    return formatNote(
      text,
      signers.map((one) => one.sign(text)),
    );
  };
  const withCheckpoint = (checkpoint: string) => edited(good, (f) => (f.checkpoint = checkpoint));
  const flip = (line: number, at = 20) => {
    const lines = log.checkpoint().split("\n");
    const blob = fromBase64((lines[line] as string).split(" ")[2] as string);
    blob[at] = (blob[at] as number) ^ 1;
    lines[line] = `${(lines[line] as string).split(" ").slice(0, 2).join(" ")} ${toBase64(blob)}`;
    return withCheckpoint(lines.join("\n"));
  };

  it("fails where the trusted key's signature is wrong, and is refuted", () => {
    expect(fails(flip(4))).toEqual(["log signature: log/signature"]);
    expect(verifyEvidence(flip(4), trust).signer).toBe("refuted");
    expect(verifyEvidence(flip(4), NO_TRUST)).toMatchObject({ signer: "refuted", exit: 1 });
  });

  it("fails where a trusted witness's signature is wrong, and is not checked where nobody knows him", () => {
    expect(fails(flip(5))).toEqual(["witnesses: witnesses/refuted"]);
    const report = verifyEvidence(flip(5), logOnly);
    expect(report.exit).toBe(0);
    expect(verdicts(report, "signature line").map(({ verdict }) => verdict)).toEqual(["not-checked", "not-checked"]);
  });

  it("fails where log.vkey is another key than the one that verified", () => {
    const liar = makeSigner(log.origin, "another seed");
    expect(fails(edited(good, (f) => (f.log.vkey = liar.vkey)))).toEqual(["log signature: log/vkey"]);
    // Even if that key has signed too.
    const both = edited(withCheckpoint(sign((text) => text, [log.key, liar])), (f) => (f.log.vkey = liar.vkey));
    expect(fails(both, logOnly)).toEqual(["log signature: log/vkey"]);
    // A key of its own that has not signed is a false claim under any trust.
    expect(
      fails(
        edited(good, (f) => (f.log.vkey = liar.vkey)),
        NO_TRUST,
      ),
    ).toEqual(["log signature: log/unsigned"]);
  });

  it("does not take another key of the same name for the trusted one", () => {
    const liar = makeSigner(log.origin, "another seed");
    const file = edited(withCheckpoint(sign((text) => text, [liar])), (f) => (f.log.vkey = liar.vkey));
    expect(verifyEvidence(file, trust)).toMatchObject({ signer: "unknown", exit: 2 });
  });

  it.each<[string, Uint8Array, string]>([
    ["another origin in the file", edited(good, (f) => (f.log.origin = "log.example/tesu")), "log/origin"],
    ["a key of another origin", edited(good, (f) => (f.log.vkey = makeSigner("x", "x").vkey)), "log/vkey"],
    [
      "a witness's key as the log's",
      edited(good, (f) => (f.log.vkey = makeSigner(log.origin, "x", 0x04).vkey)),
      "log/vkey",
    ],
    ["no key", edited(good, (f) => (f.log.vkey = "")), "note/vkey"],
    ["a checkpoint that is none", edited(good, (f) => (f.checkpoint = "x\n\n")), "note/format"],
    ["a checkpoint without size", withCheckpoint(sign((text) => text.replace("15\n", "\n"))), "checkpoint/format"],
  ])("fails with %s", (_, file, code) => {
    expect(fails(file)).toEqual([`log signature: ${code}`]);
  });

  it("counts witnesses by the caller's quorum", () => {
    const under = (quorum: string) => {
      const [a, b] = log.witnesses.map(({ vkey }) => vkey);
      const text = `log ${log.key.vkey}\nwitness a ${a}\nwitness b ${b}\n${quorum}`;
      return parseTrust(utf8(JSON.stringify({ format: "spur-trust/v1", policy: text })));
    };
    const one = withCheckpoint(sign((text) => text, [log.key, log.witnesses[0] as (typeof log.witnesses)[0]]));
    expect(only(verifyEvidence(one, under("group g 1 a b\nquorum g")), "witnesses")).toMatchObject({ verdict: "pass" });
    const report = verifyEvidence(one, under("group g all a b\nquorum g"));
    expect(only(report, "witnesses")).toMatchObject({
      verdict: "not-checked",
      code: "witnesses/not-met",
      required: true,
    });
    expect(report.exit).toBe(2);
    expect(only(verifyEvidence(one, under("quorum none")), "witnesses")).toMatchObject({
      code: "witnesses/no-quorum",
      required: false,
    });
  });

  it("requires what the caller requires, also where the file has nothing for it", () => {
    const wants = (name: string) => parseTrust(utf8(log.trustText({ require: [name] })));
    expect(verifyEvidence(good, wants("time")).exit).toBe(0);
    const report = verifyEvidence(good, wants("dsse signer"));
    expect(only(report, "dsse signer")).toMatchObject({
      verdict: "not-checked",
      code: "require/absent",
      required: true,
    });
    expect(report).toMatchObject({ exit: 2, code: "report/incomplete" });
  });
});

describe("time", () => {
  const at = (seen: number) => edited(good, (f) => (f.checkpoint = log.checkpoint(undefined, undefined, seen)));
  const hour = Date.UTC(2026, 10, 22, 4) / 1000;

  it("may be five minutes ahead of the first witness, and no more", () => {
    expect(only(verifyEvidence(at(hour - 300), trust), "time").verdict).toBe("pass");
    expect(fails(at(hour - 301)).length).toBe(all.length);
    expect(only(verifyEvidence(at(hour - 301), logOnly), "time")).toMatchObject({
      verdict: "not-checked",
      code: "time/none",
    });
  });

  it("takes the first of several witnesses", () => {
    const text = parseNote(log.checkpoint()).text;
    const [a, b] = log.witnesses.map((one, i) => one.sign(text, i === 0 ? hour + 9999 : hour - 400));
    const note = formatNote(text, [log.key.sign(text), a as NonNullable<typeof a>, b as NonNullable<typeof b>]);
    expect(fails(edited(good, (f) => (f.checkpoint = note))).length).toBe(all.length);
  });

  it("judges age by a witness's clock and the caller's own", () => {
    const under = parseTrust(utf8(log.trustText({ maxAgeHours: 2 })));
    const now = (hours: number) => ({ nowMs: (SEEN_AT + hours * 3600) * 1000 });
    expect(verifyEvidence(good, under, now(2)).exit).toBe(0);
    expect(verifyEvidence(good, under, now(2.1))).toMatchObject({
      exit: 2,
      verdict: "not-checked",
      code: "report/incomplete",
    });
    // Without a clock of his own, or without a witness, the caller who demands an age gets no pass.
    expect(verifyEvidence(good, under)).toMatchObject({ exit: 2 });
    const alone = createLog({ witnesses: 0 });
    alone.addKeys();
    const file = alone.evidenceFile({ ask: "Q1", entries: [0] });
    const report = verifyEvidence(file, parseTrust(utf8(alone.trustText({ maxAgeHours: 2 }))), now(0));
    expect(verdicts(report, "time").map(({ code }) => code)).toEqual(["time/none", "time/no-age"]);
  });

  it("survives a witness whose clock has left the calendar", () => {
    expect(only(verifyEvidence(at(2 ** 53 - 1), trust), "time").verdict).toBe("pass");
  });
});

describe("entries, openings, references", () => {
  it("fails for an entry that is not in the tree", () => {
    const other = (f: Loose) => (f.entries[3].entry = f.entries[4].entry);
    expect(fails(edited(good, other))).toContain("inclusion: proof/wrong-root");
    expect(fails(edited(good, (f) => f.entries[3].proof.pop()))).toContain("inclusion: proof/length");
    expect(fails(edited(good, (f) => (f.entries[14].index = 15)))).toContain("inclusion: proof/index");
  });

  it("fails for content that was not committed, whatever the lie", () => {
    const lies: ((f: Loose) => void)[] = [
      (f) => (f.opened[1].value = toBase64(utf8("I said something else"))),
      (f) => delete f.opened[1].value,
      (f) => (f.opened[3].value = ""),
      (f) => (f.opened[2].slot = 2),
      (f) => (f.opened[3].slot = 9),
      (f) => (f.opened[1].salt = toBase64(new Uint8Array(31))),
      (f) => f.opened[1].path.pop(),
      (f) => f.opened[1].path.reverse(),
      (f) => (f.opened[0].row = 2),
      (f) => (f.opened[0].row = 3),
      (f) => (f.opened[0].value = toBase64(utf8("the second roW"))),
    ];
    for (const lie of lies) {
      const found = fails(edited(good, lie));
      expect(found.length, String(lie)).toBe(1);
      expect(found[0]).toMatch(/^(opening|row): (opening|proof)\//);
    }
  });

  it("does not check content whose entry is absent, and that is required", () => {
    const report = verifyEvidence(
      edited(good, (f) => f.entries.splice(11, 1)),
      trust,
    );
    expect(verdicts(report, "opening").every((one) => one.verdict === "not-checked" && one.required)).toBe(true);
    expect(report.exit).toBe(2);
  });

  it("says of an unknown kind of entry that it is there, and no more", () => {
    const { log, output } = makeStory();
    const unknown = log.add({
      type: "spur:policy/v1",
      predicate: { kind: "output", version: 2 },
      change: (entry) => (entry["statement"] = { ...(entry["statement"] as object), predicateType: "spur:rule/v9" }),
    });
    const newer = log.add({
      type: "spur:policy/v1",
      predicate: { kind: "output", version: 2 },
      change: (e) => (e["v"] = "spur-entry/v2"),
    });
    const file = log.evidenceFile({ entries: [unknown.index, newer.index, output.index], open: [[unknown.index, 0]] });
    const report = verifyEvidence(file, parseTrust(utf8(log.trustText())));
    expect(report.findings.some((one) => one.verdict === "fail")).toBe(false);
    expect(verdicts(report, "entry").map(({ code }) => code)).toEqual(["entry/ok", "entry/unknown", "entry/unknown"]);
    expect(verdicts(report, "inclusion").every((one) => one.verdict === "pass")).toBe(true);
    expect(only(report, "opening").verdict).toBe("not-checked");
    expect(report.exit).toBe(2);
  });

  it("fails for references that point elsewhere, and does not check those that leave the file", () => {
    const { log, deployment, policy } = makeStory();
    const liar = (output: Json, policyRef: Json) => {
      const predicate = { output, actor: "rule", verdict: "released", policy: policyRef, policyVersion: 1 };
      return log.add({ type: "spur:decision/v1", predicate });
    };
    const last = log.entries.length;
    const decisions = [
      liar({ rec: digest("x").slice(0, 32), index: 11 }, policy.ref),
      liar(deployment.ref, policy.ref),
      liar({ rec: digest("y").slice(0, 32), index: last + 9 }, policy.ref),
      liar({ rec: digest("z").slice(0, 32), index: last + 3 }, policy.ref),
    ];
    const file = log.evidenceFile({ entries: [...decisions.map(({ index }) => index), deployment.index, 11] });
    const report = verifyEvidence(file, parseTrust(utf8(log.trustText())));
    const wrong = verdicts(report, "reference").filter((one) => one.verdict === "fail");
    expect(wrong.map((one) => one.values["error"])).toEqual([
      "reference/rec",
      "reference/type",
      "reference/forward",
      "reference/forward",
    ]);
    const away = verdicts(report, "reference").filter((one) => one.verdict === "not-checked");
    expect(away.every((one) => one.how === "npx spur audit https://log.example/test")).toBe(true);
  });

  it("fails for two entries with one rec", () => {
    const { log } = makeStory();
    const one = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 } });
    const two = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 3 }, rec: one.rec });
    expect(fails(log.evidenceFile({ entries: [one.index, two.index] }), parseTrust(utf8(log.trustText())))).toEqual([
      "entry: entry/twice",
    ]);
  });

  it("never puts what a file says into a command for a shell", () => {
    const { log } = makeStory({ origin: "x.example/$(reboot)" });
    const report = verifyEvidence(log.evidenceFile({ entries: [11] }), NO_TRUST);
    expect(report.findings.flatMap(({ how }) => how ?? []).join()).not.toContain("reboot");
    expect(report.findings.map(({ how }) => how)).toContain("npx spur audit URL");
  });

  it("never passes what was only reported", () => {
    const { log } = makeStory({ training: "reported" });
    const report = verifyEvidence(
      log.evidenceFile({ ask: "lineage", entries: log.entries.map((one) => one.index) }),
      parseTrust(utf8(log.trustText())),
    );
    const claims = verdicts(report, "claim");
    expect(claims.length).toBe(7);
    expect(claims.every((one) => one.verdict === "not-checked" && !one.required && one.code === "claim/reported")).toBe(
      true,
    );
    expect(report.answers[0]?.state).toBe("recorded");
    expect(report.exit).toBe(0);
  });
});

describe("published envelopes", () => {
  const signer = makeSigner("people.example/engineer", "engineer");
  const make = (key: string, keyid: string) => {
    const log = createLog();
    log.addKeys();
    const payload = utf8('{"any":"thing"}');
    const message = preAuthEncoding({ payload, payloadType: "application/vnd.in-toto+json" });
    const sig = makeSigner("x", key).sign(new TextDecoder().decode(message)).signature;
    const dsse = {
      payload: toBase64(payload),
      payloadType: "application/vnd.in-toto+json",
      signatures: [{ keyid, sig: toBase64(sig) }],
    };
    const entry = log.add({
      type: "spur:key/v1",
      predicate: { purpose: "log", algorithm: "ed25519", state: "active" },
      change: (e) => {
        delete e["statement"];
        delete e["prev"];
        Object.assign(e, { reg: "foreign", seq: 1, dsse });
      },
    });
    const under = parseTrust(utf8(log.trustText({ statementKeys: [signer.vkey] })));
    return only(verifyEvidence(log.evidenceFile({ ask: "Q1", entries: [entry.index] }), under), "dsse signer");
  };
  it.each([
    ["engineer", "", "pass"],
    ["engineer", "whatever", "pass"],
    ["somebody", "", "not-checked"],
    ["somebody", signer.vkey, "fail"],
    ["somebody", signer.vkey.split("+")[1] as string, "fail"],
  ])("signed by the key of %s, named %j: %s", (key, keyid, verdict) => {
    expect(make(key, keyid).verdict).toBe(verdict);
  });
});

describe("registers and closings", () => {
  const under = trust;
  it("a complete register reaches as far as its closing says", () => {
    const complete = verifyEvidence(good, under).findings.filter(({ code }) => code === "register/complete");
    expect(complete.find((one) => one.values["register"] === "decisions")?.coverage).toEqual({
      kind: "register",
      name: "decisions",
      to: 1,
    });
    expect(complete.find((one) => one.values["register"] === "removals")?.coverage).toEqual({
      kind: "register",
      name: "removals",
      to: 0,
    });
  });

  it("a closing that the file names and does not show is not checked", () => {
    const file = log.evidenceFile({
      entries: [output.index, decision.index, policy.index],
      registers: [closing.index],
    });
    expect(only(verifyEvidence(file, under), "closing")).toMatchObject({
      verdict: "not-checked",
      code: "closing/absent",
    });
    const wrong = log.evidenceFile({
      entries: [output.index, decision.index, policy.index],
      registers: [output.index],
    });
    expect(only(verifyEvidence(wrong, under), "closing").verdict).toBe("fail");
  });

  const lying = (change: (log: ReturnType<typeof makeStory>["log"]) => void) => {
    const { log } = makeStory();
    change(log);
    const report = verifyEvidence(
      log.evidenceFile({ entries: log.entries.map((one) => one.index) }),
      parseTrust(utf8(log.trustText())),
    );
    return report.findings.flatMap((one) => (one.verdict === "fail" ? [one.check] : []));
  };
  const more = { type: "spur:policy/v1", predicate: { kind: "output", version: 2 } };
  it.each<[string, CheckName, (log: ReturnType<typeof makeStory>["log"]) => void]>([
    ["a number twice", "register", (log) => log.add({ ...more, change: (e) => [(e["seq"] = 1), delete e["prev"]] })],
    ["a number left out", "register", (log) => log.add({ ...more, change: (e) => (e["seq"] = 3) })],
    ["a predecessor of another register", "register", (log) => log.add({ ...more, change: (e) => (e["prev"] = 3) })],
    ["a predecessor to come", "register", (log) => log.add({ ...more, change: (e) => (e["prev"] = 99) })],
    [
      "a number that runs back",
      "register",
      (log) => [
        log.add({ ...more, change: (e) => (e["seq"] = 9) }),
        log.add({ ...more, change: (e) => (e["seq"] = 8) }),
      ],
    ],
  ])("%s fails", (_, check, change) => {
    expect(lying(change)).toEqual([check]);
  });

  const closingThat = (change: (predicate: Loose) => void) => (log: ReturnType<typeof makeStory>["log"]) => {
    const honest = JSON.parse(new TextDecoder().decode(log.close().bytes));
    const { predicate } = honest.statement;
    predicate.size = log.entries.length;
    change(predicate);
    log.add({ type: "spur:registers/v1", predicate });
  };
  it.each<[string, (predicate: Loose) => void]>([
    [
      "says fewer",
      (p) =>
        p.last.splice(
          p.last.findIndex((one: Loose) => one.name === "outputs"),
          1,
        ),
    ],
    ["says more", (p) => (p.last.find((one: Loose) => one.name === "outputs").seq = 2)],
    ["names another last index", (p) => (p.last.find((one: Loose) => one.name === "outputs").index = 12)],
    ["closes another size", (p) => (p.size = 3 + p.size)],
  ])("a closing that %s fails", (_, change) => {
    expect(lying(closingThat(change))).toContain("closing");
  });

  it("an entry of an unknown kind in a register keeps it from being complete", () => {
    const { log } = makeStory();
    log.add({
      type: "spur:removal/v1",
      predicate: { target: log.entries[11]?.ref ?? {}, kind: "content", basis: "other", state: "ordered" },
      change: (entry) => (entry["statement"] = { ...(entry["statement"] as object), predicateType: "spur:removal/v2" }),
    });
    log.close();
    const report = verifyEvidence(
      log.evidenceFile({ entries: log.entries.map((one) => one.index) }),
      parseTrust(utf8(log.trustText())),
    );
    expect(report.findings.filter(({ code }) => code === "q5/not-removed")).toEqual([]);
    expect(report.findings.filter(({ code }) => code === "q5/removals-open").length).toBe(1);
  });
});

it("hostile files of every length end in a report", () => {
  for (let length = 0; length < good.length; length += 97) {
    expect(verifyEvidence(good.subarray(0, length), trust).exit).toBe(1);
  }
});
