import type { DatabaseSync } from "node:sqlite";
import type { Handle } from "./handle.ts";

export interface AccessKey {
  readonly id: string;
  /** SHA-256 of the key: it is never stored itself. */
  readonly hash: Uint8Array;
  /** Names with spaces between. */
  readonly scopes: string;
  readonly label: string;
  readonly createdMs: number;
  readonly revokedMs: number | null;
}

/** The table of access keys. */
export class AccessKeys {
  readonly #database: DatabaseSync;
  readonly #handle: Handle;

  constructor(database: DatabaseSync, handle: Handle) {
    this.#database = database;
    this.#handle = handle;
  }

  all(): AccessKey[] {
    this.#handle.alive();
    const rows = this.#database.prepare("select id, hash, scopes, label, created_ms, revoked_ms from access_keys").all() as {
      id: string; hash: Uint8Array; scopes: string; label: string; created_ms: number; revoked_ms: number | null;
    }[]; // prettier-ignore
    return rows.map(({ created_ms, revoked_ms, ...row }) => ({ ...row, createdMs: created_ms, revokedMs: revoked_ms }));
  }

  add(key: Omit<AccessKey, "revokedMs">): void {
    this.#handle.write(() => {
      this.#database
        .prepare("insert into access_keys values (?, ?, ?, ?, ?, null)")
        .run(key.id, key.hash, key.scopes, key.label, key.createdMs);
    });
  }

  /** False if there is no such key, or it is revoked already. */
  revoke(id: string, atMs: number): boolean {
    let changes = 0;
    this.#handle.write(() => {
      changes = Number(
        this.#database
          .prepare("update access_keys set revoked_ms = ? where id = ? and revoked_ms is null")
          .run(atMs, id).changes,
      );
    });
    return changes === 1;
  }
}
