import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "@spur/verifier/bytes";
import { EMPTY_ROOT, leafHash, nodeHash } from "@spur/verifier/tlog/merkle";
import { SpurError } from "../errors.ts";
import { syncManyDurable, writeManyDurable } from "../storage/durable-file.ts";

/** More rows would keep one request busy for a minute. */
const MAX_ROWS = 20_000_000;
/** Rows hashed before other requests get their turn: a few milliseconds. */
const ROWS_AT_ONCE = 2_000;

const path = (data: string, sha256: string): string => join(data, "public", sha256.slice(0, 2), sha256);

/** Keeps a public bulk payload by its digest; durable when it resolves. The same bytes again change nothing. */
export async function putPayload(
  data: string,
  bytes: Buffer,
): Promise<{ sha256: string; bytes: number; rows: number; rowsRoot: string }> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { root, rows } = await foldRows(bytes);
  const file = path(data, sha256);
  if ((await getPayload(data, sha256)) === undefined) await writeManyDurable([{ path: file, bytes }]);
  else await syncManyDurable([file]); // whoever wrote it may not have come to the sync
  return { sha256, bytes: bytes.length, rows, rowsRoot: toHex(root) };
}

/** `spurRowsV1` (formats §2) in memory for log n hashes, a slice at a time: whoever sends many rows makes nobody else wait. */
async function foldRows(bytes: Buffer): Promise<{ root: Uint8Array; rows: number }> {
  const peaks: Uint8Array[] = []; // complete subtrees, left to right
  let rows = 0;
  for (let from = 0; from < bytes.length; rows++) {
    if (rows === MAX_ROWS) throw new SpurError("payload/too-many-rows", `more than ${MAX_ROWS} rows`, { status: 413, hint: "Split it into several payloads." }); // prettier-ignore
    if (rows % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end;
    let hash: Uint8Array = leafHash(bytes.subarray(from, to));
    for (let n = rows; n % 2 === 1; n = (n - 1) / 2) hash = nodeHash(peaks.pop() as Uint8Array, hash);
    peaks.push(hash);
    from = to + 1;
  }
  const root = peaks.reduceRight<Uint8Array | undefined>((right, left) => (right === undefined ? left : nodeHash(left, right)), undefined); // prettier-ignore
  return { root: root ?? EMPTY_ROOT, rows };
}

export async function getPayload(data: string, sha256: string): Promise<Buffer | undefined> {
  if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  const bytes = await readFile(path(data, sha256)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (bytes !== undefined && createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new SpurError("payload/damaged", `what is stored as ${sha256} has another digest`, { status: 500, hint: "Bring the file back from a backup, or send the payload again after moving the damaged file away." }); // prettier-ignore
  }
  return bytes;
}
