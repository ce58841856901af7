import { SpurError } from "../errors.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { VaultStore } from "../storage/vault-store.ts";
import type { Keyring } from "../vault/keyring.ts";
import type { Handle } from "./handle.ts";
import type { Unwrapped } from "./types.ts";

/** Where records are, and their keys: what is read of the vault, in the thread of the one writer. */
export class VaultReads {
  readonly #handle: Handle;
  readonly #log: LogStore;
  readonly #vault: VaultStore;
  readonly #keyring: Keyring;

  constructor(parts: { handle: Handle; log: LogStore; vault: VaultStore; keyring: Keyring }) {
    this.#handle = parts.handle;
    this.#log = parts.log;
    this.#vault = parts.vault;
    this.#keyring = parts.keyring;
  }

  /** The record's place, owner and removal, from the tables. */
  locate(
    rec: string,
  ):
    | { index: number; owner: string; removal?: "ordered" | "destroyed" | "completed"; order?: number; lost?: true }
    | undefined {
    this.#handle.alive();
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
    this.#handle.alive();
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
    this.#handle.alive();
    return this.#vault
      .journalRows()
      .map(({ rec, owner, ct, dek }) => ({ rec, owner, ct, dek: this.#keyring.unwrapJournal(dek) }));
  }

  /** Removals that are ordered and not completed: a start goes on with them. */
  openRemovals(): { rec: string; idx: number; order: number; state: string }[] {
    this.#handle.alive();
    return this.#vault
      .openTombstones()
      .map(({ rec, idx, order_idx, state }) => ({ rec, idx, order: order_idx, state }));
  }

  /** Indexes of records whose content is due to leave. */
  due(nowMs: number, limit = 256): number[] {
    this.#handle.alive();
    return this.#vault.due(nowMs, limit).map(({ idx }) => idx);
  }

  /** Payload rows from a serial on, for the custody audit; data keys unwrapped one by one. */
  custodyPage(fromSerial: number, limit: number) {
    this.#handle.alive();
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
}
