import { fromBase64, isSafeSize, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { HASH_BYTES } from "./merkle.ts";

const VERSION = "c2sp.org/tlog-proof@v1";
/** Room for the largest note, and for extra data far beyond an entry. */
const MAX_CHARACTERS = 2_000_000;

/** A C2SP tlog-proof: that an entry, which the file need not hold, stands at an index of a signed tree. */
export interface TlogProof {
  /** Nobody has signed it: Spur puts the entry's bytes here, others what they like. */
  readonly extra?: Uint8Array;
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly hashes: readonly Uint8Array[];
  /** A signed note, whole. */
  readonly checkpoint: string;
}

/** Throws `file/version` for another version, `proof/format`, `bytes/base64`. The checkpoint in it is not read here. */
export function parseTlogProof(text: string): TlogProof {
  const bad = (why: string) => new VerifyError("proof/format", why);
  if (text.length > MAX_CHARACTERS) throw bad("too long");
  const end = text.indexOf("\n\n");
  const [version = "", ...lines] = text.slice(0, Math.max(end, 0)).split("\n");
  if (version !== VERSION) throw new VerifyError("file/version", JSON.stringify(version.slice(0, 64)));
  const extra = lines[0]?.startsWith("extra ") === true ? lines.shift()?.slice("extra ".length) : undefined;
  const [indexLine = "", ...hashes] = lines;
  const proof = {
    ...(extra === undefined ? {} : { extra: fromBase64(extra) }),
    index: Number(indexLine.slice("index ".length)),
    hashes: hashes.map((line) => fromBase64(line)),
    checkpoint: text.slice(end + 2),
  };
  if (!isSafeSize(proof.index) || hashes.length > 63 || proof.hashes.some((hash) => hash.length !== HASH_BYTES))
    throw bad("index or hashes");
  // Refuses every other way to write it: 01, +1, a line without its word, a carriage return.
  if (formatTlogProof(proof) !== text) throw bad("does not re-encode to itself");
  return proof;
}

/** The inverse of `parseTlogProof`. */
export function formatTlogProof({ extra, index, hashes, checkpoint }: TlogProof): string {
  const lines = [VERSION, ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]), `index ${index}`];
  return [...lines, ...hashes.map(toBase64), "", checkpoint].join("\n");
}
