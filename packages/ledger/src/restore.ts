import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { equalBytes } from "@spur/verifier/bytes";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { leafHash, type Root } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { formatBundlePath, formatTilePath, parseBundle } from "@spur/verifier/tlog/tile";
import { parseEntry, type Entry } from "@spur/verifier/statement/entry";
import { SpurError } from "./errors.ts";
import { LedgerThread } from "./ledger-thread.ts";
import { readFullBundle } from "./log/read-log.ts";
import { readEdge } from "./log/recover.ts";
import { readSeen, writeSeen } from "./log/seen.ts";
import { readSigningKey } from "./log/signing-key.ts";
import { append, rootOfTree } from "./log/tree.ts";
import { Ledger, newRec } from "./record.ts";
import { openDatabase } from "./storage/database.ts";
import { makeFolder } from "./storage/durable-file.ts";
import { lockFolder } from "./storage/lock.ts";
import { sqliteLogStore } from "./storage/log-store.ts";
import { sqliteVaultStore, type VaultStore } from "./storage/vault-store.ts";
import { Keyring } from "./vault/keyring.ts";
import { createRoot, readRoot, rootIds } from "./vault/root-key.ts";

/** What a recovery brought back, and what it could not. */
export interface Recovery {
  readonly sizeBefore: number;
  readonly size: number;
  /** Records whose content was lost: told in the log by an `alert`. */
  readonly lostContents: number;
  readonly accessKeys: string;
  readonly rootKey: "kept" | "replaced";
}

const WIDTH = 256;

/**
 * Takes a log that was found behind forward to all that is known of it elsewhere, and never further back: entries and proofs come
 * back whole, contents only as far as their keys are there. `from`: a backup (copied first, if `data` is empty) or a mirror, as
 * folder or URL; several are tried in order. Throws `recover/behind` and changes nothing if the newest head that was ever signed
 * cannot be reached.
 */
export async function recover(options: {
  data: string;
  keys: string;
  from: string | readonly string[];
  now?: () => number;
}): Promise<Recovery> {
  const { data, keys } = options;
  const sources = typeof options.from === "string" ? [options.from] : options.from;
  const copied = !existsSync(join(data, "ledger.sqlite"));
  if (copied) await copyBackup(data, sources);
  const locks = [lockFolder(data), lockFolder(keys)];
  let result: Recovery;
  let database: DatabaseSync | undefined;
  try {
    adopt(locks);
    database = openDatabase(join(data, "ledger.sqlite"));
    result = await takeForward(database, options, sources);
  } catch (error) {
    database?.close();
    database = undefined;
    if (copied) emptyAgain(data); // what was copied in vain goes: the folder is as it was
    throw error;
  } finally {
    database?.close();
    for (const lock of locks) lock.release();
  }
  await alert(options, result);
  return result;
}

/** The lock file stays: it is held, and a start makes one anyway. */
function emptyAgain(data: string): void {
  for (const name of readdirSync(data))
    if (!name.startsWith("lock.sqlite")) rmSync(join(data, name), { recursive: true });
}

async function copyBackup(data: string, sources: readonly string[]): Promise<void> {
  const backup = sources.find((from) => existsSync(join(from, "ledger.sqlite")));
  if (backup === undefined)
    throw new SpurError("recover/no-backup", `${data} is empty and no backup was named`, {
      hint: "Name one with --from FOLDER.",
    });
  if (existsSync(data) && readdirSync(data).some((name) => !name.startsWith("lock.sqlite")))
    throw new SpurError("recover/not-empty", `${data} holds other files`, {
      hint: "Name an empty folder with --data.",
    });
  makeFolder(data);
  await cp(backup, data, { recursive: true });
}

/** A backup carries no lock file; the folder takes the instance of its keys. */
function adopt([data, keys]: ReturnType<typeof lockFolder>[]): void {
  if (data === undefined || keys?.instance === undefined)
    throw new SpurError("keys/missing", "the keys folder belongs to no log", {
      status: 503,
      hint: "Name the keys folder of this log with --keys.",
    });
  if (data.instance === undefined) data.setInstance(keys.instance);
}

async function takeForward(
  database: DatabaseSync,
  { data, keys }: { data: string; keys: string },
  sources: readonly string[],
): Promise<Recovery> {
  const log = sqliteLogStore(database);
  const vault = sqliteVaultStore(database);
  const origin = Buffer.from(vault.meta("origin") ?? []).toString("utf8");
  const { vkey } = readSigningKey(keys, "log.key", origin);
  const head = log.readHead();
  const edge = readEdge(join(data, "log"), { ...head, rows: log.rows, firstRow: log.firstRow });
  const wanted = await newestHead(sources, vkey);
  const remembered = readSeen(keys);
  // A backup remembers only itself: it cannot say that nothing newer was signed.
  const mirrors = sources.filter((from) => !existsSync(join(from, "ledger.sqlite")));
  if (remembered === undefined && log.everSigned() && (await newestHead(mirrors, vkey)) === undefined) {
    throw new SpurError(
      "recover/behind",
      "the file `seen` is missing, and no mirror says how far this log had been signed",
      {
        status: 503,
        hint: "Name a mirror with --from, or put `seen` back into the keys folder. Nothing was changed.",
      },
    );
  }
  const seen = remembered ?? { size: 0, root: head.root };
  if (Math.max(head.size, wanted?.size ?? 0) < seen.size) {
    throw new SpurError(
      "recover/behind",
      `the keys folder has seen ${seen.size} entries; the newest that was found has ${Math.max(head.size, wanted?.size ?? 0)}`,
      {
        status: 503,
        hint: "Name a mirror that has them with --from. Without one this log cannot be continued: retire it and open a new one with a new origin. Nothing was changed.",
      },
    );
  }
  const added: { bytes: Buffer; leaf: Uint8Array; entry: Entry }[] = [];
  let tree = edge.tree;
  if (wanted !== undefined && wanted.size > head.size) {
    for await (const bytes of entriesFrom(wanted, head.size)) {
      added.push({ bytes, leaf: leafHash(bytes), entry: parseEntry(bytes) });
    }
    tree = append(tree, added.map(({ leaf }) => leaf)).tree; // prettier-ignore
    if (!equalBytes(rootOfTree(tree), wanted.root))
      throw new SpurError("recover/other-history", `${wanted.from} holds another history than this log`, {
        status: 503,
        hint: "Nothing was changed. Compare the checkpoints: one of them is not of this log, or the log's key signed twice.",
      });
    if (seen.size > head.size && !equalBytes(await wanted.rootAt(seen.size), seen.root)) {
      throw new SpurError("recover/other-history", `${wanted.from} differs from what the keys folder has seen`, {
        status: 503,
        hint: "Nothing was changed.",
      });
    }
  }
  const keyring = openKeyring(vault, keys, Buffer.from(vault.meta("root_id") ?? []).toString("utf8"));
  const rowsFrom = log.firstRow() ?? head.size;
  const entryAt = (index: number): Entry => {
    const row = added[index - head.size]?.entry;
    if (row !== undefined) return row;
    if (index >= rowsFrom) return parseEntry(log.rows(index, 1)[0]?.bytes as Uint8Array);
    return parseEntry(readFullBundle(join(data, "log"), Math.floor(index / WIDTH))[index % WIDTH] as Uint8Array);
  };
  let lost = 0;
  log.write(() => {
    database.prepare("update head set size = ?, root = ? where one = 1").run(tree.size, rootOfTree(tree));
    if (keyring === undefined) lost += loseAllContents(database, vault, keys);
    // Keys revoked since this copy was made would be valid again: all go, and the next start makes a new operator key.
    database.exec("delete from access_keys");
    log.addIds(added.map(({ entry }, i) => ({ rec: entry.rec, owner: "", index: head.size + i })));
    added.forEach(({ bytes, entry }, i) => {
      const index = head.size + i;
      database.prepare("insert into entries values (?, ?)").run(index, bytes);
      database.prepare("insert or replace into registers values (?, ?, ?)").run(entry.reg, entry.seq, index);
      if (entry.commitment !== undefined && !keptNothing(entry, entryAt)) {
        const serial = vault.nextSerial();
        vault.insertPayload(serial, index, null, null, null, null);
        vault.markLost(serial);
        lost++;
      }
      if (entry.predicateType === "spur:removal/v1") lost -= replayRemoval(log, vault, entry, index);
    });
    if (wanted !== undefined && log.signedRoot(wanted.size) === undefined)
      database.prepare("insert into signed values (?, ?, ?)").run(wanted.size, wanted.root, vkey);
  });
  writeSeen(keys, { size: tree.size, root: rootOfTree(tree) });
  vault.truncateWal();
  return {
    sizeBefore: head.size,
    size: tree.size,
    lostContents: lost,
    accessKeys: "revoked: the next start makes a new operator key",
    rootKey: keyring === undefined ? "replaced" : "kept",
  };
}

/** `content: none`: what was never kept is not lost. */
function keptNothing(entry: Entry, entryAt: (index: number) => Entry): boolean {
  return entry.references.some(
    ({ role, target }) => role === "deployment" && entryAt(target.index).predicate["contentDays"] === 0,
  );
}

function openKeyring(vault: VaultStore, keys: string, rootId: string): Keyring | undefined {
  if (!rootIds(keys).includes(rootId)) return undefined;
  return Keyring.open(vault, readRoot(keys, rootId));
}

/** The root key that this copy names was destroyed by a later removal: nothing sealed in it can be opened again, by anybody. */
function loseAllContents(database: DatabaseSync, vault: VaultStore, keys: string): number {
  const { changes } = database
    .prepare(
      "update payloads set ct = null, due_ms = null, lost = 1 where lost = 0 and serial in (select serial from deks)",
    )
    .run();
  database.exec("delete from deks; delete from keks; delete from journal; delete from root_retired;");
  Keyring.create(vault, createRoot(keys));
  return Number(changes);
}

/** A removal that the restored copy did not know of: content that came back with it leaves again. How many contents it accounts for. */
function replayRemoval(log: ReturnType<typeof sqliteLogStore>, vault: VaultStore, entry: Entry, index: number): number {
  const { index: target, rec } = entry.predicate["target"] as unknown as { index: number; rec: string };
  const state = entry.predicate["state"] as string;
  if (vault.tombstoneOf(rec) === undefined) vault.insertTombstone(rec, log.indexOf(rec) ?? target, index);
  if (state !== "completed") return 0;
  vault.setTombstone(rec, "completed");
  const payload = vault.payloadOf(target);
  if (payload === undefined) return 0;
  vault.deleteDek(payload.serial);
  vault.dropCiphertext(payload.serial);
  return payload.lost;
}

/** A head signed by this log's key, and where its entries can be read. */
interface Found {
  readonly from: string;
  readonly size: number;
  readonly root: Root;
  read(path: string): Promise<Uint8Array | undefined>;
  rootAt(size: number): Promise<Root>;
}

async function newestHead(sources: readonly string[], vkey: string): Promise<Found | undefined> {
  let newest: Found | undefined;
  for (const from of sources) {
    const found = await headOf(from, vkey);
    if (found !== undefined && found.size > (newest?.size ?? 0)) newest = found;
  }
  return newest;
}

async function headOf(from: string, vkey: string): Promise<Found | undefined> {
  for (const base of [from, `${from.replace(/\/+$/, "")}/log`]) {
    const read = readerOf(base);
    const bytes = await read("checkpoint");
    if (bytes === undefined) continue;
    const note = parseNote(Buffer.from(bytes).toString("utf8"));
    if (openNote(note, [parseVkey(vkey)]).verified.length !== 1)
      throw new SpurError("recover/not-signed", `the checkpoint at ${base} is not signed by this log's key`, {
        status: 503,
        hint: "Nothing was changed.",
      });
    const { size, root } = parseCheckpoint(note.text);
    const prover = createProver(size, async (tile) => {
      const partial = tile.width < WIDTH ? await read(formatTilePath(tile)) : undefined;
      const bytes = partial ?? (await read(formatTilePath({ ...tile, width: WIDTH })));
      if (bytes === undefined)
        throw new SpurError("recover/missing", `${base} lacks ${formatTilePath(tile)}`, { status: 503 });
      return bytes.subarray(0, tile.width * 32);
    });
    return { from: base, size, root, read, rootAt: (at) => prover.root(at) };
  }
  return undefined;
}

function readerOf(base: string): (path: string) => Promise<Uint8Array | undefined> {
  if (!/^https?:\/\//.test(base)) {
    return (path) => Promise.resolve(existsSync(join(base, path)) ? readFileSync(join(base, path)) : undefined);
  }
  return async (path) => {
    const response = await fetch(`${base.replace(/\/+$/, "")}/${path}`, {
      redirect: "error",
      signal: AbortSignal.timeout(30_000),
    });
    if (response.status === 404) return undefined;
    if (!response.ok) throw new SpurError("recover/missing", `${base}/${path}: ${response.status}`, { status: 503 });
    return new Uint8Array(await response.arrayBuffer());
  };
}

async function* entriesFrom(found: Found, from: number): AsyncGenerator<Buffer> {
  for (let index = Math.floor(from / WIDTH); index * WIDTH < found.size; index++) {
    const width = Math.min(WIDTH, found.size - index * WIDTH);
    const exact = await found.read(formatBundlePath({ index, width }));
    const bytes = exact ?? (await found.read(formatBundlePath({ index, width: WIDTH })));
    if (bytes === undefined)
      throw new SpurError("recover/missing", `${found.from} lacks ${formatBundlePath({ index, width })}`, {
        status: 503,
      });
    const entries = parseBundle(bytes, exact === undefined ? WIDTH : width);
    for (let i = Math.max(0, from - index * WIDTH); i < width; i++) yield Buffer.from(entries[i] as Uint8Array);
  }
}

/** The log says itself that it was restored, and how much content that cost. */
async function alert(
  { data, keys, now = () => Date.now() }: { data: string; keys: string; now?: () => number },
  { lostContents, sizeBefore, size }: Recovery,
): Promise<void> {
  if (lostContents === 0 && size === sizeBefore) return;
  const thread = await LedgerThread.start({ data, keys, origin: "unused", publishEveryMs: 3_600_000 }, () => undefined);
  try {
    if (thread.info.closed !== undefined) return; // nothing follows its last entry
    const ledger = new Ledger(thread, { data, now });
    await ledger.record([
      {
        rec: newRec(),
        predicateType: "spur:alert/v1",
        predicate: { kind: lostContents > 0 ? "lost-by-restore" : "recovered", count: lostContents },
        slots: [Buffer.from(`restored from ${sizeBefore} to ${size} entries`)],
        evidence: "observed",
        retention: "system",
        owner: "",
      },
    ]);
    await thread.call("publish");
  } finally {
    await thread.close();
  }
}
