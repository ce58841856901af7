import { fromUtf8, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";

/** What a canonical document can hold: no fractions, no exponents, no undefined. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

const MAX_DEPTH = 32;
/** Commas and opening brackets outside strings: no more values than that. */
const MAX_MARKS = 4_194_304;
const LONE_SURROGATE = /\p{Surrogate}/u;
// Printable ASCII without `"` and `\`: such names never need escaping, and sorting by code unit equals sorting by code point.
const PLAIN = /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Writes RFC 8785 (JCS) restricted to safe integers and ASCII member names: sorted members, no white space.
 * Throws `canonical/…` for a value that has no canonical form.
 */
export function canonicalText(value: Json): string {
  return write(value, 0);
}

/** {@link canonicalText} as UTF-8. */
export function canonicalBytes(value: Json): Uint8Array {
  return utf8(write(value, 0));
}

function write(value: Json, depth: number): string {
  if (typeof value === "string") return writeString(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new VerifyError("canonical/number", String(value));
    return String(value);
  }
  if (value === null || typeof value === "boolean") return String(value);
  if (depth >= MAX_DEPTH) throw new VerifyError("canonical/depth", `deeper than ${MAX_DEPTH} levels`);
  if (typeof value !== "object") throw new VerifyError("canonical/type", typeof value);
  let inside = "";
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) inside += `${inside && ","}${write(item, depth + 1)}`;
    return `[${inside}]`;
  }
  const object = value as JsonObject;
  for (const name of memberNames(object)) {
    inside += `${inside && ","}"${name}":${write(object[name] as Json, depth + 1)}`;
  }
  return `{${inside}}`;
}

function writeString(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  // JSON.stringify would write a lone surrogate as an escape, which RFC 8785 §3.2.2.2 forbids.
  if (LONE_SURROGATE.test(value)) throw new VerifyError("canonical/surrogate", "a string holds a lone surrogate");
  return JSON.stringify(value);
}

/**
 * Parses a document that must be canonical already: `canonical(parse(bytes)) == bytes`.
 * Comparing with our own encoding refuses duplicate names, white space, other escapes, other number forms and
 * unsorted members in one line, whatever the engine's JSON.parse lets through.
 */
export function parseCanonical(bytes: Uint8Array, maxDepth = MAX_DEPTH): Json {
  const text = fromUtf8(bytes);
  refuseVast(text, maxDepth);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new VerifyError("canonical/json", "not JSON", { cause });
  }
  if (canonicalText(value) !== text) throw new VerifyError("canonical/form", "not the canonical form of its value");
  return value;
}

/** Sorted; throws for a name that canonical JSON of ours never has. */
function memberNames(object: JsonObject): string[] {
  const names = Object.keys(object);
  let sorted = true;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    if (!PLAIN.test(name)) throw new VerifyError("canonical/name", JSON.stringify(name));
    if (i > 0 && name < (names[i - 1] as string)) sorted = false;
  }
  return sorted ? names : names.sort();
}

/** Like {@link parseCanonical}, for a document whose outermost value is an object. */
export function parseCanonicalObject(bytes: Uint8Array, maxDepth = MAX_DEPTH): JsonObject {
  const value = parseCanonical(bytes, maxDepth);
  if (!isObject(value)) throw new VerifyError("canonical/type", "the outermost value is not an object");
  return value;
}

/** True for a JSON object (not null, not an array). */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// Before JSON.parse sees it: 100,000 opening brackets overflow the stack of some engines, and 64 MiB of `[],` the memory of all.
function refuseVast(text: string, maxDepth: number): void {
  let [depth, marks] = [0, 0];
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x2c) marks++;
    else if (c === 0x5b || c === 0x7b) {
      marks++;
      if (++depth > maxDepth) throw new VerifyError("canonical/depth", `deeper than ${maxDepth} levels`);
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  if (marks > MAX_MARKS) throw new VerifyError("canonical/too-many", `${marks} commas and opening brackets`);
}
