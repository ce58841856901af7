import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "@spur/verifier/bytes";
import { rowsRoot } from "@spur/verifier/payload/rows";
import { writeManyDurable } from "../storage/durable-file.ts";

const path = (data: string, sha256: string): string => join(data, "public", sha256.slice(0, 2), sha256);

/** Keeps a public bulk payload by its digest; durable when it resolves. The same bytes again change nothing. */
export async function putPayload(
  data: string,
  bytes: Uint8Array,
): Promise<{ sha256: string; bytes: number; rows: number; rowsRoot: string }> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if ((await getPayload(data, sha256)) === undefined) await writeManyDurable([{ path: path(data, sha256), bytes }]);
  const { root, leaves } = rowsRoot(bytes);
  return { sha256, bytes: bytes.length, rows: leaves.length, rowsRoot: toHex(root) };
}

export async function getPayload(data: string, sha256: string): Promise<Buffer | undefined> {
  if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return readFile(path(data, sha256)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
