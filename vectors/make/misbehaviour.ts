// Proofs that a log's keys have signed what excludes each other, and accusations that prove nothing.
import { set } from "./entries.ts";
import { b64, canonical, consistencyPath, cosignatureLine, fake, fakeRec, flip, inclusionPath, leafHash, logKey, ORIGIN, otherKey, receiptsKey, sha256, signatureLine, signer, treeRoot, utf8, witnessKey, type Json, type Signer } from "./lib.ts";
import { receiptText } from "./log.ts";
import { checkpointText, dishonest, drafts, EXIT, keyDraft, log, makeLog, request, type Expected, type Log, type Members } from "./small-log.ts";
import { trustText } from "./trust.ts";

/** Leaf hashes of a history that differs from the common one from entry `from` on. */
const history = (name: string, from: number): Buffer[] => Array.from({ length: 13 }, (_, i) => leafHash(utf8(`${i < from ? "common" : name} ${i}`)));
const common = history("common", 13);
const rootOf = (of: readonly Buffer[], size: number): Buffer => treeRoot(of.slice(0, size));
function note(size: number, root: Buffer, key: Signer = logKey, origin = ORIGIN): string {
  const text = `${origin}\n${size}\n${b64(root)}\n`;
  return `${text}\n${signatureLine(key, text)}`;
}
/** The subtrees of the tree of n where the tree of m ends: the RFC's proof, and before it [0, m) where the proof leaves it out. */
function subtrees(m: number, of: readonly Buffer[], n: number): Buffer[] {
  const power = (m & (m - 1)) === 0;
  return [...(power ? [rootOf(of, m)] : []), ...consistencyPath(m, of.slice(0, n))];
}
const fork = (older: string, newer: string, hashes: readonly Uint8Array[], vkey = logKey.vkey): Members => ({ format: "spur-misbehaviour/v1", older, newer, hashes: hashes.map(b64), vkey });
/** The tree of n does not begin with what was signed for m: the histories part at entry `at`. */
const forkAt = (m: number, n: number, at: number): Members => {
  const other = history("other", at);
  return fork(note(m, rootOf(common, m)), note(n, rootOf(other, n)), m === n ? [] : subtrees(m, other, n));
};
const good = forkAt(5, 9, 2);
const other = history("other", 2);

// Receipts
const output = log.indexOf("output");
const commitment = log.sealed.get("output")!.commitment;
const otherLog = dishonest("output", { slots: [request, { text: "something else" }, null, null, null, null, null, null] });
const otherReceiptsKey = signer(receiptsKey.name, 1, otherKey.seed);
function receiptNote(leaf: Buffer, key: Signer = receiptsKey, index = output, origin = ORIGIN): string {
  const text = receiptText(fakeRec("log output"), index, leaf, commitment).replace(ORIGIN, origin);
  return `${text}\n${signatureLine(key, text)}`;
}
interface Parts {
  readonly of?: Log;
  readonly receipt?: string;
  readonly vkey?: string;
  readonly index?: number;
  readonly key?: number | undefined;
}
function conflict({ of = otherLog, receipt = receiptNote(log.leaves[output]!), vkey = receiptsKey.vkey, index = output, key }: Parts = {}): Members {
  const text = checkpointText(of);
  const place = (at: number): string[] => inclusionPath(at, of.leaves).map(b64);
  return {
    format: "spur-misbehaviour/v1",
    receipt: { note: receipt, vkey },
    note: `${text}\n${signatureLine(logKey, text)}`,
    leaf: b64(of.leaves[index]!),
    proof: place(index),
    ...(key === undefined ? {} : { key: { entry: b64(of.entries[key]!), index: key, proof: place(key) } }),
    vkey: logKey.vkey,
  };
}
const announced = conflict({ key: 1 });
/** The log with another answer, and something else in place of the announcement of its receipts key. */
const announcing = (change: (one: (typeof drafts)[number]) => (typeof drafts)[number]): Log =>
  makeLog(drafts.map((one) => (one.label === "receipts key" ? change(one) : one.label === "output" ? { ...one, slots: [request, { text: "something else" }, null, null, null, null, null, null] } : one)));
const late = makeLog([
  ...drafts.map((one) => (one.label === "output" ? { ...one, slots: [request, { text: "something else" }, null, null, null, null, null, null] } : one)),
  keyDraft("receipts key again", "receipts", receiptsKey, "active"),
]);

const trust = {
  none: trustText("quorum none\n"),
  log: trustText(`log ${logKey.vkey}\nquorum none\n`),
  "log and receipts": trustText(`log ${logKey.vkey}\nquorum none\n`, { statementKeys: [receiptsKey.vkey] }),
  receipts: trustText("quorum none\n", { statementKeys: [receiptsKey.vkey] }),
  "the log's key, for statements alone": trustText("quorum none\n", { statementKeys: [logKey.vkey] }),
  "another key of the log": trustText(`log ${otherKey.vkey}\nquorum none\n`),
};
type TrustName = keyof typeof trust;
const vector = (name: string, why: string, verdict: Expected, file: Json | string, trusted: TrustName) => ({
  name, ...(why === "" ? {} : { why }), text: typeof file === "string" ? file : canonical(file), trust: trusted, verdict, exit: EXIT[verdict],
}); // prettier-ignore
const convicts = (name: string, file: Json, trusted: TrustName = "log") => vector(name, "", "fail", file, trusted);
const nothing = (name: string, why: string, file: Json | string, trusted: TrustName = "log and receipts") => vector(name, why, "not-checked", file, trusted);
const text = canonical(good);
const bit = (base64: string, byte: number): string => b64(flip(Buffer.from(base64, "base64"), byte));
const hashAt = (file: Members, i: number): string => (file["hashes"] as string[])[i]!;

export const misbehaviourVectors = {
  format: "spur-misbehaviour/v1",
  about: "valid: files that convict the log under the trust file named by `trust`, exit 1. invalid: files that convict nobody, exit 2: there is no exit 0.",
  trust,
  valid: [
    convicts("two roots of one size", forkAt(7, 7, 6)),
    ...[[1, 2], [1, 13], [2, 3], [3, 4], [4, 8], [4, 13], [5, 9], [6, 8], [7, 13], [8, 9], [8, 13], [12, 13]].map(([m = 0, n = 0]) => convicts(`sizes ${m} and ${n}`, forkAt(m, n, m - 1))),
    convicts("a history that parts at its first entry", forkAt(8, 13, 0)),
    convicts("a receipt that is not kept, the receipts key announced by the log", announced),
    convicts("a receipt that is not kept, the receipts key trusted", conflict(), "log and receipts"),
    convicts("a receipt that is not kept, the receipts key both announced and trusted", announced, "log and receipts"),
  ],
  invalid: [
    // Trust
    nothing("a fork, nobody trusted", "a stranger's key convicts nobody", good, "none"),
    nothing("a fork, another key of the log trusted", "a stranger's key convicts nobody", good, "another key of the log"),
    nothing("a fork, the key trusted for statements alone", "it is not trusted as a log's", good, "the log's key, for statements alone"),
    nothing("a receipt that is not kept, nobody trusted", "a stranger's key convicts nobody", announced, "none"),
    nothing("a receipt that is not kept, the log's key not trusted", "both keys must be known", announced, "receipts"),
    nothing("a receipt that is not kept, the receipts key neither trusted nor announced", "anybody can sign in somebody's name", conflict(), "log"),
    // An honest log
    nothing("an honest log", "the newer tree begins with the older one", fork(note(5, rootOf(common, 5)), note(9, rootOf(common, 9)), subtrees(5, common, 9))),
    nothing("an honest log, with hashes of another tree", "they do not lead to the root that was signed", fork(note(5, rootOf(common, 5)), note(9, rootOf(common, 9)), subtrees(5, other, 9))),
    nothing("an honest log, a power of two, with another hash for its beginning", "they do not lead to the root that was signed", fork(note(8, rootOf(common, 8)), note(13, rootOf(common, 13)), [rootOf(other, 8), ...subtrees(8, common, 13).slice(1)])),
    nothing("one checkpoint twice", "it agrees with itself", fork(note(9, rootOf(common, 9)), note(9, rootOf(common, 9)), [])),
    nothing("size 0 before another", "every tree extends the empty one", fork(note(0, sha256()), note(9, rootOf(common, 9)), [])),
    nothing("size 0 with a root of something", "no reader accepts such a checkpoint", fork(note(0, rootOf(common, 1)), note(9, rootOf(common, 9)), [])),
    nothing("a receipt that is kept", "the leaf is the promised one", conflict({ of: log, key: 1 })),
    // Forks that prove nothing
    nothing("the larger one first", "older and newer have an order", set(set(good, ["older"], good["newer"]!), ["newer"], good["older"]!)),
    nothing("no hashes", "the sizes differ", set(good, ["hashes"], [])),
    nothing("a hash left out", "their number follows from the sizes", set(good, ["hashes"], (good["hashes"] as string[]).slice(1))),
    nothing("a hash too many", "their number follows from the sizes", set(good, ["hashes"], [...(good["hashes"] as string[]), hashAt(good, 0)])),
    nothing("hashes in the other order", "from the end of the smaller tree up", set(good, ["hashes"], (good["hashes"] as string[]).toReversed())),
    nothing("a bit of a hash", "they do not lead to the root that was signed", set(good, ["hashes", 0], bit(hashAt(good, 0), 3))),
    nothing("a hash of 31 bytes", "32 bytes", set(good, ["hashes", 0], b64(Buffer.from(hashAt(good, 0), "base64").subarray(1)))),
    nothing("the proof of the RFC alone, where it leaves the beginning out", "nobody believes the smaller root here", set(forkAt(8, 13, 7), ["hashes"], (forkAt(8, 13, 7)["hashes"] as string[]).slice(1))),
    nothing("two roots of one size, with a hash", "none is needed", set(forkAt(7, 7, 6), ["hashes"], [b64(rootOf(common, 7))])),
    nothing("two logs", "each may grow as it likes", fork(note(5, rootOf(common, 5)), note(9, rootOf(other, 9), logKey, "other.example/log"), subtrees(5, other, 9))),
    nothing("both of another origin than the key's name", "the key is not that log's", fork(note(5, rootOf(common, 5), logKey, "other.example/log"), note(9, rootOf(other, 9), logKey, "other.example/log"), subtrees(5, other, 9))),
    nothing("two keys of the log", "each signed one history", fork(note(5, rootOf(common, 5)), note(9, rootOf(other, 9), otherKey), subtrees(5, other, 9))),
    nothing("a bit of a signature", "it does not verify", set(good, ["newer"], (good["newer"] as string).replace(/ ([^ ]+)\n$/, (_, blob: string) => ` ${bit(blob, 30)}\n`))),
    nothing("a witness's line beside the log's", "one signature line", set(good, ["newer"], (() => { const body = `${ORIGIN}\n9\n${b64(rootOf(other, 9))}\n`; return `${body}\n${signatureLine(logKey, body)}${cosignatureLine(witnessKey, body, 1_795_321_200)}`; })())),
    nothing("no signature", "not a note", set(good, ["older"], (good["older"] as string).split("\n\n")[0]!)),
    // Receipts that prove nothing
    nothing("a stranger's receipt", "anybody can sign in somebody's name", conflict({ receipt: receiptNote(log.leaves[output]!, otherReceiptsKey), vkey: otherReceiptsKey.vkey })),
    nothing("a stranger's receipt beside the announcement of the true key", "another key was announced", conflict({ receipt: receiptNote(log.leaves[output]!, otherReceiptsKey), vkey: otherReceiptsKey.vkey, key: 1 })),
    nothing("a receipt signed by the log's own key", "receipts have a key of their own", conflict({ receipt: receiptNote(log.leaves[output]!, logKey), vkey: logKey.vkey, key: 0 })),
    nothing("a receipt of another log", "it promised nothing here", conflict({ receipt: receiptNote(log.leaves[output]!, signer("other.example/log/receipts", 1, receiptsKey.seed), output, "other.example/log"), vkey: signer("other.example/log/receipts", 1, receiptsKey.seed).vkey })),
    nothing("the leaf of another index", "it stands elsewhere", set(announced, ["leaf"], b64(otherLog.leaves[output + 1]!))),
    nothing("a leaf that nobody published", "it is not in the tree", set(announced, ["leaf"], b64(fake("another leaf")))),
    nothing("the place of another index", "the receipt says which", conflict({ index: output + 1, key: 1 })),
    nothing("a receipt for an index beyond the tree", "the log has not come so far", conflict({ receipt: receiptNote(log.leaves[output]!, receiptsKey, 40), key: 1 })),
    nothing("a later version of the receipt", "this version cannot judge it", conflict({ receipt: (() => { const body = receiptText(fakeRec("log output"), output, log.leaves[output]!, commitment).replace("/v1", "/v2"); return `${body}\n${signatureLine(receiptsKey, body)}`; })(), key: 1 })),
    nothing("an announcement of another purpose", "not of a receipts key", conflict({ of: announcing((one) => ({ ...one, predicate: () => ({ purpose: "statements", algorithm: "ed25519", state: "active" }) })), key: 1 }), "log"),
    nothing("an entry that takes the key back", "it announces nothing", conflict({ of: announcing((one) => ({ ...one, predicate: () => ({ purpose: "receipts", algorithm: "ed25519", state: "retired" }) })), key: 1 }), "log"),
    nothing("an announcement that a client brought", "the log did not announce it", conflict({ of: announcing((one) => ({ ...one, evidence: "reported" })), key: 1 }), "log"),
    nothing("an announcement after the receipt's index", "a key is announced before its first use", conflict({ of: late, key: late.indexOf("receipts key again") }), "log"),
    nothing("an announcement that stands elsewhere", "it is not in the tree there", set(announced, ["key", "index"], 2), "log"),
    nothing("an announcement that is another kind of entry", "not a key", conflict({ key: 2 }), "log"),
    // Format
    nothing("unknown member", "closed", set(good, ["note"], "x")),
    nothing("members of both kinds", "closed", { ...good, ...conflict() }),
    nothing("vkey missing", "whose key?", set(good, ["vkey"], undefined)),
    nothing("a vkey that is none", "not a vkey", set(good, ["vkey"], ORIGIN)),
    nothing("the vkey of a witness", "the log's line is not his", set(good, ["vkey"], witnessKey.vkey)),
    nothing("white space", "canonical", text.replace(",", ", ")),
    nothing("a member twice", "canonical", text.replace('"hashes":', '"hashes":[],"hashes":')),
    nothing("cut in the middle", "not JSON", text.slice(0, text.length / 2)),
    nothing("a list", "an object", "[]"),
    nothing("nothing", "not JSON", ""),
    nothing("a later version", "this version cannot judge it", set(good, ["format"], "spur-misbehaviour/v2")),
  ],
};
