// The index of ids: against a Map, over new starts, rolled back commits and merges; with the ids that somebody would choose to harm it.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openDatabase } from "../src/storage/database.ts";
import { blockOf, clear, mark, mayHold, newFilter } from "../src/storage/rec-filter.ts";
import { keyedHash } from "../src/storage/rec-hash.ts";
import { sqliteRecIndex, type Indexed, type RecIndex } from "../src/storage/rec-index.ts";
import { SHAPE, type RecShape } from "../src/storage/rec-shape.ts";

const folder = mkdtempSync(join(tmpdir(), "spur-test-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const recOf = (index: number): string => createHash("sha256").update(String(index)).digest("hex").slice(0, 32);
const ownerOf = (index: number): string => (index % 1000 < 3 ? "" : `key${Math.floor(index / 1000)}`);
const entriesOf = (recs: readonly string[], from: number): Indexed[] =>
  recs.map((rec, i) => ({ rec, owner: ownerOf(from + i), index: from + i }));

function commit(database: DatabaseSync, index: RecIndex, recs: readonly string[], from: number): void {
  database.exec("begin immediate");
  index.add(entriesOf(recs, from));
  database.exec("commit");
}

/** Tails of 8 ids, runs of 16, 32, 64 …: something merges in nearly every commit. */
const TINY: RecShape = { bucketBits: 1, bucketIds: 4, pageIds: 5, fanoutBits: 1, filterBlocks: 1, pagesAtStart: 7 };
/** Pages as they are, but tails of 8192 ids and runs of 32,768. */
const SMALL: RecShape = { ...SHAPE, bucketBits: 4, fanoutBits: 2 };

const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex"));
/** Ids that begin alike, end alike, count up, or differ in one place. */
const chosen = fc.oneof(
  digest,
  digest.map((hex) => `${"0".repeat(28)}${hex.slice(0, 4)}`),
  digest.map((hex) => `${hex.slice(0, 4)}${"f".repeat(28)}`),
  fc.nat({ max: 255 }).map((n) => n.toString(16).padStart(32, "0")),
  fc.nat({ max: 31 }).map((n) => `${"0".repeat(n)}1${"0".repeat(31 - n)}`),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.uniqueArray(chosen, { minLength: 1, maxLength: 40 }).map((recs) => ({ recs, how: "commit" as const })) },
  { weight: 1, arbitrary: fc.uniqueArray(chosen, { minLength: 1, maxLength: 40 }).map((recs) => ({ recs, how: "lose" as const })) },
  { weight: 1, arbitrary: fc.constant({ recs: [], how: "reopen" as const }) },
  { weight: 2, arbitrary: fc.constant({ recs: [], how: "look" as const }) },
); // prettier-ignore

describe("against a Map", () => {
  const shapes: [string, RecShape, number][] = [
    ["tails of 8 ids, merged by twos", TINY, 12],
    ["tails that leave in several steps", { ...TINY, bucketBits: 3, bucketIds: 6 }, 12],
    ["merged by fours", { ...TINY, fanoutBits: 2, filterBlocks: 3 }, 10],
    ["pages that are too small for what comes to them", { ...TINY, bucketIds: 8, pageIds: 2, fanoutBits: 3 }, 10],
  ];
  it.each(shapes)("%s", { timeout: 60_000 }, (name, shape, numRuns) => {
    let run = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), fc.array(chosen, { maxLength: 50 }), (steps, others) => {
        const path = join(folder, `${name.length}-${run++}.sqlite`);
        let database = openDatabase(path);
        let index = sqliteRecIndex(database, shape);
        const known = new Map<string, number>();
        const reopen = (): void => {
          database.close();
          database = openDatabase(path);
          index = sqliteRecIndex(database, shape);
        };
        try {
          database.exec("pragma synchronous = off"); // what a crash of the machine leaves is SQLite's business
          for (const { recs, how } of steps) {
            const fresh = recs.filter((rec) => !known.has(rec));
            expect(fresh.filter((rec) => index.find(rec) !== undefined)).toEqual([]);
            if (how === "lose") {
              // The process ends before its commit: what it knew in memory goes with it.
              database.exec("begin immediate");
              index.add(entriesOf(fresh, known.size));
              for (const rec of fresh) expect(index.find(rec)).toBeDefined();
              reopen();
              expect(fresh.filter((rec) => index.find(rec) !== undefined)).toEqual([]);
            } else if (how === "reopen") reopen();
            else if (how === "look") for (const [rec, at] of known) expect(index.find(rec)).toBe(at);
            else {
              commit(database, index, fresh, known.size);
              for (const rec of fresh) known.set(rec, known.size);
            }
          }
          for (let again = 0; again < 2; again++) {
            for (const [rec, at] of known) {
              expect(index.find(rec)).toBe(at);
              expect(index.ownerOf(at)).toBe(ownerOf(at));
            }
            for (const rec of others) expect(index.find(rec)).toBe(known.get(rec));
            reopen();
          }
        } finally {
          database.close();
        }
      }),
      { numRuns, interruptAfterTimeLimit: 15_000 },
    ); // prettier-ignore
  });
});

it("finds every id through many merges, in a copy made by `vacuum into` too", { timeout: 60_000 }, () => {
  const path = join(folder, "many.sqlite");
  const database = openDatabase(path);
  const index = sqliteRecIndex(database, SMALL);
  const batches = [1, 128, 700, 3, 4000];
  let size = 0;
  for (let i = 0; size < 120_000; i++) {
    const count = batches[i % batches.length] as number;
    const from = size;
    commit(database, index, Array.from({ length: count }, (_, k) => recOf(from + k)), from); // prettier-ignore
    size += count;
  }
  const check = (one: RecIndex): void => {
    for (let i = 0; i < size; i += 7) if (one.find(recOf(i)) !== i) throw new Error(`${i} is not found`);
    for (let i = size; i < size + 20_000; i++) expect(one.find(recOf(i))).toBeUndefined();
  };
  check(index);
  expect(database.prepare("select steps from rec_steps order by level").all().map(({ steps }) => (steps as number) > 0)).toEqual([true]); // prettier-ignore
  check(sqliteRecIndex(database, SMALL));
  const copy = join(folder, "copy.sqlite");
  database.prepare("vacuum into ?").run(copy);
  database.close();
  const copied = openDatabase(copy);
  check(sqliteRecIndex(copied, SMALL));
  copied.close();
});

it.each([0, 10, 1e6])("reads next to no page for an id that is new (%i pages read at the start)", (pagesAtStart) => {
  const path = join(folder, `new-${pagesAtStart}.sqlite`);
  const database = openDatabase(path);
  database.exec("pragma synchronous = off");
  const shape = { ...SMALL, pagesAtStart };
  const index = sqliteRecIndex(database, shape);
  const size = 41_000; // in the middle of a merge: five tails have left, the sixth is leaving
  for (let at = 0; at < size; at += 500) commit(database, index, Array.from({ length: 500 }, (_, i) => recOf(at + i)), at); // prettier-ignore
  let reads = 0;
  const prepare = (sql: string): unknown => {
    const statement = database.prepare(sql);
    const get = (slot: number) => (reads++, statement.get(slot));
    return sql.startsWith("select ids from rec_pages") ? { get } : statement;
  };
  const again = sqliteRecIndex({ prepare } as DatabaseSync, shape);
  for (let i = size; i < size + 5000; i++) expect(again.find(recOf(i))).toBeUndefined();
  reads = 0;
  for (let i = size + 5000; i < size + 15_000; i++) expect(again.find(recOf(i))).toBeUndefined();
  expect(reads).toBeLessThan(100);
  for (let i = 0; i < size; i += 13) expect(again.find(recOf(i))).toBe(i);
  commit(database, again, Array.from({ length: 12_000 }, (_, i) => recOf(size + i)), size); // prettier-ignore
  reads = 0;
  for (let i = size + 15_000; i < size + 25_000; i++) expect(again.find(recOf(i))).toBeUndefined();
  expect(reads).toBeLessThan(100);
  database.close();
});

it("does a bounded part of its work in each commit, whoever chose the ids", { timeout: 60_000 }, () => {
  const path = join(folder, "bounded.sqlite");
  const database = openDatabase(path);
  database.exec("pragma synchronous = off; pragma wal_autocheckpoint = 0");
  const index = sqliteRecIndex(database, SMALL);
  const alike = (i: number): string => i.toString(16).padStart(32, "0");
  const wal = (): number => statSync(`${path}-wal`).size;
  let most = 0;
  const from = wal();
  const size = 100_000;
  for (let at = 0; at < size; at += 100) {
    const before = wal();
    commit(database, index, Array.from({ length: 100 }, (_, i) => alike(at + i)), at); // prettier-ignore
    most = Math.max(most, wal() - before);
  }
  // The page of ids, a page of the tail, the 4 pages of a merge, and what is above them in the trees.
  expect(most).toBeLessThan(16 * 8216);
  expect((wal() - from) / size).toBeLessThan(200);
  // As long as they were from the first: written again where they stand, whatever came.
  const pages = database
    .prepare("select max(length(ids)) as longest, min(length(ids)) as shortest from rec_pages")
    .get();
  expect(pages).toEqual({ longest: 8148, shortest: 8148 });
  expect(database.prepare("pragma freelist_count").get()).toEqual({ freelist_count: 0 });
  for (let i = 0; i < size; i += 41) expect(index.find(alike(i))).toBe(i);
  database.close();
});

it("stays right even for ids of somebody who knows the secret", { timeout: 60_000 }, () => {
  const database = openDatabase(join(folder, "secret.sqlite"));
  const secret = database.prepare("select value from meta where name = 'rec_secret'").get()?.["value"] as Uint8Array;
  const hash = keyedHash(secret);
  const out = new Uint32Array(2);
  const recs: string[] = [];
  for (let i = 0; recs.length < 600; i++) {
    const rec = recOf(i);
    const bytes = new Uint8Array(Buffer.from(rec, "hex"));
    hash(new Uint32Array(bytes.buffer), 0, out);
    if ((out[0] as number) >>> 26 === 0) recs.push(rec);
  }
  const index = sqliteRecIndex(database, { ...TINY, bucketIds: 32, pageIds: 8 });
  for (let at = 0; at < recs.length; at += 20) commit(database, index, recs.slice(at, at + 20), at);
  for (const one of [index, sqliteRecIndex(database, { ...TINY, bucketIds: 32, pageIds: 8 })])
    recs.forEach((rec, i) => expect(one.find(rec)).toBe(i));
  expect(database.prepare("select max(length(ids)) as n from rec_pages").get()?.["n"]).toBeGreaterThan(12 * 64);
  database.close();
});

it("says loudly when an id comes twice all the same, or an index is left out", () => {
  const database = openDatabase(join(folder, "twice.sqlite"));
  const index = sqliteRecIndex(database, TINY);
  commit(database, index, Array.from({ length: 100 }, (_, i) => recOf(i)), 0); // prettier-ignore
  const add = (recs: string[], from: number) => () => {
    database.exec("savepoint one");
    try {
      sqliteRecIndex(database, TINY).add(entriesOf(recs, from));
    } finally {
      database.exec("rollback to one");
    }
  };
  for (const old of [0, 50, 99]) expect(add([recOf(200), recOf(old)], 100)).toThrow("comes twice");
  expect(add([recOf(200), recOf(200)], 100)).toThrow("comes twice");
  expect(add([recOf(200)], 101)).toThrow("goes to 100");
  expect(add(["00"], 100)).toThrow("16 bytes");
  expect(add([recOf(200)], 100)).not.toThrow();
  database.close();
});

it("knows no id that is not one", () => {
  const database = openDatabase(join(folder, "none.sqlite"));
  const index = sqliteRecIndex(database, TINY);
  commit(database, index, ["0".repeat(32)], 0);
  for (const rec of ["", "0", "0".repeat(31), "0".repeat(33), "0".repeat(64), `${"0".repeat(31)}g`, "é".repeat(32)])
    expect(index.find(rec)).toBeUndefined();
  expect(index.find("0".repeat(32))).toBe(0);
  database.close();
});

describe("what stands on disk", () => {
  it("has hashes that never change", () => {
    const out = new Uint32Array(2);
    const message = Uint8Array.from({ length: 16 }, (_, i) => i);
    keyedHash(message.subarray(0, 8))(new Uint32Array(message.buffer), 0, out);
    expect(Buffer.from(out.buffer).toString("hex")).toBe("56d7c5b93d3e2ec2");
  });

  it("has a secret of its own in each database", () => {
    const secrets = ["a", "b"].map((name) => {
      const database = openDatabase(join(folder, `${name}.sqlite`));
      const { value } = database.prepare("select value from meta where name = 'rec_secret'").get() as { value: Uint8Array };
      database.close();
      return Buffer.from(value).toString("hex");
    }); // prettier-ignore
    expect(secrets[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(secrets[1]).not.toBe(secrets[0]);
  });
});

it("filters hold what was marked, and little else", () => {
  const filter = newFilter(SHAPE);
  /** Of bucket 7. */
  const hashOf = (i: number): [block: number, h2: number] => {
    const bytes = createHash("sha256").update(String(i)).digest();
    return [blockOf(SHAPE, (bytes.readUInt32LE(0) >>> 9) + 7 * 2 ** 23), bytes.readUInt32LE(4)];
  };
  for (let i = 0; i < SHAPE.bucketIds; i++) mark(filter, ...hashOf(i));
  for (let i = 0; i < SHAPE.bucketIds; i++) expect(mayHold(filter, ...hashOf(i))).toBe(true);
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) if (mayHold(filter, ...hashOf(1_000_000 + i))) wrong++;
  expect(wrong).toBeLessThan(500);
  for (const page of [6, 8]) {
    for (const low of [0, 0xffff, 0x7fffff]) expect(filter[blockOf(SHAPE, page * 2 ** 23 + low)]).toBe(0);
    clear(filter, SHAPE, page);
  }
  for (let i = 0; i < SHAPE.bucketIds; i++) expect(mayHold(filter, ...hashOf(i))).toBe(true);
  clear(filter, SHAPE, 7);
  expect(filter.every((word) => word === 0)).toBe(true);
});
