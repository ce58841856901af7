import { VerifyError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "./canonical.ts";

/** Checks one public value; throws `statement/schema` naming the path. There is no shape for a free string: a leaf is public for ever. */
export type Shape = (value: Json, path: string) => void;

function refuse(path: string, wanted: string): never {
  throw new VerifyError("statement/schema", `${path}: ${wanted}`);
}

/** One of a fixed list of words. */
export function oneOf(...words: readonly string[]): Shape {
  return (value, path) => {
    if (typeof value !== "string" || !words.includes(value)) refuse(path, `one of ${words.join(", ")}`);
  };
}

/** A whole number from `min` to `max`. */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Shape {
  return (value, path) => {
    // Canonical JSON has no fractions; a trust file is written by hand and may have.
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      refuse(path, `a whole number from ${min} to ${max}`);
    }
  };
}

const DECIMAL = /^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$/;

/** A decimal as a string (formats §1); "-0" and "-0.00" are refused. */
export const decimal: Shape = (value, path) => {
  if (typeof value !== "string" || !DECIMAL.test(value) || /^-0(\.0+)?$/.test(value)) refuse(path, "a decimal string");
};

/** 64 lower-case hex digits. */
export const digest: Shape = (value, path) => {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) refuse(path, "64 hex digits");
};

/** 8 lower-case hex digits: the key ID of a signed note. */
export const keyId: Shape = (value, path) => {
  if (typeof value !== "string" || !/^[0-9a-f]{8}$/.test(value)) refuse(path, "8 hex digits");
};

/** A reference `{"index":…,"rec":…}` to an earlier entry. What type that entry has is judged where the edge is followed. */
export const reference: Shape = (value, path) => {
  if (!isReference(value)) refuse(path, "a reference {index, rec}");
};

/** A list of at most `max` values of one shape. */
export function listOf(shape: Shape, max = 1024): Shape {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > max) return refuse(path, `a list of at most ${max}`);
    value.forEach((item, i) => {
      shape(item as Json, `${path}[${i}]`);
    });
  };
}

/** An object with exactly these members; a name that ends in `?` may be absent. */
export function object(members: Record<string, Shape>): Shape {
  const wanted = new Map(
    Object.entries(members).map(([name, shape]) => [name.replace("?", ""), { shape, optional: name.endsWith("?") }]),
  );
  return (value, path) => {
    if (!isObject(value)) return refuse(path, "an object");
    for (const name of Object.keys(value)) if (!wanted.has(name)) refuse(`${path}.${name}`, "no such member");
    for (const [name, { shape, optional }] of wanted) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined;
      if (member !== undefined) shape(member, `${path}.${name}`);
      else if (!optional) refuse(`${path}.${name}`, "missing");
    }
  };
}

/** A reference to an earlier entry: both must fit, `rec` and `index`. */
export interface Reference {
  readonly rec: string;
  readonly index: number;
}

function isReference(value: Json): boolean {
  return (
    isObject(value) &&
    Object.keys(value).length === 2 &&
    typeof value["rec"] === "string" &&
    /^[0-9a-f]{32}$/.test(value["rec"]) &&
    typeof value["index"] === "number" &&
    value["index"] >= 0
  );
}

/** Every reference inside a predicate, with the member it stands under ("sources", "order", …). */
export function referencesIn(predicate: JsonObject): { role: string; target: Reference }[] {
  const found: { role: string; target: Reference }[] = [];
  const walk = (value: Json, role: string): void => {
    if (isReference(value)) found.push({ role, target: value as unknown as Reference });
    else if (Array.isArray(value)) for (const item of value) walk(item as Json, role);
    else if (isObject(value)) for (const [name, member] of Object.entries(value)) walk(member, name);
  };
  for (const [name, member] of Object.entries(predicate)) walk(member, name);
  return found;
}
