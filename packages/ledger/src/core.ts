import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { equalBytes, utf8 } from "@spur/verifier/bytes";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote } from "@spur/verifier/note/note";
import { EMPTY_ROOT, leafHash } from "@spur/verifier/tlog/merkle";
import { Bug, diskErrorByName, SpurError } from "./errors.ts";
import { MAX_UNPUBLISHED_ENTRIES, MAX_UNPUBLISHED_MS, TILE_WIDTH } from "./log/constants.ts";
import { dropPartials, Materialiser } from "./log/materialise.ts";
import { plan, type LogState, type Numbered } from "./log/plan.ts";
import { readFullBundle } from "./log/read-log.ts";
import {
  checkpointMemory, holdAgainst, lastHour, NOTHING_RECOVERED, readEdge, refuseNewerFiles, sweepTemporary, treeFromFiles, type Memory, type StoredLog,
} from "./log/recover.ts"; // prettier-ignore
import { readSeen, writeSeen } from "./log/seen.ts";
import { createSigningKey, readSigningKey, type SigningKey } from "./log/signing-key.ts";
import { outgrownPartials, partialFiles, type LogFile } from "./log/tiles.ts";
import { append, type FullTile, type Tree } from "./log/tree.ts";
import { writeImmutable } from "./log/write-files.ts";
import { openDatabase, peekHead } from "./storage/database.ts";
import { makeFolder, readFolderIfThere, syncFolder, writeDurable } from "./storage/durable-file.ts";
import { lockFolder, type Lock } from "./storage/lock.ts";
import { sqliteLogStore, type LogStore } from "./storage/log-store.ts";
import { sqliteVaultStore, type VaultStore } from "./storage/vault-store.ts";
import { destroyContents, finishDestruction, payloadFiles } from "./vault/destroy.ts";
import { Keyring } from "./vault/keyring.ts";
import { collectOrphans } from "./vault/orphans.ts";
import { createRoot, destroyRoot, readRoot, rootIds } from "./vault/root-key.ts";

/** Ciphertext and data key of a draft, as the worker stores them. */
export interface SealedPart {
  readonly dek: Uint8Array;
  /** Up to 64 KiB as a row; larger as a file, durable before the draft came here. */
  readonly ct?: Uint8Array;
  readonly file?: string;
  readonly blobs?: string;
  readonly dueMs?: number;
}

export interface CoreDraft extends Numbered {
  readonly sealed?: SealedPart;
  /** A removal order: the rec whose content is tombstoned in the same transaction. */
  readonly orders?: string;
  /** A removal that is over: the rec whose tombstone is completed in the same transaction. */
  readonly completes?: string;
}

/** What one caller wants committed. */
export type Op =
  | {
      readonly kind: "append";
      readonly drafts: readonly CoreDraft[];
      readonly finishes?: string;
      readonly essential?: boolean;
    }
  | {
      readonly kind: "journal";
      readonly rec: string;
      readonly owner: string;
      readonly ct: Uint8Array;
      readonly dek: Uint8Array;
    };

export type OpResult =
  { readonly entries: readonly { rec: string; index: number; leaf: Uint8Array }[] } | { readonly refused: SpurError };

export interface CoreOptions {
  readonly data: string;
  readonly keys: string;
  /** Used when the log is made; an existing log keeps its own. */
  readonly origin: string;
  /** Milliseconds that never go back, from any beginning. */
  readonly now: () => number;
  /** The time of day, in milliseconds since 1970; by default the system's. */
  readonly wallNow?: () => number;
  /** Writes the log's files; by default in this thread. */
  readonly writeFiles?: (files: readonly LogFile[]) => Promise<void>;
}

export interface CoreInfo {
  readonly origin: string;
  readonly vkey: string;
  readonly receiptsVkey: string;
  readonly logPublicKey: Uint8Array;
  readonly receiptsPublicKey: Uint8Array;
  readonly created: boolean;
}

/** A payload as the vault gives it out to be opened. */
export interface Unwrapped {
  readonly index: number;
  readonly owner: string;
  readonly dek: Uint8Array;
  readonly ct?: Uint8Array;
  readonly file?: string;
  readonly blobs?: string;
}

/**
 * The ledger's one writer: owns the database connection, the keys and the published files. Lives in the worker thread; the
 * calls of {@link Core.commit} and {@link Core.destroy} never overlap, since the thread runs one at a time.
 */
export class Core {
  readonly info: CoreInfo;
  readonly #options: CoreOptions;
  readonly #database: DatabaseSync;
  readonly #log: LogStore;
  readonly #vault: VaultStore;
  readonly #locks: readonly Lock[];
  readonly #logKey: SigningKey;
  readonly #receiptsKey: SigningKey;
  readonly #keyring: Keyring;
  readonly #materialiser: Materialiser;
  readonly #folder: string;
  #state: LogState;
  #tail: Buffer[];
  #serial: number;
  #published: { size: number; atMs: number };
  /** Recs of the journal rows that are open. */
  readonly #journal: Set<string>;
  #seen: number;
  #pruned: number;
  #dead: SpurError | undefined;
  /** Something was committed since the write-ahead log was emptied. */
  #untidy = true;
  /** Why the last publication failed. */
  #unpublishable: Error | undefined;

  private constructor(parts: {
    options: CoreOptions;
    database: DatabaseSync;
    log: LogStore;
    vault: VaultStore;
    locks: readonly Lock[];
    logKey: SigningKey;
    receiptsKey: SigningKey;
    keyring: Keyring;
    state: LogState;
    tail: Buffer[];
    done: number;
    published: number;
    seen: number;
    created: boolean;
  }) {
    this.#options = parts.options;
    this.#database = parts.database;
    this.#log = parts.log;
    this.#vault = parts.vault;
    this.#locks = parts.locks;
    this.#logKey = parts.logKey;
    this.#receiptsKey = parts.receiptsKey;
    this.#keyring = parts.keyring;
    this.#state = parts.state;
    this.#tail = parts.tail;
    this.#serial = parts.vault.nextSerial();
    this.#folder = join(parts.options.data, "log");
    this.#materialiser = new Materialiser(this.#folder, parts.done, parts.options.writeFiles ?? writeImmutable);
    this.#published = { size: parts.published, atMs: parts.options.now() };
    this.#journal = new Set(parts.vault.journalRows().map(({ rec }) => rec));
    this.#seen = parts.seen;
    this.#pruned = parts.done;
    this.info = {
      origin: parts.logKey.name,
      vkey: parts.logKey.vkey,
      receiptsVkey: parts.receiptsKey.vkey,
      logPublicKey: parts.logKey.publicKey,
      receiptsPublicKey: parts.receiptsKey.publicKey,
      created: parts.created,
    };
  }

  /** Opens or makes a ledger. Every check comes before the first append and signature, and before anything is deleted. */
  static async open(options: CoreOptions): Promise<Core> {
    const { data, keys } = options;
    makeFolder(data);
    makeFolder(keys, 0o700);
    const locks: Lock[] = [];
    let database: DatabaseSync | undefined;
    try {
      locks.push(lockFolder(data));
      locks.push(lockFolder(keys));
      const unfinished = existsSync(join(keys, CREATING));
      if (!existsSync(join(data, "ledger.sqlite")) && !unfinished) refuseForgotten(options);
      await refuseOlder(data, keys);
      database = openDatabase(join(data, "ledger.sqlite"));
      const log = sqliteLogStore(database);
      const vault = sqliteVaultStore(database);
      const created = vault.meta("origin") === undefined;
      if (created && !unfinished) refuseForgotten(options);
      if (created) create(options, log, vault, database, locks);
      return await Core.#recover(options, { database, log, vault, locks, created });
    } catch (error) {
      database?.close();
      for (const lock of locks) lock.release();
      throw diskErrorByName(error);
    }
  }

  static async #recover(
    options: CoreOptions,
    parts: { database: DatabaseSync; log: LogStore; vault: VaultStore; locks: readonly Lock[]; created: boolean },
  ): Promise<Core> {
    const { log, vault, locks } = parts;
    const folder = join(options.data, "log");
    const instance = text(vault, "instance");
    const [dataLock, keysLock] = locks as [Lock, Lock];
    for (const lock of locks) {
      // A backup carries no lock file: the database inside says whose copy it is.
      if (
        lock.instance !== instance &&
        !(lock === dataLock && lock.instance === undefined && keysLock.instance === instance)
      ) {
        throw new SpurError("data/not-a-pair", "the data folder and the keys folder do not belong together", {
          status: 503,
          hint: "Give --keys the folder that was made with this data folder, with its lock.sqlite. Nothing was changed.",
        });
      }
    }
    const origin = text(vault, "origin");
    const seen = readSeen(options.keys);
    if (seen === undefined && log.everSigned()) {
      throw new SpurError(
        "keys/missing",
        "the file `seen` is missing in the keys folder, though this log has signed checkpoints",
        {
          status: 503,
          hint: "Without it an older copy of the log could not be noticed. Put it back, or see `npx spur recover --help`. Nothing was changed.",
        },
      );
    }
    const head = log.readHead();
    const stored: StoredLog = { ...head, rows: log.rows, firstRow: log.firstRow };
    // The rollback guard speaks first: an older copy also lacks its root key, but "older copy" is what the operator must read.
    if (seen !== undefined && seen.size > head.size)
      await holdAgainst([{ where: "the keys folder", ...seen }], folder, NOTHING_RECOVERED, stored);
    const logKey = readSigningKey(options.keys, "log.key", origin);
    const receiptsKey = readSigningKey(options.keys, "receipts.key", `${origin}/receipts`);
    const keyring = Keyring.open(vault, readRoot(options.keys, text(vault, "root_id")));
    keyring.checkShardOf(vault.nextSerial());
    const recovered = readEdge(folder, stored);
    const memories: Memory[] = [];
    if (seen !== undefined) memories.push({ where: "the keys folder", ...seen });
    const published = checkpointMemory(folder, logKey.vkey);
    if (published !== undefined) memories.push(published);
    await holdAgainst(memories, folder, recovered, stored);
    refuseNewerFiles(folder, head.size);
    // All checks have passed: from here on things may be written and deleted.
    if (dataLock.instance === undefined) dataLock.setInstance(instance);
    sweepTemporary(options.data);
    sweepTemporary(options.keys);
    if (existsSync(join(options.keys, CREATING))) endCreation(options.keys);
    // What an earlier process committed may lie in a write-ahead log whose fsync failed: it is written again, to the database, and synced.
    if (!vault.truncateWal()) throw new Bug("a reader on the vault file");
    log.write(() => {
      keyring.renewJournalKek();
    });
    const core = new Core({
      options, ...parts, logKey, receiptsKey, keyring,
      state: { tree: recovered.tree, root: head.root, at: lastHour(folder, recovered, stored), registers: log.readRegisters() },
      tail: recovered.tail, done: recovered.rowsFrom, published: published?.size ?? 0, seen: seen?.size ?? 0,
    }); // prettier-ignore
    await core.#materialiseRows(recovered.rowsFrom);
    await core.#partialsOf(published?.size ?? 0);
    for (const id of vault.retiredRoots()) destroyRoot(options.keys, id);
    core.#write(() => {
      for (const id of vault.retiredRoots()) vault.forgetRetiredRoot(id);
    });
    const destroyed = vault.openTombstones().filter(({ state }) => state === "destroyed");
    if (destroyed.length > 0) finishDestruction(core.#destroyDeps(), destroyed);
    collectOrphans(options.data, (options.wallNow ?? Date.now)(), (rec) => {
      const index = log.indexOf(rec);
      const payload = index === undefined ? undefined : vault.payloadOf(index);
      return payload === undefined ? [] : payloadFiles(payload);
    });
    return core;
  }

  /** The partial tiles of the published size: written again where they are missing, `log/tile-differs` where they hold other bytes. */
  async #partialsOf(size: number): Promise<void> {
    const from = Math.floor(size / TILE_WIDTH) * TILE_WIDTH;
    if (size === 0) return;
    const entries = this.#log.rows(from, size - from).map(({ bytes }) => Buffer.from(bytes));
    const { tree } = append(treeFromFiles(this.#folder, from), entries.map(leafHash));
    await this.#materialiser.write(partialFiles(this.#folder, tree, entries));
  }

  /** Writes the full tiles again whose entries are still rows. */
  async #materialiseRows(from: number): Promise<void> {
    if (from + TILE_WIDTH > this.size) return;
    // From the tree up to `from`, so that upper tiles that become full over the rows are found again.
    let tree: Tree = treeFromFiles(this.#folder, from);
    // To the size as it is after every wait: what is committed meanwhile comes after a gap, and is not counted as done by itself.
    for (let at = from; at + TILE_WIDTH <= this.size; at += TILE_WIDTH) {
      const entries = this.#log.rows(at, TILE_WIDTH).map(({ bytes }) => Buffer.from(bytes));
      const grown = append(tree, entries.map(leafHash));
      tree = grown.tree;
      this.#materialiser.enqueue(grown.full, [entries]);
      if (this.#materialiser.behind) await this.#materialiser.settled();
    }
    await this.#materialiser.settled();
  }

  get size(): number {
    return this.#state.tree.size;
  }

  /** `failed`: why nothing can be published at present. */
  head(): { size: number; root: Uint8Array; published: number; failed?: string } {
    const failed = (this.#dead ?? this.#materialiser.failed ?? this.#unpublishable)?.message;
    return {
      size: this.size,
      root: this.#state.root,
      published: this.#published.size,
      ...(failed === undefined ? {} : { failed }),
    };
  }

  /** True while appends should wait for the files. */
  get behind(): boolean {
    return this.#materialiser.behind;
  }

  /** One transaction for all; throws only when the outcome is unknown, and then for ever. */
  commit(ops: readonly Op[]): OpResult[] {
    if (this.#dead !== undefined) throw this.#dead;
    const results = new Array<OpResult>(ops.length);
    const appends: { at: number; op: Extract<Op, { kind: "append" }> }[] = [];
    const journals: Extract<Op, { kind: "journal" }>[] = [];
    const batch = { targets: new Set<string>(), appended: new Set<string>(), begun: new Set<string>() };
    ops.forEach((op, at) => {
      const refused = this.#refuse(op, batch);
      if (refused !== undefined) results[at] = { refused };
      else if (op.kind === "append") {
        appends.push({ at, op });
        for (const { rec } of op.drafts) batch.appended.add(rec);
      } else {
        journals.push(op);
        batch.begun.add(op.rec);
        results[at] = { entries: [] };
      }
    });
    const { plan: next, results: planned } = this.#log.reading(() => plan(this.#state, appends.map(({ op }) => op.drafts), this.#log.indexOf)); // prettier-ignore
    planned.forEach((result, i) => {
      const { at } = appends[i] as { at: number };
      results[at] =
        "refused" in result
          ? result
          : { entries: result.entries.map(({ rec, index, leaf }) => ({ rec, index, leaf })) };
    });
    const serialBefore = this.#serial;
    try {
      this.#log.commit(this.#state, next, () => {
        let nth = 0;
        planned.forEach((result, i) => {
          if ("refused" in result) return;
          const { op } = appends[i] as (typeof appends)[number];
          for (const draft of op.drafts) this.#storeBeside(draft, (next.entries[nth++] as { index: number }).index);
          if (op.finishes !== undefined) this.#vault.deleteJournal(op.finishes);
        });
        for (const row of journals)
          this.#vault.insertJournal(row.rec, row.owner, row.ct, this.#keyring.wrapJournal(row.dek));
      });
    } catch (error) {
      this.#serial = serialBefore;
      this.#dead =
        error instanceof SpurError
          ? error
          : new SpurError("log/commit-unknown", (error as Error).message, { status: 503, cause: error });
      throw this.#dead;
    }
    this.#untidy = true;
    this.#state = next.next;
    for (const { rec } of journals) this.#journal.add(rec);
    planned.forEach((result, i) => {
      const finishes = appends[i]?.op.finishes;
      if (finishes !== undefined && "entries" in result) this.#journal.delete(finishes);
    });
    this.#fillBundles(next.entries.map(({ bytes }) => bytes), next.full); // prettier-ignore
    return results;
  }

  #refuse(
    op: Op,
    batch: { targets: Set<string>; appended: ReadonlySet<string>; begun: ReadonlySet<string> },
  ): SpurError | undefined {
    const used = (rec: string): SpurError => new SpurError("record/rec-used", `rec ${rec} is taken`, { status: 409 });
    if (
      op.kind === "journal" &&
      (this.#journal.has(op.rec) ||
        batch.begun.has(op.rec) ||
        batch.appended.has(op.rec) ||
        this.#log.indexOf(op.rec) !== undefined)
    ) {
      return used(op.rec);
    }
    if (op.kind === "journal" || op.essential !== true) {
      const unpublished = this.size - this.#published.size;
      const late = unpublished > 0 && this.#options.now() - this.#published.atMs > MAX_UNPUBLISHED_MS;
      if (unpublished > MAX_UNPUBLISHED_ENTRIES || late || this.#materialiser.failed !== undefined) {
        return new SpurError("log/not-published", `${unpublished} entries wait to be published`, {
          status: 503,
          hint: "Publication fails; see /health and the diagnostics. Removals and ends of answers still pass.",
        });
      }
    }
    if (op.kind === "append") {
      const { targets } = batch;
      for (const { rec, orders } of op.drafts) {
        // Whoever learns the rec of an answer under way must not take its place in the log: the answer could never be recorded.
        if ((this.#journal.has(rec) || batch.begun.has(rec)) && op.finishes !== rec) return used(rec);
        if (orders === undefined) continue;
        if (targets.has(orders) || this.#vault.tombstoneOf(orders) !== undefined) {
          return new SpurError("removal/already", `the removal of ${orders} is on record`, { status: 409 });
        }
        if (this.#log.indexOf(orders) === undefined) return new SpurError("record/unknown", orders, { status: 404 });
        targets.add(orders);
      }
    }
    return undefined;
  }

  #storeBeside(draft: CoreDraft, index: number): void {
    const { sealed } = draft;
    if (sealed !== undefined) {
      const serial = this.#serial++;
      this.#vault.insertPayload(
        serial,
        index,
        sealed.ct ?? null,
        sealed.file ?? null,
        sealed.blobs ?? null,
        sealed.dueMs ?? null,
      );
      this.#vault.insertDek(serial, this.#keyring.wrapDek(serial, sealed.dek));
    }
    if (draft.orders !== undefined)
      this.#vault.insertTombstone(draft.orders, this.#log.indexOf(draft.orders) as number, index);
    if (draft.completes !== undefined) this.#vault.setTombstone(draft.completes, "completed");
  }

  #fillBundles(entries: readonly Buffer[], full: readonly FullTile[]): void {
    const bundles: Buffer[][] = [];
    for (const bytes of entries) {
      this.#tail.push(bytes);
      if (this.#tail.length < TILE_WIDTH) continue;
      bundles.push(this.#tail);
      this.#tail = [];
    }
    this.#materialiser.enqueue(full, bundles);
  }

  /** Makes all that is committed visible under a signed checkpoint (formats §4, step 6). */
  async publish(): Promise<{ size: number; checkpoint: Uint8Array | undefined }> {
    try {
      const published = await this.#publish();
      this.#unpublishable = undefined;
      return published;
    } catch (error) {
      this.#unpublishable = error as Error;
      throw error;
    }
  }

  // Crash or error anywhere: the next call does it again, for the size as it is then.
  async #publish(): Promise<{ size: number; checkpoint: Uint8Array | undefined }> {
    this.#alive();
    const { tree, root } = this.#state;
    const tail = this.#tail.slice(0, tree.size % TILE_WIDTH);
    if (tree.size === this.#published.size) {
      this.#published = { size: tree.size, atMs: this.#options.now() };
      return { size: tree.size, checkpoint: undefined };
    }
    if (this.#materialiser.failed !== undefined) {
      await this.#materialiser.restart();
      await this.#materialiseRows(this.#materialiser.done);
    }
    await this.#materialiser.settled();
    await this.#materialiser.write(partialFiles(this.#folder, tree, tail));
    this.#alive(); // a commit may have failed while the files were written
    this.advanceSeen(tree.size, root);
    const before = this.#log.signedRoot(tree.size);
    if (before === undefined) {
      this.#fatal(() => {
        this.#log.sign(tree.size, root, this.#logKey.vkey);
      });
    } else if (!equalBytes(before, root)) {
      this.#fatal(() => {
        throw new Bug(`size ${tree.size} was signed with another root`);
      });
    }
    const note = formatCheckpoint({ origin: this.info.origin, size: tree.size, root });
    const checkpoint = utf8(
      formatNote(note, [
        { name: this.#logKey.name, keyId: this.#logKey.keyId, signature: this.#logKey.sign(utf8(note)) },
      ]),
    );
    writeDurable(join(this.#folder, "checkpoint"), checkpoint);
    const outgrown = outgrownPartials(this.#folder, this.#published.size, tree.size);
    this.#published = { size: tree.size, atMs: this.#options.now() };
    await dropPartials(outgrown).catch(() => undefined); // what stays does no harm
    return { size: tree.size, checkpoint };
  }

  /** Drops rows whose entries are published and in full bundles; a little at a time, so that commits do not wait long. */
  prune(limit = 2048): boolean {
    const below = TILE_WIDTH * Math.floor(Math.min(this.#published.size, this.#materialiser.done) / TILE_WIDTH);
    if (below <= this.#pruned || this.#dead !== undefined) return false;
    this.#fatal(() => {
      this.#log.prune(below, limit);
    });
    const first = this.#log.firstRow() ?? this.size;
    this.#pruned = Math.min(first, below);
    return this.#pruned < below;
  }

  /**
   * Empties the write-ahead log, if anything was written: what was deleted (the sealed request of an answer that is on record above
   * all) must not lie there, beside its wrapped key, until other bytes come. For a quiet moment; an error leaves it for the next.
   */
  tidy(): void {
    if (!this.#untidy || this.#dead !== undefined) return;
    this.#untidy = !this.#vault.truncateWal();
  }

  /** Durable when it returns: an older copy of the data folder will be noticed from here on. */
  advanceSeen(size = this.size, root: Uint8Array = this.#state.root): void {
    this.#alive();
    if (size <= this.#seen) return;
    writeSeen(this.#options.keys, { size, root });
    this.#seen = size;
  }

  /** Signs a receipt, after `seen` covers every entry committed so far. */
  signReceipts(texts: readonly string[]): string[] {
    this.advanceSeen();
    const { name, keyId } = this.#receiptsKey;
    return texts.map((one) => formatNote(one, [{ name, keyId, signature: this.#receiptsKey.sign(utf8(one)) }]));
  }

  /** Entries [from, from + count), from rows or bundles, as far as there are any. */
  read(from: number, count: number): Uint8Array[] {
    this.#alive();
    const out: Uint8Array[] = [];
    const to = Math.min(this.size, from + count);
    const rowsFrom = this.#log.firstRow() ?? this.size;
    let at = from;
    while (at < to && at < rowsFrom) {
      const bundle = readFullBundle(this.#folder, Math.floor(at / TILE_WIDTH));
      for (let i = at % TILE_WIDTH; i < TILE_WIDTH && at < to; i++, at++) out.push(bundle[i] as Uint8Array);
    }
    if (at < to) for (const { bytes } of this.#log.rows(at, to - at)) out.push(bytes);
    return out;
  }

  /** The record's place, owner and removal, from the tables. */
  locate(
    rec: string,
  ):
    | { index: number; owner: string; removal?: "ordered" | "destroyed" | "completed"; order?: number; lost?: true }
    | undefined {
    this.#alive();
    const found = this.#log.ownerOf(rec);
    if (found === undefined) return undefined;
    const tombstone = this.#vault.tombstoneOf(rec);
    const lost = this.#vault.payloadOf(found.index)?.lost === 1;
    return {
      ...found,
      ...(tombstone === undefined ? {} : { removal: tombstone.state, order: tombstone.order_idx }),
      ...(lost ? { lost } : {}),
    };
  }

  /** Unwraps a record's data key. The tombstone is looked at in the call that unwraps: nothing can come between. */
  unwrap(rec: string): Unwrapped {
    this.#alive();
    const found = this.#log.ownerOf(rec);
    if (found === undefined) throw new SpurError("record/unknown", rec, { status: 404 });
    if (this.#vault.tombstoneOf(rec) !== undefined) throw new SpurError("record/removed", rec, { status: 410 });
    const payload = this.#vault.payloadOf(found.index);
    const dek = payload === undefined ? undefined : this.#vault.dekOf(payload.serial);
    if (payload === undefined || dek === undefined) {
      if (payload?.lost === 1) throw new SpurError("record/lost-by-restore", rec, { status: 410 });
      if (payload === undefined) throw new SpurError("record/no-content", rec, { status: 410 });
      throw new SpurError("vault/key-missing", `${rec}: no key, and no removal on record`, { status: 500 });
    }
    return {
      ...found,
      dek: this.#keyring.unwrapDek(payload.serial, dek.wrapped),
      ...(payload.ct === null ? {} : { ct: payload.ct }),
      ...(payload.file === null ? {} : { file: payload.file }),
      ...(payload.blobs === null ? {} : { blobs: payload.blobs }),
    };
  }

  /** Journal rows that a crash left open, with their keys. */
  openJournal(): { rec: string; owner: string; ct: Uint8Array; dek: Uint8Array }[] {
    this.#alive();
    return this.#vault
      .journalRows()
      .map(({ rec, owner, ct, dek }) => ({ rec, owner, ct, dek: this.#keyring.unwrapJournal(dek) }));
  }

  /** Removals that are ordered and not completed: a start goes on with them. */
  openRemovals(): { rec: string; idx: number; order: number; state: string }[] {
    this.#alive();
    return this.#vault
      .openTombstones()
      .map(({ rec, idx, order_idx, state }) => ({ rec, idx, order: order_idx, state }));
  }

  /** Indexes of records whose content is due to leave. */
  due(nowMs: number, limit = 256): number[] {
    this.#alive();
    return this.#vault.due(nowMs, limit).map(({ idx }) => idx);
  }

  /** Destroys keys and ciphertexts of ordered removals. Which records had content to destroy. */
  destroy(recs: readonly string[]): { rec: string; had: boolean }[] {
    if (this.#dead !== undefined) throw this.#dead;
    const targets = recs.map((rec) => {
      const tombstone = this.#vault.tombstoneOf(rec);
      if (tombstone === undefined) throw new Bug(`no removal of ${rec} is ordered`);
      return tombstone;
    });
    const had = targets.map(({ rec, idx }) => ({ rec, had: this.#vault.payloadOf(idx) !== undefined }));
    const ordered = targets.filter(({ state }) => state === "ordered");
    if (ordered.length > 0) destroyContents(this.#destroyDeps(), ordered);
    finishDestruction(this.#destroyDeps(), targets); // also of those that an error left half destroyed
    return had;
  }

  #destroyDeps() {
    return {
      store: this.#vault, keyring: this.#keyring, dataFolder: this.#options.data, keysFolder: this.#options.keys,
      transaction: (work: () => void) => { this.#write(work); },
    }; // prettier-ignore
  }

  #write(work: () => void): void {
    this.#fatal(() => {
      this.#log.write(work);
    });
  }

  /** After an error inside a transaction nothing more is done with this handle. */
  #fatal(work: () => void): void {
    this.#alive();
    try {
      work();
    } catch (error) {
      this.#dead = error as SpurError;
      throw error;
    }
  }

  // A transaction that failed may still be open on this handle: what is read there may never have happened.
  #alive(): void {
    if (this.#dead !== undefined) throw this.#dead;
  }

  /** The error after which the process must end. */
  get dead(): SpurError | undefined {
    return this.#dead;
  }

  /** Payload rows from a serial on, for the custody audit; data keys unwrapped one by one. */
  custodyPage(fromSerial: number, limit: number) {
    this.#alive();
    return this.#vault.payloadsFrom(fromSerial, limit).map((payload) => {
      const wrapped = this.#vault.dekOf(payload.serial)?.wrapped;
      let dek: Uint8Array | undefined;
      try {
        dek = wrapped === undefined ? undefined : this.#keyring.unwrapDek(payload.serial, wrapped);
      } catch {
        dek = undefined; // told by the audit as a key that does not unwrap
      }
      return {
        serial: payload.serial,
        idx: payload.idx,
        ct: payload.ct,
        file: payload.file,
        blobs: payload.blobs,
        lost: payload.lost === 1,
        wrapped: wrapped !== undefined,
        dek,
      };
    });
  }

  accessKeys(): {
    id: string;
    hash: Uint8Array;
    scopes: string;
    label: string;
    createdMs: number;
    revokedMs: number | null;
  }[] {
    this.#alive();
    const rows = this.#database.prepare("select id, hash, scopes, label, created_ms, revoked_ms from access_keys").all() as {
      id: string; hash: Uint8Array; scopes: string; label: string; created_ms: number; revoked_ms: number | null;
    }[]; // prettier-ignore
    return rows.map(({ created_ms, revoked_ms, ...row }) => ({ ...row, createdMs: created_ms, revokedMs: revoked_ms }));
  }

  addAccessKey(key: { id: string; hash: Uint8Array; scopes: string; label: string; createdMs: number }): void {
    this.#write(() => {
      this.#database
        .prepare("insert into access_keys values (?, ?, ?, ?, ?, null)")
        .run(key.id, key.hash, key.scopes, key.label, key.createdMs);
    });
  }

  revokeAccessKey(id: string, atMs: number): boolean {
    let changes = 0;
    this.#write(() => {
      changes = Number(
        this.#database
          .prepare("update access_keys set revoked_ms = ? where id = ? and revoked_ms is null")
          .run(atMs, id).changes,
      );
    });
    return changes === 1;
  }

  /** A consistent copy of the database without any key; the caller adds the files. */
  backupDatabase(to: string): void {
    this.#alive();
    this.#database.prepare("vacuum into ?").run(to);
  }

  /** Small operational values (never content). */
  meta(name: string): string | undefined {
    this.#alive();
    const value = this.#vault.meta(`x-${name}`);
    return value === undefined ? undefined : Buffer.from(value).toString("utf8");
  }

  setMeta(name: string, value: string): void {
    this.#write(() => {
      this.#vault.setMeta(`x-${name}`, Buffer.from(value));
    });
  }

  /** Waits for files and lets go of the folders. */
  async close(): Promise<void> {
    await this.#materialiser.settled().catch(() => undefined);
    try {
      if (this.#dead === undefined) this.#vault.truncateWal();
    } finally {
      this.#database.close();
      for (const lock of this.#locks) lock.release();
    }
  }
}

const text = (vault: VaultStore, name: string): string => {
  const value = vault.meta(name);
  if (value === undefined) throw new Bug(`no ${name} in the data folder`);
  return Buffer.from(value).toString("utf8");
};

/** In the keys folder while a log is being made: what else lies there has served no log yet. */
const CREATING = "creating";

function endCreation(keys: string): void {
  unlinkSync(join(keys, CREATING));
  syncFolder(keys);
}

/** An older copy is noticed before its database is opened for writing: nothing of it changes, not even a header. */
async function refuseOlder(data: string, keys: string): Promise<void> {
  const seen = readSeen(keys);
  if (seen === undefined || !existsSync(join(data, "ledger.sqlite"))) return;
  const { size, root } = peekHead(join(data, "ledger.sqlite"));
  if (size >= seen.size) return;
  const stored: StoredLog = { size, root, rows: () => [], firstRow: () => undefined };
  await holdAgainst([{ where: "the keys folder", ...seen }], join(data, "log"), NOTHING_RECOVERED, stored);
}

/** The keys folder knows a log that the data folder does not hold: an emptied or wrong data folder must not start a new history. */
function refuseForgotten({ data, keys }: CoreOptions): void {
  if (
    ["log/checkpoint", "log/tile"].some((path) => existsSync(join(data, path))) ||
    readFolderIfThere(join(data, "payloads")).length > 0
  ) {
    throw new SpurError("log/rolled-back", `${data} holds files of a log, but its database is missing or empty`, {
      status: 503,
      hint: "Put ledger.sqlite back, see `npx spur recover --help`, or choose another --data and --keys for a new log. Nothing was changed.",
    });
  }
  const known =
    existsSync(join(keys, "seen")) ||
    rootIds(keys).length > 0 ||
    readdirSync(keys).some((name) => name.endsWith(".key") && name !== "operator.key");
  if (!known) return;
  throw new SpurError("log/rolled-back", `the data folder is empty, but ${keys} belongs to a log`, {
    status: 503,
    hint: "Put the data folder back, see `npx spur recover --help`, or choose another --data and --keys for a new log. Nothing was changed.",
  });
}

/** Crash inside: `origin` is written by the one transaction at the end; `creating` says that what stands before may be made again. */
function create(
  options: CoreOptions,
  log: LogStore,
  vault: VaultStore,
  database: DatabaseSync,
  locks: readonly Lock[],
): void {
  writeDurable(join(options.keys, CREATING), Buffer.from("a log is being made\n"), 0o600);
  for (const id of rootIds(options.keys)) destroyRoot(options.keys, id); // of a creation that a crash ended: it has wrapped nothing
  makeFolder(join(options.data, "log"));
  makeFolder(join(options.data, "payloads"));
  const instance = randomBytes(16).toString("hex");
  const root = createRoot(options.keys);
  createSigningKey(options.keys, "log.key", options.origin);
  createSigningKey(options.keys, "receipts.key", `${options.origin}/receipts`);
  for (const lock of locks) lock.setInstance(instance);
  log.write(() => {
    database.prepare("insert into head values (1, 0, ?)").run(EMPTY_ROOT);
    vault.setMeta("origin", Buffer.from(options.origin));
    vault.setMeta("instance", Buffer.from(instance));
    Keyring.create(vault, root);
  });
  endCreation(options.keys);
}
