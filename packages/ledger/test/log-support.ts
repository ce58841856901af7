// Shared by the tests of the log and the vault: folders, drafts, and an audit from outside that knows nothing of the ledger's code.
import { hash, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { equalBytes, toHex, utf8 } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { parseEntry } from "@spur/verifier/statement/entry";
import { leafHash, rootOf } from "@spur/verifier/tlog/merkle";
import { formatBundlePath, formatTilePath, parseBundle, TILE_WIDTH, tileWidth } from "@spur/verifier/tlog/tile";
import { useSha256 } from "@spur/verifier/hash";
import { Core } from "../src/core.ts";
import type { CoreDraft, Op } from "../src/core/types.ts";
import type { Draft } from "../src/draft.ts";
import { prepare } from "../src/prepare.ts";
import { writeManyDurable } from "../src/storage/durable-file.ts";

useSha256((bytes) => hash("sha256", bytes, "buffer"));

export const ORIGIN = "test.invalid/log";
export const NOW_MS = Date.UTC(2026, 10, 22, 4, 30);

/** A data folder and its keys folder, not yet made. */
export interface Pair {
  readonly data: string;
  readonly keys: string;
}

const made: string[] = [];
// Hundreds of small ledgers: in memory where there is such a place. What a kill leaves is the same; disks fail in test/faults.
const TEMPORARY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export function newPair(): Pair {
  const base = mkdtempSync(join(TEMPORARY, "spur-test-"));
  made.push(base);
  return { data: join(base, "data"), keys: join(base, "data-keys") };
}

export function removeFolder(pair: Pair): void {
  rmSync(dirname(pair.data), { recursive: true, force: true });
}

/** Everything {@link newPair} and {@link copyPair} made; for `afterAll`. */
export function removeFolders(): void {
  for (const base of made.splice(0)) rmSync(base, { recursive: true, force: true });
}

/** The folders as they stand at this moment: what a kill -9 would leave. */
export function copyPair(pair: Pair): Pair {
  const copy = newPair();
  for (const which of ["data", "keys"] as const)
    if (existsSync(pair[which])) cpSync(pair[which], copy[which], { recursive: true });
  return copy;
}

export function openCore(pair: Pair, now: () => number = () => performance.now()): Promise<Core> {
  return Core.open({ ...pair, origin: ORIGIN, now });
}

export const newRec = (): string => randomBytes(16).toString("hex");

const common = { evidence: "reported", retention: "data", owner: "tester" } as const;

/** An entry that seals nothing. */
export function plainDraft(rec = newRec()): Draft {
  return {
    ...common,
    rec,
    predicateType: "spur:key/v1",
    predicate: { purpose: "statements", algorithm: "ed25519", state: "active" },
    digests: { sha256: hash("sha256", rec, "buffer") },
  };
}

/** An entry that refers to another and seals nothing. */
export function linkedDraft(target: string, rec = newRec()): Draft {
  return {
    ...common,
    rec,
    predicateType: "spur:training-log/v1",
    predicate: { run: { rec: target }, fromStep: 0, toStep: 1, rows: 0, state: "complete" },
    digests: { sha256: hash("sha256", rec, "buffer") },
  };
}

/** An entry with sealed content in up to four slots. */
export function sealedDraft(slots: readonly (Uint8Array | undefined)[] = [utf8("a name")], rec = newRec()): Draft {
  return { ...common, rec, predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 }, slots };
}

export function removalDraft(target: string, order?: string): Draft {
  return {
    ...common,
    rec: newRec(),
    predicateType: "spur:removal/v1",
    predicate: {
      target: { rec: target },
      kind: "content",
      basis: "erasure-request",
      state: order === undefined ? "ordered" : "completed",
      ...(order === undefined ? {} : { order: { rec: order }, custodians: { vault: "destroyed" } }),
    },
    slots: [],
  };
}

/** Ready for {@link Core.commit}; writes the payload's large files as the ledger does. */
export async function ready(
  pair: Pair,
  draft: Draft,
  marks: Partial<CoreDraft> = {},
  atMs = NOW_MS,
): Promise<CoreDraft> {
  const prepared = prepare(draft, atMs);
  await writeManyDurable(prepared.files.map(({ path, bytes }) => ({ path: join(pair.data, path), bytes })));
  return { ...prepared.draft, ...marks };
}

export const appendOp = (drafts: readonly CoreDraft[]): Op => ({ kind: "append", drafts });

/** Commits drafts without files, one operation each, in one transaction; throws what was refused. */
export function appendAll(core: Core, drafts: readonly Draft[], atMs = NOW_MS): { rec: string; index: number }[] {
  const results = core.commit(drafts.map((draft) => appendOp([prepare(draft, atMs).draft])));
  return results.flatMap((result) => {
    if ("refused" in result) throw result.refused;
    return result.entries;
  });
}

/** Appends `count` plain entries in transactions of at most `batch`. */
export function grow(core: Core, count: number, batch = 512): string[] {
  const recs: string[] = [];
  for (let left = count; left > 0; left -= batch) {
    const drafts = Array.from({ length: Math.min(batch, left) }, () => plainDraft());
    appendAll(core, drafts);
    recs.push(...drafts.map(({ rec }) => rec));
  }
  return recs;
}

/** Orders, destroys and completes the removal of records, as the routes do. */
export async function removeNow(core: Core, recs: readonly string[]): Promise<void> {
  const orders = recs.map((rec) => ({ draft: removalDraft(rec), rec }));
  for (const { draft, rec } of orders) commitOne(core, { ...prepare(draft, NOW_MS).draft, orders: rec });
  await core.publication.publish();
  core.destroy(recs);
  for (const { draft, rec } of orders) {
    commitOne(core, { ...prepare(removalDraft(rec, draft.rec), NOW_MS).draft, completes: rec });
  }
}

export function commitOne(core: Core, draft: CoreDraft): { rec: string; index: number } {
  const [result] = core.commit([{ kind: "append", drafts: [draft], essential: true }]);
  if (result === undefined || "refused" in result) throw result?.refused ?? new Error("no result");
  return result.entries[0] as { rec: string; index: number };
}

/** What an outsider finds: every entry below the published checkpoint, after every check he can make. */
export interface Audited {
  readonly size: number;
  readonly root: Uint8Array;
  readonly entries: readonly Uint8Array[];
  readonly byRec: ReadonlyMap<string, number>;
}

/**
 * Audits the published log in `<data>/log` from outside: signature, every bundle, every tile of every level, the root, each entry
 * against its schema, recs unique, registers gapless, references backwards and true, hours never going back. Throws on the first fault.
 */
export function auditFolder(data: string, vkey: string): Audited {
  const folder = join(data, "log");
  const note = parseNote(readFileSync(join(folder, "checkpoint"), "utf8"));
  if (openNote(note, [parseVkey(vkey)]).verified.length !== 1) throw new Error("the checkpoint is not signed");
  const { size, root } = parseCheckpoint(note.text);
  const entries: Uint8Array[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = tileWidth(0, index, size);
    const full = join(folder, formatBundlePath({ index, width: TILE_WIDTH }));
    const partial = join(folder, formatBundlePath({ index, width }));
    const found = existsSync(partial)
      ? parseBundle(readFileSync(partial), width)
      : parseBundle(readFileSync(full), TILE_WIDTH);
    entries.push(...found.slice(0, width));
  }
  let hashes: Uint8Array[] = entries.map(leafHash);
  if (!equalBytes(rootOf(hashes), root))
    throw new Error(`entries hash to ${toHex(rootOf(hashes))}, the checkpoint says ${toHex(root)}`);
  for (let level = 0; hashes.length > 0; level++) {
    const above: Uint8Array[] = [];
    for (let index = 0; index * TILE_WIDTH < hashes.length; index++) {
      const wanted = hashes.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
      const exact = join(folder, formatTilePath({ level, index, width: wanted.length }));
      const path = existsSync(exact) ? exact : join(folder, formatTilePath({ level, index, width: TILE_WIDTH }));
      const served = readFileSync(path).subarray(0, wanted.length * 32);
      if (!equalBytes(served, Buffer.concat(wanted))) throw new Error(`${path} is not what the entries hash to`);
      if (wanted.length === TILE_WIDTH) above.push(rootOf(wanted));
    }
    hashes = above;
  }
  return { size, root, entries, byRec: auditEntries(entries) };
}

/** The operator's word in each entry, held against all others. */
export function auditEntries(entries: readonly Uint8Array[]): Map<string, number> {
  const byRec = new Map<string, number>();
  const registers = new Map<string, { seq: number; index: number }>();
  let hour = "";
  entries.forEach((bytes, index) => {
    const entry = parseEntry(bytes);
    if (byRec.has(entry.rec)) throw new Error(`rec ${entry.rec} twice`);
    const last = registers.get(entry.reg);
    if (entry.seq !== (last?.seq ?? 0) + 1 || entry.prev !== last?.index)
      throw new Error(`register ${entry.reg} breaks at ${index}`);
    for (const { target } of entry.references) {
      if (byRec.get(target.rec) !== target.index)
        throw new Error(`entry ${index} refers to ${target.rec} at ${target.index}`);
    }
    if (entry.at < hour) throw new Error(`entry ${index}: hour ${entry.at} after ${hour}`);
    hour = entry.at;
    registers.set(entry.reg, { seq: entry.seq, index });
    byRec.set(entry.rec, index);
  });
  return byRec;
}

/** Every file below the folders, with its bytes: write-ahead logs, locks and temporary files too. */
export function allFiles(...folders: readonly string[]): { path: string; bytes: Buffer }[] {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      (readdirSync(folder, { recursive: true }) as string[])
        .map((name) => join(folder, name))
        .filter((path) => statSync(path).isFile())
        .map((path) => ({ path, bytes: readFileSync(path) })),
    );
}

const RUN = 12;

/** Paths of files that hold any run of 12 bytes of a secret. */
export function filesHolding(secrets: readonly Uint8Array[], ...folders: readonly string[]): string[] {
  // Every run of every secret; the first three bytes of each in a table, so that most of a file is passed over quickly.
  const runs = new Set<string>();
  const starts = new Uint8Array(1 << 24);
  for (const secret of secrets) {
    const bytes = Buffer.from(secret);
    for (let at = 0; at + RUN <= bytes.length; at++) {
      runs.add(bytes.toString("latin1", at, at + RUN));
      starts[bytes.readUIntBE(at, 3)] = 1;
    }
  }
  return allFiles(...folders).flatMap(({ path, bytes }) => {
    for (let at = 0; at + RUN <= bytes.length; at++) {
      if (starts[((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)] !== 1)
        continue;
      if (runs.has(bytes.toString("latin1", at, at + RUN))) return [`${path} holds 12 bytes of a secret at ${at}`];
    }
    return [];
  });
}

/** Code of the error that `work` ends with, or "none". */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? `${(error as Error).name}: ${(error as Error).message}`;
  }
}
