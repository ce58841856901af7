import type { Outer } from "../../statement/entry.ts";
import type { Evidence } from "../format.ts";
import type { Findings } from "../findings.ts";
import { auditCommand, entriesOf, put, type CompleteRegister, type Held } from "./checked.ts";

interface Line {
  readonly index: number;
  readonly outer: Outer;
}
/** What a closing says of one register. */
interface Last {
  readonly seq: number;
  readonly index: number;
}
interface Closing {
  readonly index: number;
  readonly size: number;
  readonly last: ReadonlyMap<string, Last>;
}
const CLOSING = "spur:registers/v1";

/**
 * The entries of each register against one another and against the closings in the file. Returns the registers that are complete: the
 * file holds every entry up to the newest closing, so "none", "all" and "latest" can be said of them.
 */
export function checkRegisters(
  evidence: Evidence,
  held: ReadonlyMap<number, Held>,
  at: { readonly origin: string; readonly size: number },
  findings: Findings,
): ReadonlyMap<string, CompleteRegister> {
  const lines = new Map<string, Line[]>();
  for (const { index, outer } of held.values()) {
    if (outer !== undefined) put(lines, outer.reg, { index, outer });
  }
  const broken = new Set<string>();
  for (const [register, line] of lines) {
    const error = firstContradiction(line, held);
    if (error !== undefined) {
      broken.add(register);
      findings.fail("register", "register/refuted", { register, ...error });
    } else if (line.length > 1) findings.pass("register", "register/ok", { register, count: line.length });
  }
  const newest = checkClosings(evidence, held, lines, at, findings);
  const complete = new Map<string, CompleteRegister>();
  if (newest === undefined) return complete;
  const closing = newest.index;
  // Also the registers of which neither the closing nor the file knows an entry: "nothing was ever removed" rests on them.
  for (const name of new Set([...newest.last.keys(), "decisions", "removals"])) {
    const to = newest.last.get(name)?.seq ?? 0;
    // An entry of an unknown kind is there and says nothing: what it says could be the one thing that was asked for.
    const known = (lines.get(name) ?? []).filter(
      ({ index }) => index < closing && held.get(index)?.entry !== undefined,
    );
    if (broken.has(name) || known.length !== to) continue;
    const values = { register: name, to, closing };
    const finding = findings.pass("register", "register/complete", values, { kind: "register", name, to });
    complete.set(name, { name, to, closing, finding });
  }
  return complete;
}

/** Numbers rise with indexes and fit `prev`, as far as the file shows. `line` is by rising index. */
function firstContradiction(line: readonly Line[], held: ReadonlyMap<number, Held>) {
  let before: Line | undefined;
  for (const one of line) {
    const { seq, prev, reg } = one.outer;
    const { index } = one;
    if (before !== undefined && seq === before.outer.seq) return { index, detail: `number ${seq} twice` };
    if (before !== undefined && seq < before.outer.seq)
      return { index, detail: `number ${seq} after ${before.outer.seq}` };
    if (prev !== undefined) {
      const between = seq - 1 - (before?.outer.seq ?? 0);
      const there = held.get(prev)?.outer;
      if (prev >= index) return { index, detail: `its predecessor ${prev} is not before it` };
      if (between === 0 && prev !== before?.index) return { index, detail: `its predecessor is ${prev}` };
      // Each entry in between has an index of its own.
      if (prev < (before?.index ?? -1) + between)
        return { index, detail: `no room for ${between} entries up to ${prev}` };
      if (there !== undefined && (there.reg !== reg || there.seq !== seq - 1)) {
        return { index, detail: `its predecessor ${prev} is number ${there.seq} of ${there.reg}` };
      }
    }
    before = one;
  }
  return undefined;
}

/** The newest closing in the file, if none contradicts the entries or another one. */
function checkClosings(
  { registers }: Evidence,
  held: ReadonlyMap<number, Held>,
  lines: ReadonlyMap<string, readonly Line[]>,
  { origin, size }: { readonly origin: string; readonly size: number },
  findings: Findings,
): Closing | undefined {
  for (const index of registers) {
    const named = held.get(index)?.entry;
    if (named === undefined) findings.notChecked("closing", "closing/absent", { index }, auditCommand(origin));
    else if (named.predicateType !== CLOSING) {
      findings.fail("closing", "closing/refuted", { index, detail: "the entry closes no registers" });
    }
  }
  let [before, newest]: (Closing | undefined)[] = [];
  let sound = true;
  for (const { index, entry } of entriesOf(held, CLOSING)) {
    const { size, last } = entry.predicate as unknown as { size: number; last: readonly (Last & { name: string })[] };
    const one = { index, size, last: new Map(last.map((register) => [register.name, register])) };
    const detail = closingError(one, before, lines);
    if (detail !== undefined) findings.fail("closing", "closing/refuted", { index, detail });
    sound &&= detail === undefined;
    before = one;
    // What a client brought is his word, and he cannot know what is all.
    if (entry.evidence === "observed") newest = one;
  }
  if (newest === undefined || !sound) return undefined;
  const { index } = newest;
  findings.pass("closing", "closing/ok", { index, after: size - 1 - index });
  return newest;
}

function closingError(
  { index, size, last }: Closing,
  before: Closing | undefined,
  lines: ReadonlyMap<string, readonly Line[]>,
): string | undefined {
  if (size !== index) return "it closes another size than its own index";
  for (const [name, earlier] of before?.last ?? []) {
    const now = last.get(name);
    if (now === undefined || now.seq < earlier.seq || now.index < earlier.index)
      return `${name} had more entries before`;
  }
  for (const [name, line] of lines) {
    // Registers stand here by their first entry: those that follow begin behind the closing.
    const first = line[0]?.index ?? 0;
    if (first > index) break;
    if (name !== "registers" && !last.has(name)) return `entry ${first} of ${name} is missing in it`;
  }
  for (const [name, { seq, index: at }] of last) {
    const line = lines.get(name) ?? [];
    // Numbers rise with indexes: what holds of the entries on both sides of `at` holds of all.
    const next = countUpTo(line, at);
    for (const one of line.slice(Math.max(0, next - 1), next + 1)) {
      const inside = one.index <= at;
      if (one.index < index && !inside) return `entry ${one.index} of ${name} is missing in it`;
      if (inside !== one.outer.seq <= seq || (one.index === at) !== (one.outer.seq === seq)) {
        return `entry ${one.index} is number ${one.outer.seq} of ${name}, where it says ${seq} up to ${at}`;
      }
    }
  }
  return undefined;
}

/** How many stand at or before an index. By halves: a file may hold ten thousand closings and as many entries. */
function countUpTo(line: readonly Line[], index: number): number {
  let [low, high] = [0, line.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((line[middle]?.index ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}
