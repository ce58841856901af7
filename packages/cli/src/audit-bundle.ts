import { isPlain, type Plain } from "@spur/verifier/audit/fold";
import { equalBytes } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { parseEntry } from "@spur/verifier/statement/entry";
import { prefixedLeafHash, type LeafHash } from "@spur/verifier/tlog/merkle";
import { parseHashTile, subtreeRoot, TILE_WIDTH } from "@spur/verifier/tlog/tile";
import { plainEntry } from "./audit-plain.ts";

/** What can be said of one bundle without knowing another: most of an audit's work, for any thread. */
export interface BundleDigest {
  readonly width: number;
  /** The tile that was served is what the entries hash to. */
  readonly fits: boolean;
  /** Of a full bundle: the root over its entries. */
  readonly subtree?: Uint8Array;
  readonly leaves: readonly LeafHash[];
  /** By entry: what was parsed where that is all the fold needs, else its bytes. Undefined where the bundle is withheld. */
  readonly items?: readonly (Plain | Uint8Array)[];
}

const scratch = new Uint8Array(1 + 65_535);

/** Digests the bundle whose first entry has this index. Never throws for what an entry holds. */
export function digestBundle(
  first: number,
  entries: readonly Uint8Array[] | undefined,
  served: Uint8Array,
): BundleDigest {
  const leaves = entries?.map(hashLeaf) ?? (parseHashTile(served, served.length / 32) as LeafHash[]);
  return {
    width: leaves.length,
    fits:
      served.length === 32 * leaves.length &&
      leaves.every((leaf, i) => equalBytes(leaf, served.subarray(32 * i, 32 * i + 32))),
    leaves,
    ...(leaves.length === TILE_WIDTH ? { subtree: subtreeRoot(leaves) } : {}),
    ...(entries === undefined ? {} : { items: entries.map((entry, i) => readEntry(first + i, entry)) }),
  };
}

function hashLeaf(entry: Uint8Array): LeafHash {
  scratch[0] = 0;
  scratch.set(entry, 1);
  return prefixedLeafHash(scratch.subarray(0, 1 + entry.length));
}

/** The bytes stay where `parseEntry` refuses them, so that they are refused where refusals are told. */
function readEntry(index: number, bytes: Uint8Array): Plain | Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  let plain = plainEntry(text);
  try {
    plain ??= parseEntry(bytes);
  } catch (error) {
    if (error instanceof VerifyError) return bytes;
    throw error;
  }
  return isPlain(index, plain) ? plain : bytes;
}
