import { closeSync, fsyncSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { EMPTY_ROOT, type Root } from "@spur/verifier/tlog/merkle";
import { SpurError } from "../errors.ts";
import { readIfThere, writeAll } from "./durable-file.ts";
import { REC_TABLES } from "./rec-index.ts";
import { upgrade } from "./upgrade.ts";

/** The version of what stands in the data folder; a newer program brings an older folder up to date (upgrade.ts). */
export const DATA_VERSION = 2;

const SCHEMA = `
create table meta (name text primary key, value blob not null) without rowid;
create table head (one integer primary key check (one = 1), size integer not null, root blob not null);
create table entries (idx integer primary key, bytes blob not null);
${REC_TABLES}
create table owners (first integer primary key, owner text not null);
create table registers (name text primary key, seq integer not null, idx integer not null) without rowid;
create table signed (size integer primary key, root blob not null, key_id text not null);
create table journal (id integer primary key, rec blob not null, owner text not null, ct blob not null, dek blob not null);
create table payloads (serial integer primary key, idx integer not null, ct blob, file text, blobs text, due_ms integer, lost integer not null default 0);
create unique index payloads_idx on payloads (idx);
create index payloads_due on payloads (due_ms) where due_ms is not null;
create table deks (serial integer primary key, wrapped blob not null);
create table keks (shard integer primary key, generation integer not null, wrapped blob not null);
create table tombstones (rec blob primary key, idx integer not null, order_idx integer not null, state text not null) without rowid;
create table root_retired (id text primary key) without rowid;
create table access_keys (id text primary key, hash blob not null unique, scopes text not null, label text not null, created_ms integer not null, revoked_ms integer) without rowid;
`;

/**
 * Opens the data folder's one database. `secure_delete` before the first write: a deleted key must leave no bytes behind.
 * `synchronous = full` in WAL mode: a commit has returned only after fsync of the log.
 */
export function openDatabase(path: string): DatabaseSync {
  writeAgain(`${path}-wal`);
  const database = new DatabaseSync(path);
  database.exec(`pragma page_size = 8192; pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;
    pragma wal_autocheckpoint = 2000; pragma foreign_keys = off; pragma temp_store = memory; pragma cache_size = -16384;
    pragma busy_timeout = 0; pragma journal_size_limit = 67108864;`);
  const version = (database.prepare("pragma user_version").get() as { user_version: number }).user_version;
  if (version === 0) {
    database.exec(`begin immediate; ${SCHEMA} pragma user_version = ${DATA_VERSION}; commit;`);
    return database;
  }
  try {
    if (version > DATA_VERSION)
      throw new SpurError(
        "data/too-new",
        `the data folder has version ${version}, this program knows ${DATA_VERSION}`,
        { hint: "Start it with the newer program that wrote it." },
      );
    if (version < DATA_VERSION) upgrade(database, version);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/**
 * What an earlier process committed may lie in a write-ahead log whose sync failed: the system takes such bytes for clean and never writes
 * them. They are written again, the same ones, before any of them goes into the database: else a power loss there could leave it half done
 * with nothing to mend it by.
 */
function writeAgain(path: string): void {
  const bytes = readIfThere(path);
  if (bytes === undefined || bytes.length === 0) return;
  const fd = openSync(path, "r+");
  try {
    writeAll(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The head, read without a write: not even the journal mode of a copy is touched. */
export function peekHead(path: string): { size: number; root: Root } {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return (
      (database.prepare("select size, root from head").get() as { size: number; root: Root } | undefined) ?? {
        size: 0,
        root: EMPTY_ROOT,
      }
    );
  } catch {
    return { size: Number.MAX_SAFE_INTEGER, root: EMPTY_ROOT }; // unreadable: the real start says how
  } finally {
    database.close();
  }
}
