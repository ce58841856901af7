// What somebody tries who wants a better verdict than he deserves, or a verifier that never answers. Each was possible once.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createAudit } from "../src/audit/fold.ts";
import { checkRegisters } from "../src/evidence/checks/registers.ts";
import { createFindings } from "../src/evidence/findings.ts";
import { toBase64, utf8 } from "../src/bytes.ts";
import { formatReceiptFile, receiptText, verifyReceipt } from "../src/evidence/receipt.ts";
import type { Report } from "../src/evidence/report.ts";
import { sentence } from "../src/evidence/sentences.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { useSha256 } from "../src/hash.ts";
import { formatNote } from "../src/note/note.ts";
import { verifyRowOpening } from "../src/payload/rows.ts";
import { preAuthEncoding } from "../src/statement/dsse.ts";
import { leafHash, rootOf } from "../src/tlog/merkle.ts";
import { parsePolicy, quorumMet } from "../src/trust/policy.ts";
import { parseTrust, trustFromVkeys } from "../src/trust/trust.ts";
import { createLog, digest, edited, makeSigner, makeStory, SEEN_AT, type Loose, type MadeLog } from "./make-log.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const trusting = (log: MadeLog, more: Loose = {}) => parseTrust(utf8(log.trustText(more)));
const all = (log: MadeLog) => log.entries.map(({ index }) => index);
const codes = (report: Report) => report.findings.map((one) => `${one.code} ${one.verdict}`);
const removalOf = (target: object) => ({
  type: "spur:removal/v1",
  predicate: { target, kind: "content", basis: "other", state: "ordered" } as Loose,
});
const policyNumber = (version: number) => ({ type: "spur:policy/v1", predicate: { kind: "output", version } });
const decides = (output: object, policy: object, more: object = {}) => ({
  type: "spur:decision/v1",
  predicate: { output, actor: "person", verdict: "withheld", policy, policyVersion: 1, ...more } as Loose,
});

describe("work is bounded", () => {
  const seconds = (run: () => void) => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const enveloped = (log: MadeLog, signatures: (payload: Loose) => Loose[]) => {
    const before = log.entries.filter((one) => new TextDecoder().decode(one.bytes).includes('"dsse"')).at(-1);
    const place = log.entries.filter((one) => new TextDecoder().decode(one.bytes).includes('"dsse"')).length + 1;
    const body = { payload: utf8(`{"n":${log.entries.length}}`), payloadType: "x" };
    return log.add({
      ...policyNumber(1),
      change: (e) => {
        delete e["statement"];
        delete e["sealed"];
        delete e["prev"];
        if (before !== undefined) e["prev"] = before.index;
        Object.assign(e, { reg: "foreign", seq: place });
        e["dsse"] = { payloadType: "x", payload: toBase64(body.payload), signatures: signatures(body) };
      },
    });
  };

  it("many envelopes with many signatures under many keys", () => {
    const log = createLog();
    log.addKeys();
    const keys = Array.from({ length: 20 }, (_, i) => makeSigner(`people.example/${i}`, `person ${i}`));
    const wrong = toBase64(new Uint8Array(64).fill(1));
    for (let i = 0; i < 60; i++) enveloped(log, () => Array.from({ length: 16 }, () => ({ sig: wrong })));
    const under = trusting(log, { statementKeys: keys.map(({ vkey }) => vkey) });
    const file = log.evidenceFile({ ask: "Q1", entries: all(log) });
    let report: Report | undefined;
    // 19,200 checks of a signature would be 15 s; the cap is told by its code below, the time only bounds it on a busy machine.
    expect(seconds(() => (report = verifyEvidence(file, under)))).toBeLessThan(8);
    const told = report?.findings.filter(({ check }) => check === "dsse signer") ?? [];
    expect(told.length).toBe(60);
    expect(told.every(({ verdict }) => verdict === "not-checked")).toBe(true);
    expect(told.at(-1)?.code).toBe("dsse/too-many");
  });

  it("an envelope that also names a trusted key which did not sign it", () => {
    const log = createLog();
    log.addKeys();
    const [a, b] = ["a", "b"].map((name) => makeSigner(name, name)) as [Loose, Loose];
    enveloped(log, (body) => {
      const { signature } = a.sign(new TextDecoder().decode(preAuthEncoding(body)));
      return [
        { keyid: a.vkey, sig: toBase64(signature) },
        { keyid: b.vkey, sig: toBase64(new Uint8Array(64).fill(1)) },
      ];
    });
    const report = verifyEvidence(
      log.evidenceFile({ ask: "Q1", entries: all(log) }),
      trusting(log, { statementKeys: [a.vkey, b.vkey] }),
    );
    expect(codes(report)).toContain("dsse/refuted fail");
  });

  it.each(["entries", "opened", "registers"] as const)("a file with more %s than anybody needs", (name) => {
    const { log } = makeStory();
    const file = edited(log.evidenceFile({ entries: [11] }), (f) => {
      const items = {
        entries: (index: number) => ({ entry: "", index, proof: [] }),
        opened: (row: number) => ({ index: 11, path: [], row, value: "" }),
        registers: (index: number) => index,
      };
      f[name] = Array.from({ length: 65_537 }, (_, i) => items[name](i));
    });
    const report = verifyEvidence(file, trusting(log));
    expect(report.exit).toBe(1);
    expect(report.findings.length).toBe(1);
  });

  it("millions of values in what this version does not read", () => {
    const { log } = makeStory();
    const text = new TextDecoder().decode(log.evidenceFile({ entries: [11] }));
    const file = utf8(text.replace('"anchors":[]', `"anchors":[[${"[],".repeat(2_200_000)}[]]]`));
    const report = verifyEvidence(file, trusting(log));
    expect(report.findings.map(({ values }) => values["error"])).toEqual(["canonical/too-many"]);
  });

  it("closings without end", () => {
    const count = 20_000;
    const line = (index: number, reg: string, seq: number, predicate: object, prev: number): [number, Loose] => {
      const outer = { reg, seq, ...(seq === 1 ? {} : { prev }) };
      return [index, { index, outer, entry: { predicate, predicateType: `spur:${reg}/v1`, evidence: "observed" } }];
    };
    const key = [{ name: "keys", seq: 1, index: 0 }];
    const held = new Map([
      line(0, "keys", 1, {}, 0),
      ...Array.from({ length: count }, (_, i) => line(1 + i, "registers", 1 + i, { size: 1 + i, last: key }, i)),
      ...Array.from({ length: count }, (_, i) => line(1 + count + i, "policies", 1 + i, {}, count + i)),
    ]);
    const findings = createFindings([]);
    findings.signer = "trusted";
    const time = seconds(() =>
      checkRegisters(
        { registers: [...held.keys()].slice(1, count) } as Loose,
        held,
        { origin: "x", size: 40_001 },
        findings,
      ),
    );
    expect(findings.list.every(({ verdict }) => verdict === "pass")).toBe(true);
    expect(time).toBeLessThan(1);
  });

  it("groups of witnesses inside one another, 4,000 deep", () => {
    const witness = makeSigner("w", "w", 0x04);
    const lines = [`witness w ${witness.vkey}`, "group g0 1 w"];
    for (let i = 1; i < 4000; i++) lines.push(`group g${i} 1 g${i - 1}`);
    const policy = parsePolicy([...lines, "quorum g3999", ""].join("\n"));
    expect(quorumMet(policy, new Set(["w"]))).toBe(true);
    expect(quorumMet(policy, new Set())).toBe(false);
  });

  it("a log with a register for every entry, each closed again and again", () => {
    const { log } = makeStory();
    const unknown = (i: number) => (e: Loose) => {
      Object.assign(e, { reg: `r${i}`, seq: 1 });
      delete e.prev;
      e.statement.predicateType = "spur:later/v1";
    };
    const audit = createAudit(log.origin);
    for (let i = 0; i < 300; i++) log.add({ ...policyNumber(2), change: unknown(i) });
    log.entries.forEach(({ index, bytes }) => audit.add(index, bytes));
    const size = log.entries.length;
    const { findings } = audit.finish(size, { root: rootOf(log.entries.map(({ leaf }) => leaf)), signer: "trusted" });
    expect(findings.filter(({ verdict }) => verdict === "fail").map(({ code }) => code)).toContain("register/refuted");
  });
});

describe("a receipt borrows nothing", () => {
  const story = makeStory({ witnesses: 2 });
  const { log, output } = story;
  const receipt = log.receipt(output.index);
  const direct = trustFromVkeys([log.key.vkey, log.receipts.vkey]);

  it("from evidence that does not hold under the caller's own policy", () => {
    const evidence = log.evidenceFile({ entries: [1, output.index], checkpoint: log.checkpoint(undefined, [log.key]) });
    const under = trusting(log, { statementKeys: [log.receipts.vkey] });
    // The quorum is not met: the log may have shown others another tree.
    expect(verifyEvidence(evidence, under).findings.find(({ check }) => check === "witnesses")?.verdict).toBe(
      "not-checked",
    );
    const report = verifyReceipt(receipt, under, { evidence });
    expect(report.exit).toBe(2);
    expect(codes(report)).not.toContain("receipt/kept pass");
    // Nor is a key believed that is announced there alone.
    expect(verifyReceipt(receipt, trusting(log), { evidence })).toMatchObject({ exit: 2, signer: "unknown" });
  });

  it("from evidence that is refuted", () => {
    const lines = log.checkpoint().split("\n");
    lines[5] = `${(lines[5] as string).slice(0, -8)}AAAAAA==`;
    const evidence = log.evidenceFile({ entries: [1, output.index], checkpoint: lines.join("\n") });
    expect(verifyEvidence(evidence, trusting(log)).exit).toBe(1);
    expect(verifyReceipt(receipt, trusting(log), { evidence })).toMatchObject({ exit: 2, signer: "unknown" });
  });

  it("from an entry that this version cannot read", () => {
    const { log } = makeStory();
    const later = log.add({ ...policyNumber(2), change: (e) => (e["v"] = "spur-entry/v2") });
    const text = receiptText({
      origin: log.origin,
      rec: digest("any").slice(0, 32),
      index: later.index,
      leaf: later.leaf,
      commitment: new Uint8Array(32),
    });
    const file = formatReceiptFile({
      note: formatNote(text, [log.receipts.sign(text)]),
      vkey: log.receipts.vkey,
      opened: [],
    });
    const under = trustFromVkeys([log.key.vkey, log.receipts.vkey]);
    const report = verifyReceipt(file, under, { evidence: log.evidenceFile({ ask: "Q1", entries: [later.index] }) });
    expect(report.exit).toBe(2);
    expect(codes(report)).not.toContain("receipt/kept pass");
  });

  it("from a record that is no output", () => {
    const { log, policy } = makeStory();
    const { rec, index, leaf, commitment = new Uint8Array() } = policy;
    const text = receiptText({ origin: log.origin, rec, index, leaf, commitment });
    const file = formatReceiptFile({
      note: formatNote(text, [log.receipts.sign(text)]),
      vkey: log.receipts.vkey,
      opened: [],
    });
    const under = trustFromVkeys([log.key.vkey, log.receipts.vkey]);
    expect(verifyReceipt(file, under, { evidence: log.evidenceFile({ entries: [index] }) }).exit).toBe(1);
  });

  it("from a key that a client wrote into the log", () => {
    const { log, deployment } = makeStory();
    const thief = makeSigner(log.receipts.name, "thief");
    const predicate = { purpose: "receipts", algorithm: "ed25519", state: "active" };
    const key = log.add({ type: "spur:key/v1", predicate, payload: thief.publicKey, evidence: "reported" });
    const output = log.add({
      type: "spur:output/v1",
      predicate: { deployment: deployment.ref, outcome: "complete" },
    });
    const evidence = log.evidenceFile({ entries: [key.index, output.index] });
    expect(verifyReceipt(log.receipt(output.index, thief), trusting(log), { evidence })).toMatchObject({
      exit: 2,
      signer: "unknown",
    });
  });

  it("says what it cannot know of a key that was announced, until the file shows all keys", () => {
    const { log, output } = makeStory();
    const closing = log.close();
    const under = trusting(log);
    const shown = (entries: number[]) =>
      codes(verifyReceipt(log.receipt(11), under, { evidence: log.evidenceFile({ entries }) }));
    expect(shown([1, output.index])).toContain("receipt/key-open not-checked");
    expect(shown([0, 1, output.index, closing.index])).not.toContain("receipt/key-open not-checked");
  });

  it("from silence: what the caller requires is required of a receipt too", () => {
    const require = (name: string) => trusting(log, { statementKeys: [log.receipts.vkey], require: [name] });
    expect(verifyReceipt(receipt, require("time"))).toMatchObject({ exit: 2, code: "report/incomplete" });
    expect(verifyReceipt(receipt, require("opening")).exit).toBe(0);
    const evidence = log.evidenceFile({ entries: [1, output.index] });
    expect(verifyReceipt(receipt, require("time"), { evidence }).exit).toBe(0);
  });

  it("from a place before the first entry", () => {
    const { rec, leaf, commitment = new Uint8Array() } = output;
    const text = receiptText({ origin: log.origin, rec, index: -5, leaf, commitment });
    const file = formatReceiptFile({
      note: formatNote(text, [log.receipts.sign(text)]),
      vkey: log.receipts.vkey,
      opened: [],
    });
    expect(verifyReceipt(file, direct).exit).toBe(1);
  });

  it("does not speak of content that it does not show", () => {
    expect(verifyReceipt(receipt, direct).sentence).toContain("the content that is shown");
    const bare = verifyReceipt(
      edited(receipt, (f) => (f.opened = [])),
      direct,
    );
    expect(bare.sentence).toContain("not shown");
    expect(bare.sentence).not.toContain("is shown");
  });
});

describe("a later decision or a removal cannot be hidden", () => {
  it("behind a reference with the right rec and another index", () => {
    const { log, output, policy, decision } = makeStory();
    const hidden = log.add(decides({ ...output.ref, index: 5 }, policy.ref));
    const removal = log.add(removalOf({ ...output.ref, index: 6 }));
    const closing = log.close();
    const entries = [output, policy, decision, hidden, removal, closing].map(({ index }) => index);
    const report = verifyEvidence(log.evidenceFile({ entries }), trusting(log));
    expect(report.findings.filter((one) => one.values["error"] === "reference/rec").length).toBe(2);
    expect(report.exit).toBe(1);
  });

  it("behind a closing that a client wrote", () => {
    const { log, output, policy, decision } = makeStory();
    log.add(decides(output.ref, policy.ref));
    const last = log.entries.length;
    const predicate = { size: last, last: [{ index: decision.index, name: "decisions", seq: 1 }] } as Loose;
    const closing = log.add({ type: "spur:registers/v1", predicate, evidence: "reported" });
    const entries = [output, policy, decision, closing].map(({ index }) => index);
    const report = verifyEvidence(
      log.evidenceFile({
        entries: entries.filter((index) => index === decision.index || index === closing.index),
        ask: "Q1",
      }),
      trusting(log),
    );
    expect(codes(report).filter((one) => one.startsWith("register/complete"))).toEqual([]);
  });

  it("behind a closing whose subject is another predicate", () => {
    const { log } = makeStory();
    log.add({
      type: "spur:registers/v1",
      predicate: { size: 14, last: [] },
      change: (e: Loose) => (e.statement.subject[0].digest.sha256 = digest("another")),
    });
    const report = verifyEvidence(log.evidenceFile({ entries: [14] }), trusting(log));
    expect(report.findings.find(({ check, verdict }) => check === "entry" && verdict === "fail")?.values["error"]).toBe(
      "statement/subject",
    );
  });
});

describe("nothing is claimed beyond what was looked at", () => {
  it("two entries with one rec refute what rests on either", () => {
    const { log, output, decision, policy } = makeStory();
    const twin = log.add({ ...policyNumber(9), rec: output.rec });
    const entries = [output, decision, policy, twin].map(({ index }) => index);
    expect(verifyEvidence(log.evidenceFile({ entries }), trusting(log)).answers[0]?.state).toBe("refuted");
  });

  it("a closing speaks of the whole log; that it fits was seen of these entries", () => {
    const { log } = makeStory();
    const closing = log.close();
    const report = verifyEvidence(log.evidenceFile({ entries: [closing.index] }), trusting(log));
    expect(report.findings.find(({ code }) => code === "closing/ok")?.coverage).toEqual({ kind: "entries" });
  });

  it("a witness whose clock is ahead vouches for no age", () => {
    const { log, policy } = makeStory();
    const under = trusting(log, { maxAgeHours: 1 });
    const at = (seen: number) =>
      log.evidenceFile({ entries: [policy.index], checkpoint: log.checkpoint(undefined, undefined, seen) });
    const time = (seen: number, nowMs = SEEN_AT * 1000) =>
      codes(verifyEvidence(at(seen), under, { nowMs })).filter((one) => /^time\/(fresh|no-age|old)/.test(one));
    expect(time(SEEN_AT + 299)).toEqual(["time/fresh pass"]);
    expect(time(SEEN_AT + 301)).toEqual(["time/no-age not-checked"]);
    expect(time(2 ** 53 - 1)).toEqual(["time/no-age not-checked"]);
    expect(time(SEEN_AT, NaN)).toEqual(["time/no-age not-checked"]);
  });

  it("a row holds no line break", () => {
    const leaves = ["one", "two\nthree"].map((row) => leafHash(utf8(row)));
    const path = [leaves[0] as Uint8Array];
    expect(() => {
      verifyRowOpening({ row: 1, value: utf8("two\nthree"), path }, 2, rootOf(leaves));
    }).toThrow("opening/row");
  });

  it("names that look like others are shown as what they are", () => {
    const [bidi, filler, csi] = ["log.example/\u202ecod", "log.example/\u3164ok", "log.example/\u009b2J"];
    for (const name of [bidi, filler, csi] as string[]) {
      const report = verifyEvidence(
        createLog({ origin: name }).evidenceFile({ ask: "Q1", entries: [] }),
        trusting(createLog()),
      );
      for (const { sentence } of report.findings) expect(sentence).not.toMatch(/[\u202e\u3164\u009b]/);
    }
    expect(sentence("receipt/whole", { origin: "a\u202eb", rec: "", index: 0 })).toContain("a\\u{202e}b");
    expect(sentence("require/absent", { name: "痕é 😀" })).toContain("痕é 😀");
  });
});

describe("an audit says no more than it saw", () => {
  const run = (log: MadeLog, root = rootOf(log.entries.map(({ leaf }) => leaf)), size = log.entries.length) => {
    const audit = createAudit(log.origin);
    for (const { index, bytes } of log.entries) audit.add(index, bytes);
    return audit.finish(size, { root, signer: "trusted" });
  };
  const passes = (log: MadeLog, root?: Uint8Array & Loose, size?: number) =>
    run(log, root, size).findings.flatMap((one) => (one.verdict === "pass" ? [one.code] : []));

  it("of entries that are not the ones that were signed, or not all", () => {
    const { log } = makeStory();
    expect(passes(log).length).toBe(5);
    expect(passes(log, leafHash(new Uint8Array()))).toEqual([]);
    expect(passes(log, undefined, log.entries.length + 1)).toEqual([]);
  });

  it("of entries of a kind that it does not know", () => {
    const { log } = makeStory();
    const change = (e: Loose) => (e.statement.predicateType = "spur:later/v1");
    log.add({ ...policyNumber(2), change });
    expect(passes(log)).not.toContain("audit/references");
    expect(passes(log)).not.toContain("audit/registers");
  });

  it("of a reference to an envelope", () => {
    const { log, policy } = makeStory();
    const envelope = log.add({
      ...policyNumber(1),
      change: (e) => {
        delete e["statement"];
        delete e["sealed"];
        delete e["prev"];
        e["dsse"] = { payload: "", payloadType: "x", signatures: [{ sig: "" }] };
        Object.assign(e, { reg: "foreign", seq: 1 });
      },
    });
    log.add(decides(envelope.ref, policy.ref));
    expect(run(log).findings.map((one) => one.values["error"])).toContain("reference/type");
  });

  it("of numbers that are missing: one entry that cannot be read explains one of them, in all registers together", () => {
    const { log } = makeStory();
    const later = log.add({ ...policyNumber(2), change: (e) => (e["v"] = "spur-entry/v2") });
    const gap = (e: Loose) => Object.assign(e, { seq: 3, prev: later.index });
    log.add({ ...policyNumber(3), change: gap });
    expect(run(log).findings.filter(({ verdict }) => verdict === "fail")).toEqual([]);
    const { deployment } = makeStory();
    log.add({ type: "spur:output/v1", predicate: { deployment: deployment.ref, outcome: "complete" }, change: gap });
    expect(
      run(log)
        .findings.filter(({ verdict }) => verdict === "fail")
        .map(({ code }) => code),
    ).toEqual(["register/refuted"]);
  });
});
