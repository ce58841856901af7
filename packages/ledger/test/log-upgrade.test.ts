// A data folder of version 1, with its ids in a table sorted by id: brought up to date, whole or not at all.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, it } from "vitest";
import { DATA_VERSION, openDatabase } from "../src/storage/database.ts";
import { sqliteRecIndex } from "../src/storage/rec-index.ts";

const folder = mkdtempSync(join(tmpdir(), "spur-test-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const recOf = (index: number): string => createHash("sha256").update(String(index)).digest("hex").slice(0, 32);

/** The tables of version 1 that the upgrade reads; the others are as they are now. */
const VERSION_1 = `
create table meta (name text primary key, value blob not null) without rowid;
create table head (one integer primary key check (one = 1), size integer not null, root blob not null);
create table recs (rec blob primary key, idx integer not null) without rowid;
create table rec_tail (last integer primary key, recs blob not null);
create table rec_moved (one integer primary key check (one = 1), cursor integer not null, below blob not null);
create table owners (first integer primary key, owner text not null);
insert into meta values ('origin', 'log.example');
pragma user_version = 1;`;

const OWNERS = [
  [0, ""],
  [3, "key1"],
  [500, "key2"],
] as const;
const ownerOf = (index: number): string => OWNERS.findLast(([first]) => first <= index)?.[1] ?? "";

/** As version 1 left it: ids that have moved into the sorted table, and a tail whose rows hold some that have moved as well. */
function version1(
  path: string,
  size: number,
  { moved = Math.floor(size / 2), kept = Math.floor(size / 4) } = {},
): void {
  const database = new DatabaseSync(path);
  database.exec(`pragma page_size = 8192; pragma journal_mode = wal; ${VERSION_1} begin`);
  if (size > 0) database.prepare("insert into head values (1, ?, x'00')").run(size);
  for (const [first, owner] of OWNERS)
    if (first < size) database.prepare("insert into owners values (?, ?)").run(first, owner);
  const insert = database.prepare("insert into recs values (?, ?)");
  for (let i = 0; i < moved; i++) insert.run(Buffer.from(recOf(i), "hex"), i);
  const tail = database.prepare("insert into rec_tail values (?, ?)");
  for (let at = kept; at < size; at += 100) {
    const to = Math.min(size, at + 100);
    tail.run(to - 1, Buffer.from(Array.from({ length: to - at }, (_, i) => recOf(at + i)).join(""), "hex"));
  }
  database.exec("commit");
  database.close();
}

const tablesOf = (path: string): string[] => {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("select name from sqlite_master where name like 'rec%' order by name").all();
  const { user_version } = database.prepare("pragma user_version").get() as { user_version: number };
  database.close();
  return [`version ${user_version}`, ...rows.map(({ name }) => name as string)];
};
const OLD = ["version 1", "rec_moved", "rec_tail", "recs"];
const NEW = [`version ${DATA_VERSION}`, "rec_ids", "rec_pages", "rec_steps"];

it.each([0, 1, 600, 5000])("carries over a log of %i entries", (size) => {
  const path = join(folder, `size${size}.sqlite`);
  version1(path, size);
  for (let start = 0; start < 2; start++) {
    const database = openDatabase(path);
    const index = sqliteRecIndex(database);
    for (let i = 0; i < size; i++) expect(index.find(recOf(i))).toBe(i);
    expect(index.find(recOf(size))).toBeUndefined();
    for (const i of [0, 2, 3, 499, 500, size - 1]) if (i >= 0 && i < size) expect(index.ownerOf(i)).toBe(ownerOf(i));
    expect(Buffer.from(database.prepare("select value from meta where name = 'origin'").get()?.["value"] as never).toString()).toBe("log.example"); // prettier-ignore
    database.close();
    expect(tablesOf(path)).toEqual(NEW);
  }
  const database = openDatabase(path);
  const index = sqliteRecIndex(database);
  index.add([{ rec: recOf(size), owner: "key3", index: size }]);
  expect(sqliteRecIndex(database).find(recOf(size))).toBe(size);
  expect(index.ownerOf(size)).toBe("key3");
  database.close();
});

it("changes nothing where an id is missing, or belongs to no entry", () => {
  const path = join(folder, "missing.sqlite");
  version1(path, 600, { moved: 100, kept: 101 });
  expect(() => openDatabase(path)).toThrow("log/damaged");
  expect(tablesOf(path)).toEqual(OLD);
  const beyond = join(folder, "beyond.sqlite");
  version1(beyond, 600);
  const database = new DatabaseSync(beyond);
  database.exec("update head set size = 599");
  database.close();
  expect(() => openDatabase(beyond)).toThrow("log/damaged");
  expect(tablesOf(beyond)).toEqual(OLD);
});

it.each([
  ["before owners had a table", "create table recs (rec blob primary key, idx integer not null, owner text not null) without rowid;"],
  ["of which nothing is known", "create table recs (a);"],
  ["without ids", ""],
])("refuses an early build, %s, by name", (name, recs) => {
  const path = join(folder, `early${name.split(" ").at(-1)}.sqlite`);
  const database = new DatabaseSync(path);
  database.exec(VERSION_1.replace(/create table recs .*/, recs));
  database.close();
  const before = tablesOf(path);
  expect(() => openDatabase(path)).toThrow("data/early-build");
  expect(tablesOf(path)).toEqual(before);
}); // prettier-ignore

it("is at version 1 still when the process is killed in the middle", { timeout: 60_000 }, async () => {
  const path = join(folder, "killed.sqlite");
  version1(path, 150_000);
  const module = new URL("../src/storage/database.ts", import.meta.url).href;
  const child = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `const { openDatabase } = await import(${JSON.stringify(module)}); openDatabase(${JSON.stringify(path)});`,
  ]);
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on("exit", (_, signal) => resolve(signal)));
  // What does not fit the cache is written before the commit.
  const grown = (): boolean => (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 500_000;
  while (!grown() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
  const database = new DatabaseSync(path);
  expect(database.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
  database.close();
  expect(tablesOf(path)).toEqual(OLD);
  const again = openDatabase(path);
  const index = sqliteRecIndex(again);
  for (let i = 0; i < 150_000; i += 101) expect(index.find(recOf(i))).toBe(i);
  again.close();
  expect(tablesOf(path)).toEqual(NEW);
});
