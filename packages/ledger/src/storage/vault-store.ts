import type { DatabaseSync } from "node:sqlite";

/** Where a record's ciphertext is. */
export interface StoredPayload {
  readonly serial: number;
  readonly idx: number;
  readonly ct: Uint8Array | null;
  readonly file: string | null;
  /** JSON: slot -> file name of its blob. */
  readonly blobs: string | null;
  /** 1: the content was lost when an older copy was restored. */
  readonly lost: number;
}

export interface Tombstone {
  readonly rec: string;
  readonly idx: number;
  readonly order_idx: number;
  readonly state: "ordered" | "destroyed" | "completed";
}

export interface JournalRow {
  readonly id: number;
  readonly rec: string;
  readonly owner: string;
  readonly ct: Uint8Array;
  readonly dek: Uint8Array;
}

/** The vault's tables: statements prepared once; writes are called only inside a transaction of the log store. */
export type VaultStore = ReturnType<typeof sqliteVaultStore>;

const recBytes = (rec: string): Uint8Array => Buffer.from(rec, "hex");
const recHex = (rec: Uint8Array): string => Buffer.from(rec).toString("hex");

export function sqliteVaultStore(database: DatabaseSync) {
  const one = <T>(sql: string) => {
    const statement = database.prepare(sql);
    return (...values: (string | number | Uint8Array | null)[]): T | undefined =>
      statement.get(...values) as T | undefined;
  };
  const all = <T>(sql: string) => {
    const statement = database.prepare(sql);
    return (...values: (string | number | Uint8Array | null)[]): T[] => statement.all(...values) as T[];
  };
  const run = (sql: string) => {
    const statement = database.prepare(sql);
    return (...values: (string | number | Uint8Array | null)[]): void => void statement.run(...values);
  };
  const tombstone = (row: { rec: Uint8Array } & Omit<Tombstone, "rec">): Tombstone => ({
    ...row,
    rec: recHex(row.rec),
  });
  const byRec = one<{ rec: Uint8Array } & Omit<Tombstone, "rec">>("select * from tombstones where rec = ?");
  const byState = all<{ rec: Uint8Array } & Omit<Tombstone, "rec">>(
    "select * from tombstones where state <> 'completed'",
  );
  const insertTombstone = run("insert into tombstones values (?, ?, ?, 'ordered')");
  const setTombstone = run("update tombstones set state = ? where rec = ?");
  const insertJournal = database.prepare("insert into journal (rec, owner, ct, dek) values (?, ?, ?, ?)");
  const deleteJournal = run("delete from journal where id = ?");
  // In memory, in place of an index in the table: of thousands of answers a second few are open at once.
  const journalIds = new Map(
    (database.prepare("select id, rec from journal").all() as { id: number; rec: Uint8Array }[]).map(({ id, rec }) => [recHex(rec), id]), // prettier-ignore
  );
  const journalRows = all<Omit<JournalRow, "rec"> & { rec: Uint8Array }>("select * from journal order by id");
  const meta = one<{ value: Uint8Array }>("select value from meta where name = ?");
  const setMeta = run("insert or replace into meta values (?, ?)");

  return {
    meta: (name: string): Uint8Array | undefined => meta(name)?.value,
    setMeta: (name: string, value: Uint8Array): void => {
      setMeta(name, value);
    },
    nextSerial: (): number =>
      one<{ next: number }>("select coalesce(max(serial), -1) + 1 as next from payloads")()?.next ?? 0,
    insertPayload: run("insert into payloads (serial, idx, ct, file, blobs, due_ms) values (?, ?, ?, ?, ?, ?)"),
    insertDek: run("insert into deks values (?, ?)"),
    payloadOf: one<StoredPayload>("select serial, idx, ct, file, blobs, lost from payloads where idx = ?"),
    payloadsFrom: all<StoredPayload>(
      "select serial, idx, ct, file, blobs, lost from payloads where serial >= ? order by serial limit ?",
    ),
    dekOf: one<{ wrapped: Uint8Array }>("select wrapped from deks where serial = ?"),
    deksOfShard: all<{ serial: number; wrapped: Uint8Array }>(
      "select serial, wrapped from deks where serial >= ? and serial < ?",
    ),
    deleteDek: run("delete from deks where serial = ?"),
    rewrapDek: run("update deks set wrapped = ? where serial = ?"),
    dropCiphertext: run("update payloads set ct = null, due_ms = null where serial = ?"),
    forgetFiles: run("update payloads set file = null, blobs = null where serial = ?"),
    markLost: run("update payloads set lost = 1, due_ms = null where serial = ?"),
    due: all<{ idx: number }>("select idx from payloads where due_ms <= ? order by due_ms limit ?"),
    kek: one<{ generation: number; wrapped: Uint8Array }>("select generation, wrapped from keks where shard = ?"),
    keks: all<{ shard: number; generation: number; wrapped: Uint8Array }>(
      "select shard, generation, wrapped from keks",
    ),
    setKek: run("insert or replace into keks values (?, ?, ?)"),
    retireRoot: run("insert or ignore into root_retired values (?)"),
    retiredRoots: (): string[] => all<{ id: string }>("select id from root_retired")().map(({ id }) => id),
    forgetRetiredRoot: run("delete from root_retired where id = ?"),
    tombstoneOf(rec: string): Tombstone | undefined {
      const row = byRec(recBytes(rec));
      return row === undefined ? undefined : tombstone(row);
    },
    openTombstones: (): Tombstone[] => byState().map(tombstone),
    insertTombstone(rec: string, idx: number, orderIdx: number): void {
      insertTombstone(recBytes(rec), idx, orderIdx);
    },
    setTombstone(rec: string, state: Tombstone["state"]): void {
      setTombstone(state, recBytes(rec));
    },
    insertJournal(rec: string, owner: string, ct: Uint8Array, dek: Uint8Array): void {
      journalIds.set(rec, Number(insertJournal.run(recBytes(rec), owner, ct, dek).lastInsertRowid));
    },
    deleteJournal(rec: string): void {
      const id = journalIds.get(rec);
      if (id === undefined) return;
      deleteJournal(id);
      journalIds.delete(rec);
    },
    journalRows: (): JournalRow[] => journalRows().map((row) => ({ ...row, rec: recHex(row.rec) })),
    setJournalDek: run("update journal set dek = ? where id = ?"),
    /** PRAGMA wal_checkpoint(TRUNCATE): false while something kept it from finishing. */
    truncateWal(): boolean {
      const row = database.prepare("pragma wal_checkpoint(TRUNCATE)").get() as { busy: number };
      return row.busy === 0;
    },
  };
}
