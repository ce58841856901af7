import type { Io } from "./io.ts";

/**
 * Text from outside, made harmless for a terminal: escape sequences could hide or forge a verdict, marks of writing direction could turn
 * a key around. Newlines and tabs stay.
 */
export function clean(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The same on one line. */
export function cleanLine(text: string): string {
  return clean(text.replace(/\s*\n\s*/g, " ").replace(/\t/g, " "));
}

export interface Style {
  good(text: string): string;
  bad(text: string): string;
  unsure(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

/** Colours where somebody looks; never under NO_COLOR (no-color.org: set and not empty). */
export function styleOf(io: Io): Style {
  const on = io.isTty && (io.env["NO_COLOR"] ?? "") === "" && io.env["TERM"] !== "dumb";
  const paint = (code: string) => (text: string) => (on ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { good: paint("32"), bad: paint("31"), unsure: paint("33"), bold: paint("1"), dim: paint("2") };
}

export const DEFAULT_URL = "http://127.0.0.1:7787";

/** A command as somebody can type it. */
export function typed(...words: readonly string[]): string {
  return ["npx spur", ...words.map(quoted)].join(" ");
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@%,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function many(n: number, one: string, more = `${one}s`): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : more}`;
}

export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function print(io: Io, ...lines: readonly string[]): void {
  for (const line of lines) io.stdout.write(`${line}\n`);
}
