import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTilePath, type Tile } from "@spur/verifier/tlog/tile";
import { createProver, type Prover } from "@spur/verifier/tlog/prover";
import { parseNote } from "@spur/verifier/note/note";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { inclusionProof, leafHash, verifyInclusion, type LeafHash, type Root } from "@spur/verifier/tlog/merkle";
import { commitment, hashedForm, slotDigest } from "@spur/verifier/payload/commitment";
import { formatEvidence, type OpenedSlot } from "@spur/verifier/evidence/format";
import type { Ask } from "@spur/verifier/evidence/report";
import { Bug, SpurError } from "../errors.ts";
import type { Projector } from "../projections/projector.ts";
import type { EntryRow } from "../projections/fold.ts";
import type { Ledger, Opened } from "../record.ts";

const TILE_WIDTH = 256;
/** Up to so many entries of a register are put into a file whole. */
const MAX_WHOLE = 50;

/** The published log as files: what any stranger could read, too. */
export interface PublishedLog {
  readonly size: number;
  readonly root: Root;
  readonly checkpoint: string;
  readonly prover: Prover;
}

/** Reads the published checkpoint and makes proofs from the published tiles, without the database. */
export async function publishedLog(folder: string): Promise<PublishedLog | undefined> {
  const bytes = await readFile(join(folder, "checkpoint")).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  const checkpoint = bytes.toString("utf8");
  const { size, root } = parseCheckpoint(parseNote(checkpoint).text);
  return { size, root, checkpoint, prover: createProver(size, (tile) => readTile(folder, tile)) };
}

async function readTile(folder: string, tile: Tile): Promise<Uint8Array> {
  if (tile.width < TILE_WIDTH) {
    const partial = await readFile(join(folder, formatTilePath(tile))).catch(() => undefined);
    if (partial !== undefined) return partial;
  }
  const full = await readFile(join(folder, formatTilePath({ ...tile, width: TILE_WIDTH })));
  return full.subarray(0, tile.width * 32);
}

/** The openings of some slots of a record, for a stranger. */
export function openingsOf(opened: Opened, slots: readonly number[]): OpenedSlot[] {
  const leaves = opened.slots.map((value, i): LeafHash => {
    const salt = opened.salts[i] as Uint8Array;
    const { present, hashed } = hashedForm(salt, value);
    return slotDigest(salt, i, present, hashed);
  });
  if (Buffer.compare(commitment(leaves), opened.commitment) !== 0) throw new Bug("openings do not give the commitment");
  return [...slots]
    .sort((a, b) => a - b)
    .map((slot) => {
      const value = opened.slots[slot];
      return {
        index: opened.index,
        slot,
        ...(value === undefined ? {} : { value }),
        salt: opened.salts[slot] as Uint8Array,
        path: inclusionProof(leaves, slot),
      };
    });
}

export interface GatherDeps {
  readonly ledger: Ledger;
  readonly projector: Projector;
  /** The folder of the published log. */
  readonly folder: string;
  readonly publish: () => Promise<unknown>;
}

/**
 * An evidence file about one record: its entries with proofs, and what the caller was allowed to open. For an insider it publishes
 * first if it must; a stranger gets what the checkpoint covers, and cannot make the ledger publish.
 */
export async function gatherEvidence(
  deps: GatherDeps,
  row: EntryRow,
  ask: Ask,
  opened: readonly OpenedSlot[],
  insider: boolean,
): Promise<Uint8Array> {
  let log = await publishedLog(deps.folder);
  const below = insider ? Number.MAX_SAFE_INTEGER : (log?.size ?? 0);
  const indexes = new Set(await entriesFor(deps, row, ask, below));
  for (const one of opened) indexes.add(one.index);
  const closing = await deps.projector.query("last", "spur:registers/v1", below);
  const registers = closing === undefined ? [] : [closing.index];
  for (const index of registers) indexes.add(index);
  if (closing !== undefined && ask === "Q5")
    for (const index of await wholeRegisters(deps, closing.index)) indexes.add(index);
  const top = Math.max(...indexes);
  if (insider && (log === undefined || log.size <= top)) {
    await deps.publish();
    log = await publishedLog(deps.folder);
  }
  if (log === undefined || log.size <= top)
    throw new SpurError("log/not-published", `entry ${top} is not published yet`, { status: 503 });
  const { checkpoint, prover, size, root } = log;
  const sorted = [...indexes].sort((a, b) => a - b);
  const entries = await Promise.all(
    sorted.map(async (index) => {
      const entry = await deps.ledger.entryBytes(index);
      const proof = await prover.inclusion(index);
      // A damaged tile must not become a file that makes the operator a liar.
      verifyInclusion(leafHash(entry), index, size, proof, root);
      return { index, entry, proof };
    }),
  );
  const { origin, vkey } = deps.ledger.thread.info;
  return formatEvidence({
    log: { origin, vkey },
    checkpoint,
    entries,
    opened: [...opened].sort((a, b) => a.index - b.index || a.slot - b.slot),
    registers,
    anchors: [],
    ask,
  });
}

/**
 * All decisions and removals up to a closing, while they are few: with them a file shows by itself that nothing supersedes an
 * answer's decision. Where they are many the reader is told to audit the log.
 */
async function wholeRegisters({ projector }: GatherDeps, closing: number): Promise<number[]> {
  const found = await Promise.all(
    ["spur:decision/v1", "spur:removal/v1"].map((type) => projector.query("list", MAX_WHOLE + 1, closing, type)),
  );
  return found.filter((rows) => rows.length <= MAX_WHOLE).flatMap((rows) => rows.map(({ index }) => index));
}

/** Which entries a question about this record needs. */
async function entriesFor({ projector }: GatherDeps, row: EntryRow, ask: Ask, below: number): Promise<number[]> {
  const { entries } = await projector.query("trace", row.index, below);
  // Q5 is about the answer: who let it through, under which policy. The training behind it is for lineage and Q8.
  const wanted =
    ask === "Q5"
      ? ["spur:output/v1", "spur:decision/v1", "spur:policy/v1", "spur:deployment/v1", "spur:removal/v1"]
      : undefined;
  const chosen = entries.filter(
    (entry) => entry.index === row.index || wanted === undefined || wanted.includes(entry.type),
  );
  // What the log says of its own keys: what the receipt's key rests on, and what was taken back.
  const keys = (await projector.query("list", MAX_WHOLE, below, "spur:key/v1")).map(({ index }) => index);
  return [...chosen.map(({ index }) => index), ...keys];
}
