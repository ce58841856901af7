import { SpurError } from "../errors.ts";

const MAX_DEPTH = 64;

/**
 * Parses JSON for our own routes so that it means one thing: no duplicate names, no lone surrogates, no number that is not
 * exactly what was written (integers to 2^53−1; fractions are written as strings), not deeper than 64 levels.
 * Bodies of other people's APIs are carried as bytes instead.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw bad("json/utf8", "the body is not UTF-8");
  }
  refuse(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SpurError("json/syntax", `not JSON: ${(cause as Error).message.slice(0, 100)}`, { cause });
  }
}

const bad = (code: string, detail: string): SpurError => new SpurError(code, detail);

// One pass over the text, before JSON.parse can drop a name, round a number or run out of stack.
function refuse(text: string): void {
  const names: (Set<string> | undefined)[] = []; // one for each open bracket; undefined for a list
  let i = 0;
  let wantName = false;
  while (i < text.length) {
    const c = text[i] as string;
    if (c === '"') {
      const end = stringEnd(text, i);
      const value = stringAt(text, i, end);
      i = end;
      const open = names.at(-1);
      if (wantName && open !== undefined) {
        // Parsers drop it or take it for something else, each in its own way: no body of ours has it.
        if (value === "__proto__")
          throw new SpurError("http/body", "no member may be named __proto__", { status: 422 });
        if (open.has(value))
          throw bad(
            "json/duplicate-name",
            `the name ${JSON.stringify(value).slice(0, 100)} stands twice in one object`,
          );
        open.add(value);
        wantName = false;
      }
      continue;
    }
    if (c === "{" || c === "[") {
      if (names.length >= MAX_DEPTH) throw bad("json/depth", `deeper than ${MAX_DEPTH} levels`);
      names.push(c === "{" ? new Set() : undefined);
      wantName = c === "{";
    } else if (c === "}" || c === "]") {
      names.pop();
      wantName = false;
    } else if (c === ",") wantName = names.at(-1) !== undefined;
    else if (c === "-" || (c >= "0" && c <= "9")) {
      const number = /^-?[0-9.eE+-]+/.exec(text.slice(i, i + 64))?.[0] ?? c;
      if (!Number.isSafeInteger(Number(number)) || !/^-?(0|[1-9][0-9]*)$/.test(number) || number === "-0") {
        throw bad("json/number", `${number} is not a whole number up to 2^53-1; write decimals as strings`);
      }
      i += number.length;
      continue;
    }
    i++;
  }
}

/** Most strings are long and plain: they are looked through by the engine, not character by character. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
  throw bad("json/syntax", "a string is not closed");
}

function stringAt(text: string, start: number, end: number): string {
  const inside = text.slice(start + 1, end - 1);
  if (!inside.includes("\\")) return inside; // bytes that are UTF-8 hold no lone surrogate; JSON.parse sees control characters
  let value: string;
  try {
    value = JSON.parse(text.slice(start, end)) as string;
  } catch {
    throw bad("json/syntax", `a string at position ${start} is cut or malformed`);
  }
  if (!value.isWellFormed()) throw bad("json/surrogate", "a string holds a lone surrogate");
  return value;
}
