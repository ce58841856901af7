import { hash, randomBytes } from "node:crypto";
import { SpurError } from "../errors.ts";
import type { LedgerThread } from "../ledger-thread.ts";

export const SCOPES = ["write", "open", "remove", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** Who calls. Its id is the owner of the records it writes. */
export interface AccessKey {
  readonly id: string;
  readonly label: string;
  readonly scopes: ReadonlySet<Scope>;
}

const FORM = /^spur_[A-Za-z0-9_-]{43}$/;
const hashOf = (key: string): string => hash("sha256", key, "hex");

/** Access keys: 256 random bits each, so a plain SHA-256 at rest tells nothing. Held in memory to answer at once. */
export class AccessKeys {
  readonly #thread: LedgerThread;
  readonly #byHash = new Map<string, AccessKey>();
  readonly #now: () => number;

  private constructor(thread: LedgerThread, now: () => number) {
    this.#thread = thread;
    this.#now = now;
  }

  static async load(thread: LedgerThread, now: () => number): Promise<AccessKeys> {
    const keys = new AccessKeys(thread, now);
    for (const { id, hash, scopes, label, revokedMs } of await thread.call("accessKeys")) {
      if (revokedMs !== null) continue;
      keys.#byHash.set(Buffer.from(hash).toString("hex"), { id, label, scopes: new Set(scopes.split(" ") as Scope[]) });
    }
    return keys;
  }

  /** Durable when it resolves. The key itself is given once and kept nowhere, but where `keep` puts it, before it is valid. */
  async create(
    label: string,
    scopes: readonly Scope[],
    keep?: (key: string) => void,
  ): Promise<{ id: string; key: string }> {
    if (scopes.length === 0 || scopes.some((scope) => !SCOPES.includes(scope))) {
      throw new SpurError("access/scope", `scopes are ${SCOPES.join(", ")}`, { status: 422 });
    }
    const key = `spur_${randomBytes(32).toString("base64url")}`;
    const id = randomBytes(6).toString("hex");
    const hash = hashOf(key);
    keep?.(key);
    await this.#thread.call("addAccessKey", {
      id,
      hash: Buffer.from(hash, "hex"),
      scopes: scopes.join(" "),
      label,
      createdMs: this.#now(),
    });
    this.#byHash.set(hash, { id, label, scopes: new Set(scopes) });
    return { id, key };
  }

  async revoke(id: string): Promise<void> {
    if (!(await this.#thread.call("revokeAccessKey", id, this.#now())))
      throw new SpurError("access/unknown-key", id, { status: 404 });
    for (const [hash, key] of this.#byHash) if (key.id === id) this.#byHash.delete(hash);
  }

  list(): Promise<{ id: string; label: string; scopes: string; createdMs: number; revokedMs: number | null }[]> {
    return this.#thread
      .call("accessKeys")
      .then((keys) =>
        keys.map(({ id, label, scopes, createdMs, revokedMs }) => ({ id, label, scopes, createdMs, revokedMs })),
      );
  }

  get count(): number {
    return this.#byHash.size;
  }

  /** The key of `Authorization: Bearer` or `x-api-key`; undefined for a missing, wrong or revoked one. */
  authenticate(headers: Readonly<Record<string, string | string[] | undefined>>): AccessKey | undefined {
    const bearer = /^bearer +(\S+)$/i.exec(one(headers["authorization"]) ?? "")?.[1];
    const key = bearer ?? one(headers["x-api-key"]);
    return key !== undefined && FORM.test(key) ? this.#byHash.get(hashOf(key)) : undefined;
  }

  /** Throws `access/unauthenticated` 401 or `access/scope` 403. */
  require(headers: Readonly<Record<string, string | string[] | undefined>>, scope: Scope): AccessKey {
    const key = this.authenticate(headers);
    if (key === undefined) {
      throw new SpurError("access/unauthenticated", "no valid access key", {
        status: 401,
        hint: "Send `Authorization: Bearer spur_…`. The operator makes keys with `npx spur key create`.",
      });
    }
    if (!key.scopes.has(scope))
      throw new SpurError("access/scope", `this needs a key with scope ${scope}`, { status: 403 });
    return key;
  }
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);
