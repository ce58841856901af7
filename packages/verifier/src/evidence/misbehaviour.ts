import { equalBytes } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { parseCheckpoint, type Checkpoint } from "../note/checkpoint.ts";
import { demandSigner, parseNote } from "../note/note.ts";
import { formatVkey, parseVkey, type VerifierKey } from "../note/vkey.ts";
import { isObject } from "../statement/canonical.ts";
import { parseEntry } from "../statement/entry.ts";
import { anyText, object, type Shape } from "../statement/schema.ts";
import { leafHash, rootsFromSubtrees, verifyInclusion } from "../tlog/merkle.ts";
import type { Trust } from "../trust/trust.ts";
import { saidOfKey } from "./checks/keys.ts";
import { createFindings } from "./findings.ts";
import { ENTRY, HASHES, parseFile, parseHash, parseShown, type EntryJson } from "./format.ts";
import { openReceipt } from "./receipt.ts";
import type { Report } from "./report.ts";
import type { Phrase } from "./sentences.ts";
import { reporting } from "./verify.ts";

/** Two signed checkpoints of one log. Hashes in base64, as `rootsFromSubtrees` takes them; none where the sizes are equal. */
export interface ForkJson {
  readonly older: string;
  readonly newer: string;
  readonly hashes: readonly string[];
  readonly vkey: string;
}

/** A receipt, and the leaf hash that stands at its index in the tree of a checkpoint. */
export interface ConflictJson {
  readonly receipt: { readonly note: string; readonly vkey: string };
  readonly note: string;
  readonly leaf: string;
  readonly proof: readonly string[];
  /** The entry that announces the receipts key: without it, the caller must trust that key himself. */
  readonly key?: EntryJson;
  readonly vkey: string;
}

const FORK = object({ format: anyText, hashes: HASHES, newer: anyText, older: anyText, vkey: anyText });
const RECEIPT = object({ note: anyText, vkey: anyText });
const CONFLICT = object({
  ...{ format: anyText, "key?": ENTRY, leaf: anyText, note: anyText, proof: HASHES, receipt: RECEIPT, vkey: anyText },
});
const SHAPE: Shape = (value) => (isObject(value) && Object.hasOwn(value, "receipt") ? CONFLICT : FORK)(value);

/** What the file shows that cannot be true of an honest log. `known`: the caller trusts whatever else signed it than the log's key. */
type Charge = { readonly phrase: Phrase; readonly size: number; readonly known: boolean };

/**
 * Verifies a `spur-misbehaviour/v1` file (formats §3.8): exit 1 if it convicts a log that the caller trusts, else 2, whatever is wrong with
 * it. Its maker may be anybody and mean harm: nothing counts that the log's own key has not signed. Never throws.
 */
export function verifyMisbehaviour(bytes: Uint8Array, trust: Trust): Report {
  const findings = createFindings(["misbehaviour"]);
  return reporting(bytes, findings, () => {
    try {
      const file = parseFile<ForkJson | ConflictJson>(bytes, "spur-misbehaviour/v1", SHAPE);
      const key = parseVkey(file.vkey);
      const { phrase, size, known } = "receipt" in file ? conflict(file, key, trust) : fork(file, key);
      const [code, values] = phrase;
      if (known && trust.policy.logs.some((log) => formatVkey(log.key) === file.vkey)) {
        findings.signer = "trusted";
        findings.fail("misbehaviour", code, values);
      } else findings.notChecked("misbehaviour", code, { ...values, signer: "unknown" }, "npx spur trust add URL");
      return { origin: key.name, size };
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const { code, detail } = error;
      if (code === "file/version") findings.notChecked("format", "format/unknown", { detail });
      else findings.notChecked("misbehaviour", "misbehaviour/nothing", { error: code, detail });
      return {};
    }
  }).report;
}

function fork({ older, newer, hashes }: ForkJson, key: VerifierKey): Charge {
  const [small, large] = [signedBy(key, older), signedBy(key, newer)];
  const same = small.size === large.size && hashes.length === 0;
  const [before, after] = same
    ? [large.root, large.root]
    : rootsFromSubtrees(small.size, large.size, hashes.map(parseHash));
  // Hashes that do not lead to the root that was signed may be anybody's: they prove nothing.
  if (!equalBytes(after, large.root)) throw new VerifyError("proof/wrong-root", `of size ${large.size}`);
  if (equalBytes(before, small.root)) throw new VerifyError("misbehaviour/none", "the checkpoints agree");
  const values = { origin: key.name, key: formatVkey(key), older: small.size, newer: large.size };
  return { phrase: ["misbehaviour/fork", values], size: large.size, known: true };
}

function conflict(file: ConflictJson, key: VerifierKey, trust: Trust): Charge {
  const { origin, size, root } = signedBy(key, file.note);
  const { receipt, hint } = openReceipt(file.receipt);
  const { index } = receipt;
  if (receipt.origin !== origin) throw new VerifyError("log/origin", receipt.origin);
  const leaf = parseHash(file.leaf);
  verifyInclusion(leaf, index, size, file.proof.map(parseHash), root);
  if (equalBytes(leaf, receipt.leaf)) throw new VerifyError("misbehaviour/none", "the receipt is kept");
  let known = trust.statementKeys.some((one) => formatVkey(one) === file.receipt.vkey);
  if (file.key !== undefined) {
    const shown = parseShown(file.key);
    const entry = { index: shown.index, leaf: leafHash(shown.entry), entry: parseEntry(shown.entry), findings: [] };
    verifyInclusion(entry.leaf, shown.index, size, shown.proof, root);
    const [said] = saidOfKey(new Map([[shown.index, entry]]), "receipts", hint);
    if (said?.entry.predicate["state"] !== "active" || said.index >= index)
      throw new VerifyError("misbehaviour/key", `entry ${shown.index}`);
    known = true;
  }
  const values = { origin, key: formatVkey(key), index, receipts: file.receipt.vkey };
  return { phrase: ["misbehaviour/receipt", values], size, known };
}

function signedBy(key: VerifierKey, text: string): Checkpoint {
  const note = parseNote(text);
  demandSigner(note, key, "log/signature");
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== key.name) throw new VerifyError("log/origin", checkpoint.origin);
  return checkpoint;
}
