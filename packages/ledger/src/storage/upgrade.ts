import type { DatabaseSync } from "node:sqlite";
import { SpurError } from "../errors.ts";
import { REC_TABLES, sqliteRecIndex } from "./rec-index.ts";

const REC_BYTES = 16;
/** Entries whose ids are handed over at once. */
const SLICE = 4096;

/** What brings a database from a version to the next. */
const UPGRADES: Record<number, (database: DatabaseSync) => void> = { 1: toVersion2 };

/**
 * Brings a database up to date, in one transaction: after a crash it has the version that it had. Throws `data/early-build` for tables
 * of a build before the first release, `log/damaged` if what it has to carry over is not whole; then nothing was changed.
 */
export function upgrade(database: DatabaseSync, version: number): void {
  database.exec("begin immediate");
  try {
    for (let from = version; UPGRADES[from] !== undefined; from++) {
      UPGRADES[from]?.(database);
      database.exec(`pragma user_version = ${from + 1}`);
    }
    database.exec("commit");
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}

/** Version 1 held ids in a table sorted by id, and the youngest in a tail. */
function toVersion2(database: DatabaseSync): void {
  const columns = "select group_concat(name) as columns from pragma_table_info(?)";
  const found = ["recs", "rec_tail", "rec_moved", "owners"].map(
    (table) => database.prepare(columns).get(table)?.["columns"],
  );
  if (found.join(" ") !== "rec,idx last,recs one,cursor,below first,owner")
    throw new SpurError("data/early-build", "the data folder was made by a build before the first release", {
      status: 503,
      hint: "Nothing was changed. Start it with the build that made it, or begin with a new folder.",
    });
  const { size } = database.prepare("select size from head union all select 0 as size").get() as { size: number };
  const ids = Buffer.alloc(size * REC_BYTES);
  const known = new Uint8Array(size);
  const carry = (rec: Uint8Array, index: number): void => {
    if (index >= size || rec.length !== REC_BYTES) throw damaged();
    ids.set(rec, index * REC_BYTES);
    known[index] = 1;
  };
  for (const row of database.prepare("select last, recs from rec_tail").iterate()) {
    const { last, recs } = row as { last: number; recs: Uint8Array };
    const count = recs.length / REC_BYTES;
    for (let i = 0; i < count; i++) carry(recs.subarray(i * REC_BYTES, (i + 1) * REC_BYTES), last + 1 - count + i);
  }
  for (const row of database.prepare("select rec, idx from recs").iterate())
    carry(row["rec"] as Uint8Array, row["idx"] as number);
  if (known.includes(0)) throw damaged();
  // Dropped before the new tables grow: they take its pages.
  database.exec(`drop table recs; drop table rec_tail; drop table rec_moved; ${REC_TABLES}`);
  const index = sqliteRecIndex(database);
  const owner = index.ownerOf(size); // of the last entry: the table of owners stays as it is
  for (let from = 0; from < size; from += SLICE) {
    const hex = ids.toString("hex", from * REC_BYTES, Math.min(size, from + SLICE) * REC_BYTES);
    const recs = hex.match(/.{32}/g) ?? [];
    index.add(recs.map((rec, i) => ({ rec, owner, index: from + i })));
  }
}

const damaged = (): SpurError =>
  new SpurError("log/damaged", "ids of records are missing", {
    status: 503,
    hint: "The folder of version 1 can't be carried over; nothing was changed. Put a whole copy back, or see `npx spur recover --help`.",
  });
