import { readdirSync, rmSync, statfsSync, unlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { equalBytes, toHex, utf8 } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { parseCheckpoint, type Checkpoint } from "@spur/verifier/note/checkpoint";
import { openNote, parseNote, type VerifierKey } from "@spur/verifier/note/note";
import { VerifyError } from "@spur/verifier/errors";
import { SpurError } from "../errors.ts";
import { lockFolder } from "../lock.ts";
import "../ml-dsa.ts";
import { isAbsent, makeFolder, readIfThere, syncFolder, TEMPORARY, writeDurable, writeManyDurable } from "../files.ts";

/** Files and bytes that are written and synced together. */
const BATCH_FILES = 128;
const BATCH_BYTES = 32 * 1024 * 1024;

/** Nothing is written where less is free: a log could be as large as it pleases. */
const LEAST_FREE = 512 * 1024 * 1024;

/** A checkpoint that the log's key signed, and the note it came in. */
export interface Signed extends Checkpoint {
  readonly note: string;
}

/** Throws `mirror/not-signed` unless the log's own key signed it, under this origin. */
export function openSigned(note: string, origin: string, key: VerifierKey, where: string): Signed {
  const refuse = (why: string, cause?: unknown): SpurError =>
    new SpurError("mirror/not-signed", `the checkpoint at ${where} ${why}`, {
      hint: "Is it the right log, and the right key?",
      cause,
    });
  try {
    const parsed = parseNote(note);
    const opened = openNote(parsed, [key]);
    if (opened.invalid.length > 0) throw refuse("bears a signature of the log that does not verify");
    if (opened.verified.length === 0) throw refuse("is not signed by the key that was named");
    const checkpoint = parseCheckpoint(parsed.text);
    if (checkpoint.origin !== origin)
      throw refuse(`is of ${JSON.stringify(checkpoint.origin.slice(0, 200))}, not of ${origin}`);
    return { ...checkpoint, note };
  } catch (error) {
    if (error instanceof VerifyError) throw refuse(`is none: ${error.code}: ${error.detail}`, error);
    throw error;
  }
}

/**
 * The files of a copy: `checkpoint` and `tile/` as any tlog-tiles log has them; `pending`, the newest checkpoint that the log is held to
 * while its entries are still being copied; `conflict-…` where the log broke its word. Nothing is ever replaced but the two checkpoints.
 */
export class MirrorFolder {
  readonly folder: string;
  #files = new Map<string, Uint8Array>();
  #bytes = 0;
  /** Folders of files that were there: a crash may have come between their rename and the sync of the folder. */
  readonly #unsynced = new Set<string>();

  readonly #lock: { release(): void };

  /** Throws `data/locked` where another process writes this copy. */
  constructor(folder: string) {
    this.folder = folder;
    makeFolder(folder);
    this.#lock = lockFolder(folder);
    // What the writes of a killed round left under names that nobody reads.
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(TEMPORARY)) unlinkSync(join(folder, name));
    }
  }

  close(): void {
    this.#lock.release();
  }

  /** Throws `mirror/damaged` for a file that is there and is not what was once verified. */
  signed(file: "checkpoint" | "pending", origin: string, key: VerifierKey): Signed | undefined {
    const note = readIfThere(join(this.folder, file))?.toString("utf8");
    if (note === undefined) return undefined;
    try {
      return openSigned(note, origin, key, this.folder);
    } catch (cause) {
      throw damaged(`${join(this.folder, file)} is not a checkpoint of this log under this key`, cause);
    }
  }

  writeSigned(file: "checkpoint" | "pending", { note }: Signed): void {
    writeDurable(join(this.folder, file), note);
  }

  dropPending(): void {
    rmSync(join(this.folder, "pending"), { force: true });
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const waiting = this.#files.get(path);
    if (waiting !== undefined) return waiting;
    try {
      return await readFile(join(this.folder, path));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Verified bytes, durable after `flush`. Throws `mirror/damaged` if the file is there with others, and `mirror/no-space`. */
  async put(path: string, bytes: Uint8Array): Promise<void> {
    const there = await this.read(path);
    if (there !== undefined && !equalBytes(there, bytes)) throw damaged(`${join(this.folder, path)} holds other bytes`);
    if (there !== undefined) {
      this.#unsynced.add(dirname(join(this.folder, path)));
      return;
    }
    this.#files.set(path, bytes);
    this.#bytes += bytes.length;
    if (this.#files.size >= BATCH_FILES || this.#bytes >= BATCH_BYTES) await this.#write();
  }

  async #write(): Promise<void> {
    const { bavail, bsize } = statfsSync(this.folder);
    if (bavail * bsize < LEAST_FREE + this.#bytes) {
      throw new SpurError(
        "mirror/no-space",
        `less than ${LEAST_FREE / 2 ** 20} MiB would be free on the disk of ${this.folder}`,
        {
          hint: "Make room; the next run goes on where this one stopped.",
        },
      );
    }
    const files = [...this.#files].map(([path, bytes]) => ({ path: join(this.folder, path), bytes }));
    await writeManyDurable(files);
    this.#files.clear();
    this.#bytes = 0;
  }

  /** All that was put is durable when it resolves. */
  async flush(): Promise<void> {
    if (this.#files.size > 0) await this.#write();
    for (const folder of this.#unsynced) syncFolder(folder);
    this.#unsynced.clear();
  }

  /** A partial tile that a full one has taken the place of (C2SP tlog-tiles allows it). */
  dropPartials(fullPath: string): void {
    rmSync(join(this.folder, `${fullPath}.p`), { recursive: true, force: true });
  }

  /** Keeps two notes that prove something against the log. Named by what they are, so that a second time adds nothing. */
  keepConflict(held: Signed, served: Signed): string[] {
    const name = `conflict-${toHex(sha256(utf8(served.note))).slice(0, 16)}`;
    return [["held", held] as const, ["served", served] as const].map(([which, { note }]) => {
      const path = join(this.folder, `${name}.${which}`);
      if (readIfThere(path) === undefined) writeDurable(path, note);
      return path;
    });
  }
}

/** An empty file in place of a bundle that the log withheld by law: who asks for it is told so. */
export function withheldMark(path: string): string {
  return `${path}.withheld`;
}

export function damaged(why: string, cause?: unknown): SpurError {
  return new SpurError("mirror/damaged", why, {
    hint: "Something changed this copy. Move it away and mirror the log anew.",
    cause,
  });
}
