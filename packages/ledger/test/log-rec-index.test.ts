// Ids that moved to the sorted table, ids that did not, and a process that ends in between.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import { afterAll, expect, it } from "vitest";
import { openDatabase } from "../src/storage/database.ts";
import { sqliteRecIndex } from "../src/storage/rec-index.ts";

type RecIndex = ReturnType<typeof sqliteRecIndex>;

const folder = mkdtempSync(join(tmpdir(), "spur-test-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const recOf = (index: number): string => createHash("sha256").update(String(index)).digest("hex").slice(0, 32);
const ownerOf = (index: number): string => (index % 1000 < 3 ? "" : `key${Math.floor(index / 1000)}`);

function add(database: DatabaseSync, index: RecIndex, from: number, to: number, batch: number, rec = recOf): void {
  for (let at = from; at < to; at += batch) {
    database.exec("begin immediate");
    const entries = Array.from({ length: Math.min(batch, to - at) }, (_, i) => ({
      rec: rec(at + i),
      owner: ownerOf(at + i),
      index: at + i,
    }));
    index.add(entries);
    database.exec("commit");
  }
}

const counts = (database: DatabaseSync): { sorted: number; tail: number } =>
  database
    .prepare(
      "select (select count(*) from recs) as sorted, (select coalesce(sum(length(recs)) / 16, 0) from rec_tail) as tail",
    )
    .get() as never;

it("finds every id, whichever table it is in, before and after each new start", { timeout: 60_000 }, () => {
  const path = join(folder, "one.sqlite");
  let size = 0;
  for (const [grow, batch] of [
    [10, 1],
    [30_000, 128],
    [20_000, 500],
    [300, 1],
    [40_000, 256],
    [7, 7],
  ] as const) {
    const database = openDatabase(path);
    const index = sqliteRecIndex(database);
    add(database, index, size, size + grow, batch);
    size += grow;
    const check = (one: RecIndex): void => {
      for (let i = 0; i < size; i += size > 1000 ? 37 : 1) {
        expect(one.find(recOf(i))).toBe(i);
        expect(one.ownerOf(i)).toBe(ownerOf(i));
      }
      for (let i = size; i < size + 50; i++) expect(one.find(recOf(i))).toBeUndefined();
    };
    check(index);
    check(sqliteRecIndex(database)); // as a process finds it that starts now
    database.close();
  }
  const database = openDatabase(path);
  const { sorted, tail } = counts(database);
  expect(sorted).toBeGreaterThan(size - 34_000);
  expect(tail).toBeLessThan(40_000 + 34_000);
  // In exactly one of the two: what stands in the tail's rows below the mark of its bucket has moved.
  expect(database.prepare("select count(distinct idx) as n from recs").get()).toEqual({ n: sorted });
  database.close();
});

it("does not stop the log for ids that somebody chose to begin alike", { timeout: 60_000 }, () => {
  const database = openDatabase(join(folder, "two.sqlite"));
  const index = sqliteRecIndex(database);
  const alike = (i: number): string => `00${recOf(i).slice(2)}`;
  add(database, index, 0, 36_000, 500, alike);
  const before = counts(database).sorted;
  add(database, index, 36_000, 36_001, 1, alike);
  expect(counts(database).sorted - before).toBeLessThanOrEqual(1024);
  for (let i = 0; i < 36_001; i += 41) expect(index.find(alike(i))).toBe(i);
  const again = sqliteRecIndex(database);
  for (let i = 0; i < 36_001; i += 41) expect(again.find(alike(i))).toBe(i);
  database.close();
});

it("says loudly when an id comes twice all the same", () => {
  const database = openDatabase(join(folder, "three.sqlite"));
  const index = sqliteRecIndex(database);
  database.exec("begin immediate");
  database.prepare("insert into recs values (?, 5)").run(Buffer.from(recOf(9), "hex"));
  database.exec("commit");
  expect(() => {
    add(database, index, 0, 40_000, 1000);
  }).toThrow("UNIQUE");
  database.close();
});
