// What a log says of its own keys, and of the log that goes before or after it.
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../src/bytes.ts";
import type { Report } from "../src/evidence/report.ts";
import { verifyReceipt } from "../src/evidence/receipt.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import type { EvidenceLevel } from "../src/statement/entry.ts";
import { trustFromVkeys } from "../src/trust/trust.ts";
import { digest, makeSigner, makeStory, sha256, type MadeLog, type Signer } from "./make-log.ts";

type State = "active" | "retired" | "compromised";
const say = (log: MadeLog, key: Signer, purpose: string, state: State, evidence: EvidenceLevel = "observed") =>
  log.add({ type: "spur:key/v1", predicate: { purpose, algorithm: "ed25519", state }, payload: key.publicKey, evidence })
    .index; // prettier-ignore
const codes = (report: Report, ...checks: string[]) =>
  report.findings.flatMap((one) => (checks.includes(one.check) ? [`${one.verdict} ${one.code}`] : []));

describe("the log's own key", () => {
  /** A story whose last answer stands before or after what the log says of its key. */
  function story(state: State, options: { key?: Signer; purpose?: string; evidence?: EvidenceLevel } = {}) {
    const made = makeStory();
    const { log, output, decision, policy } = made;
    const said = say(log, options.key ?? log.key, options.purpose ?? "log", state, options.evidence);
    const later = log.add({
      type: "spur:output/v1",
      predicate: { deployment: made.deployment.ref, outcome: "complete" },
    });
    const before = log.evidenceFile({ entries: [policy.index, output.index, decision.index, said] });
    const after = log.evidenceFile({ entries: [policy.index, output.index, decision.index, said, later.index] });
    const silent = log.evidenceFile({ entries: [policy.index, output.index, decision.index] });
    const trust = trustFromVkeys([log.key.vkey]);
    return { log, said, later, trust, verify: { before, after, silent } };
  }

  it("retired: what stood before stays as it is, what came after is under no key", () => {
    const { said, later, trust, verify } = story("retired");
    expect(verifyEvidence(verify.before, trust).exit).toBe(0);
    const report = verifyEvidence(verify.after, trust);
    expect(report).toMatchObject({ exit: 2, verdict: "not-checked", code: "report/incomplete" });
    expect(codes(report, "log signature")).toEqual(["pass log-signature/ok", "not-checked key/taken-back"]);
    const told = report.findings.find(({ code }) => code === "key/taken-back");
    expect(told?.values).toMatchObject({ index: later.index, at: said });
    // No question is answered by an entry under it.
    expect(report.answers.find(({ ask }) => ask === "Q5")?.state).toBe("not-checked");
  });

  it("compromised: nothing is under it, whenever that became known", () => {
    const { trust, verify } = story("compromised");
    for (const file of [verify.before, verify.after]) {
      const report = verifyEvidence(file, trust);
      expect(report.exit).toBe(2);
      expect(codes(report, "log signature")).toEqual(["pass log-signature/ok", "not-checked key/taken-back"]);
      expect(report.answers.filter(({ state }) => state === "proven" || state === "recorded")).toEqual([]);
    }
    // Who is shown nothing of it, is told nothing: trust is the caller's, and his to take back.
    expect(verifyEvidence(verify.silent, trust).exit).toBe(0);
  });

  it.each<[string, Parameters<typeof story>]>([
    ["it is active", ["active"]],
    ["a client says so", ["compromised", { evidence: "reported" }]],
    ["it is another key", ["compromised", { key: makeSigner("else", "else") }]],
    ["it is of another purpose", ["compromised", { purpose: "receipts" }]],
  ])("stands where %s", (_, args) => {
    const { trust, verify } = story(...args);
    expect(codes(verifyEvidence(verify.after, trust), "log signature")).toEqual(["pass log-signature/ok"]);
  });
});

describe("a receipts key", () => {
  it.each<[State, "before" | "after", string, number]>([
    ["retired", "before", "not-checked key/taken-back", 2],
    ["retired", "after", "pass receipt/ok", 0],
    ["compromised", "after", "not-checked key/taken-back", 2],
    ["compromised", "before", "not-checked key/taken-back", 2],
  ])("that was %s %s the receipt, though the caller trusts it by name", (state, where, finding, exit) => {
    const { log, deployment } = makeStory();
    const early = where === "before" ? [say(log, log.receipts, "receipts", state)] : [];
    const output = log.add({ type: "spur:output/v1", predicate: { deployment: deployment.ref, outcome: "complete" } });
    const late = where === "after" ? [say(log, log.receipts, "receipts", state)] : [];
    const evidence = log.evidenceFile({ entries: [1, ...early, output.index, ...late] });
    const trust = trustFromVkeys([log.key.vkey, log.receipts.vkey]);
    const report = verifyReceipt(log.receipt(output.index), trust, { evidence });
    expect(codes(report, "receipt")).toEqual([finding]);
    expect(report.exit).toBe(exit);
  });

  it("taken back convicts nobody: who signed a receipt under it is not known", () => {
    const [kept, shown] = [makeStory(), makeStory()];
    for (const { log } of [kept, shown]) say(log, log.receipts, "receipts", "compromised");
    const answer = (of: typeof kept, outcome: string) =>
      of.log.add({ type: "spur:output/v1", predicate: { deployment: of.deployment.ref, outcome } });
    const promised = answer(kept, "complete");
    answer(shown, "partial");
    const evidence = shown.log.evidenceFile({ entries: [1, promised.index - 1, promised.index] });
    const trust = trustFromVkeys([shown.log.key.vkey, shown.log.receipts.vkey]);
    const report = verifyReceipt(kept.log.receipt(promised.index), trust, { evidence });
    expect(report.exit).toBe(2);
    expect(report.findings.filter(({ verdict }) => verdict === "fail")).toEqual([]);
  });
});

describe("a key of statements", () => {
  it("taken back by the log signs nothing that came after", async () => {
    const { preAuthEncoding } = await import("../src/statement/dsse.ts");
    const { createPrivateKey, sign } = await import("node:crypto");
    const seed = sha256(utf8("author"));
    const key = createPrivateKey({
      key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
      format: "der",
      type: "pkcs8",
    });
    const author = makeSigner("author.example", "author");
    const { log } = makeStory();
    const publish = () =>
      log.add({
        type: "spur:foreign/v1",
        predicate: { form: "statement", predicateType: "other", bytes: 2 },
        change(entry) {
          const payload = utf8("{}");
          const payloadType = "application/vnd.in-toto+json";
          const sig = sign(null, preAuthEncoding({ payload, payloadType }), key).toString("base64");
          delete entry["statement"];
          delete entry["sealed"];
          entry["dsse"] = { payload: Buffer.from(payload).toString("base64"), payloadType, signatures: [{ sig }] };
        },
      }).index;
    const early = publish();
    const retired = say(log, author, "statements", "retired");
    const late = publish();
    const trust = { ...trustFromVkeys([log.key.vkey]), statementKeys: trustFromVkeys([author.vkey]).policy.logs.map((one) => one.key) };
    const report = verifyEvidence(log.evidenceFile({ ask: "lineage", entries: [early, retired, late] }), trust);
    expect(codes(report, "dsse signer")).toEqual(["pass dsse/ok", "not-checked key/taken-back"]);
    const silent = verifyEvidence(log.evidenceFile({ ask: "lineage", entries: [early, late] }), trust);
    expect(codes(silent, "dsse signer")).toEqual(["pass dsse/ok", "pass dsse/ok"]);
  }); // prettier-ignore
});

describe("a successor", () => {
  const other = makeSigner("log.example/before", "before");
  const { log } = makeStory();
  const entry = log.add({
    type: "spur:successor/v1",
    predicate: { direction: "from", keyId: "00000000", size: 400, root: digest("root") },
    payload: utf8(other.vkey),
  });
  const file = log.evidenceFile({ ask: "lineage", entries: [entry.index] });

  it("is named where the caller trusts the other log, and by its key id alone where he does not", () => {
    expect(toHex(sha256(utf8(other.vkey)))).toHaveLength(64);
    const known = verifyEvidence(file, trustFromVkeys([log.key.vkey, other.vkey]));
    expect(codes(known, "successor")).toEqual(["pass successor/ok"]);
    expect(known.findings.find(({ check }) => check === "successor")?.values).toMatchObject({
      index: entry.index,
      origin: other.name,
      size: 400,
    });
    const unknown = verifyEvidence(file, trustFromVkeys([log.key.vkey]));
    expect(codes(unknown, "successor")).toEqual(["not-checked successor/unknown"]);
    // It makes nobody trusted: a log that calls itself the successor of one is signed by whom it is signed.
    expect(verifyEvidence(file, trustFromVkeys([other.vkey]))).toMatchObject({ signer: "unknown", exit: 2 });
  });
});
