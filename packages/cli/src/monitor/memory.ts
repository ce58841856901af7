import { readdirSync } from "node:fs";
import { join } from "node:path";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { createAuditState, type AuditState } from "@spur/verifier/audit/fold";
import { sha256 } from "@spur/verifier/hash";
import type { Trust } from "@spur/verifier/trust/trust";
import { CliError } from "../errors.ts";
import { typed } from "../text.ts";
import { EntryStore } from "./entry-store.ts";
import { HashStore } from "./hash-store.ts";
import { makeFolder, readIfThere, writeDurable } from "./files.ts";
import { lockFolder } from "./lock.ts";
import {
  formatState,
  loadAudit,
  newState,
  parseState,
  RULES,
  saveAudit,
  type Cover,
  type SavedState,
} from "./saved.ts";
import { judge, type Signed } from "./signed.ts";

/** Files that are kept as evidence, and how long one of them may be: a log that lies all day must not fill the disk. */
const MAX_KEPT = 512;
const MAX_KEPT_BYTES = 524_288;
/** Covers that are kept apart; only a log whose entries cannot be read for days has so many. */
const MAX_COVERS = 256;

/**
 * What one monitor knows of one log, in a folder of its own: `state.json`, replaced in one step; `entries` and `hashes-…`, which are only
 * appended to; and files that show what went wrong. What is in `state.json` was verified under trusted keys; whatever fails a check never gets there.
 */
export class Memory {
  readonly folder: string;
  readonly state: SavedState;
  readonly audit: AuditState;
  readonly entries: EntryStore;
  readonly hashes: HashStore;
  #held: Signed | undefined;
  #saved: string | undefined;
  #shown: string | undefined;
  readonly #lock: { release(): void };

  /** Throws `monitor/locked`, `monitor/state`, `cli/old-node`. */
  static async open(folder: string, place: string, trust: Trust): Promise<Memory> {
    makeFolder(folder);
    const lock = await lockFolder(folder);
    try {
      return new Memory(folder, place, trust, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(folder: string, place: string, trust: Trust, lock: { release(): void }) {
    this.folder = folder;
    this.#lock = lock;
    const file = join(folder, "state.json");
    const text = readIfThere(file)?.toString("utf8");
    this.#saved = text;
    this.state = text === undefined ? newState(place) : parseState(text, file);
    if (this.state.rules !== RULES) this.#beginAgain();
    this.#held = this.state.held === undefined ? undefined : this.#trusted(this.state.held.note, trust);
    // The audit asks the store for record ids, and the store tells the audit what it has read.
    let store: EntryStore | undefined;
    const recs = { get: (rec: string) => store?.get(rec), add: (rec: string, at: number) => store?.add(rec, at) };
    this.audit = createAuditState(recs);
    if (this.state.audit !== undefined) loadAudit(this.audit, this.state.audit);
    const random = crypto.getRandomValues(new Uint32Array(4));
    this.hashes = new HashStore(folder, this.state.followed);
    this.entries = store = new EntryStore(join(folder, "entries"), this.state.followed, this.audit, random);
  }

  close(): void {
    this.entries.close();
    this.hashes.close();
    this.#lock.release();
  }

  /** The newest checkpoint. */
  get held(): Signed | undefined {
    return this.#held;
  }

  /** A checkpoint that extends the one held so far, or is that one with other cosignatures. Durable with the next `save`. */
  hold(signed: Signed, nowMs: number): void {
    const { state } = this;
    const before = this.#held;
    this.#held = signed;
    if (before !== undefined && before.size === signed.size) {
      state.held = { note: signed.note, atMs: state.held?.atMs ?? nowMs };
      return;
    }
    const [seenAt] = signed.seenAt;
    const cover: Cover = {
      ...{ size: signed.size, atMs: nowMs },
      ...(state.lookMs === undefined ? {} : { lookMs: state.lookMs }),
      ...(seenAt === undefined ? {} : { seenAt }),
    };
    state.covers = merged([...state.covers, cover]);
    state.held = { note: signed.note, atMs: nowMs };
    state.origin = signed.origin;
  }

  /** Entries up to `size` were read and are as they should be, or their faults are among the alarms. */
  follow(size: number): void {
    this.state.followed = size;
    this.state.covers = this.state.covers.filter((cover) => cover.size > size);
  }

  /** All of it is durable when it returns: rows and hashes first, then what says how many there are. Throws `monitor/disk`, `monitor/too-large`. */
  save(): void {
    if (this.state.followed > 0) this.state.audit = saveAudit(this.audit);
    const text = formatState(this.state);
    const note = this.state.held?.note;
    try {
      if (text !== this.#saved) {
        this.entries.flush();
        this.hashes.flush();
        writeDurable(join(this.folder, "state.json"), text);
        this.#saved = text;
      }
      // The same once more, for others: another monitor, or whoever serves it as what was seen from here.
      if (note !== undefined && note !== this.#shown) writeDurable(join(this.folder, "checkpoint"), note);
      this.#shown = note;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CliError("monitor/disk", `${this.folder} cannot be written: ${why}`, {
        hint: "make room, and start again",
        cause,
      });
    }
  }

  /** Keeps something that shows a fault, under a name that follows from it, and returns the name. Undefined where too much is kept already. */
  keep(content: string | Uint8Array, ending: string): string | undefined {
    const bytes = typeof content === "string" ? utf8(content) : content;
    const name = `${toHex(sha256(bytes)).slice(0, 16)}.${ending}`;
    const folder = join(this.folder, "evidence");
    makeFolder(folder);
    if (readIfThere(join(folder, name)) !== undefined) return `evidence/${name}`;
    if (bytes.length > MAX_KEPT_BYTES || readdirSync(folder).length >= MAX_KEPT) return undefined;
    writeDurable(join(folder, name), bytes);
    return `evidence/${name}`;
  }

  /** The rows that are there are cut off when they are opened. */
  #beginAgain(): void {
    const { state } = this;
    state.rules = RULES;
    state.followed = 0;
    state.covers = [];
    delete state.audit;
  }

  #trusted(note: string, trust: Trust): Signed {
    const judged = judge(note, this.state.origin, trust);
    if ("root" in judged) return judged;
    throw new CliError(
      "monitor/state",
      `the checkpoint that was held in ${this.folder} is not one for you: ${judged.sentence}`,
      {
        hint: `trust the key that signed it (${typed("trust", "list")}), or begin anew with another --state folder`,
      },
    );
  }
}

/** Two covers become one that says no more than both of them. */
function merged(covers: readonly Cover[]): readonly Cover[] {
  const [first, second, ...rest] = covers;
  if (covers.length <= MAX_COVERS || first === undefined || second === undefined) return covers;
  const { lookMs } = first;
  const both = { size: second.size, atMs: second.atMs };
  const seen = second.seenAt === undefined ? {} : { seenAt: second.seenAt };
  return [{ ...both, ...seen, ...(lookMs === undefined ? {} : { lookMs }) }, ...rest];
}
