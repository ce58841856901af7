import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseBundlePath, parseTilePath } from "@spur/verifier/tlog/tile";
import { VerifyError } from "@spur/verifier/errors";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { isAbsent, readIfThere } from "../files.ts";
import { TEXT, type Answer } from "../server.ts";
import { withheldMark } from "./folder.ts";

const compress = promisify(gzip);

/** Where the copies lie below a witness's data folder, each under the hash of its origin. */
export function mirrorFolder(data: string, hash: string): string {
  return join(data, "mirror", hash);
}

/** Origin and size of every copy. One that can't be read is left out: its own next round says why. */
export function mirroredLogs(data: string): { origin: string; hash: string; size: number }[] {
  const folder = join(data, "mirror");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((hash) => {
    const note = readIfThere(join(folder, hash, "checkpoint"))?.toString("utf8");
    if (note === undefined) return [];
    try {
      const { origin, size } = parseCheckpoint(parseNote(note).text);
      return [{ origin, hash, size }];
    } catch {
      return [];
    }
  });
}

/** A file of a copy, as C2SP tlog-tiles serves it; undefined where it is not there. `path` is what follows the hash. */
export async function mirroredFile(folder: string, path: string, takesGzip: boolean): Promise<Answer | undefined> {
  if (path === "checkpoint") {
    const body = await fileOr(join(folder, path));
    return body === undefined
      ? undefined
      : { status: 200, headers: { "content-type": TEXT, "cache-control": "no-cache, max-age=1" }, body };
  }
  // Re-encoded and compared by the parsers: nothing else than a tile can be named by it, and no other folder.
  if (!isTilePath(path)) return undefined;
  const body = await fileOr(join(folder, path));
  if (body === undefined) {
    const withheld = existsSync(join(folder, withheldMark(path)));
    return withheld ? { status: 451, body: "withheld by law when it was to be copied\n" } : undefined;
  }
  const packed = takesGzip && path.startsWith("tile/entries/") ? await compress(body, { level: 1 }) : undefined;
  return {
    status: 200,
    headers: {
      "content-type": "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
      vary: "accept-encoding",
      ...(packed === undefined ? {} : { "content-encoding": "gzip" }),
    },
    body: packed ?? body,
  };
}

function isTilePath(path: string): boolean {
  try {
    if (path.startsWith("tile/entries/")) parseBundlePath(path);
    else parseTilePath(path);
    return true;
  } catch (error) {
    if (error instanceof VerifyError) return false;
    throw error;
  }
}

async function fileOr(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
