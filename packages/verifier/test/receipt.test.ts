import { describe, expect, it } from "vitest";
import { toBase64, utf8 } from "../src/bytes.ts";
import {
  formatReceiptFile,
  parseReceipt,
  parseReceiptFile,
  receiptText,
  verifyReceipt,
} from "../src/evidence/receipt.ts";
import { formatNote, parseNote } from "../src/note/note.ts";
import { NO_TRUST, parseTrust, trustFromVkeys } from "../src/trust/trust.ts";
import { edited, makeSigner, makeStory } from "./make-log.ts";

const story = makeStory();
const { log, output } = story;
const good = log.receipt(output.index);
const direct = trustFromVkeys([log.receipts.vkey]);
const byLog = parseTrust(utf8(log.trustText()));
const evidence = log.evidenceFile({ entries: [1, output.index] });
const codes = (file: Uint8Array, trust = direct, more: Uint8Array | undefined = undefined) =>
  verifyReceipt(file, trust, more === undefined ? {} : { evidence: more }).findings.map(
    (one) => `${one.code} ${one.verdict}`,
  );

describe("a receipt", () => {
  it("reads back to the same bytes", () => {
    const file = parseReceiptFile(good);
    expect(formatReceiptFile(file)).toEqual(good);
    const receipt = parseReceipt(parseNote(file.note).text);
    expect(receipt).toMatchObject({ origin: log.origin, rec: output.rec, index: output.index });
    expect(receiptText(receipt)).toBe(parseNote(file.note).text);
  });

  it("passes under its key", () => {
    const report = verifyReceipt(good, direct);
    expect(report).toMatchObject({ exit: 0, signer: "trusted", code: "receipt/whole", origin: log.origin });
    expect(codes(good)).toEqual([
      "receipt/ok pass",
      "format/ok pass",
      "opening/ok pass",
      "opening/ok pass",
      "receipt/not-shown not-checked",
    ]);
  });

  it("passes under the log's key with the log's own word for the receipts key, and the log keeps it", () => {
    expect(verifyReceipt(good, byLog, { evidence })).toMatchObject({
      exit: 0,
      signer: "trusted",
      code: "receipt/whole-kept",
    });
    expect(codes(good, byLog, evidence)[0]).toBe("receipt/announced pass");
  });

  it.each<[string, Parameters<typeof verifyReceipt>]>([
    ["nothing is trusted", [good, NO_TRUST]],
    ["nothing is trusted, with evidence", [good, NO_TRUST, { evidence }]],
    ["the log is trusted, and no evidence names the key", [good, byLog]],
    [
      "the evidence has no entry for the key",
      [good, byLog, { evidence: log.evidenceFile({ entries: [output.index] }) }],
    ],
    [
      "the evidence is not signed by a trusted key",
      [good, trustFromVkeys([makeSigner(log.origin, "x").vkey]), { evidence }],
    ],
    ["the evidence is broken", [good, byLog, { evidence: evidence.subarray(1) }]],
    [
      "the evidence is of another log",
      [good, byLog, { evidence: makeStory({ origin: "other" }).log.evidenceFile({ entries: [1, 11] }) }],
    ],
  ])("has an unknown signer where %s", (_, args) => {
    const report = verifyReceipt(...args);
    expect(report).toMatchObject({ exit: 2, signer: "unknown" });
    expect(report.findings.some((one) => one.verdict === "pass")).toBe(false);
  });

  it("is not trusted for a key that the log took back", () => {
    for (const [state, where, exit] of [
      ["retired", "before", 2],
      ["retired", "after", 0],
      ["compromised", "after", 2],
    ] as const) {
      const { log, deployment } = makeStory();
      const predicate = { purpose: "receipts", algorithm: "ed25519", state };
      const take = () => log.add({ type: "spur:key/v1", predicate, payload: log.receipts.publicKey });
      const before = where === "before" ? [take().index] : [];
      const output = log.add({
        type: "spur:output/v1",
        predicate: { deployment: deployment.ref, outcome: "complete" },
      });
      const after = where === "after" ? [take().index] : [];
      const shown = log.evidenceFile({ entries: [1, ...before, output.index, ...after] });
      const trust = parseTrust(utf8(log.trustText()));
      expect(verifyReceipt(log.receipt(output.index), trust, { evidence: shown }).exit, `${state} ${where}`).toBe(exit);
    }
  });

  it("contradicting the log is a failure, and a proof", () => {
    const other = makeStory({ seed: "seed" });
    const fork = makeStory();
    // The same keys, another history: the operator rewrote what he had given a receipt for.
    const changed = fork.log.add({
      type: "spur:output/v1",
      predicate: { deployment: fork.deployment.ref, outcome: "complete" },
    });
    const promised = other.log.add({
      type: "spur:output/v1",
      predicate: { deployment: other.deployment.ref, outcome: "partial" },
    });
    const shown = fork.log.evidenceFile({ entries: [1, changed.index] });
    const report = verifyReceipt(other.log.receipt(promised.index), byLog, { evidence: shown });
    expect(report).toMatchObject({ exit: 1, signer: "trusted" });
    expect(report.findings.filter((one) => one.verdict === "fail").map((one) => one.code)).toEqual([
      "receipt/contradicts",
    ]);
    // And one that lies about what the true leaf holds.
    const { leaf, commitment = new Uint8Array() } = output;
    const text = receiptText({ origin: log.origin, rec: story.decision.rec, index: output.index, leaf, commitment });
    const lie = formatReceiptFile({
      note: formatNote(text, [log.receipts.sign(text)]),
      vkey: log.receipts.vkey,
      opened: [],
    });
    expect(codes(lie, byLog, evidence)).toContain("receipt/contradicts fail");
  });

  it("signed by a stranger convicts nobody, and is never kept: neither another record nor another leaf", () => {
    const stranger = makeSigner(`${log.origin}/receipts`, "a stranger");
    const { leaf, commitment = new Uint8Array() } = output;
    const otherLeaf = new Uint8Array(leaf).fill(7) as typeof leaf;
    for (const promise of [
      { rec: story.decision.rec, leaf, commitment },
      { rec: output.rec, leaf: otherLeaf, commitment },
    ]) {
      const text = receiptText({ origin: log.origin, index: output.index, ...promise });
      const file = formatReceiptFile({
        note: formatNote(text, [stranger.sign(text)]),
        vkey: stranger.vkey,
        opened: [],
      });
      const report = verifyReceipt(file, byLog, { evidence });
      expect(report.exit).toBe(2);
      expect(report.findings.some(({ code, verdict }) => code === "receipt/contradicts" || verdict === "fail")).toBe(
        false,
      );
      expect(report.findings.some(({ code }) => code === "receipt/kept")).toBe(false);
      expect(report.code).not.toBe("receipt/whole-kept");
    }
  });

  it("asks for what the log holds only with evidence, and then requires it", () => {
    expect(verifyReceipt(good, direct, { evidence: log.evidenceFile({ entries: [1] }) }).exit).toBe(2);
    expect(verifyReceipt(good, byLog, { evidence: log.evidenceFile({ entries: [1] }) }).exit).toBe(2);
  });

  it.each<[string, Uint8Array]>([
    ["another content", edited(good, (f) => (f.opened[0].value = toBase64(utf8("other"))))],
    ["content of another entry", edited(good, (f) => (f.opened[0].index = 10))],
    ["a row", edited(good, (f) => (f.opened = [{ index: 11, row: 0, value: "", path: [] }]))],
    ["another key than signed", edited(good, (f) => (f.vkey = makeSigner(log.receipts.name, "x").vkey))],
    ["the log's key", edited(good, (f) => (f.vkey = log.key.vkey))],
    ["an unknown member", edited(good, (f) => (f.note2 = ""))],
    ["another index", edited(good, (f) => (f.note = f.note.replace("\n11\n", "\n12\n")))],
    ["an index with a leading zero", edited(good, (f) => (f.note = f.note.replace("\n11\n", "\n011\n")))],
    ["a second signature line", edited(good, (f) => (f.note += f.note.split("\n\n")[1]))],
    ["white space", utf8(` ${new TextDecoder().decode(good)}`)],
    ["nothing", new Uint8Array()],
  ])("fails with %s", (_, file) => {
    expect(verifyReceipt(file, direct)).toMatchObject({ exit: 1, verdict: "fail" });
  });

  it("of another version is not checked", () => {
    expect(
      verifyReceipt(
        edited(good, (f) => (f.format = "spur-receipt-file/v2")),
        direct,
      ).exit,
    ).toBe(2);
    const text = receiptText({ ...parseReceipt(parseNote(parseReceiptFile(good).note).text) }).replace("/v1", "/v2");
    const note = formatNote(text, [log.receipts.sign(text)]);
    expect(
      verifyReceipt(
        edited(good, (f) => (f.note = note)),
        direct,
      ),
    ).toMatchObject({ exit: 2, code: "format/unknown" });
  });

  it("changed in one byte never passes", () => {
    const copy = Uint8Array.from(good);
    for (let i = 0; i < good.length; i++) {
      copy[i] = (good[i] as number) ^ 1;
      expect(verifyReceipt(copy, direct).exit, `byte ${i}`).not.toBe(0);
      copy[i] = good[i] as number;
    }
  });
});
