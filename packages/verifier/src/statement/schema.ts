import { VerifyError } from "../errors.ts";
import { isObject, type Json } from "./canonical.ts";

/** What is wrong with a value: the path inside it and what was wanted there, as ".last[2].seq: …"; undefined if it has the shape. */
export type Shape = (value: Json) => string | undefined;

/** Throws with the caller's code unless the value, which he calls `name`, has the shape. */
export function demand(shape: Shape, value: Json, code: string, name: string): void {
  const wrong = shape(value);
  if (wrong !== undefined) throw new VerifyError(code, name + wrong);
}

/** A text of one form. */
export function matching(form: RegExp, wanted: string): Shape {
  return (value) => (typeof value === "string" && form.test(value) ? undefined : `: ${wanted}`);
}

/** Any text: for files and envelopes. In a predicate there is no free string, since a leaf is public for ever. */
export const anyText: Shape = (value) => (typeof value === "string" ? undefined : ": a text");

/** Looked at by somebody else. */
export const anything: Shape = () => undefined;

/** One of a fixed list of words. */
export function oneOf(...words: readonly string[]): Shape {
  return (value) => (words.includes(value as string) ? undefined : `: one of ${words.join(", ")}`);
}

/** A whole number from `min` to `max`. */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Shape {
  return (value) =>
    // Canonical JSON has no fractions; a trust file is written by hand and may have.
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? undefined
      : `: a whole number from ${min} to ${max}`;
}

/** A decimal as a string (formats §1); "-0" and "-0.00" are refused. */
export const decimal = matching(/^(?!-0(\.0+)?$)-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$/, "a decimal string");

/** 64 lower-case hex digits. */
export const digest = matching(/^[0-9a-f]{64}$/, "64 hex digits");

/** 8 lower-case hex digits: the key ID of a signed note. */
export const keyId = matching(/^[0-9a-f]{8}$/, "8 hex digits");

/** 32 lower-case hex digits: a record id. */
export const recId = matching(/^[0-9a-f]{32}$/, "32 hex digits");

/** A list of at most `max` values of one shape. */
export function listOf(shape: Shape, max = 1024): Shape {
  return (value) => {
    if (!Array.isArray(value) || value.length > max) return `: a list of at most ${max}`;
    for (let i = 0; i < value.length; i++) {
      const wrong = shape(value[i] as Json);
      if (wrong !== undefined) return `[${i}]${wrong}`;
    }
    return undefined;
  };
}

/** An object with exactly these members; a name that ends in `?` may be absent. */
export function object(members: Record<string, Shape>): Shape {
  const shapes = new Map(Object.entries(members).map(([name, shape]) => [name.replace("?", ""), shape]));
  const required = Object.keys(members).filter((name) => !name.endsWith("?"));
  return (value) => {
    if (!isObject(value)) return ": an object";
    for (const name of Object.keys(value)) {
      const shape = shapes.get(name);
      if (shape === undefined) return `.${name}: no such member`;
      const wrong = shape(value[name] as Json);
      if (wrong !== undefined) return `.${name}${wrong}`;
    }
    const missing = required.find((name) => !Object.hasOwn(value, name));
    return missing === undefined ? undefined : `.${missing}: missing`;
  };
}

/** A reference to an earlier entry: both must fit, `rec` and `index`. */
export interface Reference {
  readonly rec: string;
  readonly index: number;
}

/** A reference `{"index":…,"rec":…}`. What type that entry has is judged where the edge is followed. */
export const reference = object({ index: integer(), rec: recId });
