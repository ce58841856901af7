import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { SpurError } from "../errors.ts";
import type { Ledger, Ready } from "../record.ts";
import type { AccessKey } from "./access.ts";
import { draftOfLine } from "./bodies.ts";
import { problemOf } from "./problem.ts";
import { parseStrictJson } from "./strict-json.ts";
import { wireRecorded } from "./wire-recorded.ts";
import { demandWritable, type Target } from "./writable.ts";

/** A line: what one record may hold of base64 with room. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Lines under way, and their bytes: what arrives beyond waits in the caller's connection. */
const MAX_LINES = 2048;
const MAX_BYTES = 32 * 1024 * 1024;
/** A longer line may become files, which are synced before its commit: the next lines wait for it, since they may refer to it. */
const SLOW_LINE_BYTES = 32 * 1024;
/** Of an answer that the caller does not read while he sends. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
const PROGRESS_EVERY_MS = 200;

/** What is told of the lines: each of them, or how many are durable and which were refused. */
export type Answer = "records" | "progress";

/**
 * Records a body of lines, each by itself, in their order: a line may refer to an earlier one. A line that is refused is told, and the
 * others go on; an error of the ledger itself ends the batch. Crash, or a cut connection, anywhere: what was told is durable, and who sends
 * the same lines with the same `rec`s again is told of each record as it stands.
 */
export async function takeBatch(
  ledger: Ledger,
  key: AccessKey,
  body: Readable,
  out: ServerResponse,
  answer: Answer,
): Promise<void> {
  const told = new Told(out, answer);
  const underWay = new Map<string, Target>();
  let waiting = { lines: 0, bytes: 0 };
  let wake: (() => void) | undefined;
  let nth = 0;

  const room = async (most: { lines: number; bytes: number }): Promise<void> => {
    while (waiting.lines > most.lines || waiting.bytes > most.bytes) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const start = (line: number, ready: Ready, bytes: number): void => {
    waiting = { lines: waiting.lines + 1, bytes: waiting.bytes + bytes };
    ledger
      .recordReady(ready)
      .then(
        ([recorded]) => {
          told.recorded(line, wireRecorded(recorded as NonNullable<typeof recorded>));
        },
        (error: unknown) => {
          told.refused(line, error);
        },
      )
      .finally(() => {
        for (const { rec } of ready.drafts) underWay.delete(rec);
        waiting = { lines: waiting.lines - 1, bytes: waiting.bytes - bytes };
        wake?.();
      });
  };
  const take = async (bytes: Buffer | "too long"): Promise<void> => {
    const line = ++nth;
    try {
      if (bytes === "too long") throw new SpurError("http/too-large", `a line is at most ${MAX_LINE_BYTES} bytes`, { status: 413 }); // prettier-ignore
      if (bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)) return;
      const draft = draftOfLine(parseStrictJson(bytes), key);
      start(line, await demandWritable(ledger, [draft], underWay), bytes.length);
      await room(bytes.length > SLOW_LINE_BYTES ? { lines: 0, bytes: 0 } : { lines: MAX_LINES, bytes: MAX_BYTES });
    } catch (error) {
      told.refused(line, error);
    }
  };

  try {
    for await (const line of linesOf(body)) {
      await take(line);
      if (told.ended !== undefined) break;
    }
  } catch {
    // The caller's connection ended in mid-line: that line is not recorded, the ones before are.
  }
  await room({ lines: 0, bytes: 0 });
  told.end(nth);
  body.destroy();
}

/** Lines without their ends; "too long" in place of one that is. */
async function* linesOf(body: Readable): AsyncGenerator<Buffer | "too long"> {
  let parts: Buffer[] = [];
  let held = 0;
  const taken = (): Buffer | "too long" => {
    const line = held > MAX_LINE_BYTES ? "too long" : parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    parts = [];
    held = 0;
    return line;
  };
  for await (const chunk of body as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      parts.push(chunk.subarray(from, end));
      held += end - from;
      from = end + 1;
      yield taken();
    }
    held += chunk.length - from;
    if (held <= MAX_LINE_BYTES) parts.push(chunk.subarray(from));
    else parts = []; // only its length is still counted
  }
  if (held > 0) yield taken();
}

/** The answer, line by line; what comes in one turn of the event loop leaves in one write. */
class Told {
  readonly #out: ServerResponse;
  readonly #answer: Answer;
  #recorded = 0;
  #refused = 0;
  #toldMs = 0;
  #text = "";
  /** Why the batch ended before its last line. */
  ended: unknown;

  constructor(out: ServerResponse, answer: Answer) {
    this.#out = out;
    this.#answer = answer;
    out.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    out.flushHeaders();
    out.on("error", () => undefined); // a caller who is gone; the lines that he sent are recorded
  }

  recorded(line: number, record: object): void {
    this.#recorded++;
    if (this.#answer === "records") this.#say({ line, ...record });
    else if (performance.now() - this.#toldMs > PROGRESS_EVERY_MS) {
      this.#toldMs = performance.now();
      this.#say({ durable: this.#recorded });
    }
  }

  refused(line: number, error: unknown): void {
    this.#refused++;
    const problem = problemOf(error);
    if (problem.status >= 500) this.ended ??= error;
    this.#say({ line, error: problem });
  }

  end(lines: number): void {
    const whole = this.ended === undefined;
    this.#say({ done: whole, lines, recorded: this.#recorded, refused: this.#refused });
    this.#flush();
    this.#out.end();
  }

  #say(line: object): void {
    if (this.#text === "") {
      setImmediate(() => {
        this.#flush();
      });
    }
    this.#text += `${JSON.stringify(line)}\n`;
    if (this.#out.writableLength < MAX_UNREAD_BYTES) return;
    this.ended ??= new SpurError("batch/answer-unread", "the answer is not read", { status: 503 });
  }

  #flush(): void {
    if (this.#text === "" || this.#out.destroyed) return;
    this.#out.write(this.#text);
    this.#text = "";
  }
}
