import type { Plain } from "@spur/verifier/audit/fold";
import type { EvidenceLevel } from "@spur/verifier/statement/entry";
import { EVIDENCE_LEVELS } from "@spur/verifier/statement/entry";

/** What was parsed of a bundle's entries, flat: cloning an object for each would take a thread longer than making it. */
export interface Packed {
  /** An entry: `BYTES`, or seq, prev or -1, hour, level, register, type, n, and n times role, index. Words by their place in `words`. */
  readonly numbers: Float64Array;
  /** Record ids of 32 characters, one after the other: an entry's own, then those that it refers to. */
  readonly recs: string;
  readonly words: readonly string[];
  /** Entries that stay bytes, in order. */
  readonly bytes: readonly Uint8Array[];
}

const BYTES = -1;
const FIELDS = 7;
const REC = 32;
const NO_TYPE = "";

export function pack(items: readonly (Plain | Uint8Array)[]): Packed {
  let length = 0;
  for (const item of items) length += item instanceof Uint8Array ? 1 : FIELDS + 2 * item.references.length;
  const numbers = new Float64Array(length);
  const words: string[] = [];
  // A dozen words at most in any log of ours, and mostly those of the entry before.
  const place = (word: string): number => {
    const known = words.indexOf(word);
    return known >= 0 ? known : words.push(word) - 1;
  };
  const bytes: Uint8Array[] = [];
  const recs: string[] = [];
  let o = 0;
  for (const item of items) {
    if (item instanceof Uint8Array) {
      numbers[o++] = BYTES;
      bytes.push(item.slice()); // else the whole bundle went with it
      continue;
    }
    recs.push(item.rec);
    numbers[o++] = item.seq;
    numbers[o++] = item.prev ?? -1;
    numbers[o++] = place(item.at);
    numbers[o++] = EVIDENCE_LEVELS.indexOf(item.evidence);
    numbers[o++] = place(item.reg);
    numbers[o++] = place(item.predicateType ?? NO_TYPE);
    numbers[o++] = item.references.length;
    for (const { role, target } of item.references) {
      numbers[o++] = place(role);
      numbers[o++] = target.index;
      recs.push(target.rec);
    }
  }
  // Joined, since a string grown piece by piece is taken apart again where it is cloned.
  return { numbers, recs: recs.join(""), words, bytes };
}

/** The inverse of `pack`. */
export function unpack({ numbers, recs, words, bytes }: Packed): (Plain | Uint8Array)[] {
  const items: (Plain | Uint8Array)[] = [];
  let [o, at, nextBytes] = [0, 0, 0];
  const number = (): number => numbers[o++] ?? 0;
  const word = (): string => words[numbers[o++] ?? 0] ?? "";
  const rec = (): string => recs.slice(at, (at += REC));
  while (o < numbers.length) {
    const seq = number();
    if (seq === BYTES) {
      items.push(bytes[nextBytes++] ?? new Uint8Array());
      continue;
    }
    const prev = number();
    const own = rec();
    const at = word();
    const evidence = EVIDENCE_LEVELS[number()] as EvidenceLevel;
    const reg = word();
    const predicateType = word();
    const count = number();
    const references: Plain["references"][number][] = [];
    for (let i = 0; i < count; i++) references.push({ role: word(), target: { index: number(), rec: rec() } });
    // Written out, since spreading an object takes several times as long, and nearly all entries have both.
    if (prev >= 0 && predicateType !== NO_TYPE) {
      items.push({ rec: own, seq, prev, at, evidence, reg, predicateType, references });
      continue;
    }
    items.push({
      ...{ rec: own, seq, at, evidence, reg, references },
      ...(prev < 0 ? {} : { prev }),
      ...(predicateType === NO_TYPE ? {} : { predicateType }),
    });
  }
  return items;
}
