import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { parseCheckpoint, type Checkpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

/**
 * What this user saw of a log last time: the signed checkpoint itself. A log that has become shorter, or another, shows against it; the
 * two notes together prove it to anybody.
 */
export interface Seen {
  readonly file: string;
  readonly note: string;
  readonly checkpoint: Checkpoint;
}

/** `$XDG_STATE_HOME/spur/seen/<SHA-256 of the origin>`. The origin is a stranger's word, so it never becomes a path itself. */
export function seenFile(io: Io, origin: string): string {
  const state = io.env["XDG_STATE_HOME"] || join(io.env["HOME"] ?? homedir(), ".local", "state");
  return join(state, "spur", "seen", toHex(sha256(utf8(origin))));
}

/** Undefined at the first sight. Throws `audit/seen` where the file is there and cannot be read: silence would hide a rollback. */
export async function readSeen(io: Io, origin: string): Promise<Seen | undefined> {
  const file = seenFile(io, origin);
  let note: string;
  try {
    note = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const checkpoint = parseCheckpoint(parseNote(note).text);
    if (checkpoint.origin === origin) return { file, note, checkpoint };
  } catch {
    // told below
  }
  throw new CliError("audit/seen", `${file} is not the checkpoint of ${origin} that was stored there`, {
    hint: "look at it; if it is worthless, remove it, and this audit counts as the first",
  });
}

/** Replaces the file, or one beside it whose name ends in `suffix`, in one step. */
export async function writeSeen(io: Io, origin: string, bytes: string | Uint8Array, suffix = ""): Promise<string> {
  const file = seenFile(io, origin) + suffix;
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, bytes, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return file;
}
