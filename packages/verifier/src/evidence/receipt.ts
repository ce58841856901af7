import { equalBytes, fromBase64, isSafeSize, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { demandSigner, openNote, parseNote } from "../note/note.ts";
import { formatVkey, parseVkey, TYPE_ED25519 } from "../note/vkey.ts";
import { canonicalBytes } from "../statement/canonical.ts";
import { anyText, object } from "../statement/schema.ts";
import { HASH_BYTES, type LeafHash } from "../tlog/merkle.ts";
import type { Trust } from "../trust/trust.ts";
import { auditCommand, type Checked } from "./checks/checked.ts";
import { saidOfKey, takenBack } from "./checks/keys.ts";
import { checkSlot } from "./checks/openings.ts";
import { createFindings, exitOf, type Findings } from "./findings.ts";
import { OPENED, openedJson, parseFile, parseOpened, type Opened, type OpenedJson } from "./format.ts";
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

const OUTPUT = "spur:output/v1";

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
  if (!sound || origin === "" || !isSafeSize(receipt.index) || receiptText(receipt) !== noteText) {
    throw new VerifyError("receipt/format", "not the six lines of a receipt");
  }
  return receipt;
}

const FILE = object({ format: anyText, note: anyText, opened: OPENED, vkey: anyText });
type FileJson = Omit<ReceiptFile, "opened"> & { readonly opened: readonly OpenedJson[] };

/** Throws `file/too-large`, `file/version`, `canonical/…`, `evidence/format`, `bytes/base64`. */
export function parseReceiptFile(bytes: Uint8Array): ReceiptFile {
  const { note, vkey, opened } = parseFile<FileJson>(bytes, "spur-receipt-file/v1", FILE);
  return { note, vkey, opened: parseOpened(opened) };
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
  const findings = createFindings(["receipt", ...trust.require]);
  return reporting(bytes, findings, () => {
    const file = readFile(() => parseReceiptFile(bytes), findings);
    const read = file && readReceipt(file, trust, findings);
    if (file === undefined || read === undefined) return {};
    const { origin, rec, index, commitment } = read.receipt;
    const shown = options.evidence && checkEvidence(options.evidence, trust, options).checked;
    const log = shown?.origin === origin && shown.findings.signer === "trusted" ? shown : undefined;
    // A signed tree is enough to contradict a receipt. To confirm one, the evidence must be all that the caller demands of evidence: a
    // quorum, say, or else it shows a tree that nobody but him was shown. Only its own question may stay open.
    const sound = log && exitOf(log.findings.list).exit === 0 ? log : undefined;
    checkSigner(read, sound, trust, findings);
    findings.pass("format", "format/ok");
    for (const one of file.opened) {
      if (!("slot" in one) || one.index !== index) {
        findings.refute("opening", "receipt/refuted", {}, new VerifyError("receipt/opening", `of entry ${one.index}`));
      } else {
        // A receipt is given for an output, and for nothing else: that says how many slots there are.
        checkSlot(one, { predicateType: OUTPUT, commitment }, findings);
      }
    }
    const kept = checkKept(read.receipt, log, sound !== undefined, options.evidence !== undefined, findings);
    if (sound === undefined) findings.absent(trust.require);
    const values = { origin, rec, index, what: file.opened.length > 0 ? "shown" : "not-shown" };
    return { origin, whole: [kept ? "receipt/whole-kept" : "receipt/whole", values] };
  }).report;
}

type Read = ReturnType<typeof openReceipt>;

/** A receipt's note and the key that is said to have signed it: it has, or this throws `receipt/…`, `note/…`, `bytes/base64`. */
export function openReceipt(file: Pick<ReceiptFile, "note" | "vkey">) {
  const note = parseNote(file.note);
  const receipt = parseReceipt(note.text);
  const hint = parseVkey(file.vkey);
  if (hint.name !== `${receipt.origin}/receipts` || hint.type !== TYPE_ED25519)
    throw new VerifyError("receipt/vkey", file.vkey);
  demandSigner(note, hint, "receipt/signature");
  return { receipt, note, hint };
}

function readReceipt(file: ReceiptFile, trust: Trust, findings: Findings): Read | undefined {
  try {
    const read = openReceipt(file);
    // The file's own key signed. A key that the caller trusts under the same name and id, and that did not, is refuted by that.
    if (openNote(read.note, trust.statementKeys).invalid.length > 0)
      throw new VerifyError("receipt/signature", file.vkey);
    return read;
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

/** The key is the caller's own, or the log announced it in an entry that stands before the receipt's; and has not taken it back. */
function checkSigner({ receipt, hint }: Read, log: Checked | undefined, trust: Trust, findings: Findings): void {
  const { origin, rec, index } = receipt;
  const values = { rec, index, key: formatVkey(hint) };
  const trusted = trust.statementKeys.some((key) => formatVkey(key) === values.key);
  const said = log === undefined ? [] : saidOfKey(log.held, "receipts", hint);
  const announced = said[0]?.index ?? index;
  const back = takenBack(said);
  if (back !== undefined && index > back.above) {
    findings.notChecked("receipt", "key/taken-back", { ...values, at: back.at });
  } else if (!trusted && announced >= index) {
    findings.notChecked("receipt", "receipt/unknown", values, "npx spur trust add URL");
  } else {
    findings.signer = "trusted";
    if (trusted) return void findings.pass("receipt", "receipt/ok", values);
    findings.pass("receipt", "receipt/announced", { ...values, announced });
    // Whoever leaves out the entry that takes a key back must not be believed the more for it.
    if ((log?.registers.get("keys")?.closing ?? 0) < index)
      findings.notChecked("answer", "receipt/key-open", { announced, index }, auditCommand(origin));
  }
}

/** Whether the log holds what was promised; only with evidence is that asked, and then it must be answered. */
function checkKept(
  { rec, index, leaf, commitment }: Receipt,
  log: Checked | undefined,
  sound: boolean,
  asked: boolean,
  findings: Findings,
): boolean {
  const there = log?.held.get(index);
  const entry = there?.entry;
  const promised =
    entry?.rec === rec &&
    entry.predicateType === OUTPUT &&
    entry.commitment !== undefined &&
    equalBytes(entry.commitment, commitment);
  const contradicts = there !== undefined && (!equalBytes(there.leaf, leaf) || (entry !== undefined && !promised));
  // Anybody can sign a promise in somebody's name, or go on with a stolen log: it convicts him only under keys that are known to be his.
  const lost = there?.findings.some((at) => log?.findings.list[at]?.code === "key/taken-back") === true;
  if (contradicts && !lost && findings.signer === "trusted") {
    findings.fail("inclusion", "receipt/contradicts", { index });
    return false;
  }
  // The bytes may be those that were promised and yet say nothing that this version can read.
  const kept = promised && !contradicts && sound;
  if (kept) findings.pass("inclusion", "receipt/kept", { index });
  else findings.notChecked(asked ? "inclusion" : "answer", "receipt/not-shown", { index }, "npx spur evidence");
  return kept;
}
