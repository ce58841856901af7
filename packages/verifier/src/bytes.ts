import { Bug, VerifyError } from "./errors.ts";

// Of the Encoding standard, in every browser and in Node; declared here since this compiles with the types of neither.
declare const TextDecoder: new (
  label: "utf-8",
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
// `ignoreBOM`: a byte order mark is a character like any other.
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();

/** True for 0..2^53-1: what we take as a size, an index or a time. Larger values of a u64 are refused, never rounded. */
export function isSafeSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Not constant time: everything compared here is public. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (let i = 0; i < bytes.length; i++) hex += HEX[bytes[i] ?? 0] ?? "";
  return hex;
}

/** Lower case only, so that one value has one text. Throws `bytes/hex`. */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0) throw new VerifyError("bytes/hex", `odd length ${hex.length}`);
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = hexDigit(hex, 2 * i) * 16 + hexDigit(hex, 2 * i + 1);
  return out;
}

function hexDigit(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  throw new VerifyError("bytes/hex", `character ${at} is not a lower-case hex digit`);
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_CODES = Uint8Array.from(BASE64, (c) => c.charCodeAt(0));
const BASE64_VALUES = new Uint8Array(128).fill(255);
BASE64_CODES.forEach((code, value) => (BASE64_VALUES[code] = value));
const PAD = 61; // "="

/** RFC 4648 §4: standard alphabet, padded. */
export function toBase64(bytes: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  for (let i = 0, o = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    codes[o++] = BASE64_CODES[word >> 18] ?? PAD;
    codes[o++] = BASE64_CODES[(word >> 12) & 63] ?? PAD;
    codes[o++] = left > 1 ? (BASE64_CODES[(word >> 6) & 63] ?? PAD) : PAD;
    codes[o++] = left > 2 ? (BASE64_CODES[word & 63] ?? PAD) : PAD;
  }
  return DECODER.decode(codes);
}

/**
 * The inverse of `toBase64`, and of nothing else: other alphabets, missing padding, spaces and unused bits that are set throw
 * `bytes/base64` (or the caller's code), so what is accepted always re-encodes to itself.
 */
export function fromBase64(text: string, code = "bytes/base64"): Uint8Array {
  if (text.length % 4 !== 0) throw new VerifyError(code, `base64 of length ${text.length}, no multiple of 4`);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let word = 0;
  let o = 0;
  for (let i = 0; i < digits; i++) {
    const value = BASE64_VALUES[text.charCodeAt(i)] ?? 255;
    if (value === 255) throw new VerifyError(code, `character ${i} is not of base64`);
    word = ((word << 6) | value) & 0xffffff;
    if (i % 4 === 1) out[o++] = (word >> 4) & 255;
    else if (i % 4 === 2) out[o++] = (word >> 2) & 255;
    else if (i % 4 === 3) out[o++] = word & 255;
  }
  const unused = padding === 2 ? word & 15 : padding === 1 ? word & 3 : 0;
  if (unused !== 0) throw new VerifyError(code, "unused bits of base64 are set");
  return out;
}

/** UTF-8 of a string. A lone surrogate has no UTF-8: it throws `bytes/utf8` and is never replaced. */
export function utf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw new VerifyError("bytes/utf8", "lone surrogate");
  return ENCODER.encode(text);
}

/**
 * The string of UTF-8 bytes (RFC 3629). Overlong forms, surrogates, values above U+10FFFF and cut sequences throw `bytes/utf8`.
 * A byte order mark is kept as U+FEFF: `utf8(fromUtf8(b))` equals `b` for every accepted `b`.
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch (cause) {
    throw new VerifyError("bytes/utf8", `${bytes.length} bytes are no UTF-8`, { cause });
  }
}

function bigEndian(n: number, length: number): Uint8Array {
  if (!isSafeSize(n) || n >= 256 ** length) throw new Bug(`${n} does not fit ${length} bytes`);
  const out = new Uint8Array(length);
  for (let i = length - 1, rest = n; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest % 256;
  return out;
}

/** n must be below 2^16. */
export const u16be = (n: number): Uint8Array => bigEndian(n, 2);
/** n must be below 2^32. */
export const u32be = (n: number): Uint8Array => bigEndian(n, 4);
/** n must be a safe integer. */
export const u64be = (n: number): Uint8Array => bigEndian(n, 8);

function readBigEndian(bytes: Uint8Array, at: number, length: number): number {
  if (at < 0 || at + length > bytes.length)
    throw new VerifyError("bytes/short", `${length} bytes at ${at} of ${bytes.length}`);
  let n = 0;
  for (let i = at; i < at + length; i++) n = n * 256 + (bytes[i] ?? 0);
  if (!isSafeSize(n)) throw new VerifyError("bytes/number", `number at ${at} is above 2^53-1`);
  return n;
}

/** Throws `bytes/short` where the bytes end too early. */
export const readU16be = (bytes: Uint8Array, at = 0): number => readBigEndian(bytes, at, 2);
/** Throws `bytes/short`. */
export const readU32be = (bytes: Uint8Array, at = 0): number => readBigEndian(bytes, at, 4);
/** Throws `bytes/short`, and `bytes/number` above 2^53-1. */
export const readU64be = (bytes: Uint8Array, at = 0): number => readBigEndian(bytes, at, 8);
