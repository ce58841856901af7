// Changes good files as somebody would who knows the formats and means harm.
import { random, type Random } from "../faults/random.ts";

export { random, type Random };

const NUMBERS = [
  "0", "1", "-1", "-0", "00", "1.0", "1e3", "255", "256", "257", "65535", "65536", "2147483648", "4294967296", "9007199254740991",
  "9007199254740992", "18446744073709551616", "1".repeat(400), "NaN", "null", "true",
]; // prettier-ignore
const TEXTS = [
  "", "\n", "\n\n", "\r\n", " ", "— ", "+", "=", "==", "/", "AAAA", "\u0000", "\ufeff", "\ud800", "é", "é", "💥", '"', '\\"', "\\u0000",
  "\\ud800", "{", "}", "[", "]", ",", ":", "[".repeat(100), '{"a":'.repeat(40), "__proto__", "constructor", "toString", "none", "quorum ",
  "log ", "witness ", "group ", "x001/", ".p/", "tile/", '"index":', '"rec":', '"entries":[],', "spur-", "/v1", "/v2",
]; // prettier-ignore

/** One changed copy of `seed`: 1 to 4 changes, each of a kind chosen by chance; `others` are cut into it now and then. */
export function mutate(seed: Uint8Array, others: readonly Uint8Array[], by: Random): Uint8Array {
  let bytes = seed;
  for (let left = 1 + (by.below(4) === 0 ? by.below(4) : 0); left > 0; left--) bytes = change(bytes, others, by);
  return bytes;
}

type Change = (bytes: Uint8Array, at: number, by: Random, others: readonly Uint8Array[]) => Uint8Array;

const CHANGES: readonly Change[] = [
  // a bit, a byte, a character of the same kind
  (bytes, at, by) => put(bytes, at, Uint8Array.of((bytes[at] ?? 0) ^ (1 << by.below(8)))),
  (bytes, at, by) => put(bytes, at, Uint8Array.of(by.below(256))),
  (bytes, at, by) => put(bytes, at, Uint8Array.of(likeness(bytes[at] ?? 0, by))),
  // something left out, doubled, moved, reversed, filled
  (bytes, at, by) => splice(bytes, at, 1 + by.below(40), new Uint8Array(0)),
  (bytes, at, by) => splice(bytes, at, 0, bytes.subarray(at, at + 1 + by.below(200))),
  (bytes, at, by) => splice(bytes, by.below(bytes.length + 1), 0, bytes.subarray(at, at + 1 + by.below(100))),
  (bytes, at, by) => put(bytes, at, bytes.slice(at, at + 2 + by.below(30)).reverse()),
  (bytes, at, by) => put(bytes, at, new Uint8Array(by.below(64)).fill(by.below(256))),
  // cut, or with more behind
  (bytes, at) => bytes.slice(0, at),
  (bytes, _, by) => splice(bytes, bytes.length, 0, encode(by.pick(TEXTS))),
  // what parsers stumble over
  (bytes, at, by) => splice(bytes, at, by.below(3), encode(by.pick(TEXTS))),
  (bytes, at, by) => replaceNumber(bytes, at, by),
  (bytes, at, by) => swapLines(bytes, at, by),
  // a piece of another file
  (bytes, at, by, others) => {
    const other = by.pick(others);
    const from = by.below(other.length + 1);
    const piece = other.subarray(from, from + 1 + by.below(400));
    return splice(bytes, at, by.below(2) * piece.length, piece);
  },
  // base64 and hex for one another's length
  (bytes, at, by) => put(bytes, at, encode("A".repeat(4 * (1 + by.below(11))))),
];

function change(bytes: Uint8Array, others: readonly Uint8Array[], by: Random): Uint8Array {
  return by.pick(CHANGES)(bytes, by.below(bytes.length + 1), by, others);
}

const encode = (text: string): Uint8Array => Buffer.from(text, "utf8");

function splice(bytes: Uint8Array, at: number, cut: number, insert: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(Math.min(bytes.length, at + cut))]);
}

function put(bytes: Uint8Array, at: number, over: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  out.set(over.subarray(0, Math.max(0, bytes.length - at)), at);
  return out;
}

/** A digit for a digit, a letter for a letter. */
function likeness(byte: number, by: Random): number {
  if (byte >= 0x30 && byte <= 0x39) return 0x30 + by.below(10);
  if (byte >= 0x61 && byte <= 0x7a) return 0x61 + by.below(26);
  if (byte >= 0x41 && byte <= 0x5a) return 0x41 + by.below(26);
  return 0x20 + by.below(95);
}

function replaceNumber(bytes: Uint8Array, at: number, by: Random): Uint8Array {
  const isDigit = (i: number): boolean => (bytes[i] ?? 0) >= 0x30 && (bytes[i] ?? 0) <= 0x39;
  let start = at;
  while (start < bytes.length && !isDigit(start)) start++;
  let end = start;
  while (isDigit(end)) end++;
  return splice(bytes, start, end - start, encode(by.pick(NUMBERS)));
}

function swapLines(bytes: Uint8Array, at: number, by: Random): Uint8Array {
  const lines = Buffer.from(bytes).toString("latin1").split("\n");
  const one = at % lines.length;
  const other = by.below(lines.length);
  [lines[one], lines[other]] = [lines[other] as string, lines[one] as string];
  return Buffer.from(lines.join("\n"), "latin1");
}
