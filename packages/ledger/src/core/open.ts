import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { EMPTY_ROOT } from "@spur/verifier/tlog/merkle";
import { Bug, SpurError } from "../errors.ts";
import type { LogState } from "../log/plan.ts";
import {
  checkpointMemory, holdAgainst, lastEntry, NOTHING_RECOVERED, readEdge, refuseNewerFiles, type Memory, type StoredLog,
} from "../log/recover.ts"; // prettier-ignore
import { readSeen } from "../log/seen.ts";
import { createSigningKey, readSigningKey, type SigningKey } from "../log/signing-key.ts";
import { openDatabase, peekHead } from "../storage/database.ts";
import { makeFolder, readFolderIfThere, syncFolder, writeDurable } from "../storage/durable-file.ts";
import { lockFolder, type Lock } from "../storage/lock.ts";
import { sqliteLogStore, type LogStore } from "../storage/log-store.ts";
import { sqliteVaultStore, type VaultStore } from "../storage/vault-store.ts";
import { Keyring } from "../vault/keyring.ts";
import { createRoot, destroyRoot, readRoot, rootIds } from "../vault/root-key.ts";
import { closedBy } from "./closed.ts";
import { RECEIPTS_KEY, ReceiptsKeys } from "./receipts-keys.ts";
import type { Closed, CoreOptions } from "./types.ts";

/** What a start holds, to be let go if it fails. */
export interface Held {
  database?: DatabaseSync;
  readonly locks: Lock[];
}

export function letGo({ database, locks }: Held): void {
  database?.close();
  for (const lock of locks) lock.release();
}

/** A ledger whose every check has passed. */
export interface Checked {
  readonly database: DatabaseSync;
  readonly log: LogStore;
  readonly vault: VaultStore;
  readonly logKey: SigningKey;
  readonly receiptsKeys: ReceiptsKeys;
  readonly keyring: Keyring;
  readonly state: LogState;
  /** Entries behind the last full bundle. */
  readonly tail: Buffer[];
  /** Entries below this index are in full bundles. */
  readonly done: number;
  /** Size of the published checkpoint; 0 if there is none. */
  readonly published: number;
  /** Size that the keys folder remembers. */
  readonly seen: number;
  readonly created: boolean;
  readonly closed: Closed | undefined;
}

/**
 * Locks, opens or makes a ledger, and checks it. Of one that is there nothing is written or deleted here, but the id of a restored folder:
 * what must be mended, the caller mends, now that he knows what is true.
 */
export async function openChecked(options: CoreOptions, held: Held): Promise<Checked> {
  const { data, keys } = options;
  makeFolder(data);
  makeFolder(keys, 0o700);
  held.locks.push(lockFolder(data));
  held.locks.push(lockFolder(keys));
  const unfinished = existsSync(join(keys, CREATING));
  if (!existsSync(join(data, "ledger.sqlite")) && !unfinished) refuseForgotten(options);
  await refuseOlder(data, keys);
  const database = openDatabase(join(data, "ledger.sqlite"));
  held.database = database;
  const log = sqliteLogStore(database);
  const vault = sqliteVaultStore(database);
  const created = vault.meta("origin") === undefined;
  if (created && !unfinished) refuseForgotten(options);
  if (created) create(options, log, vault, database, held.locks);
  return check(options, held, { database, log, vault, created });
}

async function check(
  options: CoreOptions,
  { locks }: Held,
  parts: Pick<Checked, "database" | "log" | "vault" | "created">,
): Promise<Checked> {
  const { log, vault } = parts;
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
  const receiptsKeys = new ReceiptsKeys(options.keys, origin, log.indexOf);
  const keyring = Keyring.open(vault, readRoot(options.keys, text(vault, "root_id")));
  keyring.checkShardOf(vault.nextSerial());
  const recovered = readEdge(folder, stored);
  const memories: Memory[] = [];
  if (seen !== undefined) memories.push({ where: "the keys folder", ...seen });
  const published = checkpointMemory(folder, logKey.vkey);
  if (published !== undefined) memories.push(published);
  await holdAgainst(memories, folder, recovered, stored);
  refuseNewerFiles(folder, head.size);
  if (dataLock.instance === undefined) dataLock.setInstance(instance);
  const last = lastEntry(folder, recovered, stored);
  const at = last === undefined ? "" : (JSON.parse(Buffer.from(last).toString("utf8")) as { at: string }).at;
  return {
    ...parts, logKey, receiptsKeys, keyring, closed: closedBy(last, logKey),
    state: { tree: recovered.tree, root: head.root, at, registers: log.readRegisters() },
    tail: recovered.tail, done: recovered.rowsFrom, published: published?.size ?? 0, seen: seen?.size ?? 0,
  }; // prettier-ignore
}

const text = (vault: VaultStore, name: string): string => {
  const value = vault.meta(name);
  if (value === undefined) throw new Bug(`no ${name} in the data folder`);
  return Buffer.from(value).toString("utf8");
};

/** In the keys folder while a log is being made: what else lies there has served no log yet. */
const CREATING = "creating";

/** The log is made whole: what stands in the keys folder serves it from here on. */
export function endCreation(keys: string): void {
  if (!existsSync(join(keys, CREATING))) return;
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
  createSigningKey(options.keys, RECEIPTS_KEY, `${options.origin}/receipts`);
  for (const lock of locks) lock.setInstance(instance);
  log.write(() => {
    database.prepare("insert into head values (1, 0, ?)").run(EMPTY_ROOT);
    vault.setMeta("origin", Buffer.from(options.origin));
    vault.setMeta("instance", Buffer.from(instance));
    Keyring.create(vault, root);
  });
  endCreation(options.keys);
}
