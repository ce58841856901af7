import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { VerifyError } from "@spur/verifier/errors";
import { equalBytes } from "@spur/verifier/bytes";
import { parseEntry, type Entry } from "@spur/verifier/statement/entry";
import { SpurError } from "./errors.ts";
import { readFullBundle } from "./log/read-log.ts";
import { sqliteLogStore } from "./storage/log-store.ts";
import { sqliteVaultStore } from "./storage/vault-store.ts";
import { Keyring } from "./vault/keyring.ts";
import { readRoot } from "./vault/root-key.ts";
import { unseal } from "./vault/seal.ts";

/** One payload as custody looks at it. */
export interface HeldPayload {
  readonly idx: number;
  readonly ct: Uint8Array | null;
  readonly file: string | null;
  readonly blobs: string | null;
  readonly lost: boolean;
  /** A wrapped data key is stored. */
  readonly wrapped: boolean;
  /** Absent: none, or it does not unwrap. */
  readonly dek: Uint8Array | undefined;
}

/** Where custody reads: a running ledger's thread, or a folder that nobody writes. */
export interface CustodySource {
  readonly size: number;
  entries(from: number, count: number): Promise<readonly Uint8Array[]>;
  /** Payloads by rising serial, from a serial on. */
  payloads(fromSerial: number, limit: number): Promise<readonly (HeldPayload & { readonly serial: number })[]>;
  file(path: string): Uint8Array | undefined;
}

/** One thing that custody found wrong or left open. */
export interface CustodyFinding {
  readonly verdict: "fail" | "not-checked";
  readonly code: string;
  readonly index: number;
  readonly rec: string;
  readonly sentence: string;
}

/** What the operator still holds of everything that he put on record (formats §6). */
export interface CustodyReport {
  readonly format: "spur-custody/v1";
  readonly verdict: "pass" | "fail" | "not-checked";
  readonly exit: 0 | 1 | 2;
  readonly sentence: string;
  readonly size: number;
  readonly counts: {
    readonly sealed: number;
    readonly held: number;
    readonly removed: number;
    readonly pending: number;
    readonly keptNothing: number;
    readonly lost: number;
    readonly failed: number;
  };
  /** At most 100 of each kind. */
  readonly findings: readonly CustodyFinding[];
}

const PAGE = 256;

/**
 * Every record without a removal has its ciphertext with the right hash, a data key that unwraps, and a commitment that
 * recomputes; else fail. Missing content is lawful only by a removal on record, or where nothing was to be kept.
 */
export async function custody(
  source: CustodySource,
  progress: (done: number, of: number) => void = () => undefined,
): Promise<CustodyReport> {
  const removals = new Map<number, string>();
  const noContent = new Set<number>(); // deployments under which nothing is kept
  for (let at = 0; at < source.size; at += PAGE) {
    (await source.entries(at, PAGE)).forEach((bytes, i) => {
      const entry = tryEntry(bytes);
      if (entry?.predicateType === "spur:removal/v1")
        removals.set(
          (entry.predicate["target"] as unknown as { index: number }).index,
          entry.predicate["state"] as string,
        );
      if (entry?.predicateType === "spur:deployment/v1" && entry.predicate["contentDays"] === 0) noContent.add(at + i);
    });
  }
  const counts = { sealed: 0, held: 0, removed: 0, pending: 0, keptNothing: 0, lost: 0, failed: 0 };
  const findings: CustodyFinding[] = [];
  const tell = (finding: CustodyFinding): void => {
    if (findings.filter(({ code }) => code === finding.code).length < 100) findings.push(finding);
  };
  const held = payloadsByIndex(source);
  for (let at = 0; at < source.size; at += PAGE) {
    const page = await source.entries(at, PAGE);
    for (let i = 0; i < page.length; i++) {
      const entry = tryEntry(page[i] as Uint8Array);
      const payload = await held(at + i);
      if (entry?.commitment === undefined || entry.sealed === undefined) continue;
      counts.sealed++;
      const place = { index: at + i, rec: entry.rec };
      const removal = removals.get(at + i);
      if (removal === "completed") counts.removed++;
      else if (removal !== undefined) {
        counts.pending++;
        tell({
          verdict: "not-checked",
          code: "custody/removal-pending",
          ...place,
          sentence: `entry ${at + i}: its removal is ${removal}, not completed`,
        });
      } else if (payload?.lost === true) {
        counts.lost++;
        tell({
          verdict: "fail",
          code: "custody/lost-by-restore",
          ...place,
          sentence: `entry ${at + i}: its content was lost when an older copy was restored`,
        });
      } else if (payload === undefined && keepsNothing(entry, noContent)) counts.keptNothing++;
      else {
        const wrong = lookAt(entry, payload, source);
        if (wrong === undefined) counts.held++;
        else {
          counts.failed++;
          tell({ verdict: "fail", ...wrong, ...place, sentence: `entry ${at + i}: ${wrong.sentence}` });
        }
      }
    }
    progress(Math.min(source.size, at + PAGE), source.size);
  }
  const bad = counts.failed + counts.lost;
  const verdict = bad > 0 ? "fail" : counts.pending > 0 ? "not-checked" : "pass";
  const sentence =
    verdict === "fail"
      ? `${bad} of ${counts.sealed} sealed records are damaged or gone without a removal.`
      : verdict === "not-checked"
        ? `All content is held or lawfully gone, but ${counts.pending} removals are not completed.`
        : `All ${counts.sealed} sealed records are held as committed, or lawfully gone (${counts.removed} removed, ${counts.keptNothing} never kept).`;
  return {
    format: "spur-custody/v1",
    verdict,
    exit: verdict === "fail" ? 1 : verdict === "pass" ? 0 : 2,
    sentence,
    size: source.size,
    counts,
    findings,
  };
}

function tryEntry(bytes: Uint8Array): Entry | undefined {
  try {
    return parseEntry(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return undefined; // a damaged entry is the log audit's finding
    throw error;
  }
}

const keepsNothing = (entry: Entry, noContent: ReadonlySet<number>): boolean =>
  entry.references.some(({ role, target }) => role === "deployment" && noContent.has(target.index));

// Payload serials rise with their entries' indexes, so one walk serves all lookups.
function payloadsByIndex(source: CustodySource): (index: number) => Promise<HeldPayload | undefined> {
  let page: readonly (HeldPayload & { serial: number })[] = [];
  let at = 0;
  let next = 0;
  let over = false;
  return async (index) => {
    for (;;) {
      while (at < page.length && (page[at] as HeldPayload).idx < index) at++;
      if (at < page.length) return (page[at] as HeldPayload).idx === index ? page[at] : undefined;
      if (over) return undefined;
      page = await source.payloads(next, PAGE);
      at = 0;
      over = page.length === 0;
      next = (page.at(-1)?.serial ?? next) + 1;
    }
  };
}

function lookAt(
  entry: Entry,
  payload: HeldPayload | undefined,
  source: CustodySource,
): { code: string; sentence: string } | undefined {
  const { sealed, commitment } = entry;
  if (sealed === undefined || commitment === undefined) return undefined;
  if (payload === undefined)
    return { code: "custody/missing", sentence: "no content is held, and no removal is on record" };
  const ct = payload.ct ?? (payload.file === null ? undefined : source.file(payload.file));
  if (ct === undefined)
    return { code: "custody/missing", sentence: "its ciphertext is gone, and no removal is on record" };
  if (!equalBytes(sha256(ct), sealed.ct))
    return { code: "custody/ciphertext", sentence: "its ciphertext is not the one that was committed" };
  if (payload.dek === undefined) {
    return payload.wrapped
      ? { code: "custody/key", sentence: "its key does not unwrap" }
      : { code: "custody/key", sentence: "its key is gone, and no removal is on record" };
  }
  const blobs = new Map<number, Uint8Array>();
  const files = JSON.parse(payload.blobs ?? "{}") as Record<string, string>;
  for (const { slot, sha256: digest } of sealed.blobs) {
    const bytes = files[slot] === undefined ? undefined : source.file(files[slot]);
    if (bytes === undefined || !equalBytes(sha256(bytes), digest))
      return { code: "custody/ciphertext", sentence: `the blob of slot ${slot} is missing or changed` };
    blobs.set(slot, bytes);
  }
  try {
    unseal(
      Buffer.from(entry.rec, "hex"),
      { dek: payload.dek, ct, commitment, slots: entry.slots },
      (slot) => blobs.get(slot) ?? new Uint8Array(0),
    );
    return undefined;
  } catch (error) {
    if (error instanceof SpurError)
      return { code: "custody/commitment", sentence: "its content is not what was committed" };
    throw error;
  }
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** The custody audit of a data folder that no ledger runs on (a copy will do); writes nothing but SQLite's own shared-memory file. */
export async function auditCustody(options: {
  data: string;
  keys: string;
  progress?: (done: number, of: number) => void;
}): Promise<CustodyReport> {
  const path = join(options.data, "ledger.sqlite");
  if (!existsSync(path))
    throw new SpurError("data/none", `${options.data} holds no ledger`, { hint: "Name the data folder with --data." });
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const log = sqliteLogStore(database);
    const vault = sqliteVaultStore(database);
    const keyring = Keyring.open(
      vault,
      readRoot(options.keys, Buffer.from(vault.meta("root_id") ?? []).toString("utf8")),
    );
    const { size } = log.readHead();
    const rowsFrom = log.firstRow() ?? size;
    const folder = join(options.data, "log");
    return await custody(
      {
        size,
        entries(from, count) {
          const out: Uint8Array[] = [];
          let at = from;
          const to = Math.min(size, from + count);
          while (at < to && at < rowsFrom) {
            const bundle = readFullBundle(folder, Math.floor(at / 256));
            for (let i = at % 256; i < 256 && at < to; i++, at++) out.push(bundle[i] as Uint8Array);
          }
          if (at < to) for (const { bytes } of log.rows(at, to - at)) out.push(bytes);
          return Promise.resolve(out);
        },
        payloads: (from, limit) =>
          Promise.resolve(
            vault.payloadsFrom(from, limit).map((row) => {
              const wrapped = vault.dekOf(row.serial)?.wrapped;
              let dek: Uint8Array | undefined;
              try {
                dek = wrapped === undefined ? undefined : keyring.unwrapDek(row.serial, wrapped);
              } catch {
                dek = undefined;
              }
              return { ...row, lost: row.lost === 1, wrapped: wrapped !== undefined, dek };
            }),
          ),
        file: (name) => fileOf(options.data, name),
      },
      options.progress,
    );
  } finally {
    database.close();
  }
}

/** A payload file, or nothing; a name that leads out of the payloads folder (a changed database could hold one) is nothing. */
export function fileOf(data: string, name: string): Uint8Array | undefined {
  if (!/^payloads\/[0-9a-f]{2}\/[0-9a-f]{32}\.[0-9a-f]{64}$/.test(name)) return undefined;
  const path = join(data, name);
  return existsSync(path) ? readFileSync(path) : undefined;
}
