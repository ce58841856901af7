import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { AccessKeys } from "./core/access-keys.ts";
import { Admission, type Batch } from "./core/admission.ts";
import { Cosigning } from "./core/cosigning.ts";
import { Handle } from "./core/handle.ts";
import { endCreation, letGo, openChecked, type Checked, type Held } from "./core/open.ts";
import { Publication } from "./core/publication.ts";
import type { ReceiptsKeys } from "./core/receipts-keys.ts";
import type { Closed, CoreDraft, CoreInfo, CoreOptions, Op, OpResult } from "./core/types.ts";
import { VaultReads } from "./core/vault-reads.ts";
import { Bug, diskErrorByName, SpurError } from "./errors.ts";
import { TILE_WIDTH } from "./log/constants.ts";
import { plan, type LogState } from "./log/plan.ts";
import { readFullBundle } from "./log/read-log.ts";
import { sweepTemporary } from "./log/recover.ts";
import { syncFolder } from "./storage/durable-file.ts";
import type { LogStore } from "./storage/log-store.ts";
import type { VaultStore } from "./storage/vault-store.ts";
import { destroyContents, finishDestruction, payloadFiles } from "./vault/destroy.ts";
import type { Keyring } from "./vault/keyring.ts";
import { collectOrphans } from "./vault/orphans.ts";
import { destroyRoot } from "./vault/root-key.ts";
import type { WitnessesState } from "./witness/witnesses.ts";

/**
 * The ledger's one writer: owns the database connection, the keys and the published files. Lives in the worker thread; the
 * calls of {@link Core.commit} and {@link Core.destroy} never overlap, since the thread runs one at a time. Its rooms are in `core/`.
 */
export class Core {
  readonly info: CoreInfo;
  /** Where records are, and their keys. */
  readonly vault: VaultReads;
  readonly accessKeys: AccessKeys;
  readonly receiptsKeys: ReceiptsKeys;
  readonly publication: Publication;
  readonly #options: CoreOptions;
  readonly #held: Held;
  readonly #handle: Handle;
  readonly #database: DatabaseSync;
  readonly #log: LogStore;
  readonly #vault: VaultStore;
  readonly #keyring: Keyring;
  readonly #admission: Admission;
  readonly #folder: string;
  #state: LogState;
  #serial: number;
  /** Something was committed since the write-ahead log was emptied. */
  #untidy = true;

  private constructor(options: CoreOptions, checked: Checked, held: Held, cosigning: Cosigning | undefined) {
    this.#options = options;
    this.#held = held;
    this.#database = checked.database;
    this.#log = checked.log;
    this.#vault = checked.vault;
    this.#keyring = checked.keyring;
    this.#folder = join(options.data, "log");
    this.#state = checked.state;
    this.#serial = checked.vault.nextSerial();
    this.#handle = new Handle(checked.log);
    this.vault = new VaultReads({ ...checked, handle: this.#handle });
    this.accessKeys = new AccessKeys(checked.database, this.#handle);
    this.publication = new Publication(options, checked, this.#handle, () => this.#state, cosigning);
    this.#admission = new Admission(checked, this.publication, options.now);
    const { logKey, receiptsKeys, created, closed } = checked;
    this.receiptsKeys = receiptsKeys;
    this.info = {
      origin: logKey.name,
      vkey: logKey.vkey,
      receiptsVkey: receiptsKeys.current.vkey,
      logPublicKey: logKey.publicKey,
      receiptsPublicKey: receiptsKeys.current.publicKey,
      created,
      ...(closed === undefined ? {} : { closed }),
    };
  }

  /** Opens or makes a ledger. Every check comes before the first append and signature, and before anything is deleted. */
  static async open(options: CoreOptions): Promise<Core> {
    const held: Held = { locks: [] };
    try {
      const checked = await openChecked(options, held);
      // Witnesses are a memory that this machine does not own: they are read before anything is mended, appended or signed.
      const cosigning = Cosigning.of(options, checked);
      await cosigning?.compare();
      const core = new Core(options, checked, held, cosigning);
      await core.#mend();
      return core;
    } catch (error) {
      letGo(held);
      throw diskErrorByName(error);
    }
  }

  /** Ends what an earlier process left half done. */
  async #mend(): Promise<void> {
    const { data, keys } = this.#options;
    sweepTemporary(data);
    sweepTemporary(keys);
    endCreation(keys);
    this.receiptsKeys.settle((index) => this.read(index, 1)[0] as Uint8Array);
    // What an earlier process committed may lie in a write-ahead log whose fsync failed: it is written again, to the database, and synced.
    if (!this.#vault.truncateWal()) throw new Bug("a reader on the vault file");
    this.#handle.write(() => {
      this.#keyring.renewJournalKek();
    });
    syncFolder(data); // SQLite has done so too when it made its log, but passes over an error: without its name all in it would be lost
    await this.publication.mend();
    for (const id of this.#vault.retiredRoots()) destroyRoot(keys, id);
    this.#handle.write(() => {
      for (const id of this.#vault.retiredRoots()) this.#vault.forgetRetiredRoot(id);
    });
    const destroyed = this.#vault.openTombstones().filter(({ state }) => state === "destroyed");
    if (destroyed.length > 0) finishDestruction(this.#destroyDeps(), destroyed);
    collectOrphans(data, (this.#options.wallNow ?? Date.now)(), (rec) => {
      const index = this.#log.indexOf(rec);
      const payload = index === undefined ? undefined : this.#vault.payloadOf(index);
      return payload === undefined ? [] : payloadFiles(payload);
    });
  }

  get size(): number {
    return this.#state.tree.size;
  }

  /** `failed`: why nothing can be published at present. */
  head(): { size: number; root: Uint8Array; published: number; failed?: string; witnesses?: WitnessesState } {
    const failed = (this.#handle.dead ?? this.publication.failed)?.message;
    const witnesses = this.publication.witnesses();
    return {
      size: this.size,
      root: this.#state.root,
      published: this.publication.published.size,
      ...(failed === undefined ? {} : { failed }),
      ...(witnesses === undefined ? {} : { witnesses }),
    };
  }

  /** The error after which the process must end. */
  get dead(): SpurError | undefined {
    return this.#handle.dead;
  }

  /** One transaction for all; throws only when the outcome is unknown, and then for ever. */
  commit(ops: readonly Op[]): OpResult[] {
    this.#handle.alive();
    const results = new Array<OpResult>(ops.length);
    const appends: { at: number; op: Extract<Op, { kind: "append" }> }[] = [];
    const journals: Extract<Op, { kind: "journal" }>[] = [];
    const batch: Batch = { targets: new Set(), appended: new Set(), begun: new Set() };
    ops.forEach((op, at) => {
      const refused = this.#admission.refuse(op, this.size, batch);
      if (refused !== undefined) results[at] = { refused };
      else if (op.kind === "append") appends.push({ at, op });
      else {
        journals.push(op);
        results[at] = { entries: [] };
      }
    });
    const work = (): ReturnType<typeof plan> =>
      plan(this.#state, appends.map(({ op }) => op.drafts), this.#log.indexOf); // prettier-ignore
    const { plan: next, results: planned } = appends.length === 0 ? work() : this.#log.reading(work);
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
      const unknown = (): SpurError =>
        new SpurError("log/commit-unknown", (error as Error).message, { status: 503, cause: error });
      throw this.#handle.end(error instanceof SpurError ? error : unknown());
    }
    this.#untidy = true;
    this.#state = next.next;
    for (const { rec } of journals) this.#admission.journal.add(rec);
    planned.forEach((result, i) => {
      const finishes = appends[i]?.op.finishes;
      if (finishes !== undefined && "entries" in result) this.#admission.journal.delete(finishes);
    });
    this.publication.took(next.entries.map(({ bytes }) => bytes), next.full); // prettier-ignore
    return results;
  }

  /**
   * Commits the log's last entries; the very last takes back its own key. Nothing may be under way: what is not on record by now never
   * will be. Throws as {@link commit}, and `log/retired` for a log that is closed.
   */
  closeLog(drafts: readonly CoreDraft[], state: Closed): void {
    if (this.#admission.journal.size > 0 || this.#vault.openTombstones().length > 0)
      throw new Bug("not everything is on record");
    const [result] = this.commit([{ kind: "append", drafts, essential: true }]);
    if (result === undefined || "refused" in result) throw result?.refused ?? new Bug("no result");
    this.#admission.closed = state;
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

  /**
   * Empties the write-ahead log, if anything was written: what was deleted (the sealed request of an answer that is on record above
   * all) must not lie there, beside its wrapped key, until other bytes come. For a quiet moment; an error leaves it for the next.
   */
  tidy(): void {
    if (!this.#untidy || this.dead !== undefined) return;
    this.#untidy = !this.#vault.truncateWal();
  }

  /** Entries [from, from + count), from rows or bundles, as far as there are any. */
  read(from: number, count: number): Uint8Array[] {
    this.#handle.alive();
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

  /** Destroys keys and ciphertexts of ordered removals. Which records had content to destroy. */
  destroy(recs: readonly string[]): { rec: string; had: boolean }[] {
    this.#handle.alive();
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
      transaction: (work: () => void) => { this.#handle.write(work); },
    }; // prettier-ignore
  }

  /** A consistent copy of the database without any key; the caller adds the files. */
  backupDatabase(to: string): void {
    this.#handle.alive();
    this.#database.prepare("vacuum into ?").run(to);
  }

  /** Small operational values (never content). */
  meta(name: string): string | undefined {
    this.#handle.alive();
    const value = this.#vault.meta(`x-${name}`);
    return value === undefined ? undefined : Buffer.from(value).toString("utf8");
  }

  setMeta(name: string, value: string): void {
    this.#handle.write(() => {
      this.#vault.setMeta(`x-${name}`, Buffer.from(value));
    });
  }

  /** Waits for files and lets go of the folders. */
  async close(): Promise<void> {
    this.publication.letGoOfWitnesses();
    await this.publication.settled();
    try {
      if (this.dead === undefined) this.#vault.truncateWal();
    } finally {
      letGo(this.#held);
    }
  }
}
