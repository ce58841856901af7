const DONE = Buffer.from("[DONE]");
const LF = 0x0a;
const CR = 0x0d;

/**
 * Lets an event stream pass line by line, byte for byte, and holds it back from `data: [DONE]` on: what stands behind the
 * gate is released only when the output is on record.
 *
 * An unfinished line waits for its end. No client can use half a line; and if the upstream is cut there, the client sees
 * whole events and then an error, never a torn one with our error glued to it.
 */
export class LineGate {
  #unfinished: Buffer[] = [];
  #held: Buffer[] = [];
  #closed = false;
  #first = true;

  /** True from `data: [DONE]` on. */
  get done(): boolean {
    return this.#closed;
  }

  /** Takes the next bytes and returns what may go now: whole lines, empty if there is none. */
  push(chunk: Buffer): Buffer {
    if (this.#closed) {
      this.#held.push(chunk);
      return EMPTY;
    }
    const whole = chunk[chunk.length - 1] === LF; // as nearly always
    const end = whole ? chunk.length : Math.max(chunk.lastIndexOf(LF), chunk.lastIndexOf(CR)) + 1;
    if (end === 0) {
      this.#unfinished.push(chunk);
      return EMPTY;
    }
    const head = end === chunk.length ? chunk : chunk.subarray(0, end);
    const lines = this.#unfinished.length === 0 ? head : Buffer.concat([...this.#unfinished, head]);
    this.#unfinished = end === chunk.length ? [] : [chunk.subarray(end)];
    const stop = doneLine(lines, this.#first);
    this.#first = false;
    if (stop === -1) return lines;
    this.#closed = true;
    this.#held = [lines.subarray(stop), ...this.#unfinished];
    this.#unfinished = [];
    return lines.subarray(0, stop);
  }

  /** Everything still behind the gate: from `data: [DONE]` on, or a last line without an end. */
  rest(): Buffer {
    return Buffer.concat(this.#closed ? this.#held : this.#unfinished);
  }
}

const EMPTY = Buffer.alloc(0);

/**
 * Where the first line that says `data: [DONE]` begins, or -1. Whatever follows the word on its line is ignored: some
 * clients compare the beginning only, and holding back too much is harmless.
 */
function doneLine(lines: Buffer, first: boolean): number {
  for (let at = lines.indexOf(DONE); at !== -1; at = lines.indexOf(DONE, at + 1)) {
    const space = lines[at - 1] === 0x20 ? 1 : 0; // WHATWG HTML §9.2.6: one space after the colon belongs to the field
    const start = at - space - 5;
    if (start < 0 || lines.toString("latin1", start, start + 5) !== "data:") continue;
    const before = lines[start - 1];
    const afterMark = first && start === 3 && lines.readUIntBE(0, 3) === 0xefbbbf;
    if (start === 0 || before === LF || before === CR || afterMark) return start;
  }
  return -1;
}
