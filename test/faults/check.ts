import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equalBytes, toBase64 } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { parseEntry } from "@spur/verifier/statement/entry";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { append, EMPTY_TREE, rootOfTree } from "../../packages/ledger/src/log/tree.ts";
import { unseal } from "../../packages/ledger/src/vault/seal.ts";
import { auditEntries, auditFolder, filesHolding, openCore } from "../../packages/ledger/test/log-support.ts";
import type { Place } from "./child.ts";
import type { Told } from "./load.ts";

/** Adds the checkpoint that lies in the folder to those that were seen. */
export function rememberCheckpoint(place: Place, told: Told): void {
  const path = join(place.data, "log", "checkpoint");
  if (existsSync(path)) told.checkpoints.add(readFileSync(path, "utf8"));
}

export interface Checked {
  readonly entries: number;
  readonly answers: number;
  readonly faults: string[];
}

/**
 * Opens the folders of a ledger that has stopped in good order and holds them against everything that its callers were told:
 * all that was acknowledged is there with the same bytes; every answer whose id was seen and every request that reached the upstream
 * has a record; removed content opens nothing; an audit from outside passes; and all checkpoints ever seen are of one history.
 */
export async function check(place: Place, vkey: string, told: Told, reached: ReadonlySet<string>): Promise<Checked> {
  const faults: string[] = [];
  const core = await openCore(place);
  try {
    await core.publication.publish();
    const { entries, byRec, size } = auditFolder(place.data, vkey);
    if (size !== core.size) faults.push(`published ${size} of ${core.size}`);
    auditEntries(core.read(0, core.size));
    if (core.vault.openJournal().length > 0) faults.push("journal rows are open after a start");
    if (core.vault.openRemovals().length > 0) faults.push("removals are open after a start");
    for (const [rec, { index, leafHash: leaf }] of told.acknowledged) {
      const bytes = entries[index];
      if (byRec.get(rec) !== index)
        faults.push(`${rec} was acknowledged at ${index}; it is at ${byRec.get(rec) ?? "no place"}`);
      else if (bytes === undefined || toBase64(leafHash(bytes)) !== leaf)
        faults.push(`${rec} has other bytes than were acknowledged`);
    }
    for (const rec of told.answers) if (!byRec.has(rec)) faults.push(`answer ${rec} was seen and has no record`);
    for (const rec of told.ended.values()) {
      const index = byRec.get(rec);
      const entry = index === undefined ? undefined : parseEntry(entries[index] as Uint8Array);
      if (entry?.predicate["outcome"] !== "complete")
        faults.push(`answer ${rec} came to a normal end; its record says ${String(entry?.predicate["outcome"])}`);
    }
    for (const [rec, index] of told.receipts)
      if (byRec.get(rec) !== index) faults.push(`receipt of ${rec} says ${index}`);
    const markers = new Set<string>();
    let answers = 0;
    for (const bytes of entries) {
      const { rec, predicateType, commitment, slots } = parseEntry(bytes);
      if (predicateType !== "spur:output/v1") continue;
      answers++;
      const { dek, ct, file } = core.vault.unwrap(rec);
      const sealed = {
        dek,
        ct: ct ?? readFileSync(join(place.data, file as string)),
        commitment: commitment as Uint8Array,
        slots,
      };
      const [request] = unseal(Buffer.from(rec, "hex"), sealed, () => Buffer.alloc(0));
      const marker = /marker-[0-9a-f]{32}/.exec(Buffer.from(request ?? []).toString())?.[0];
      if (marker !== undefined) markers.add(marker);
    }
    for (const marker of reached)
      if (!markers.has(marker)) faults.push(`a request reached the upstream and has no record: ${marker}`);
    for (const rec of told.removed) {
      if (core.vault.locate(rec)?.removal !== "completed")
        faults.push(`removal of ${rec} was acknowledged and is not completed`);
    }
    // No request and no name of a record is in any file.
    const secrets = [
      ...[...reached].slice(-50),
      ...[...told.acknowledged.keys()].slice(-50).map((rec) => `name of ${rec}`),
    ];
    faults.push(...filesHolding(secrets.map((text) => Buffer.from(text)).map((bytes) => bytes.subarray(0, 19)), place.data, place.keys)); // prettier-ignore
    faults.push(...conflicts(told.checkpoints, vkey, entries));
    return { entries: size, answers, faults };
  } finally {
    await core.close();
  }
}

/** Every checkpoint ever seen must be a prefix of the log as it is now: so no two of them conflict. */
function conflicts(checkpoints: ReadonlySet<string>, vkey: string, entries: readonly Uint8Array[]): string[] {
  const faults: string[] = [];
  const seen = [...checkpoints].map((text) => {
    const note = parseNote(text);
    if (openNote(note, [parseVkey(vkey)]).verified.length !== 1) faults.push(`a checkpoint is not signed: ${text}`);
    return parseCheckpoint(note.text);
  });
  seen.sort((a, b) => a.size - b.size);
  let tree = EMPTY_TREE;
  for (const { size, root } of seen) {
    if (size > entries.length) faults.push(`a checkpoint of size ${size} was seen; the log has ${entries.length}`);
    else {
      tree = append(tree, entries.slice(tree.size, size).map(leafHash)).tree;
      if (!equalBytes(rootOfTree(tree), root)) faults.push(`the checkpoint seen at size ${size} is of another history`);
    }
  }
  return faults;
}
