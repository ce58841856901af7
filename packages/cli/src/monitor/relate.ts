import { equalBytes } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { formatVkey } from "@spur/verifier/note/note";
import { CliError } from "../errors.ts";
import { forkProof, type ReadTile } from "../misbehaviour.ts";
import { openTree } from "./signed-tree.ts";
import type { Signed } from "./signed.ts";

export type Relation =
  /** The larger tree begins with the smaller one. */
  | { readonly kind: "agrees" }
  /** It does not: the log has signed two histories. `proof` convicts it before strangers, if one key has signed both. */
  | { readonly kind: "conflicts"; readonly proof?: Uint8Array }
  /** Nobody serves tiles of the larger tree. */
  | { readonly kind: "open"; readonly error: VerifyError | CliError };

/**
 * How two checkpoints of one log, in any order, stand to one another. Tiles are asked of each source in turn, and each is held against the
 * root of the larger tree: wrong tiles make no fork.
 */
export async function relate(one: Signed, other: Signed, sources: readonly ReadTile[]): Promise<Relation> {
  const [small, large] = one.size <= other.size ? [one, other] : [other, one];
  if (small.size === large.size)
    return equalBytes(small.root, large.root) ? { kind: "agrees" } : conflict(small, large, noTile);
  if (small.size === 0) return { kind: "agrees" };
  let first: VerifyError | CliError | undefined;
  for (const source of sources) {
    try {
      const tree = await openTree(large, source);
      if (equalBytes(await tree.rootAt(small.size), small.root)) return { kind: "agrees" };
      return await conflict(small, large, (tile) => tree.readTile(tile));
    } catch (error) {
      if (!(error instanceof VerifyError || error instanceof CliError)) throw error;
      first ??= error;
    }
  }
  return { kind: "open", error: first ?? new CliError("monitor/open", "nobody serves tiles of the larger tree") };
}

/** Two checkpoints that were found to exclude each other. */
async function conflict(small: Signed, large: Signed, readTile: ReadTile): Promise<Relation> {
  const keys = new Set(small.keys.map(formatVkey));
  const vkey = large.keys.map(formatVkey).find((key) => keys.has(key));
  if (vkey === undefined) return { kind: "conflicts" };
  const proof = await forkProof({ origin: large.origin, vkey }, small.note, large.note, readTile);
  return { kind: "conflicts", ...(proof === undefined ? {} : { proof }) };
}

const noTile: ReadTile = async () => Promise.reject(new CliError("monitor/open", "no tile is needed"));
