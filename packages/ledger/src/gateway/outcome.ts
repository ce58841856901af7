import { createParser } from "eventsource-parser";

/** How the upstream's part of an exchange came to its end. */
export type End =
  | "done" // the upstream ended its answer
  | "cut" // its connection broke inside the answer
  | "down" // no answer came at all
  | "redirect" // it pointed elsewhere; nobody went there
  | "too-long" // the answer passed the bound, and was stopped
  | "gone"; // the client left first

export type Outcome = "complete" | "partial" | "refused" | "cancelled" | "failed";

/** What a look at the answer told. Judged from a copy: the bytes go through untouched. */
export interface Seen {
  /** A choice stood in it. */
  choices: boolean;
  /** A choice came with a finish reason, or the stream said [DONE]. */
  finished: boolean;
  /** A finish reason `content_filter`, or an error that says so. */
  refused: boolean;
  /** An object with `error`. */
  error: boolean;
  /** The `usage` object as it was written, the last one that was not null. */
  usage?: Uint8Array;
}

/**
 * What could change what was seen, once a choice was: an error, a finish reason or usage that is not null, or a `\u` escape,
 * since a name can be written with it. No other escape stands for a letter, and no name goes over a line's end.
 */
const TELLING = /\\u|"error"|"(?:finish_reason|usage)"(?!\s*:\s*null)/;

/** Looks at an event stream line by line. */
export class StreamLook {
  readonly seen: Seen = { choices: false, finished: false, refused: false, error: false };
  /** The lines so far end with a blank one: the next begin an event. */
  #between = true;
  readonly #parser = createParser({
    onEvent: ({ data }) => {
      if (data.startsWith("[DONE]")) this.seen.finished = true;
      else lookAtText(data, this.seen);
    },
  });

  /**
   * Takes whole lines, of which {@link LineGate} kept `[DONE]`. Bytes that are not UTF-8 read as U+FFFD here and nowhere else.
   * Whole events that can tell nothing new, as nearly every token of an answer, are not parsed.
   */
  lines(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const ends = bytes.length > 1 && bytes[bytes.length - 1] === 0x0a && bytes[bytes.length - 2] === 0x0a;
    if (ends && this.#between && this.seen.choices && !TELLING.test(bytes.toString("latin1"))) return;
    this.#between = ends;
    this.#parser.feed(bytes.toString("utf8"));
  }

  /** Takes what is left at the end of the stream; its last event may lack its blank line. */
  end(rest: Buffer): void {
    this.#parser.feed(`${rest.toString("utf8")}\n\n`);
  }
}

/** Looks at a whole JSON body. */
export function lookAtBody(body: Buffer): Seen {
  const seen: Seen = { choices: false, finished: false, refused: false, error: false };
  lookAtText(body.toString("utf8"), seen);
  return seen;
}

function lookAtText(text: string, seen: Seen): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return; // nonsense passes through and is recorded; it says nothing to us
  }
  if (!isRecord(value)) return;
  const { choices, usage, error } = value;
  if (error !== undefined && error !== null) {
    seen.error = true;
    if (isRecord(error) && (error["code"] === "content_filter" || error["code"] === "content_policy_violation"))
      seen.refused = true;
  }
  if (Array.isArray(choices)) {
    for (const choice of choices as unknown[]) {
      if (!isRecord(choice)) continue;
      seen.choices = true;
      const reason = choice["finish_reason"];
      if (typeof reason !== "string") continue;
      seen.finished = true;
      if (reason === "content_filter") seen.refused = true;
    }
  }
  if (isRecord(usage)) {
    const written = memberText(text, "usage");
    if (written !== undefined) seen.usage = Buffer.from(written);
  }
}

/** The outcome to put on record. `status` is absent if no answer came. */
export function outcomeOf(end: End, status: number | undefined, live: boolean, seen: Seen): Outcome {
  if (end === "gone") return "cancelled";
  if (end === "down" || end === "redirect") return "failed";
  if (status === undefined || status >= 400) return seen.refused ? "refused" : "failed";
  if (end !== "done") return "partial";
  if (seen.refused) return "refused";
  if (seen.error) return seen.choices ? "partial" : "failed";
  if (!seen.choices) return "failed";
  // A stream that ends in good order without a finish reason and without [DONE] was given up half way.
  return live && !seen.finished ? "partial" : "complete";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The text of a member's value in a JSON object, exactly as written; of two members with one name the last, like
 * JSON.parse, which must have accepted `json` before. Undefined if there is no such member.
 */
export function memberText(json: string, name: string): string | undefined {
  let found: string | undefined;
  let depth = 0;
  let key: string | undefined; // the last string read where a name stands
  let valueStart = -1;
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i);
    if (c === 0x22) {
      const end = stringEnd(json, i);
      if (depth === 1 && valueStart === -1) key = json.slice(i, end);
      i = end - 1;
    } else if (c === 0x3a && depth === 1 && valueStart === -1) {
      valueStart = i + 1;
    } else if (c === 0x7b || c === 0x5b) {
      depth++;
    } else if (c === 0x7d || c === 0x5d || (c === 0x2c && depth === 1)) {
      if (depth === 1 && valueStart !== -1 && key !== undefined) {
        if (JSON.parse(key) === name) found = json.slice(valueStart, i).trim();
        valueStart = -1;
      }
      if (c !== 0x2c) depth--;
    }
  }
  return found;
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let slashes = 0;
    while (json.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
  return json.length;
}
