import { equalBytes } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { openReceipt } from "@spur/verifier/evidence/receipt";
import { sha256 } from "@spur/verifier/hash";
import { formatVkey } from "@spur/verifier/note/note";
import { HASH_BYTES } from "@spur/verifier/tlog/merkle";
import { TILE_WIDTH, tileWidth } from "@spur/verifier/tlog/tile";
import type { LogReader } from "../fetch-log.ts";
import { receiptProof, type ReadTile } from "../misbehaviour.ts";
import type { Alarms } from "./alarms.ts";
import type { Memory } from "./memory.ts";

/** What of a receipt file is looked at; the content that it opens is not. */
export interface GivenReceipt {
  readonly note: string;
  readonly vkey: string;
}

/**
 * Whether the log keeps what a receipt promised. Only one under a key that the log itself announced before accuses it, since anybody can
 * sign in somebody's name. Throws what the reader throws.
 */
export async function checkReceipt(
  memory: Memory,
  alarms: Alarms,
  given: GivenReceipt,
  reader: LogReader | undefined,
): Promise<void> {
  const { held, state, audit, hashes } = memory;
  const opened = read(given);
  const [key] = held?.keys ?? [];
  if (held === undefined || key === undefined || opened === undefined) return;
  if (opened.receipt.origin !== state.origin) return;
  const { index, leaf } = opened.receipt;
  if (index >= state.followed) return; // a later round will tell
  const tile = { level: 0, index: Math.floor(index / TILE_WIDTH), width: 0 };
  const at = (index % TILE_WIDTH) * HASH_BYTES;
  const served = hashes
    .tile({ ...tile, width: tileWidth(0, tile.index, state.followed) })
    .subarray(at, at + HASH_BYTES);
  if (equalBytes(served, leaf)) return;

  const id = `receipt/contradicts:${index}`;
  const digest = sha256(opened.hint.publicKey);
  const announced = audit.keys.find((one) => {
    const active = one.purpose === "receipts" && one.state === "active";
    return active && one.index < index && equalBytes(one.sha256, digest);
  });
  if (announced === undefined || alarms.has(id)) return;
  const bundle = Math.floor(announced.index / TILE_WIDTH);
  const entries = await reader?.bundle({ index: bundle, width: tileWidth(0, bundle, held.size) });
  const entry = entries?.[announced.index % TILE_WIDTH];
  const readTile: ReadTile = async (wanted) => {
    return hashes.size === held.size ? hashes.tile(wanted) : (reader?.tile(wanted) ?? hashes.tile(wanted));
  };
  const log = { origin: held.origin, vkey: formatVkey(key) };
  const announcement = entry && { index: announced.index, entry };
  const proof = await receiptProof(log, given, held.note, readTile, announcement);
  const file = proof && memory.keep(proof, "misbehaviour.json");
  const shown = file === undefined ? "" : `; ${file} proves it to anybody`;
  const sentence = `The log holds another entry ${index} than a receipt promised, and has signed both${shown}.`;
  const code = "receipt/contradicts";
  alarms.raise({ id, code, verdict: "fail", sentence, scope: "", lasting: true, ...(file && { file }) });
}

/** Undefined for what is no receipt, or is not signed by the key that it names. */
function read(given: GivenReceipt): ReturnType<typeof openReceipt> | undefined {
  try {
    return openReceipt(given);
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}
