import type { DatabaseSync } from "node:sqlite";
import { Bug, SpurError } from "../errors.ts";
import type { LogState, Plan } from "../log/plan.ts";
import type { Root } from "@spur/verifier/tlog/merkle";
import { sqliteRecIndex, type Indexed } from "./rec-index.ts";

/** What a commit carries besides the entries; written in the same transaction. */
export type Beside = () => void;

/** The log's tables. All statements are prepared once; every write stands inside the one transaction of {@link LogStore.commit}. */
export interface LogStore {
  /** Size, root, registers as committed; the tree's edge is built from them by recovery. */
  readHead(): { size: number; root: Root };
  readRegisters(): Map<string, { seq: number; idx: number }>;
  /** Reads under one lock: many lookups, each of which would else open a read transaction of its own. */
  reading<T>(work: () => T): T;
  indexOf(rec: string): number | undefined;
  ownerOf(rec: string): { index: number; owner: string } | undefined;
  /** Notes the ids of entries that came in another way than by {@link LogStore.commit}; inside {@link LogStore.write}. */
  addIds(entries: readonly Indexed[]): void;
  /** Entry bytes still held as rows, from `from` (at most `count`), in order. */
  rows(from: number, count: number): { idx: number; bytes: Uint8Array }[];
  firstRow(): number | undefined;
  /**
   * Durable when it returns. Throws `log/head-moved` if `prev` is no longer the head and `log/commit-unknown` if it cannot know;
   * in both cases the process must end: a failed fsync says nothing of what is on disk.
   */
  commit(prev: LogState, plan: Plan, beside: Beside): void;
  /** A transaction without entries, with the same promise. */
  write(beside: Beside): void;
  prune(below: number, limit: number): void;
  signedRoot(size: number): Uint8Array | undefined;
  /** A checkpoint of this log was signed at some time. */
  everSigned(): boolean;
  sign(size: number, root: Uint8Array, keyId: string): void;
}

/** {@link LogStore} on SQLite. */
export function sqliteLogStore(database: DatabaseSync): LogStore {
  const insertEntry = database.prepare("insert into entries values (?, ?)");
  const recs = sqliteRecIndex(database);
  const moveHead = database.prepare("update head set size = ?, root = ? where one = 1 and size = ?");
  const setRegister = database.prepare("insert or replace into registers values (?, ?, ?)");
  const selectRows = database.prepare("select idx, bytes from entries where idx >= ? order by idx limit ?");
  const selectFirst = database.prepare("select min(idx) as first from entries");
  const deleteRows = database.prepare(
    "delete from entries where idx in (select idx from entries where idx < ? order by idx limit ?)",
  );
  const selectSigned = database.prepare("select root from signed where size = ?");
  const insertSigned = database.prepare("insert into signed values (?, ?, ?)");

  function transaction(work: () => void): void {
    try {
      database.exec("begin immediate");
      work();
      database.exec("commit");
    } catch (cause) {
      if (cause instanceof Bug || (cause instanceof SpurError && cause.code === "log/head-moved")) throw cause;
      // SQLITE_FULL, SQLITE_IOERR, a failed fsync: whether the commit is on disk is not known, and asking this handle again could lie.
      throw new SpurError("log/commit-unknown", (cause as Error).message, { status: 503, cause });
    }
  }

  return {
    readHead() {
      const row = database.prepare("select size, root from head").get() as { size: number; root: Root } | undefined;
      if (row === undefined) throw new Bug("no head");
      return row;
    },
    readRegisters() {
      const rows = database.prepare("select name, seq, idx from registers").all() as {
        name: string;
        seq: number;
        idx: number;
      }[];
      return new Map(rows.map(({ name, seq, idx }) => [name, { seq, idx }]));
    },
    reading(work) {
      database.exec("begin");
      try {
        return work();
      } finally {
        database.exec("end");
      }
    },
    indexOf: (rec) => recs.find(rec),
    ownerOf(rec) {
      const index = recs.find(rec);
      return index === undefined ? undefined : { index, owner: recs.ownerOf(index) };
    },
    addIds: (entries) => {
      recs.add(entries);
    },
    rows: (from, count) => selectRows.all(from, count) as { idx: number; bytes: Uint8Array }[],
    firstRow: () => (selectFirst.get() as { first: number | null }).first ?? undefined,
    commit(prev, plan, beside) {
      transaction(() => {
        if (plan.entries.length === 0) {
          beside(); // journal rows alone: the head is not touched
          return;
        }
        const { tree, root, registers } = plan.next;
        const moved = moveHead.run(tree.size, root, prev.tree.size).changes;
        if (moved !== 1)
          throw new SpurError("log/head-moved", `the head is no longer at ${prev.tree.size}`, { status: 503 });
        for (const entry of plan.entries) insertEntry.run(entry.index, entry.bytes);
        recs.add(plan.entries);
        for (const name of plan.moved) {
          const at = registers.get(name);
          if (at !== undefined) setRegister.run(name, at.seq, at.idx);
        }
        beside();
      });
    },
    write: transaction,
    prune(below, limit) {
      transaction(() => {
        deleteRows.run(below, limit);
      });
    },
    signedRoot: (size) => (selectSigned.get(size) as { root: Uint8Array } | undefined)?.root,
    everSigned: () => database.prepare("select 1 from signed limit 1").get() !== undefined,
    sign(size, root, keyId) {
      transaction(() => {
        insertSigned.run(size, root, keyId);
      });
    },
  };
}
