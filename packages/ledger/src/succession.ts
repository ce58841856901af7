import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { toHex } from "@spur/verifier/bytes";
import { parseVkey } from "@spur/verifier/note/vkey";
import { demandOrigin } from "./config.ts";
import { recordOwnKeys } from "./deployments.ts";
import type { Draft } from "./draft.ts";
import { SpurError } from "./errors.ts";
import { LedgerThread } from "./ledger-thread.ts";
import { Ledger, newRec } from "./record.ts";
import { readIfThere, syncFolder, writeDurable } from "./storage/durable-file.ts";
import { lockFolder } from "./storage/lock.ts";

// A log that goes on in another one. The new one is made beside the old one, whole, and only then takes its place: whoever starts a ledger
// meanwhile, after a crash at any step, finds the old log, the new one, or is refused; and the same command goes on where it stopped.

/** Where a log lies. */
export interface Folders {
  readonly data: string;
  readonly keys: string;
}

/** What a log is followed by, and where its own folders have gone. */
export interface Succession {
  readonly origin: string;
  readonly vkey: string;
  readonly retiredData: string;
  readonly retiredKeys: string;
  /** Key of the old log, and where that ended as far as is known. */
  readonly retired: string;
  readonly size: number;
}

/** A head at which a log ends, and whose it is. */
export interface End {
  readonly vkey: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** What the mark says: no paths, since folders may be moved meanwhile. */
interface Planned extends Pick<Succession, "vkey" | "retired" | "size"> {
  readonly suffix: string;
}

/** In the new keys folder, once the new log is whole: it is to take the old one's place. */
const MARK = "takes-over";
/** The new log's own two keys. */
const BEGINNING = 2;

const nextTo = ({ data, keys }: Folders): Folders => ({ data: `${data}.next`, keys: `${keys}.next` });

/** The other log of a pair, as each of them names it (formats §3.6). */
export function successorDraft(direction: "from" | "to", { vkey, size, root }: End): Draft {
  return {
    rec: newRec(),
    predicateType: "spur:successor/v1",
    predicate: { direction, keyId: parseVkey(vkey).keyId.toString(16).padStart(8, "0"), size, root: toHex(root) },
    digests: { sha256: createHash("sha256").update(vkey).digest() },
    evidence: "observed",
    retention: "system",
    owner: "",
  };
}

/** The log that is to follow, beside the one that is there. */
export class Successor {
  readonly thread: LedgerThread;
  readonly #folders: Folders;
  readonly #ledger: Ledger;
  readonly #now: () => number;

  private constructor(folders: Folders, thread: LedgerThread, now: () => number) {
    this.#folders = folders;
    this.#now = now;
    this.thread = thread;
    this.#ledger = new Ledger(thread, { data: nextTo(folders).data, now });
  }

  /** Makes it, or takes up one that an earlier attempt left. Throws `config/origin`, `recover/same-origin`, `recover/other-successor`. */
  static async begin(folders: Folders, origin: string, now: () => number): Promise<Successor> {
    if (originOf(folders.keys) === demandOrigin(origin))
      throw new SpurError("recover/same-origin", `${origin} is the origin of the log to be retired`, {
        hint: "Name another one.",
      });
    const next = nextTo(folders);
    const thread = await LedgerThread.start({ ...next, origin, publishEveryMs: 3_600_000 }, () => undefined);
    const successor = new Successor(folders, thread, now);
    try {
      if (thread.info.origin !== origin)
        throw new SpurError("recover/other-successor", `${next.data} holds a log of the origin ${thread.info.origin}`, {
          status: 409,
          hint: "An earlier attempt was broken off: name that origin. Or, if the old log does not name it yet, remove the two folders that end in .next.",
        });
      if ((await thread.call("head")).size === 0) await recordOwnKeys(successor.#ledger);
      return successor;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** The key under which it goes on, and the empty tree at which it begins. */
  get vkey(): string {
    return this.thread.info.vkey;
  }

  /** Says where it goes on from, and publishes that. From here on it may take its place. */
  async goOnFrom(end: End): Promise<void> {
    const next = nextTo(this.#folders);
    if ((await this.thread.call("head")).size <= BEGINNING) await this.#ledger.record([successorDraft("from", end)]);
    await this.thread.call("publish");
    await this.thread.close();
    const stamp = new Date(this.#now()).toISOString().replace(/[-:]/g, "").slice(0, 15);
    const planned: Planned = { vkey: this.vkey, retired: end.vkey, size: end.size, suffix: `.retired-${stamp}` };
    writeDurable(join(next.keys, MARK), Buffer.from(`${JSON.stringify(planned)}\n`), 0o600);
  }
}

/**
 * Puts a new log that is whole in its place, and the old folders aside: nothing is deleted. Undefined where none waits for that. At no step
 * are both places empty, so no start takes them for a new beginning.
 */
export function takeOver(folders: Folders): Succession | undefined {
  const next = nextTo(folders);
  const mark = [next.keys, folders.keys].map((folder) => join(folder, MARK)).find((path) => existsSync(path));
  if (mark === undefined) return undefined;
  const { suffix, ...planned } = JSON.parse(readFileSync(mark, "utf8")) as Planned;
  const { data, keys } = folders;
  const retiredData = data + suffix;
  // Found from the data by themselves, as they were before.
  const retiredKeys = keys === `${data}-keys` ? `${retiredData}-keys` : keys + suffix;
  // Held, so that nobody writes while names change: locks stay with their files.
  const locks = [data, keys, next.data, next.keys].filter((path) => existsSync(path)).map(lockFolder);
  try {
    // Crash between any two of these renames: data and keys that do not belong together, or one of them alone. A start refuses both.
    putInPlace(next.data, data, retiredData);
    putInPlace(next.keys, keys, retiredKeys);
    unlinkSync(join(keys, MARK));
    syncFolder(keys);
  } finally {
    for (const lock of locks) lock.release();
  }
  return { origin: parseVkey(planned.vkey).name, ...planned, retiredData, retiredKeys };
}

function putInPlace(next: string, place: string, aside: string): void {
  if (!existsSync(next)) return; // done before
  // A start that was refused leaves a lock where there was nothing.
  const nothing = existsSync(place) && readdirSync(place).every((name) => name.startsWith("lock.sqlite"));
  if (nothing) rmSync(place, { recursive: true });
  else if (existsSync(place)) {
    renameSync(place, aside);
    syncFolder(dirname(place));
  }
  renameSync(next, place);
  syncFolder(dirname(place));
}

/** The origin that a keys folder belongs to: the name inside its log key. Throws `keys/missing`. */
export function originOf(keys: string): string {
  const path = join(keys, "log.key");
  const name = readIfThere(path)?.toString("utf8").split("+")[2];
  if (name === undefined || name === "")
    throw new SpurError("keys/missing", `${path} is missing`, {
      status: 503,
      hint: "Name the keys folder of the log with --keys.",
    });
  return name;
}
