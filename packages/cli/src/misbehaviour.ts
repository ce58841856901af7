import { toBase64 } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { verifyMisbehaviour, type ConflictJson, type ForkJson } from "@spur/verifier/evidence/misbehaviour";
import { parseReceipt } from "@spur/verifier/evidence/receipt";
import { parseCheckpoint, type Checkpoint } from "@spur/verifier/note/checkpoint";
import { formatNote, openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { canonicalBytes } from "@spur/verifier/statement/canonical";
import { splitPoint } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import type { Tile } from "@spur/verifier/tlog/tile";
import { parsePolicy } from "@spur/verifier/trust/policy";
import { NO_TRUST } from "@spur/verifier/trust/trust";
import { CliError } from "./errors.ts";

/** The key of a log that has signed what excludes each other. Its name is the origin. */
export interface LogKey {
  readonly origin: string;
  readonly vkey: string;
}

/** A tile with the width that it has in the tree of the checkpoint at hand, as `LogReader.tile` gives it. Nothing read is believed. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>;

/** An entry of key, with which a log announces its receipts key. */
export interface Announced {
  readonly index: number;
  readonly entry: Uint8Array;
}

/**
 * A proof for strangers (`spur-misbehaviour/v1`) that two signed notes of one log, in any order, exclude each other; undefined where they
 * agree. Of equal sizes the two notes are all that is needed; else tiles of the larger tree are read. Throws `log/signature` for a note that
 * the key has not signed, and `misbehaviour/tiles` if the tiles do not give the root of the larger one.
 */
export async function forkProof(
  log: LogKey,
  one: string,
  other: string,
  readTile: ReadTile,
): Promise<Uint8Array | undefined> {
  const [older, newer] = [signedOnly(log, one), signedOnly(log, other)].sort((a, b) => a.tree.size - b.tree.size);
  if (older === undefined || newer === undefined) throw new TypeError("two notes");
  const [m, n] = [older.tree.size, newer.tree.size];
  // Every tree extends the empty one, and a root of nothing other than that of nothing is refused wherever it is read.
  if (m === 0) return undefined;
  const hashes: Uint8Array[] = [];
  if (m < n) {
    const prover = createProver(n, readTile);
    // The proof leaves out what a verifier knows if he believes the smaller root: here nobody does.
    if (m === 1 || splitPoint(m) * 2 === m) hashes.push(await prover.root(m));
    hashes.push(...(await prover.consistency(m)));
  }
  const file: ForkJson = { hashes: hashes.map(toBase64), newer: newer.note, older: older.note, vkey: log.vkey };
  return proved(log, [], canonicalBytes({ format: "spur-misbehaviour/v1", ...file }));
}

/**
 * A proof that a receipt (its note, and the key that signed it) promised another entry than the log holds at that index under `checkpoint`;
 * undefined where the log keeps its word, or does not reach that far yet. `announced` makes it one for those, too, who know the log's key
 * alone. Throws `log/signature`, `receipt/…`, `misbehaviour/tiles`, and `misbehaviour/key` for an entry that does not announce that key.
 */
export async function receiptProof(
  log: LogKey,
  receipt: ConflictJson["receipt"],
  checkpoint: string,
  readTile: ReadTile,
  announced?: Announced,
): Promise<Uint8Array | undefined> {
  const { tree, note } = signedOnly(log, checkpoint);
  const { index } = parseReceipt(parseNote(receipt.note).text);
  if (index >= tree.size) return undefined;
  const prover = createProver(tree.size, readTile);
  const place = async (at: number) => (await prover.inclusion(at)).map(toBase64);
  const key = announced && {
    entry: toBase64(announced.entry),
    index: announced.index,
    proof: await place(announced.index),
  };
  const file: ConflictJson = {
    ...(key && { key }),
    leaf: toBase64(await prover.node(0, index)),
    note,
    proof: await place(index),
    receipt: { note: receipt.note, vkey: receipt.vkey },
    vkey: log.vkey,
  };
  const trusted = announced === undefined ? [receipt.vkey] : [];
  return proved(log, trusted, canonicalBytes({ format: "spur-misbehaviour/v1", ...file }));
}

/** The note with the line of this key alone: what others signed proves nothing here, and the format has no room for it. */
function signedOnly({ origin, vkey }: LogKey, text: string): { readonly note: string; readonly tree: Checkpoint } {
  const note = parseNote(text);
  const [signed] = openNote(note, [parseVkey(vkey)]).verified;
  const tree = parseCheckpoint(note.text);
  if (signed === undefined || tree.origin !== origin) throw new VerifyError("log/signature", vkey);
  return { note: formatNote(note.text, [signed.signature]), tree };
}

/** Handed out only if the verifier, as a stranger runs it, convicts by it: an accusation that does not hold harms whoever makes it. */
function proved({ vkey }: LogKey, statementKeys: readonly string[], bytes: Uint8Array): Uint8Array | undefined {
  const trust = {
    ...NO_TRUST,
    policy: parsePolicy(`log ${vkey}\nquorum none\n`),
    statementKeys: statementKeys.map(parseVkey),
  };
  const report = verifyMisbehaviour(bytes, trust);
  if (report.exit === 1) return bytes;
  const { error, detail } = report.values;
  if (error === "misbehaviour/none") return undefined;
  if (error === "proof/wrong-root") {
    throw new CliError("misbehaviour/tiles", "the tiles are not those of the tree that was signed", {
      hint: "read them from a place that serves this very checkpoint",
    });
  }
  throw new VerifyError(typeof error === "string" ? error : report.code, String(detail ?? report.sentence));
}
