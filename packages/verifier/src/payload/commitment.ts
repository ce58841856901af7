import { concatBytes, equalBytes, u32be, u64be, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { hkdfSha256, sha256 } from "../hash.ts";
import { rootOf, rootFromInclusion, type LeafHash } from "../tlog/merkle.ts";

// Formats §2. Every prefix that is hashed or signed stands in docs/formats.md's one table, with vectors.
const SLOT_PREFIX = Uint8Array.of(0x02);
const CHUNK_PREFIX = Uint8Array.of(0x03);
const CHUNKS_HEADER = utf8("spur-chunks/v1");

/** A value longer than this is hashed, and encrypted, in chunks. */
export const MAX_INLINE_BYTES = 1_048_576;
/** Length of every chunk but the last, which has 1..65,536 bytes. */
export const CHUNK_BYTES = 65_536;

/** How a slot's value is held: the byte that is hashed. */
export const Present = { absent: 0, inline: 1, chunked: 2 } as const;
export type Present = (typeof Present)[keyof typeof Present];

/** d_i of formats §2: the leaf hash of one slot. `value` is what is hashed: empty if absent, the chunk head if chunked. */
export function slotDigest(salt: Uint8Array, slot: number, present: Present, value: Uint8Array): LeafHash {
  return sha256(concatBytes(SLOT_PREFIX, salt, Uint8Array.of(slot, present), u64be(value.length), value)) as LeafHash;
}

/** The salts s_0 … s_{n−1}, 32 bytes each, from a record's data key. */
export function slotSalts(dek: Uint8Array, n: number): Uint8Array[] {
  const all = hkdfSha256(dek, concatBytes(utf8("spur/v1/slots"), Uint8Array.of(n)), 32 * n);
  return Array.from({ length: n }, (_, i) => all.subarray(32 * i, 32 * i + 32));
}

/** The commitment C over the slots' leaf hashes, in slot order. */
export function commitment(slotDigests: readonly LeafHash[]): Uint8Array {
  return rootOf(slotDigests);
}

/** h_j of formats §2: the leaf hash of chunk j of a slot whose salt is known. */
export function chunkDigest(salt: Uint8Array, j: number, chunk: Uint8Array): LeafHash {
  const t = hkdfSha256(salt, concatBytes(utf8("spur/v1/chunk"), u64be(j)), 32);
  return sha256(concatBytes(CHUNK_PREFIX, t, u64be(j), u32be(chunk.length), chunk)) as LeafHash;
}

/** What stands in a chunked slot: "spur-chunks/v1" ‖ u64be total ‖ root over the chunk digests. */
export function chunkHead(totalBytes: number, chunkDigests: readonly LeafHash[]): Uint8Array {
  return concatBytes(CHUNKS_HEADER, u64be(totalBytes), rootOf(chunkDigests));
}

/** The value as it is hashed, and how: whether a value is chunked follows from its length alone, so that it has one commitment only. */
export function hashedForm(salt: Uint8Array, value: Uint8Array | undefined): { present: Present; hashed: Uint8Array } {
  if (value === undefined) return { present: Present.absent, hashed: new Uint8Array(0) };
  if (value.length <= MAX_INLINE_BYTES) return { present: Present.inline, hashed: value };
  const digests: LeafHash[] = [];
  for (let at = 0; at < value.length; at += CHUNK_BYTES) {
    digests.push(chunkDigest(salt, digests.length, value.subarray(at, at + CHUNK_BYTES)));
  }
  return { present: Present.chunked, hashed: chunkHead(value.length, digests) };
}

/** What opens one slot of a record to a stranger. `value` absent: the slot is opened as empty. */
export interface SlotOpening {
  readonly slot: number;
  readonly value?: Uint8Array;
  readonly salt: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/**
 * Recomputes the commitment from one slot's opening, and throws `opening/commitment` if it is another.
 * The number of slots comes from the predicate, never from the file: the operator cannot open a second value for a slot.
 */
export function verifySlotOpening(opening: SlotOpening, slots: number, expected: Uint8Array): void {
  if (opening.slot >= slots) throw new VerifyError("opening/slot", `slot ${opening.slot} of ${slots}`);
  if (opening.salt.length !== 32) throw new VerifyError("opening/salt", `${opening.salt.length} bytes`);
  const { present, hashed } = hashedForm(opening.salt, opening.value);
  const leaf = slotDigest(opening.salt, opening.slot, present, hashed);
  const root = rootFromInclusion(leaf, opening.slot, slots, opening.path);
  if (!equalBytes(root, expected))
    throw new VerifyError("opening/commitment", `slot ${opening.slot} is not what was committed`);
}
