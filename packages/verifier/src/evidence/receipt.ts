import { equalBytes, fromBase64, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { formatVkey, openNote, parseNote, parseVkey, TYPE_ED25519, type Note, type VerifierKey } from "../note/note.ts";
import { canonicalBytes } from "../statement/canonical.ts";
import { HASH_BYTES, type LeafHash } from "../tlog/merkle.ts";
import type { Trust } from "../trust/trust.ts";
import { entriesOf, type Checked } from "./checks/checked.ts";
import { checkSlot } from "./checks/openings.ts";
import { createFindings, type Findings } from "./findings.ts";
import { exactly, openedJson, parseFile, parseOpened, text, type Opened } from "./format.ts";
import type { Report } from "./report.ts";
import { checkEvidence, readFile, reporting, type VerifyOptions } from "./verify.ts";

/** What a caller of an output was promised: this record, with this content, at this place of the log. */
export interface Receipt {
  readonly origin: string;
  readonly rec: string;
  readonly index: number;
  readonly leaf: LeafHash;
  readonly commitment: Uint8Array;
}

/** `spur-receipt-file/v1`. `vkey` is the key that the file says signed: a hint. */
export interface ReceiptFile {
  readonly note: string;
  readonly vkey: string;
  readonly opened: readonly Opened[];
}

/** The text that is signed (formats §3). */
export function receiptText({ origin, rec, index, leaf, commitment }: Receipt): string {
  return `spur-receipt/v1\n${origin}\n${rec}\n${index}\n${toBase64(leaf)}\n${toBase64(commitment)}\n`;
}

/** Throws `receipt/version` for another version, `receipt/format`, `bytes/base64`. */
export function parseReceipt(noteText: string): Receipt {
  const [version = "", origin = "", rec = "", index = "", leaf = "", commitment = ""] = noteText.split("\n");
  if (version !== "spur-receipt/v1") throw new VerifyError("receipt/version", JSON.stringify(version.slice(0, 64)));
  const receipt = {
    origin,
    rec,
    index: Number(index),
    leaf: fromBase64(leaf) as LeafHash,
    commitment: fromBase64(commitment),
  };
  const sound =
    receipt.leaf.length === HASH_BYTES && receipt.commitment.length === HASH_BYTES && /^[0-9a-f]{32}$/.test(rec);
  if (!sound || origin === "" || !Number.isSafeInteger(receipt.index) || receiptText(receipt) !== noteText) {
    throw new VerifyError("receipt/format", "not the six lines of a receipt");
  }
  return receipt;
}

/** Throws `file/too-large`, `file/version`, `canonical/…`, `evidence/format`, `bytes/base64`. */
export function parseReceiptFile(bytes: Uint8Array): ReceiptFile {
  const file = parseFile(bytes, "spur-receipt-file/v1");
  exactly(file, ["format", "note", "opened", "vkey"], "the file");
  return { note: text(file, "note"), vkey: text(file, "vkey"), opened: parseOpened(file) };
}

/** Canonical bytes; `opened` by rising slot. */
export function formatReceiptFile({ note, vkey, opened }: ReceiptFile): Uint8Array {
  return canonicalBytes({ format: "spur-receipt-file/v1", note, vkey, opened: opened.map(openedJson) });
}

/**
 * Verifies a receipt and, with an evidence file of the same log, that the log keeps what it promised. A log that holds something else at
 * that place contradicts itself under its own signatures: the two files together prove it to anyone. Never throws.
 */
export function verifyReceipt(
  bytes: Uint8Array,
  trust: Trust,
  options: VerifyOptions & { readonly evidence?: Uint8Array } = {},
): Report {
  const findings = createFindings(["receipt"]);
  return reporting(bytes, findings, () => {
    const file = readFile(() => parseReceiptFile(bytes), findings);
    const read = file && readReceipt(file, findings);
    if (file === undefined || read === undefined) return {};
    const { receipt } = read;
    const about = { origin: receipt.origin, size: receipt.index + 1 };
    const shown = options.evidence && checkEvidence(options.evidence, trust, options);
    const checked = shown?.checked?.origin === receipt.origin ? shown.checked : undefined;
    if (!checkSigner(read, checked, trust, findings)) return about;
    findings.pass("format", "format/ok");
    for (const one of file.opened) {
      if (!("slot" in one) || one.index !== receipt.index) {
        findings.refute("opening", "receipt/refuted", {}, new VerifyError("receipt/opening", `of entry ${one.index}`));
      } else {
        // A receipt is given for an output, and for nothing else: that says how many slots there are.
        checkSlot(one, { predicateType: "spur:output/v1", commitment: receipt.commitment }, findings);
      }
    }
    const kept = checkKept(receipt, checked, options.evidence !== undefined, findings);
    return {
      ...about,
      whole: [kept ? "receipt/whole-kept" : "receipt/whole", { ...about, rec: receipt.rec, index: receipt.index }],
    };
  }).report;
}

interface Read {
  readonly receipt: Receipt;
  readonly note: Note;
  readonly hint: VerifierKey;
}

function readReceipt(file: ReceiptFile, findings: Findings): Read | undefined {
  try {
    const note = parseNote(file.note);
    const receipt = parseReceipt(note.text);
    const hint = parseVkey(file.vkey);
    if (hint.name !== `${receipt.origin}/receipts` || hint.type !== TYPE_ED25519) {
      throw new VerifyError("receipt/vkey", file.vkey);
    }
    if (openNote(note, [hint]).verified.length === 0) throw new VerifyError("receipt/signature", file.vkey);
    if (note.signatures.length !== 1)
      throw new VerifyError("receipt/signature", `${note.signatures.length} signature lines`);
    return { receipt, note, hint };
  } catch (error) {
    if (error instanceof VerifyError && error.code === "receipt/version") {
      findings.notChecked("format", "format/unknown", { detail: error.detail });
    } else {
      findings.signer = "refuted";
      findings.refute("receipt", "receipt/refuted", {}, error);
    }
    return undefined;
  }
}

/** The key is the caller's own, or the log announced it in an entry that stands before the receipt's and has not taken it back. */
function checkSigner(
  { receipt, hint, note }: Read,
  checked: Checked | undefined,
  trust: Trust,
  findings: Findings,
): boolean {
  const { rec, index } = receipt;
  const values = { rec, index, key: formatVkey(hint) };
  // The file's own key signed. A key that the caller trusts under the same name and id, and that did not, is refuted by that.
  const mine = trust.statementKeys.filter((key) => key.name === hint.name);
  if (mine.some((key) => equalBytes(key.publicKey, hint.publicKey))) {
    findings.signer = "trusted";
    findings.pass("receipt", "receipt/ok", values);
    return true;
  }
  if (openNote(note, mine).invalid.length > 0) {
    findings.signer = "refuted";
    findings.refute("receipt", "receipt/refuted", {}, new VerifyError("receipt/signature", values.key));
    return false;
  }
  const digest = sha256(hint.publicKey);
  const announced = checked?.findings.signer === "trusted" ? entriesOf(checked.held, "spur:key/v1") : [];
  const own = announced.filter(
    ({ entry }) => entry.predicate["purpose"] === "receipts" && entry.sha256 && equalBytes(entry.sha256, digest),
  );
  const [first] = own;
  const lost = own.some((one) => {
    const state = one.entry.predicate["state"];
    // Retired since is no harm to this receipt; compromised is, whenever it became known.
    return state === "compromised" || (state === "retired" && one.index < index);
  });
  if (first !== undefined && first.index < index && !lost) {
    findings.signer = "trusted";
    findings.pass("receipt", "receipt/announced", { ...values, announced: first.index });
  } else {
    findings.notChecked("receipt", "receipt/unknown", values, "npx spur trust add URL");
  }
  return true;
}

/** Whether the log holds what was promised; only with evidence is that asked, and then it must be answered. */
function checkKept(receipt: Receipt, checked: Checked | undefined, asked: boolean, findings: Findings): boolean {
  const { index } = receipt;
  const kept = checked?.findings.signer === "trusted" ? checked.held.get(index) : undefined;
  if (kept === undefined) {
    findings.notChecked(asked ? "inclusion" : "answer", "receipt/not-shown", { index }, "npx spur evidence");
    return false;
  }
  const { leaf, entry } = kept;
  const same =
    equalBytes(leaf, receipt.leaf) &&
    (entry === undefined ||
      (entry.rec === receipt.rec &&
        entry.commitment !== undefined &&
        equalBytes(entry.commitment, receipt.commitment)));
  if (same) findings.pass("inclusion", "receipt/kept", { index });
  else findings.fail("inclusion", "receipt/contradicts", { index });
  return same;
}
