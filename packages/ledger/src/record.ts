import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes, toBase64 } from "@spur/verifier/bytes";
import { slotSalts } from "@spur/verifier/payload/commitment";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { canonicalText, type JsonObject } from "@spur/verifier/statement/canonical";
import { parseEntry, type Entry } from "@spur/verifier/statement/entry";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import type { SignedReceipt } from "./core/publication.ts";
import type { CoreDraft } from "./core/types.ts";
import type { Draft, JournalInfo, Recorded, Recorder } from "./draft.ts";
import { diskErrorByName, SpurError } from "./errors.ts";
import type { LedgerThread } from "./ledger-thread.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { writeManyDurable } from "./storage/durable-file.ts";
import { sealJournal, unseal, unsealJournal, type Sealed } from "./vault/seal.ts";

const REC_BYTES = 16;
let recs = Buffer.alloc(0);
let nextRec = 0;

/** A fresh record id: 128 random bits. Known before the first byte of an answer; not ordered by time. */
export function newRec(): string {
  // Many at once: asking the system for each costs more than all else about it. Ids are no secret.
  if (nextRec === recs.length) {
    recs = randomBytes(256 * REC_BYTES);
    nextRec = 0;
  }
  return recs.toString("hex", nextRec, (nextRec += REC_BYTES));
}

/** Content opened inside this process: slot values and the salts that open them to a stranger. */
export interface Opened {
  readonly index: number;
  readonly commitment: Uint8Array;
  readonly slots: readonly (Uint8Array | undefined)[];
  readonly salts: readonly Uint8Array[];
}

/** A removal in three words for the core: which draft orders it, or ends it. */
type Marks = { readonly orders?: string; readonly completes?: string };

interface How {
  /** rec of the journal row that ends with them. */
  readonly finishes?: string | undefined;
  /** Of each draft. */
  readonly marks?: readonly Marks[];
  /** Passes even while nothing can be published. */
  readonly essential?: boolean;
}

/** Drafts, and what is to be committed of them. */
export interface Ready {
  readonly drafts: readonly Draft[];
  readonly prepared: readonly Prepared[];
}

/** What `content: none` leaves in memory. */
interface Kept {
  readonly dek: Uint8Array;
  readonly commitment: Uint8Array;
  /** As many as the predicate has. */
  readonly slots: readonly (Uint8Array | undefined)[];
  readonly index: number;
  readonly untilMs: number;
}

const KEEP_MS = 600_000;
const DRAIN_MS = 30_000;

/**
 * Draft → seal → commit: the product in one file. Runs on the main thread and touches no database; plaintext and data keys
 * are here in memory only.
 */
export class Ledger implements Recorder {
  readonly #thread: LedgerThread;
  readonly #data: string;
  readonly #now: () => number;
  /** `content: none`: what the caller's receipt needs, ten minutes long. */
  readonly #kept = new Map<string, Kept>();
  #sweep: NodeJS.Timeout | undefined;
  /** Journal rows that are open, by rec. */
  readonly #pending = new Map<string, string>();
  /** Admitted opens: a removal waits for them. */
  readonly #opening = new Map<string, number>();

  constructor(thread: LedgerThread, options: { data: string; now: () => number }) {
    this.#thread = thread;
    this.#data = options.data;
    this.#now = options.now;
  }

  get thread(): LedgerThread {
    return this.#thread;
  }

  async record(drafts: readonly Draft[], finishes?: string): Promise<Recorded[]> {
    return this.#record(this.ready(drafts), { finishes });
  }

  /** Checks and seals, in memory: for who wants to look at drafts before they are recorded. Throws as {@link prepare}. */
  ready(drafts: readonly Draft[]): Ready {
    const at = this.#now();
    return { drafts, prepared: drafts.map((draft) => prepare(draft, at)) };
  }

  /** {@link record} of drafts that are ready. */
  async recordReady(ready: Ready): Promise<Recorded[]> {
    return this.#record(ready, {});
  }

  async #record({ drafts, prepared }: Ready, how: How): Promise<Recorded[]> {
    const { finishes, marks = [], essential = finishes !== undefined } = how;
    const files = prepared.flatMap((one) => one.files);
    // Crash after this: files that no row names; the next start collects them.
    if (files.length > 0) {
      await writeManyDurable(files.map(({ path, bytes }) => ({ path: join(this.#data, path), bytes }))).catch(
        (error: unknown) => {
          throw diskErrorByName(error);
        },
      );
    }
    let entries: { index: number; leaf: Uint8Array }[];
    try {
      entries = await this.#thread.commit({
        kind: "append",
        drafts: prepared.map(({ draft }, i): CoreDraft => (marks[i] === undefined ? draft : { ...draft, ...marks[i] })),
        ...(finishes === undefined ? {} : { finishes }),
        ...(essential ? { essential } : {}),
      });
    } catch (error) {
      // Who repeats himself is answered by a closed log, too.
      if (error instanceof SpurError && (error.code === "record/rec-used" || error.code === "log/retired")) {
        const known = await this.#known(drafts);
        if (known !== undefined) return known;
      }
      throw error;
    }
    if (finishes !== undefined) this.#pending.delete(finishes);
    return prepared.map((one, i) =>
      this.#recorded(one, drafts[i] as Draft, entries[i] as { index: number; leaf: Uint8Array }),
    );
  }

  #recorded(one: Prepared, draft: Draft, { index, leaf }: { index: number; leaf: Uint8Array }): Recorded {
    if (draft.keepNothing === true && one.sealed !== undefined) this.#keep(draft, one.sealed, index);
    return {
      rec: draft.rec,
      index,
      leafHash: leaf,
      ...(one.sealed === undefined ? {} : { commitment: one.sealed.commitment }),
    };
  }

  #keep(draft: Draft, sealed: Sealed, index: number): void {
    const known = PREDICATES.get(draft.predicateType)?.slots ?? [];
    this.#kept.set(draft.rec, {
      dek: sealed.dek,
      commitment: sealed.commitment,
      slots: known.map((_, i) => draft.slots?.[i]),
      index,
      untilMs: this.#now() + KEEP_MS,
    });
    this.#sweepLater(KEEP_MS);
  }

  // Ten minutes are a promise: what is kept goes even if nothing else ever comes.
  #sweepLater(afterMs: number): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      const now = this.#now();
      for (const [rec, { untilMs, dek }] of this.#kept) {
        if (untilMs > now) break; // insertion order is order of expiry
        dek.fill(0);
        this.#kept.delete(rec);
      }
      const next = this.#kept.values().next().value;
      if (next !== undefined) this.#sweepLater(Math.min(KEEP_MS, Math.max(1000, next.untilMs - now)));
    }, afterMs).unref();
  }

  /** The stored result if every draft stands in the log with these very bytes, written by the same key; else nothing. */
  async #known(drafts: readonly Draft[]): Promise<Recorded[] | undefined> {
    const found: Recorded[] = [];
    for (const draft of drafts) {
      const place = await this.#thread.call("locate", draft.rec);
      if (place?.owner !== draft.owner) return undefined;
      const bytes = await this.entryBytes(place.index);
      const entry = parseEntry(bytes);
      if (!saysTheSame(entry, draft)) return undefined;
      if (entry.commitment !== undefined) {
        // No fingerprint of the content is kept: it is opened and compared, in memory.
        const opened = await this.openInside(draft.rec);
        if (opened.slots.some((value, i) => !sameValue(value, draft.slots?.[i]))) return undefined;
      }
      found.push({
        rec: draft.rec,
        index: place.index,
        leafHash: leafHash(bytes),
        ...(entry.commitment === undefined ? {} : { commitment: entry.commitment }),
        known: true,
      });
    }
    return found;
  }

  async begin(rec: string, owner: string, request: Uint8Array, info: JournalInfo): Promise<void> {
    const header = Buffer.from(JSON.stringify(info));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(header.length);
    const { ct, dek } = sealJournal(Buffer.from(rec, "hex"), Buffer.concat([length, header, request]));
    if (this.#pending.has(rec)) throw new SpurError("record/rec-used", `rec ${rec} is taken`, { status: 409 });
    this.#pending.set(rec, owner);
    try {
      await this.#thread.commit({ kind: "journal", rec, owner, ct, dek });
    } catch (error) {
      this.#pending.delete(rec);
      throw error;
    }
  }

  /** Ends journal rows that a crash left open: an `output` with outcome interrupted, "delivered: unknown", and its decision. */
  async endInterrupted(): Promise<number> {
    const rows = await this.#thread.call("openJournal");
    for (const { rec, owner, ct, dek } of rows) {
      const plain = unsealJournal(Buffer.from(rec, "hex"), dek, ct);
      const headerEnd = 4 + plain.readUInt32BE(0);
      const info = JSON.parse(plain.subarray(4, headerEnd).toString("utf8")) as JournalInfo;
      const detail = canonicalText({ delivered: "unknown", reason: "the ledger ended before the answer did" });
      await this.#record(
        this.ready([
          {
            rec,
            predicateType: "spur:output/v1",
            predicate: { deployment: { rec: info.deployment }, outcome: "interrupted" },
            slots: [
              plain.subarray(headerEnd),
              undefined,
              Buffer.from(info.caller),
              undefined,
              Buffer.from(canonicalText({ startedAtMs: Math.floor(info.startedAtMs) })),
            ],
            evidence: "observed",
            retention: "output",
            owner,
            contentDays: info.contentDays,
            keepNothing: info.keepNothing,
          },
          {
            rec: newRec(),
            predicateType: "spur:decision/v1",
            predicate: {
              output: { rec },
              actor: "rule",
              verdict: "not-delivered",
              policy: { rec: info.policy },
              policyVersion: info.policyVersion,
            },
            slots: [Buffer.from(detail)],
            evidence: "observed",
            retention: "output",
            owner: "",
          },
        ]),
        { finishes: rec },
      );
    }
    return rows.length;
  }

  /** Owner of a journal row that is open, if there is one. */
  pendingOwner(rec: string): string | undefined {
    return this.#pending.get(rec);
  }

  /** One entry's bytes; throws `record/unknown` beyond the log. */
  async entryBytes(index: number): Promise<Uint8Array> {
    const [bytes] = await this.#thread.call("read", index, 1);
    if (bytes === undefined) throw new SpurError("record/unknown", `entry ${index}`, { status: 404 });
    return bytes;
  }

  /**
   * Opens a record inside this process, without an `access` entry: for the caller's own receipt, which the `output` entry
   * itself states. Everything that shows content to anybody else goes through `openRecorded` in api/open.ts.
   */
  async openInside(rec: string): Promise<Opened> {
    const kept = this.#kept.get(rec);
    if (kept !== undefined && kept.untilMs > this.#now()) {
      const { dek, commitment, slots, index } = kept;
      return { index, commitment, slots, salts: slotSalts(dek, slots.length) };
    }
    if (kept !== undefined) throw new SpurError("receipt/expired", rec, { status: 410 });
    this.#opening.set(rec, (this.#opening.get(rec) ?? 0) + 1);
    try {
      const found = await this.#thread.call("unwrap", rec);
      const entry = parseEntry(await this.entryBytes(found.index));
      if (entry.commitment === undefined) throw new SpurError("record/no-content", rec, { status: 410 });
      const ct = found.ct ?? (await this.#payloadFile(rec, found.file));
      const blobs = new Map<number, Buffer>();
      for (const [slot, file] of Object.entries(JSON.parse(found.blobs ?? "{}") as Record<string, string>)) {
        blobs.set(Number(slot), await this.#payloadFile(rec, file));
      }
      const slots = unseal(
        Buffer.from(rec, "hex"),
        { dek: found.dek, ct, commitment: entry.commitment, slots: entry.slots },
        (slot) => blobs.get(slot) ?? Buffer.alloc(0),
      );
      return { index: found.index, commitment: entry.commitment, slots, salts: slotSalts(found.dek, slots.length) };
    } finally {
      const left = (this.#opening.get(rec) as number) - 1;
      if (left === 0) this.#opening.delete(rec);
      else this.#opening.set(rec, left);
    }
  }

  async #payloadFile(rec: string, file: string | undefined): Promise<Buffer> {
    return readFile(join(this.#data, file ?? "")).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT" && error.code !== "EISDIR") throw diskErrorByName(error);
      throw new SpurError("vault/content-missing", `${rec}: its ciphertext is gone, and no removal is on record`, {
        status: 500,
        cause: error,
      });
    });
  }

  /** A signed receipt (formats §3); `seen` covers the entry before it leaves. */
  async receiptNote(rec: string, index: number, leafHash: Uint8Array, commitment: Uint8Array): Promise<SignedReceipt> {
    const text = `spur-receipt/v1\n${this.#thread.info.origin}\n${rec}\n${index}\n${toBase64(leafHash)}\n${toBase64(commitment)}\n`;
    const [receipt] = await this.#thread.receipts([text]);
    return receipt as SignedReceipt;
  }

  /** Orders removals, in one commit with their tombstones: from here on every read path answers 410. */
  async orderRemovals(drafts: readonly { draft: Draft; target: string }[]): Promise<Recorded[]> {
    for (const { target } of drafts) {
      if (this.#pending.has(target)) throw new SpurError("record/pending", `${target} is still being answered`, { status: 409, hint: "Try again when the answer has ended." }); // prettier-ignore
    }
    const recorded = await this.#record(this.ready(drafts.map(({ draft }) => draft)), { marks: drafts.map(({ target }) => ({ orders: target })), essential: true }); // prettier-ignore
    for (const { target } of drafts) this.#kept.delete(target);
    return recorded;
  }

  /** Ends removals on record. */
  async completeRemovals(drafts: readonly { draft: Draft; target: string }[]): Promise<Recorded[]> {
    return this.#record(this.ready(drafts.map(({ draft }) => draft)), { marks: drafts.map(({ target }) => ({ completes: target })), essential: true }); // prettier-ignore
  }

  /** Resolves when no admitted open of these records is left, or after 30 s. */
  async drained(recs: readonly string[]): Promise<void> {
    const until = performance.now() + DRAIN_MS;
    while (recs.some((rec) => this.#opening.has(rec)) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Whether an entry is what recording the draft would give, but for hour, numbers and content. */
function saysTheSame(entry: Entry, draft: Draft): boolean {
  if (entry.evidence !== draft.evidence || entry.retention !== draft.retention) return false;
  if (entry.dsse !== undefined || draft.dsse !== undefined)
    return (
      entry.dsse !== undefined && draft.dsse !== undefined && envelopeText(entry.dsse) === envelopeText(draft.dsse)
    );
  // A draft names recs; their indexes were found here.
  const named = JSON.parse(canonicalText(entry.predicate), (name, member: unknown) =>
    name === "index" ? undefined : member,
  ) as JsonObject;
  return (
    entry.predicateType === draft.predicateType &&
    canonicalText(named) === canonicalText(draft.predicate) &&
    sameValue(entry.sha256, draft.digests?.sha256) &&
    sameValue(entry.rowsRoot, draft.digests?.spurRowsV1)
  );
}

const envelopeText = ({ payload, payloadType, signatures }: NonNullable<Draft["dsse"]>): string =>
  JSON.stringify([payloadType, toBase64(payload), ...signatures.map(({ keyid, sig }) => [keyid, toBase64(sig)])]);

function sameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
