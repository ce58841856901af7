import { CliError } from "./errors.ts";

/** What a server answered is unknown until looked at: these readers throw `http/answer` where it has another shape than ours. */
export type JsonObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function object(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw wrong(what, "an object");
  return value;
}

export function list(from: JsonObject, name: string): readonly JsonObject[] {
  const value = from[name];
  if (!Array.isArray(value) || !value.every(isObject)) throw wrong(name, "a list of objects");
  return value;
}

export function text(from: JsonObject, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw wrong(name, "a text");
  return value;
}

export function number(from: JsonObject, name: string): number {
  const value = from[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong(name, "a whole number");
  return value;
}

export function maybeText(from: JsonObject, name: string): string | undefined {
  return from[name] === undefined ? undefined : text(from, name);
}

function wrong(what: string, wanted: string): CliError {
  return new CliError("http/answer", `the server answered without ${wanted} "${what}"`, {
    hint: "is this the address of a Spur ledger, and of the same version? Name it with --url",
  });
}
