import { Bug, VerifyError } from "./errors.ts";

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

/** Order of unsigned bytes, a prefix before what it begins: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
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
  return fromCodes(codes);
}

/**
 * The inverse of `toBase64`, and of nothing else: other alphabets, missing padding, spaces and unused bits that are set throw
 * `bytes/base64`, so what is accepted always re-encodes to itself.
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new VerifyError("bytes/base64", `length ${text.length} is not a multiple of 4`);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let word = 0;
  let o = 0;
  for (let i = 0; i < digits; i++) {
    const value = BASE64_VALUES[text.charCodeAt(i)] ?? 255;
    if (value === 255) throw new VerifyError("bytes/base64", `character ${i} is not of the alphabet`);
    word = ((word << 6) | value) & 0xffffff;
    if (i % 4 === 1) out[o++] = (word >> 4) & 255;
    else if (i % 4 === 2) out[o++] = (word >> 2) & 255;
    else if (i % 4 === 3) out[o++] = word & 255;
  }
  const unused = padding === 2 ? word & 15 : padding === 1 ? word & 3 : 0;
  if (unused !== 0) throw new VerifyError("bytes/base64", "unused bits are set");
  return out;
}

/** UTF-8 of a string. A lone surrogate has no UTF-8: it throws `bytes/utf8` and is never replaced. */
export function utf8(text: string): Uint8Array {
  const out = new Uint8Array(utf8Length(text));
  let o = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[o++] = code;
      continue;
    }
    if (code < 0x800) {
      out[o++] = 0xc0 | (code >> 6);
    } else {
      if (code >= 0xd800 && code <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (text.charCodeAt(++i) - 0xdc00);
        out[o++] = 0xf0 | (code >> 18);
        out[o++] = 0x80 | ((code >> 12) & 63);
      } else {
        out[o++] = 0xe0 | (code >> 12);
      }
      out[o++] = 0x80 | ((code >> 6) & 63);
    }
    out[o++] = 0x80 | (code & 63);
  }
  return out;
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    length += code < 0x800 ? 1 : 2;
    if (code < 0xd800 || code > 0xdfff) continue;
    const low = text.charCodeAt(i + 1); // NaN at the end
    if (code > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff))
      throw new VerifyError("bytes/utf8", `lone surrogate at ${i}`);
    i++; // four bytes for two units: the two units and the 2 just added
  }
  return length;
}

/**
 * The string of UTF-8 bytes (RFC 3629). Overlong forms, surrogates, values above U+10FFFF and cut sequences throw `bytes/utf8`.
 * A byte order mark is kept as U+FEFF: `utf8(fromUtf8(b))` equals `b` for every accepted `b`.
 */
export function fromUtf8(bytes: Uint8Array): string {
  if (isAscii(bytes)) return fromCodes(bytes); // nearly all that a log holds
  const units = new Uint16Array(bytes.length);
  let o = 0;
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i++] ?? 0;
    if (lead < 0x80) {
      units[o++] = lead;
      continue;
    }
    const more =
      lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
    if (more === 0) throw new VerifyError("bytes/utf8", `byte ${i - 1} begins no character`);
    let code = lead & (0x3f >> more);
    for (let k = 0; k < more; k++) {
      const next = bytes[i] ?? 0;
      if ((next & 0xc0) !== 0x80) throw new VerifyError("bytes/utf8", `byte ${i} continues no character`);
      code = (code << 6) | (next & 63);
      i++;
    }
    const least = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000;
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw new VerifyError("bytes/utf8", `character before byte ${i} is overlong, a surrogate or above U+10FFFF`);
    }
    if (code >= 0x10000) {
      units[o++] = 0xd800 + ((code - 0x10000) >> 10);
      units[o++] = 0xdc00 + ((code - 0x10000) & 0x3ff);
    } else {
      units[o++] = code;
    }
  }
  return fromCodes(units.subarray(0, o));
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) >= 0x80) return false;
  return true;
}

/** In pieces, since the number of arguments of a call is limited. */
function fromCodes(codes: Uint8Array | Uint16Array): string {
  let text = "";
  for (let i = 0; i < codes.length; i += 8192) {
    // `apply` takes any list; spreading would walk the array's iterator, at several times the cost.
    text += String.fromCharCode.apply(null, codes.subarray(i, i + 8192) as unknown as number[]);
  }
  return text;
}

function bigEndian(n: number, length: number): Uint8Array {
  if (!isSafeSize(n) || n >= 256 ** length) throw new Bug(`${n} does not fit ${length} bytes`);
  const out = new Uint8Array(length);
  for (let i = length - 1, rest = n; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest % 256;
  return out;
}

export function u16be(n: number): Uint8Array {
  return bigEndian(n, 2);
}

export function u32be(n: number): Uint8Array {
  return bigEndian(n, 4);
}

/** n must be a safe integer. */
export function u64be(n: number): Uint8Array {
  return bigEndian(n, 8);
}

function readBigEndian(bytes: Uint8Array, at: number, length: number): number {
  if (at < 0 || at + length > bytes.length)
    throw new VerifyError("bytes/short", `${length} bytes at ${at} of ${bytes.length}`);
  let n = 0;
  for (let i = at; i < at + length; i++) n = n * 256 + (bytes[i] ?? 0);
  if (!isSafeSize(n)) throw new VerifyError("bytes/number", `number at ${at} is above 2^53-1`);
  return n;
}

/** Throws `bytes/short` where the bytes end too early. */
export function readU16be(bytes: Uint8Array, at = 0): number {
  return readBigEndian(bytes, at, 2);
}

/** Throws `bytes/short`. */
export function readU32be(bytes: Uint8Array, at = 0): number {
  return readBigEndian(bytes, at, 4);
}

/** Throws `bytes/short`, and `bytes/number` above 2^53-1. */
export function readU64be(bytes: Uint8Array, at = 0): number {
  return readBigEndian(bytes, at, 8);
}
