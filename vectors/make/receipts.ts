import { set } from "./entries.ts";
import { bases, trust } from "./evidence.ts";
import { b64, canonical, fake, fakeRec, flip, logKey, otherKey, receiptsKey, signatureLine, signer, utf8, witness2Key, type Json, type Signer } from "./lib.ts";
import { receiptText } from "./log.ts";
import { dishonest, drafts, EXIT, keyDraft, log, makeFile, makeLog, q5Of, request, rowMember, slotMember, swapped, withEntry, type Expected, type Members } from "./small-log.ts";
import { trustText } from "./trust.ts";

const outputIndex = log.indexOf("output");
const otherReceiptsKey = signer(receiptsKey.name, 1, otherKey.seed);
const signedNote = (text: string, key: Signer = receiptsKey): string => `${text}\n${signatureLine(key, text)}`;
const receiptOf = (index: number, leaf: Buffer, commitment: Buffer, key: Signer = receiptsKey): string =>
  signedNote(receiptText(fakeRec("log output"), index, leaf, commitment), key);
const outputCommitment = log.sealed.get("output")!.commitment;
const receiptFile = (receiptNote: string, opened: readonly Members[] = [slotMember(log, "output", 0), slotMember(log, "output", 1)], vkey = receiptsKey.vkey): Members => ({
  format: "spur-receipt-file/v1",
  note: receiptNote,
  vkey,
  opened,
});
const goodReceipt = receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment));
const receiptNote = goodReceipt["note"] as string;
const otherLog = dishonest("output", { slots: [request, { text: "something else" }, null, null, null, null, null, null] });
const retired = withEntry(keyDraft("receipts key retired", "receipts", receiptsKey, "retired"), "source");
const retiredLater = withEntry(keyDraft("receipts key retired", "receipts", receiptsKey, "retired"));
const stolen = makeLog([...drafts.map((one) => (one.label === "output" ? { ...one, slots: [request, { text: "something else" }, null, null, null, null, null, null] } : one)), keyDraft("log key compromised", "log", logKey, "compromised")]);
const compromised = withEntry(keyDraft("receipts key compromised", "receipts", receiptsKey, "compromised"));
const reported = makeLog(drafts.map((draft) => (draft.label === "receipts key" ? { ...draft, evidence: "reported" } : draft)));
const unread = dishonest("output", { forge: (e) => set(e, ["v"], "spur-entry/v2") });
const unreadReceipt = receiptFile(receiptOf(outputIndex, unread.leaves[outputIndex]!, outputCommitment));
const decisionIndex = log.indexOf("decision");
const decisionReceipt = receiptFile(
  signedNote(receiptText(fakeRec("log decision"), decisionIndex, log.leaves[decisionIndex]!, log.sealed.get("decision")!.commitment)),
  [],
);
const shown = {
  answer: bases.answer,
  lineage: bases.lineage,
  "another answer at its place": canonical(q5Of(otherLog)),
  "receipts key retired before": canonical(makeFile({ of: retired, ask: "lineage" })),
  "receipts key retired after": canonical(makeFile({ of: retiredLater, ask: "lineage" })),
  "receipts key compromised": canonical(makeFile({ of: compromised, ask: "lineage" })),
  "another answer at its place, and the log's key compromised": canonical(makeFile({ of: stolen })),
  "receipts key brought by a client": canonical(makeFile({ of: reported, ask: "lineage" })),
  "an entry of a later version at its place": canonical(q5Of(unread)),
};
const retiredReceipt = receiptFile(receiptOf(retired.indexOf("output"), retired.leaves[retired.indexOf("output")]!, outputCommitment), []);
const logLineTrust = `log ${logKey.vkey}\nquorum none\n`;
const receiptTrust = {
  none: trust.none,
  log: trust.log,
  "log and receipts": trustText(logLineTrust, { statementKeys: [receiptsKey.vkey] }),
  receipts: trustText("quorum none\n", { statementKeys: [receiptsKey.vkey] }),
  "receipts and an absent witness": trustText(`log ${logKey.vkey}\nwitness two ${witness2Key.vkey}\nquorum two\n`, { statementKeys: [receiptsKey.vkey] }),
  "receipts, and a time is required": trustText(logLineTrust, { statementKeys: [receiptsKey.vkey], require: ["time"] }),
};
type ReceiptOptions = { readonly evidence?: keyof typeof shown; readonly trust?: keyof typeof receiptTrust };
function receiptVector(name: string, why: string, verdict: Expected, file: Json | string, options: ReceiptOptions = {}) {
  const { evidence, trust: trusted = "log and receipts" } = options;
  const text = typeof file === "string" ? file : canonical(file);
  return { name, ...(why === "" ? {} : { why }), text, trust: trusted, ...(evidence === undefined ? {} : { evidence }), verdict, exit: EXIT[verdict] };
}
const badReceipt = (name: string, why: string, file: Json | string, verdict: Expected = "fail", options: ReceiptOptions = { evidence: "answer" }) =>
  receiptVector(name, why, verdict, file, options);

export const receiptFileVectors = {
  format: "spur-receipt-file/v1",
  about:
    "A caller's receipt with openings of his own request and response, verified under the trust file named by `trust` and, where `evidence` names one of `files`, against what that evidence shows at the receipt's index.",
  trust: receiptTrust,
  files: shown,
  valid: [
    receiptVector("receipt, and evidence that the log kept it", "", "pass", goodReceipt, { evidence: "answer" }),
    receiptVector("the log announced the receipts key", "", "pass", goodReceipt, { evidence: "lineage", trust: "log" }),
    receiptVector("receipts key retired after it signed", "", "pass", goodReceipt, { evidence: "receipts key retired after", trust: "log" }),
    receiptVector("receipt without openings", "", "pass", receiptFile(receiptNote, []), { evidence: "answer" }),
    receiptVector("a witness is wanted, and no evidence handed in that one could have seen", "", "pass", goodReceipt, { trust: "receipts and an absent witness" }),
    receiptVector("receipt alone: whether the log kept it is not shown", "", "pass", goodReceipt),
  ],
  invalid: [
    badReceipt("nobody trusted", "signer unknown", goodReceipt, "not-checked", { evidence: "lineage", trust: "none" }),
    badReceipt("receipts key neither trusted nor announced in the file", "signer unknown", goodReceipt, "not-checked", { evidence: "answer", trust: "log" }),
    badReceipt("receipts key retired before it signed", "the log took it back", retiredReceipt, "not-checked", { evidence: "receipts key retired before", trust: "log" }),
    badReceipt("receipts key retired before it signed, and trusted by name", "the log took it back", retiredReceipt, "not-checked", { evidence: "receipts key retired before" }),
    badReceipt("receipts key compromised, as became known later", "who signed is not known", goodReceipt, "not-checked", { evidence: "receipts key compromised", trust: "log" }),
    badReceipt("receipts key compromised, and trusted by name", "who signed is not known", goodReceipt, "not-checked", { evidence: "receipts key compromised" }),
    badReceipt("evidence of a log that nobody trusts", "it shows nothing, and was handed in to show that the log kept its word", goodReceipt, "not-checked", { evidence: "answer", trust: "receipts" }),
    badReceipt("evidence without the witnesses that the caller wants", "a tree that nobody else was shown confirms nothing", goodReceipt, "not-checked", { evidence: "answer", trust: "receipts and an absent witness" }),
    badReceipt("a check that the caller requires of everything", "nothing here has a time", goodReceipt, "not-checked", { trust: "receipts, and a time is required" }),
    badReceipt("receipts key that a client brought into the log", "the log did not announce it", receiptFile(receiptOf(outputIndex, reported.leaves[outputIndex]!, outputCommitment)), "not-checked", { evidence: "receipts key brought by a client", trust: "log" }),
    badReceipt("the log holds the promised bytes, and this version cannot read them", "rec and commitment are unknown", unreadReceipt, "not-checked", { evidence: "an entry of a later version at its place" }),
    badReceipt("a receipt for a decision", "receipts are for outputs", decisionReceipt),
    badReceipt("a negative index", "no place in a log", receiptFile(receiptOf(-5, log.leaves[outputIndex]!, outputCommitment), []), "fail", {}),
    badReceipt("the log holds another answer at that place", "operator signed both: proof of misbehaviour", receiptFile(receiptNote, []), "fail", { evidence: "another answer at its place" }),
    badReceipt("the log holds another answer, under a key that it took back", "who wrote that is not known", receiptFile(receiptNote, []), "not-checked", { evidence: "another answer at its place, and the log's key compromised" }),
    badReceipt("a stranger's receipt for another leaf", "anybody can sign a promise in somebody's name: it convicts nobody", receiptFile(receiptOf(outputIndex, fake("other leaf"), outputCommitment, otherReceiptsKey), [], otherReceiptsKey.vkey), "not-checked", { evidence: "answer" }),
    badReceipt("a stranger's receipt, and the log holds another answer", "not the operator's word", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment, otherReceiptsKey), [], otherReceiptsKey.vkey), "not-checked", { evidence: "another answer at its place" }),
    badReceipt("another response", "one value per slot", set(goodReceipt, ["opened", 1, "value"], b64(utf8("x")))),
    badReceipt("openings unsorted", "rising by slot", swapped(goodReceipt, "opened", 0, 1)),
    badReceipt("an opening of another record", "a receipt is for one record", set(goodReceipt, ["opened", 1, "index"], outputIndex + 1)),
    badReceipt("a row", "a receipt opens slots", receiptFile(receiptNote, [{ ...rowMember(log, "dataset", 0), index: outputIndex }])),
    badReceipt("unknown member", "closed", set(goodReceipt, ["name"], "x")),
    badReceipt("vkey missing", "the file says who signed", set(goodReceipt, ["vkey"], undefined)),
    badReceipt("white space", "canonical", canonical(goodReceipt).replace(",", ", ")),
    badReceipt("index changed after signing", "it is signed", set(goodReceipt, ["note"], receiptNote.replace("\n10\n", "\n11\n"))),
    badReceipt("a bit of the signature", "it does not verify", set(goodReceipt, ["note"], receiptNote.replace(/ ([^ ]+)\n$/, (_, blob: string) => ` ${b64(flip(Buffer.from(blob, "base64"), 30))}\n`))),
    badReceipt("a receipts key of that name that did not sign", "the file's own key did not sign", set(goodReceipt, ["vkey"], otherReceiptsKey.vkey), "fail", { evidence: "answer", trust: "none" }),
    badReceipt("signed by another receipts key than the caller trusts", "signer unknown", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment, otherReceiptsKey), [], otherReceiptsKey.vkey), "not-checked"),
    badReceipt("a later version of the receipt", "this version cannot judge it", receiptFile(signedNote(receiptText(fakeRec("log output"), outputIndex, log.leaves[outputIndex]!, outputCommitment).replace("/v1", "/v2")), []), "not-checked"),
    badReceipt("a vkey that did not sign", "the file's own key did not sign", set(goodReceipt, ["vkey"], logKey.vkey)),
    badReceipt("commitment of another record", "openings do not fit", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, fake("other commitment")))),
    badReceipt("signed by the log's own key", "receipts have a key of their own", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment, logKey), [], logKey.vkey)),
    badReceipt("two signature lines", "one key signs a receipt", set(goodReceipt, ["note"], `${receiptNote}${receiptNote.split("\n\n")[1]!}`)),
    badReceipt("a later version of the file", "this version cannot judge it", set(goodReceipt, ["format"], "spur-receipt-file/v2"), "not-checked"),
  ],
};
