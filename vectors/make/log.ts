import { createHash } from "node:crypto";
import { b64, canonical, concat, consistencyPath, cosignatureLine, fake, fakeRec, flip, hex, inclusionPath, leafHash, logKey, ORIGIN, otherKey, receiptsKey, sha256, signatureLine, treeRoot, u64be, utf8, witness2Key, witnessKey, type Signer } from "./lib.ts";
import { forgedLatticeNote, latticeKey, latticeNote, LATTICE_SECONDS, type LatticeSigner } from "./ml-dsa.ts";

const entries = Array.from({ length: 13 }, (_, i) => utf8(`entry ${i}`));
const leaves = entries.map(leafHash);
const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 13];

const inclusion = (index: number, size: number) => ({
  index,
  size,
  leaf: hex(leaves[index]!),
  root: hex(treeRoot(leaves.slice(0, size))),
  proof: inclusionPath(index, leaves.slice(0, size)).map(hex),
});
const consistency = (from: number, to: number) => ({
  from,
  to,
  root1: hex(treeRoot(leaves.slice(0, from))),
  root2: hex(treeRoot(leaves.slice(0, to))),
  proof: consistencyPath(from, leaves.slice(0, to)).map(hex),
});
const h = hex(fake("some hash"));
const flipHex = (text: string) => hex(flip(Buffer.from(text, "hex"), 0));

export const merkleVectors = {
  format: "RFC 6962 / RFC 9162 Merkle tree, SHA-256",
  about: 'Entry i is the text "entry i". Proof hashes go from the leaf to the root.',
  valid: {
    leaves: leaves.map(hex),
    roots: SIZES.map((size) => ({ size, root: hex(treeRoot(leaves.slice(0, size))) })),
    inclusion: SIZES.flatMap((size) => Array.from({ length: size }, (_, i) => inclusion(i, size))),
    consistency: SIZES.flatMap((to) => SIZES.filter((from) => from > 0 && from <= to).map((from) => consistency(from, to))),
  },
  invalid: {
    inclusion: [
      { name: "index equals size", why: "counted from 0", code: "proof/index", ...inclusion(4, 5), index: 5 },
      { name: "index negative", why: "no such leaf", code: "proof/index", ...inclusion(4, 5), index: -1 },
      { name: "another index", why: "sides of the path change", code: "proof/wrong-root", ...inclusion(2, 8), index: 3 },
      { name: "another leaf", why: "does not recompute", code: "proof/wrong-root", ...inclusion(2, 8), leaf: hex(leaves[3]!) },
      { name: "another root", why: "does not recompute", code: "proof/wrong-root", ...inclusion(2, 8), root: h },
      { name: "first hash flipped", why: "does not recompute", code: "proof/wrong-root", ...inclusion(2, 8), proof: inclusion(2, 8).proof.map((one, i) => (i === 0 ? flipHex(one) : one)) },
      { name: "hashes in the other order", why: "from the leaf to the root", code: "proof/wrong-root", ...inclusion(2, 8), proof: inclusion(2, 8).proof.toReversed() },
      { name: "one hash short", why: "length follows from index and size", code: "proof/length", ...inclusion(2, 8), proof: inclusion(2, 8).proof.slice(0, 2) },
      { name: "one hash long", why: "length follows from index and size", code: "proof/length", ...inclusion(2, 8), proof: [...inclusion(2, 8).proof, h] },
      { name: "proof in a tree of one", why: "length follows from index and size", code: "proof/length", ...inclusion(0, 1), proof: [h] },
      { name: "hash of 31 bytes", why: "32 bytes", code: "proof/hash", ...inclusion(2, 8), proof: inclusion(2, 8).proof.map((one) => one.slice(2)) },
      { name: "64 hashes", why: "no tree is so deep", code: "proof/length", ...inclusion(2, 8), proof: Array.from({ length: 64 }, () => h) },
      { name: "a node as a leaf", why: "a tree of 4 is no tree of 2", code: "proof/wrong-root", ...inclusion(0, 4), size: 2, leaf: hex(entries[0]!.length > 0 ? treeRoot(leaves.slice(0, 2)) : leaves[0]!), proof: [hex(leaves[2]!)] },
    ],
    consistency: [
      { name: "from 0", why: "says nothing: no proof is asked for", code: "proof/empty-tree", from: 0, to: 5, root1: hex(sha256()), root2: consistency(3, 5).root2, proof: [] },
      { name: "smaller afterwards", why: "a log only grows", code: "proof/order", ...consistency(3, 5), from: 5, to: 3 },
      { name: "same size, other root", why: "one size has one root", code: "proof/wrong-root", ...consistency(5, 5), root1: h },
      { name: "same size with a hash", why: "nothing to prove", code: "proof/length", ...consistency(5, 5), proof: [h] },
      { name: "old root differs", why: "history was rewritten", code: "proof/wrong-root", ...consistency(3, 7), root1: h },
      { name: "new root differs", why: "does not recompute", code: "proof/wrong-root", ...consistency(3, 7), root2: h },
      { name: "old root of a power of two differs", why: "it begins the proof", code: "proof/wrong-root", ...consistency(4, 7), root1: h },
      { name: "a hash flipped", why: "does not recompute", code: "proof/wrong-root", ...consistency(3, 7), proof: consistency(3, 7).proof.map((one, i) => (i === 1 ? flipHex(one) : one)) },
      { name: "one hash short", why: "length follows from the sizes", code: "proof/length", ...consistency(3, 7), proof: consistency(3, 7).proof.slice(0, -1) },
      { name: "one hash long", why: "length follows from the sizes", code: "proof/length", ...consistency(3, 7), proof: [...consistency(3, 7).proof, h] },
      { name: "no hashes", why: "length follows from the sizes", code: "proof/length", ...consistency(3, 7), proof: [] },
    ],
  },
};

const keys = [logKey, receiptsKey, witnessKey, witness2Key, otherKey, latticeKey];
const keyVector = (key: Signer | LatticeSigner) => ({ name: key.name, type: key.type, seed: hex(key.seed), publicKey: hex(key.publicKey), keyId: hex(key.keyId), vkey: key.vkey });
const parts = logKey.vkey.split("+");

export const vkeyVectors = {
  format: "signed-note verifier key",
  about: "name+hex(key id)+base64(type ‖ public key); key id = first 4 bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key). `seed` is RFC 8032's 32-byte private key, or the seed of FIPS 204; it signs every vector here.",
  valid: keys.map(keyVector),
  invalid: [
    { name: "key id of another key", why: "a name on screen would mean nothing", vkey: `${parts[0]}+00000000+${parts[2]}` },
    { name: "key id in upper case", why: "hex is lower case", vkey: `${parts[0]}+${parts[1]!.toUpperCase()}+${parts[2]}` },
    { name: "31 bytes", why: "Ed25519 keys have 32", vkey: (() => { const short = concat(Buffer.of(1), logKey.publicKey.subarray(1)); return `x+${hex(sha256(utf8("x\n"), short).subarray(0, 4))}+${b64(short)}`; })() },
    { name: "32 bytes of ML-DSA-44", why: "its keys have 1,312", vkey: (() => { const short = concat(Buffer.of(6), logKey.publicKey); return `x+${hex(sha256(utf8("x\n"), short).subarray(0, 4))}+${b64(short)}`; })() },
    { name: "no name", why: "names are not empty", vkey: (() => { const key = concat(Buffer.of(1), logKey.publicKey); return `+${hex(sha256(utf8("\n"), key).subarray(0, 4))}+${b64(key)}`; })() },
    { name: "space in the name", why: "lines are split at spaces", vkey: (() => { const key = concat(Buffer.of(1), logKey.publicKey); return `a b+${hex(sha256(utf8("a b\n"), key).subarray(0, 4))}+${b64(key)}`; })() },
    { name: "base64 with a line end", why: "one text for one key", vkey: `${logKey.vkey}\n` },
    { name: "no key behind the type", why: "a key is missing", vkey: `x+${hex(sha256(utf8("x\n"), Buffer.of(1)).subarray(0, 4))}+AQ==` },
    { name: "two parts", why: "three parts", vkey: `${parts[0]}+${parts[1]}` },
    { name: "nothing", why: "three parts", vkey: "" },
  ],
};

const root = treeRoot(leaves.slice(0, 8));
const text = `${ORIGIN}\n8\n${b64(root)}\n`;
const checkpoint = (name: string, body: string, origin: string, size: number, of: Buffer, extensions: string[] = []) => ({ name, text: body, origin, size, root: hex(of), extensions });
const wrongText = (name: string, why: string, body: string, code = "checkpoint/format") => ({ name, why, code, text: body });

export const checkpointVectors = {
  format: "tlog-checkpoint text",
  about: "origin, size, base64 root, each with a newline; extension lines of others are accepted, ours has none.",
  valid: [
    checkpoint("8 entries", text, ORIGIN, 8, root),
    checkpoint("empty log", `${ORIGIN}\n0\n${b64(sha256())}\n`, ORIGIN, 0, sha256()),
    checkpoint("largest size, 2^53-1", `${ORIGIN}\n9007199254740991\n${b64(root)}\n`, ORIGIN, 9_007_199_254_740_991, root),
    checkpoint("an extension line", `${text}x 1\n`, ORIGIN, 8, root, ["x 1"]),
  ],
  invalid: [
    wrongText("no final newline", "the text ends in one", text.slice(0, -1)),
    wrongText("two lines", "three at least", `${ORIGIN}\n8\n`),
    wrongText("size with a leading zero", "one text for one size", text.replace("\n8\n", "\n08\n")),
    wrongText("size with a plus sign", "digits only", text.replace("\n8\n", "\n+8\n")),
    wrongText("size negative", "digits only", text.replace("\n8\n", "\n-8\n")),
    wrongText("size in hex", "digits only", text.replace("\n8\n", "\n0x8\n")),
    wrongText("size 2^53", "refused, never rounded", text.replace("\n8\n", "\n9007199254740992\n")),
    wrongText("no origin", "not empty", text.replace(ORIGIN, "")),
    wrongText("root of 31 bytes", "32 bytes", `${ORIGIN}\n8\n${b64(root.subarray(1))}\n`),
    wrongText("root with unused bits set", "one text for one root", text.replace(/.=\n$/, (end) => `${end[0] === "B" ? "C" : "B"}=\n`)),
    wrongText("root in hex", "base64", `${ORIGIN}\n8\n${hex(root)}\n`),
    wrongText("carriage returns", "newlines only", text.replaceAll("\n", "\r\n")),
    wrongText("empty line at the end", "no empty lines", `${text}\n`),
    wrongText("empty log with a root of something", "size 0 has one root", `${ORIGIN}\n0\n${b64(root)}\n`, "checkpoint/empty-root"),
  ],
};

const SECONDS = 1_795_320_000;
const signed = `${text}\n${signatureLine(logKey, text)}`;
const witnessed = `${signed}${cosignatureLine(witnessKey, text, SECONDS)}`;
type Outcome = { key: string; verdict: "verified" | "invalid" | "unknown"; timestamp?: number };
const note = (name: string, body: string, trusted: (Signer | LatticeSigner)[], outcome: Outcome[]) => ({ name, note: body, keys: trusted.map((one) => one.vkey), outcome });
const idOf = (one: Signer | LatticeSigner) => `${one.name} ${hex(one.keyId)}`;
const forged = (one: Signer, of: string) => `— ${one.name} ${b64(concat(one.keyId, flip(one.sign(utf8(of)), 40)))}\n`;
const wrongNote = (name: string, why: string, body: string) => ({ name, why, code: "note/format", note: body });

export const noteVectors = {
  format: "C2SP signed-note",
  about:
    "valid: `outcome` says what each line is worth under `keys`, one line per signature line, named by name and key id. A line of a trusted key that does not verify spoils the note: the caller must refuse it. invalid: must not parse.",
  valid: [
    note("signed by the log", signed, [logKey], [{ key: idOf(logKey), verdict: "verified" }]),
    note("key not given", signed, [], [{ key: idOf(logKey), verdict: "unknown" }]),
    note("another key of the same name", signed, [otherKey], [{ key: idOf(logKey), verdict: "unknown" }]),
    note("log and witness", witnessed, [logKey, witnessKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(witnessKey), verdict: "verified", timestamp: SECONDS }]),
    note("witness not given", witnessed, [logKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(witnessKey), verdict: "unknown" }]),
    note("signature with a flipped bit", `${text}\n${forged(logKey, text)}`, [logKey], [{ key: idOf(logKey), verdict: "invalid" }]),
    note("text changed after signing", signed.replace("\n8\n", "\n9\n"), [logKey], [{ key: idOf(logKey), verdict: "invalid" }]),
    note("signed without its final newline", `${text}\n— ${logKey.name} ${b64(concat(logKey.keyId, logKey.sign(utf8(text.slice(0, -1)))))}\n`, [logKey], [{ key: idOf(logKey), verdict: "invalid" }]),
    note("one good and one bad line of one key", `${signed}${forged(logKey, text)}`, [logKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(logKey), verdict: "invalid" }]),
    note("cosignature with a changed time", `${signed}— ${witnessKey.name} ${b64(concat(witnessKey.keyId, u64be(SECONDS + 1), witnessKey.sign(utf8(`cosignature/v1\ntime ${SECONDS}\n${text}`))))}\n`, [logKey, witnessKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(witnessKey), verdict: "invalid" }]),
    note("cosignature that signs the text alone", `${signed}— ${witnessKey.name} ${b64(concat(witnessKey.keyId, u64be(SECONDS), witnessKey.sign(utf8(text))))}\n`, [logKey, witnessKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(witnessKey), verdict: "invalid" }]),
    note("log and a witness with ML-DSA-44", latticeNote, [logKey, latticeKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(latticeKey), verdict: "verified", timestamp: LATTICE_SECONDS }]),
    note("a bit of an ML-DSA-44 signature", forgedLatticeNote, [logKey, latticeKey], [{ key: idOf(logKey), verdict: "verified" }, { key: idOf(latticeKey), verdict: "invalid" }]),
    note("a line of a type that nobody here knows", `${signed}— ${ORIGIN} ${b64(concat(Buffer.from("ffeeddcc", "hex"), fake("unknown signature", 48)))}\n`, [logKey], [{ key: idOf(logKey), verdict: "verified" }, { key: `${ORIGIN} ffeeddcc`, verdict: "unknown" }]),
    note("a text with an empty line in it", `a\n\nb\n\n${signatureLine(logKey, "a\n\nb\n")}`, [logKey], [{ key: idOf(logKey), verdict: "verified" }]),
  ],
  invalid: [
    wrongNote("no signature", "a blank line and signatures follow the text", text),
    wrongNote("no blank line", "a blank line stands before signatures", signed.replace("\n\n", "\n")),
    wrongNote("no final newline", "every line ends", signed.slice(0, -1)),
    wrongNote("hyphen for dash", "U+2014", signed.replace("—", "-")),
    wrongNote("two spaces", "one space", signed.replace("— ", "—  ")),
    wrongNote("something behind the signature", "three parts", signed.replace(/\n$/, " x\n")),
    wrongNote("carriage return", "no control characters but newline", signed.replace("\n", "\r\n")),
    wrongNote("tab", "no control characters but newline", signed.replace("8", "\t8")),
    wrongNote("base64 not padded", "one text for one signature", signed.replace(/=*\n$/, "\n")),
    wrongNote("signature of 4 bytes with its key id", "a signature is missing", `${text}\n— x ${b64(logKey.keyId)}\n`),
    { name: "65 signature lines", why: "at most 64", code: "note/too-many-signatures", rule: { before: `${text}\n`, repeat: signatureLine(logKey, text), times: 65, after: "" } },
    wrongNote("plus in the name", "vkeys are split at it", `${text}\n— a+b ${b64(concat(logKey.keyId, logKey.sign(utf8(text))))}\n`),
    wrongNote("blank line behind the signatures", "nothing follows", `${signed}\n`),
  ],
};

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const little = (bytes: Uint8Array): bigint => BigInt(`0x${hex(Buffer.from(bytes).reverse())}`);
const toLittle = (n: bigint): Buffer => Buffer.from(n.toString(16).padStart(64, "0"), "hex").reverse();
const sha512 = (...parts: Uint8Array[]): Buffer => createHash("sha512").update(concat(...parts)).digest();
const message = utf8("a message");
const good = logKey.sign(message);
const identity = toLittle(1n);
const base = toLittle(0x6666666666666666666666666666666666666666666666666666666666666658n);
/** S for an R of one's choice: what only the holder of the key can make, and verifiers in the wild disagree about. */
function signWithR(R: Buffer): Buffer {
  const secret = sha512(logKey.seed).subarray(0, 32);
  secret[0]! &= 248;
  secret[31] = (secret[31]! & 127) | 64;
  const k = little(sha512(R, logKey.publicKey, message)) % ORDER;
  return concat(R, toLittle((k * little(secret)) % ORDER));
}
const ed = (name: string, why: string, signature: Buffer, publicKey: Buffer = logKey.publicKey, signed: Buffer = message) => ({
  name, why, publicKey: hex(publicKey), message: hex(signed), signature: hex(signature),
}); // prettier-ignore

export const ed25519Vectors = {
  format: "Ed25519 as every line of ours verifies it",
  about: "RFC 8032 without the cofactor, S < L, and neither key nor R of low order or written in another than its canonical way: what every verifier in the wild accepts.",
  valid: [ed("a message", "", good), ed("an empty message", "", logKey.sign(Buffer.alloc(0)), logKey.publicKey, Buffer.alloc(0)), ed("another key", "", otherKey.sign(message), otherKey.publicKey)].map(({ why: _, ...one }) => one),
  invalid: [
    ed("a bit of R", "does not verify", flip(good, 3)),
    ed("a bit of S", "does not verify", flip(good, 40)),
    ed("another message", "does not verify", good, logKey.publicKey, utf8("another message")),
    ed("another key", "does not verify", good, otherKey.publicKey),
    ed("S + L", "S is below the order of the group: one signature, one text", concat(good.subarray(0, 32), toLittle(little(good.subarray(32)) + ORDER))),
    ed("a key of low order", "one signature fits every message", concat(base, toLittle(1n)), identity),
    ed("a key that is not written canonically", "y is below 2^255-19", concat(base, toLittle(1n)), toLittle(2n ** 255n - 18n)),
    ed("R of low order", "some verifiers refuse it", signWithR(identity)),
    ed("a key that is no point", "not on the curve", good, toLittle(2n)),
    ed("63 bytes", "64 bytes", good.subarray(1)),
    ed("a key of 31 bytes", "32 bytes", good, logKey.publicKey.subarray(1)),
  ],
};

export const cosignatureVectors = {
  format: "cosignature/v1",
  about: "Signed bytes = \"cosignature/v1\\ntime <seconds>\\n\" ‖ the checkpoint's text; the line holds key id ‖ u64be seconds ‖ signature. The witness's name is not signed.",
  valid: [0, SECONDS].map((seconds) => {
    const message = `cosignature/v1\ntime ${seconds}\n${text}`;
    return { name: `time ${seconds}`, vkey: witnessKey.vkey, seconds, text, message, signature: hex(witnessKey.sign(utf8(message))), line: cosignatureLine(witnessKey, text, seconds) };
  }),
  invalid: [
    { name: "another text", why: "the text is signed", vkey: witnessKey.vkey, text: text.replace("\n8\n", "\n9\n"), blob: hex(concat(u64be(SECONDS), witnessKey.sign(utf8(`cosignature/v1\ntime ${SECONDS}\n${text}`)))) },
    { name: "a time above 2^53-1", why: "no time that a number can hold", vkey: witnessKey.vkey, text, blob: hex(concat(Buffer.alloc(8, 0xff), witnessKey.sign(utf8(`cosignature/v1\ntime 18446744073709551615\n${text}`)))) },
    { name: "no time", why: "8 bytes stand before the signature", vkey: witnessKey.vkey, text, blob: hex(witnessKey.sign(utf8(`cosignature/v1\ntime ${SECONDS}\n${text}`))) },
  ],
};

export const receiptText = (rec: string, index: number, leaf: Buffer, commitment: Buffer): string =>
  `spur-receipt/v1\n${ORIGIN}\n${rec}\n${index}\n${b64(leaf)}\n${b64(commitment)}\n`;
const rec = fakeRec("output");
const leaf = leafHash(utf8("an output entry"));
const commitment = fake("receipt commitment");
const receipt = receiptText(rec, 402, leaf, commitment);
const wrongReceipt = (name: string, why: string, body: string, key: Signer = receiptsKey) => ({ name, why, note: `${body}\n${signatureLine(key, body)}` });

export const receiptVectors = {
  format: "spur-receipt/v1",
  about: "Six lines, signed as a note by the key named <origin>/receipts. invalid: notes that must not pass for a receipt of `origin` under `vkey`.",
  origin: ORIGIN,
  vkey: receiptsKey.vkey,
  valid: [{ name: "receipt of an output", text: receipt, rec, index: 402, leafHash: hex(leaf), commitment: hex(commitment), note: `${receipt}\n${signatureLine(receiptsKey, receipt)}` }],
  invalid: [
    wrongReceipt("signed by the log's key", "receipts have a key of their own", receipt, logKey),
    wrongReceipt("another origin", "a receipt belongs to its log", receipt.replace(ORIGIN, "other.example/log")),
    { ...wrongReceipt("a later version", "this version cannot judge it", receipt.replace("/v1", "/v2")), verdict: "not-checked" },
    wrongReceipt("index with a leading zero", "one text for one index", receipt.replace("\n402\n", "\n0402\n")),
    wrongReceipt("rec in upper case", "hex is lower case", receipt.replace(rec, rec.toUpperCase())),
    wrongReceipt("five lines", "six lines", receipt.replace(/[^\n]+\n$/, "")),
    wrongReceipt("seven lines", "six lines", `${receipt}x\n`),
    wrongReceipt("leaf hash in hex", "base64", receipt.replace(b64(leaf), hex(leaf))),
    wrongReceipt("commitment of 31 bytes", "32 bytes", receiptText(rec, 402, leaf, commitment.subarray(1))),
    { name: "index changed after signing", why: "the signature covers it", note: `${receipt}\n${signatureLine(receiptsKey, receipt)}`.replace("\n402\n", "\n403\n") },
  ],
};

const payload = utf8(canonical({ _type: "https://in-toto.io/Statement/v1" }));
const pae = (type: string, body: Buffer): Buffer => concat(utf8(`DSSEv1 ${utf8(type).length} ${type} ${body.length} `), body);
export const dsseVectors = {
  format: "DSSE v1 pre-authentication encoding",
  about: "\"DSSEv1\" SP len(type) SP type SP len(payload) SP payload; lengths in bytes, decimal.",
  valid: [
    { name: "the protocol's own example", payloadType: "http://example.com/HelloWorld", payload: hex(utf8("hello world")), pae: hex(pae("http://example.com/HelloWorld", utf8("hello world"))) },
    { name: "an in-toto statement", payloadType: "application/vnd.in-toto+json", payload: hex(payload), pae: hex(pae("application/vnd.in-toto+json", payload)), seed: hex(otherKey.seed), publicKey: hex(otherKey.publicKey), signature: hex(otherKey.sign(pae("application/vnd.in-toto+json", payload))) },
    { name: "lengths count bytes, not characters", payloadType: "text/痕", payload: hex(utf8("迹")), pae: hex(pae("text/痕", utf8("迹"))) },
    { name: "nothing", payloadType: "", payload: "", pae: hex(pae("", Buffer.alloc(0))) },
  ],
  invalid: [
    { name: "signature over the payload alone", why: "type and lengths are signed", payloadType: "application/vnd.in-toto+json", payload: hex(payload), publicKey: hex(otherKey.publicKey), signature: hex(otherKey.sign(payload)) },
    { name: "another type", why: "type and lengths are signed", payloadType: "application/json", payload: hex(payload), publicKey: hex(otherKey.publicKey), signature: hex(otherKey.sign(pae("application/vnd.in-toto+json", payload))) },
  ],
};
