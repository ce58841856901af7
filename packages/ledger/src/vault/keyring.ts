import { randomBytes } from "node:crypto";
import { Bug, SpurError } from "../errors.ts";
import type { VaultStore } from "../storage/vault-store.ts";
import { unwrapKey, wrapKey } from "./key-wrap.ts";
import type { RootKey } from "./root-key.ts";

/** Records whose data keys are wrapped by one key-encryption key. */
export const SHARD_SIZE = 4096;
const ROOT_CHECK = Buffer.from("spur root key check, 32 bytes ok");

/**
 * The keys of one vault in memory, in the worker thread alone. Root wraps KEKs, a KEK wraps the data keys of one shard.
 * Methods that write are called inside a transaction.
 */
export class Keyring {
  #store: VaultStore;
  #root: RootKey;
  #keks = new Map<number, Buffer>();
  #journalKek: Buffer;

  private constructor(store: VaultStore, root: RootKey, journalKek: Buffer) {
    this.#store = store;
    this.#root = root;
    this.#journalKek = journalKek;
  }

  /** For an empty vault; inside a transaction. */
  static create(store: VaultStore, root: RootKey): Keyring {
    const ring = new Keyring(store, root, randomBytes(32));
    ring.#writeRoot(root);
    store.setMeta("journal_kek", wrapKey(root.key, ring.#journalKek));
    return ring;
  }

  /** For a vault that has keys: the root key must unwrap a known value before anything is read with it. */
  static open(store: VaultStore, root: RootKey): Keyring {
    const check = store.meta("root_check");
    const journal = store.meta("journal_kek");
    if (check === undefined || journal === undefined) throw new Bug("a vault without keys");
    if (!unwrapKey(root.key, check).equals(ROOT_CHECK)) throw new Bug("root key check");
    return new Keyring(store, root, unwrapKey(root.key, journal));
  }

  #writeRoot(root: RootKey): void {
    this.#store.setMeta("root_id", Buffer.from(root.id));
    this.#store.setMeta("root_check", wrapKey(root.key, ROOT_CHECK));
  }

  get rootId(): string {
    return this.#root.id;
  }

  #kek(shard: number): Buffer {
    const cached = this.#keks.get(shard);
    if (cached !== undefined) return cached;
    const stored = this.#store.kek(shard);
    let kek: Buffer;
    if (stored === undefined) {
      kek = randomBytes(32);
      this.#store.setKek(shard, 1, wrapKey(this.#root.key, kek));
    } else {
      kek = unwrapKey(this.#root.key, stored.wrapped);
    }
    if (this.#keks.size > 256) this.#keks.clear();
    this.#keks.set(shard, kek);
    return kek;
  }

  /** Forgets KEKs made inside a transaction that was not committed. */
  forgetCached(): void {
    this.#keks.clear();
  }

  /** Throws `vault/key-damaged` unless the key that wraps data keys from now on unwraps: better at the start than inside a commit. */
  checkShardOf(serial: number): void {
    const stored = this.#store.kek(Math.floor(serial / SHARD_SIZE));
    if (stored !== undefined) unwrapKey(this.#root.key, stored.wrapped);
  }

  wrapDek(serial: number, dek: Uint8Array): Buffer {
    return wrapKey(this.#kek(Math.floor(serial / SHARD_SIZE)), dek);
  }

  unwrapDek(serial: number, wrapped: Uint8Array): Buffer {
    const shard = Math.floor(serial / SHARD_SIZE);
    if (!this.#keks.has(shard) && this.#store.kek(shard) === undefined) {
      throw new SpurError("vault/key-missing", `shard ${shard}`, { status: 500 });
    }
    return unwrapKey(this.#kek(shard), wrapped);
  }

  wrapJournal(dek: Uint8Array): Buffer {
    return wrapKey(this.#journalKek, dek);
  }

  unwrapJournal(wrapped: Uint8Array): Buffer {
    return unwrapKey(this.#journalKek, wrapped);
  }

  /** A new journal KEK; rows that are open are wrapped again. */
  renewJournalKek(): void {
    const old = this.#journalKek;
    const kek = randomBytes(32);
    for (const row of this.#store.journalRows()) {
      this.#store.setJournalDek(wrapKey(kek, unwrapKey(old, row.dek)), row.id);
    }
    this.#journalKek = kek;
    this.#store.setMeta("journal_kek", wrapKey(this.#root.key, kek));
    old.fill(0);
  }

  /**
   * The middle of a destruction (formats §6, step 2), inside one transaction: data keys of `serials` deleted, a new KEK
   * generation for their shards with the survivors wrapped again, every KEK under the new root, a new journal KEK.
   */
  destroyDeks(serials: readonly number[], newRoot: RootKey): void {
    const store = this.#store;
    for (const shard of new Set(serials.map((serial) => Math.floor(serial / SHARD_SIZE)))) {
      const doomed = new Set(serials);
      const old = store.kek(shard);
      if (old === undefined) continue;
      const oldKek = unwrapKey(this.#root.key, old.wrapped);
      const kek = randomBytes(32);
      for (const row of store.deksOfShard(shard * SHARD_SIZE, (shard + 1) * SHARD_SIZE)) {
        if (doomed.has(row.serial)) store.deleteDek(row.serial);
        else store.rewrapDek(wrapKey(kek, unwrapKey(oldKek, row.wrapped)), row.serial);
      }
      store.setKek(shard, old.generation + 1, wrapKey(this.#root.key, kek));
    }
    for (const { shard, generation, wrapped } of store.keks()) {
      store.setKek(shard, generation, wrapKey(newRoot.key, unwrapKey(this.#root.key, wrapped)));
    }
    store.retireRoot(this.#root.id);
    this.#writeRoot(newRoot);
    this.#keks.clear();
    this.#root = newRoot;
    this.renewJournalKek();
  }
}
