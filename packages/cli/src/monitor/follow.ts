import { equalBytes } from "@spur/verifier/bytes";
import { createAudit, type Audit } from "@spur/verifier/audit/fold";
import { VerifyError } from "@spur/verifier/errors";
import { utc } from "@spur/verifier/evidence/checks/time";
import { sha256 } from "@spur/verifier/hash";
import { hourMs, parseOuter, type Outer } from "@spur/verifier/statement/entry";
import { leafHash, type LeafHash } from "@spur/verifier/tlog/merkle";
import { foldRange } from "@spur/verifier/tlog/range";
import { formatBundlePath, TILE_WIDTH, tileWidth } from "@spur/verifier/tlog/tile";
import type { LogReader } from "../fetch-log.ts";
import { readAhead } from "../read-ahead.ts";
import type { Alarms } from "./alarms.ts";
import type { Memory } from "./memory.ts";
import type { Cover } from "./saved.ts";
import type { SignedTree } from "./signed-tree.ts";

/** Bundles under way at the same time, each with its tile; one has at most 16 MiB. */
const AHEAD = 8;
/** What is read is made durable after so many bundles, or so much time. */
const SAVE_BUNDLES = 128;
const SAVE_MS = 10_000;
const HOUR_MS = 3_600_000;
/** A witness's clock and the ledger's may differ by so much. */
const TOLERANCE_MS = 300_000;

export interface Following {
  readonly memory: Memory;
  readonly alarms: Alarms;
  /** Of the newest checkpoint. */
  readonly tree: SignedTree;
  readonly reader: LogReader;
  readonly now: () => number;
  /** How long before the checkpoint that first covers it the hour of an entry may end. */
  readonly lateMs: number;
  /** When to pause, so that the rest of a round has its turn. */
  readonly untilMs: number;
  readonly signal: AbortSignal;
  /** Makes durable what the memory holds, and tells of it. */
  readonly save: () => void;
  readonly progress: (done: number, of: number) => void;
}

/**
 * Reads the entries that came since the last round, up to the newest checkpoint. Each is held against a tile that was held against the
 * signed root before the memory learns of it: a log that lies stops it, and never gets anything in. True when all were read. Throws
 * `monitor/entry`, `monitor/tile`, and what the reader throws; what was read before is kept.
 */
export async function followEntries(following: Following): Promise<boolean> {
  const { memory, tree, reader, now, untilMs, signal, save, progress } = following;
  if (memory.state.followed === tree.size) return true;
  const first = Math.floor(memory.state.followed / TILE_WIDTH);
  const count = Math.ceil(tree.size / TILE_WIDTH) - first;
  let part = new Part(following);
  let [bundles, savedMs] = [0, now()];
  const read = readAhead(count, AHEAD, (i) => readBundle(reader, tree, first + i));
  try {
    for await (const bundle of read) {
      part.take(bundle);
      progress(part.next, tree.size);
      if (signal.aborted || now() > untilMs) return part.next === tree.size;
      if (++bundles % SAVE_BUNDLES !== 0 && now() - savedMs < SAVE_MS) continue;
      part.end();
      save();
      [part, savedMs] = [new Part(following), now()];
    }
    return true;
  } finally {
    part.end();
    save();
  }
}

export interface ReadBundle {
  readonly index: number;
  /** Undefined where they are withheld by law. */
  readonly entries: readonly Uint8Array[] | undefined;
  readonly leaves: readonly LeafHash[];
}

/** A bundle of a signed tree. Throws `monitor/entry` for an entry that is not what was signed, and what `tree` and `reader` throw. */
export async function readBundle(reader: LogReader, tree: SignedTree, index: number): Promise<ReadBundle> {
  const width = tileWidth(0, index, tree.size);
  const [entries, hashes] = await Promise.all([reader.bundle({ index, width }), tree.tile(0, index)]);
  const leaves = hashes as readonly LeafHash[];
  for (const [i, entry] of (entries ?? []).entries()) {
    if (equalBytes(leafHash(entry), leaves[i] ?? new Uint8Array())) continue;
    const where = `entry ${index * TILE_WIDTH + i} in ${formatBundlePath({ index, width })}`;
    throw new VerifyError("monitor/entry", `${where} does not hash to its leaf in the signed tree`);
  }
  return { index, entries, leaves };
}

/** Some bundles on end, whose entries become part of the memory together. */
class Part {
  readonly #of: Following;
  readonly #audit: Audit;
  readonly #from: number;
  #next: number;
  readonly #late = new Told();
  readonly #ahead = new Told();

  constructor(following: Following) {
    const { state, audit } = following.memory;
    this.#of = following;
    this.#audit = createAudit(state.origin ?? "", audit);
    this.#from = this.#next = state.followed;
  }

  get next(): number {
    return this.#next;
  }

  take({ index, entries, leaves }: ReadBundle): void {
    const { memory } = this.#of;
    for (let i = this.#next - index * TILE_WIDTH; i < leaves.length; i++) {
      const [at, leaf, entry] = [this.#next++, leaves[i] as LeafHash, entries?.[i]];
      const before = memory.audit.latest;
      if (entry === undefined) this.#audit.withheld(at, leaf);
      else this.#audit.add(at, entry, leaf);
      memory.hashes.put(leaf);
      memory.entries.put(at, memory.audit.types[at] ?? 0, memory.audit.opaque.get(at));
      if (entry !== undefined) this.#time(at, entry, memory.audit.latest !== before);
    }
  }

  /** The hour of an entry against the checkpoint that covers it first. `later`: it is the latest so far. */
  #time(index: number, bytes: Uint8Array, later: boolean): void {
    const cover = this.#of.memory.state.covers.find(({ size }) => size > index);
    if (cover === undefined || (!later && cover.lookMs === undefined)) return;
    const outer = outerOf(bytes);
    if (outer === undefined) return; // its fault is told already
    const ms = hourMs(outer.at);
    const seenMs = cover.seenAt === undefined ? cover.atMs : cover.seenAt * 1000;
    if (ms > seenMs + TOLERANCE_MS) this.#ahead.add(index, outer.at, cover);
    // The hour of what is imported is history's.
    if (outer.evidence === "imported" || cover.lookMs === undefined) return;
    if (ms + HOUR_MS + this.#of.lateMs < cover.lookMs) this.#late.add(index, outer.at, cover);
  }

  /** Everything up to here was signed; what is wrong with it all the same is told. */
  end(): void {
    const { memory, alarms, tree } = this.#of;
    if (this.#next === this.#from) return;
    // Each leaf was held against the signed tree. At its end, so is all that was ever carried on from one round to the next.
    const root = this.#next === tree.size ? tree.root : foldRange(memory.audit.subtrees);
    const result = this.#audit.finish(this.#next, { root, signer: "trusted" });
    for (const finding of result.findings) {
      if (finding.verdict === "fail" || finding.required) alarms.raiseFinding(finding);
    }
    const own = result.keys.find(({ index, purpose }) => index === 0 && purpose === "log");
    const signers = memory.held?.keys.map((key) => sha256(key.publicKey)) ?? [];
    if (own !== undefined && !signers.some((digest) => equalBytes(digest, own.sha256))) {
      const sentence = "Entry 0 announces another key than the one that signed the checkpoint.";
      alarms.raise({ id: "audit/own-key", code: "audit/own-key", verdict: "fail", sentence, scope: "", lasting: true });
    }
    this.#tellTimes();
    memory.follow(this.#next);
  }

  #tellTimes(): void {
    const rest = { verdict: "fail", scope: "", lasting: true } as const;
    const late = this.#late.first;
    if (late !== undefined) {
      const { index, at, cover } = late;
      const when = utc(Math.floor((cover.lookMs ?? 0) / 1000));
      const sentence = `Entry ${index}${this.#late.more} says ${at}, but at ${when} no checkpoint covered it yet: it came late.`;
      this.#of.alarms.raise({ id: `monitor/late:${index}`, code: "monitor/late", sentence, ...rest });
    }
    const ahead = this.#ahead.first;
    if (ahead !== undefined) {
      const { index, at, cover } = ahead;
      const who = cover.seenAt === undefined ? "it was seen here" : "a witness saw it";
      const when = utc(cover.seenAt ?? Math.floor(cover.atMs / 1000));
      const sentence = `Entry ${index}${this.#ahead.more} says ${at}, but ${who} at ${when}, before that hour.`;
      this.#of.alarms.raise({ id: `time/refuted:${index}`, code: "time/refuted", sentence, ...rest });
    }
  }
}

/** The first of several faults of one kind, and how many there are: a log that is all wrong is told in one sentence. */
class Told {
  first: { readonly index: number; readonly at: string; readonly cover: Cover } | undefined;
  #count = 0;

  add(index: number, at: string, cover: Cover): void {
    this.first ??= { index, at, cover };
    this.#count++;
  }

  get more(): string {
    return this.#count > 1 ? ` (and ${this.#count - 1} more like it)` : "";
  }
}

function outerOf(bytes: Uint8Array): Outer | undefined {
  try {
    return parseOuter(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}
