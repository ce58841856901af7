// The quick way to read an entry may say less than `parseEntry`, but never anything else.
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isPlain, type Plain } from "@spur/verifier/audit/fold";
import { createRecIndex } from "@spur/verifier/audit/rec-index";
import { utf8 } from "@spur/verifier/bytes";
import { canonicalBytes, canonicalText, type JsonObject } from "@spur/verifier/statement/canonical";
import { parseEntry } from "@spur/verifier/statement/entry";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { createLog, makeStory } from "../../verifier/test/make-log.ts";
import { pack, unpack } from "../src/audit-pack.ts";
import { plainEntry } from "../src/audit-plain.ts";
import { createRecTable, SEEDS } from "../src/audit-recs.ts";

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

/** What both must say of it; undefined where it is refused. */
function parsed(bytes: Uint8Array): Plain | undefined {
  try {
    const { rec, reg, seq, prev, at, evidence, predicateType, references } = parseEntry(bytes);
    return {
      ...{ rec, reg, seq, at, evidence, references },
      ...(prev === undefined ? {} : { prev }),
      ...(predicateType === undefined ? {} : { predicateType }),
    };
  } catch {
    return undefined;
  }
}

const { log } = makeStory();
log.close();
for (let i = 0; i < 3; i++) log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: i + 1 } });
const texts = log.entries.map(({ bytes }) => latin1(bytes));

/** xorshift: the same mutations at each run. */
function numbers(seed: number): (below: number) => number {
  return (below) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % below;
  };
}

const PIECES = [
  ...'0123456789abcdefz"\\{}[]:,-.eE \u0000\u007f\u00e9',
  ...["00", "-1", "1e3", "999999999999999", "9007199254740993", "null", '""', '"prev":0,', '"rows":1,', '"rec":0,'],
  ...['"index":', "{}", "[]", "observed", "imported", "2026-02-30T00Z", "training-logs", "spur:output/v1", "\\u0061"],
];

function mutate(text: string, pick: (below: number) => number): string {
  const [from, piece] = [pick(text.length), PIECES[pick(PIECES.length)] ?? ""];
  const cut = [0, 0, 1, 1, 1, piece.length, pick(40)][pick(7)] ?? 0;
  // Half of them inside a value, where a wrong yes would hide.
  const number = [...text.matchAll(/:(\d+)/g)];
  const one = number[pick(Math.max(1, number.length))];
  if (pick(3) === 0 && one !== undefined) {
    const start = one.index + 1;
    return (
      text.slice(0, start) + String(pick(2) === 0 ? pick(1000) : piece) + text.slice(start + (one[1] ?? "").length)
    );
  }
  return text.slice(0, from) + piece + text.slice(from + cut);
}

describe("the quick way to read an entry", () => {
  it("knows the entries of every predicate that is nothing but its shape", () => {
    const types = new Map(log.entries.map(({ bytes }, i) => [parsed(bytes)?.predicateType, texts[i] ?? ""]));
    const slow = [...types].filter(([, text]) => plainEntry(text) === undefined).map(([type]) => type);
    expect(slow.every((type) => type === undefined || PREDICATES.get(type)?.also !== undefined)).toBe(true);
    expect(types.size - slow.length).toBeGreaterThanOrEqual(8);
  });

  it("says what parseEntry says, before and after it has learnt the forms", () => {
    for (let round = 0; round < 3; round++) {
      for (const [i, text] of texts.entries()) {
        const quick = plainEntry(text);
        if (quick !== undefined) expect(quick).toEqual(parsed(log.entries[i]?.bytes ?? new Uint8Array()));
      }
    }
  });

  it("says yes to nothing that parseEntry refuses or reads otherwise", () => {
    const pick = numbers(20_261_122);
    let yes = 0;
    for (let i = 0; i < 60_000; i++) {
      let text = texts[pick(texts.length)] ?? "";
      for (let n = pick(3); n >= 0; n--) text = mutate(text, pick);
      const quick = plainEntry(text);
      if (quick === undefined) continue;
      yes++;
      expect(quick, text).toEqual(parsed(bytesOf(text)));
    }
    expect(yes).toBeGreaterThan(1000);
  });

  it.each([
    ["a number below its range", { contentDays: -1 }],
    ["a number above its range", { contentDays: 36_501 }],
    ["a word that is none of its list", { check: "yes" }],
    ["a member too many", { zone: 1 }],
    ["a fraction", { contentDays: 1.5 }],
  ])("leaves %s alone, though it has learnt the form", (_, change) => {
    const deployments = createLog({ witnesses: 0 });
    deployments.addKeys();
    const added = [30, 31, 32].map((contentDays) =>
      deployments.add({ type: "spur:deployment/v1", predicate: { operator: "self", check: "matched", contentDays } }),
    );
    for (const { bytes } of added) expect(plainEntry(latin1(bytes))).toEqual(parsed(bytes));
    const entry = JSON.parse(latin1(added[2]?.bytes ?? new Uint8Array())) as { statement: { predicate: JsonObject } };
    entry.statement.predicate = { ...entry.statement.predicate, ...change };
    const text = Number.isInteger((change as { contentDays?: number }).contentDays ?? 0)
      ? canonicalText(entry)
      : JSON.stringify(entry);
    expect(plainEntry(text)).toBeUndefined();
    expect(parsed(utf8(text))).toBeUndefined();
  });

  it("crosses threads unchanged", () => {
    const items = log.entries.map(({ bytes }, index) => {
      const plain = parsed(bytes);
      return plain !== undefined && isPlain(index, plain) ? plain : bytes;
    });
    items.push(canonicalBytes({ v: "spur-entry/v9" }));
    expect(unpack(structuredClone(pack(items)))).toEqual(items);
    expect(
      items.some((item) => item instanceof Uint8Array) && items.some((item) => !(item instanceof Uint8Array)),
    ).toBe(true);
  });
});

describe("the table of record ids", () => {
  it("says what a Map says, with ids twice, unknown ones, and holes in the numbers", () => {
    const seeds = crypto.getRandomValues(new Uint32Array(SEEDS));
    const [table, map] = [createRecTable(seeds), createRecIndex()];
    const recs = Array.from({ length: 20_000 }, () => randomBytes(16).toString("hex"));
    for (let i = 0; i < 40_000; i++) {
      const rec = i % 7 === 3 ? (recs[i % 11] ?? "") : (recs[i % recs.length] ?? "");
      expect(table.add(rec, 3 * i)).toBe(map.add(rec, 3 * i));
    }
    for (const rec of [...recs, "0".repeat(32), "f".repeat(32), randomBytes(16).toString("hex")])
      expect(table.get(rec)).toBe(map.get(rec));
  });

  it("keeps ids apart that differ in one bit, whatever the seeds", () => {
    for (const seeds of [new Uint32Array(SEEDS), crypto.getRandomValues(new Uint32Array(SEEDS))]) {
      const table = createRecTable(seeds);
      const ids = Array.from({ length: 128 }, (_, bit) => (1n << BigInt(bit)).toString(16).padStart(32, "0"));
      expect(ids.map((id, i) => table.add(id, i))).toEqual(ids.map(() => undefined));
      expect(ids.map((id) => table.get(id))).toEqual(ids.map((_, i) => i));
      expect(table.get("0".repeat(32))).toBeUndefined();
    }
  });
});
