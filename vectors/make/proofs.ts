// C2SP tlog-proofs of a log of plain entries, and what is no proof.
import { b64, cosignatureLine, flip, inclusionPath, leafHash, logKey, ORIGIN, otherKey, signatureLine, treeRoot, utf8, witnessKey } from "./lib.ts";
import { EXIT, type Expected } from "./small-log.ts";
import { trustText } from "./trust.ts";

const entries = Array.from({ length: 13 }, (_, i) => utf8(`entry ${i}`));
const leaves = entries.map(leafHash);
const text = `${ORIGIN}\n13\n${b64(treeRoot(leaves))}\n`;
const SEEN = 1_795_321_200;
const signed = `${text}\n${signatureLine(logKey, text)}`;
const note = `${signed}${cosignatureLine(witnessKey, text, SEEN)}`;

interface Parts {
  readonly index?: number;
  readonly extra?: Uint8Array | string;
  readonly hashes?: readonly Uint8Array[];
  readonly checkpoint?: string;
}
function proof({ index = 5, extra, hashes = inclusionPath(5, leaves), checkpoint = note }: Parts = {}): string {
  const line = extra === undefined ? "" : `extra ${typeof extra === "string" ? extra : b64(extra)}\n`;
  return `c2sp.org/tlog-proof@v1\n${line}index ${index}\n${hashes.map((hash) => `${b64(hash)}\n`).join("")}\n${checkpoint}`;
}
const path = inclusionPath(5, leaves);
const whole = proof({ extra: entries[5]! });
const bare = proof();

const trust = {
  none: trustText("quorum none\n"),
  log: trustText(`log ${logKey.vkey}\nquorum none\n`),
  "log and witness": trustText(`log ${logKey.vkey}\nwitness one ${witnessKey.vkey}\nquorum one\n`),
  "another key of the log": trustText(`log ${otherKey.vkey}\nquorum none\n`),
};
interface Options {
  readonly trust?: keyof typeof trust;
  /** What the caller hands in. */
  readonly entry?: string;
  readonly check?: string;
}
function vector(name: string, why: string, verdict: Expected, file: string, options: Options = {}) {
  const { trust: trusted = "log and witness", ...more } = options;
  return { name, ...(why === "" ? {} : { why }), text: file, trust: trusted, ...more, verdict, exit: EXIT[verdict] };
}
const good = (name: string, file: string, options: Options = {}) => vector(name, "", "pass", file, options);
const bad = (name: string, why: string, verdict: Expected, check: string, file: string, options: Options = {}) =>
  vector(name, why, verdict, file, { ...options, check });
const form = (name: string, why: string, file: string) => bad(name, why, "fail", "format", file);

export const proofVectors = {
  format: "C2SP tlog-proof",
  about:
    "Proofs about entry 5, the text \"entry 5\", of a log of 13, verified under the trust file named by `trust`; `entry`, where it is given, is what the caller hands in, as text. A finding of `check`, where it is named, has that verdict.",
  trust,
  valid: [
    good("the entry stands in the file", whole),
    good("the entry is handed in", bare, { entry: "entry 5" }),
    good("the entry is handed in, and the file carries other extra data", proof({ extra: utf8("a note") }), { entry: "entry 5" }),
    good("without a quorum", whole, { trust: "log" }),
    good("a log of one: no hashes", (() => { const one = `${ORIGIN}\n1\n${b64(leaves[0]!)}\n`; return proof({ index: 0, hashes: [], extra: entries[0]!, checkpoint: `${one}\n${signatureLine(logKey, one)}` }); })(), { trust: "log" }),
    good("the last entry", proof({ index: 12, hashes: inclusionPath(12, leaves), extra: entries[12]! })),
  ],
  invalid: [
    bad("nobody trusted", "signer unknown", "not-checked", "log signature", whole, { trust: "none" }),
    bad("another key of that name trusted", "signer unknown", "not-checked", "log signature", whole, { trust: "another key of the log" }),
    bad("the entry is nowhere", "what stands there is not said", "not-checked", "inclusion", bare),
    bad("extra data that are not the entry", "nobody says that they are", "not-checked", "inclusion", proof({ extra: utf8("a note") })),
    bad("another entry handed in", "it does not stand there", "fail", "inclusion", whole, { entry: "entry 6" }),
    bad("another index", "the place is in the proof", "fail", "inclusion", proof({ index: 4 }), { entry: "entry 5" }),
    bad("an index beyond the tree", "no such leaf", "fail", "inclusion", proof({ index: 13 })),
    bad("a flipped bit in a hash", "does not recompute", "fail", "inclusion", proof({ hashes: [flip(path[0]!, 3), ...path.slice(1)] }), { entry: "entry 5" }),
    bad("a hash left out", "their number follows from index and size", "fail", "inclusion", proof({ hashes: path.slice(1) })),
    bad("a hash too many", "their number follows from index and size", "fail", "inclusion", proof({ hashes: [...path, path[0]!] })),
    bad("a flipped bit in the log's signature", "a trusted key's signature is invalid", "fail", "log signature", whole.replace(/(— spur[^ ]* )([^\n]+)/, (_, head: string, blob: string) => `${head}${b64(flip(Buffer.from(blob, "base64"), 20))}`)),
    bad("a flipped bit in the witness's signature", "invalid signature by a trusted key", "fail", "witnesses", whole.replace(/(— witness[^ ]* )([^\n]+)/, (_, head: string, blob: string) => `${head}${b64(flip(Buffer.from(blob, "base64"), 40))}`)),
    bad("the required witness left out", "the quorum is not met", "not-checked", "witnesses", proof({ extra: entries[5]!, checkpoint: signed })),
    bad("size changed after signing", "it is signed", "fail", "log signature", whole.replace("\n13\n", "\n14\n")),
    bad("a checkpoint that is no note", "no signature", "fail", "log signature", proof({ extra: entries[5]!, checkpoint: text })),
    bad("a later version", "this version cannot judge it", "not-checked", "format", whole.replace("@v1", "@v2")),
    form("no index", "every proof has one", bare.replace("index 5\n", "")),
    form("an index that is no number", "digits only", bare.replace("index 5", "index five")),
    form("a negative index", "digits only", bare.replace("index 5", "index -5")),
    form("an index with a leading zero", "one text for one index", bare.replace("index 5", "index 05")),
    form("an index above 2^53-1", "refused, never rounded", bare.replace("index 5", "index 9007199254740992")),
    form("two spaces before the index", "one space", bare.replace("index 5", "index  5")),
    form("extra data behind the index", "before it", bare.replace("index 5\n", "index 5\nextra AAAA\n")),
    form("extra data twice", "once", whole.replace("extra", "extra AAAA\nextra")),
    form("extra data that are not base64", "RFC 4648 §4", proof({ extra: "!!" })),
    form("extra data without padding", "one text for one value", proof({ extra: "YQ" })),
    form("a hash that is not base64", "RFC 4648 §4", bare.replace("index 5\n", "index 5\n!!\n")),
    form("a hash of 31 bytes", "32 bytes", proof({ hashes: [path[0]!.subarray(1), ...path.slice(1)] })),
    form("64 hashes", "no tree is so deep", proof({ hashes: Array.from({ length: 64 }, () => path[0]!) })),
  ],
};
