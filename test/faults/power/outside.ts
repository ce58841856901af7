import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { toBase64 } from "@spur/verifier/bytes";
import { parseEntry } from "@spur/verifier/statement/entry";
import { leafHash } from "@spur/verifier/tlog/merkle";
import type { Core } from "../../../packages/ledger/src/core.ts";
import { readSeen } from "../../../packages/ledger/src/log/seen.ts";
import { append, EMPTY_TREE, rootOfTree } from "../../../packages/ledger/src/log/tree.ts";
import { prepare } from "../../../packages/ledger/src/prepare.ts";
import { Projection } from "../../../packages/ledger/src/projections/fold.ts";
import { pageOf } from "../../../packages/ledger/src/projections/page.ts";
import { unseal, unsealJournal } from "../../../packages/ledger/src/vault/seal.ts";
import {
  allFiles, appendAll, auditEntries, auditFolder, codeOf, commitOne, NOW_MS, openCore, plainDraft, removalDraft, type Pair,
} from "../../../packages/ledger/test/log-support.ts"; // prettier-ignore
import type { Head, Told } from "./claims.ts";

/** What was found in folders that a crash left. */
export interface Found {
  /** Acknowledged entries that are where they were promised, with the same bytes. */
  readonly acknowledged: number;
  readonly heads: number;
  readonly faults: readonly string[];
}

/**
 * Opens what a crash left and holds it against everything that the world had been told: entries, contents, receipts, removals, keys,
 * and every head that had left signed. Then the ledger goes on, publishes, and is audited from outside.
 */
export async function holdAgainst(pair: Pair, told: Told): Promise<Found> {
  const faults: string[] = [];
  const all = gather(told);
  const found = { acknowledged: all.acked.size, heads: all.heads.length, faults };
  const largest = Math.max(0, ...all.heads.map(({ size }) => size));
  // Before anything is mended: the memory that stops an older copy must be as large as any signature.
  if (largest > 0 && (readSeen(pair.keys)?.size ?? 0) < largest) faults.push(`a head of size ${largest} has left; \`seen\` does not know of it`); // prettier-ignore
  faults.push(...remains(pair, all));
  let core: Core;
  try {
    core = await openCore(pair);
  } catch (error) {
    faults.push(`it does not start: ${(error as Error).message}`);
    return found;
  }
  try {
    if (all.vkey !== undefined && core.info.vkey !== all.vkey) {
      faults.push("it begins another log");
      return found;
    }
    faults.push(...entriesAndHeads(core, all), ...contents(core, pair, all), ...answers(core, all), ...keys(core, all));
    faults.push(...removals(core, all), ...payloads(pair, all), ...projections(core, pair));
    await goOn(core, pair, faults);
  } catch (error) {
    faults.push(`${(error as Error).stack ?? String(error)}`);
  } finally {
    await core.close();
  }
  return found;
} // prettier-ignore

type All = ReturnType<typeof gather>;

function gather({ claims, heads }: Told) {
  const acked = new Map<string, { index: number; leaf: string; content: string | null }>();
  const begun = new Map<string, string>();
  const [removing, removed, added, revoked, payloadDigests] = [new Set<string>(), new Set<string>(), new Set<string>(), new Set<string>(), new Set<string>()]; // prettier-ignore
  const [files, bytes]: [string[], string[]] = [[], []];
  const published: Head[] = [];
  let vkey: string | undefined;
  for (const claim of claims) {
    if ("vkey" in claim) vkey = claim.vkey;
    else if ("acked" in claim)
      for (const [rec, index, leaf, content] of claim.acked) acked.set(rec, { index, leaf, content }); // prettier-ignore
    else if ("published" in claim) published.push(claim.published);
    else if ("begun" in claim) begun.set(claim.begun, claim.request);
    else if ("receipt" in claim) {
      const [rec, index, leaf] = claim.receipt;
      acked.set(rec, acked.get(rec) ?? { index, leaf, content: null });
    } else if ("removing" in claim) for (const rec of claim.removing) removing.add(rec);
    else if ("removed" in claim) {
      for (const rec of claim.removed) removed.add(rec);
      files.push(...claim.files);
      bytes.push(...claim.bytes);
    } else if ("keyAdded" in claim) added.add(claim.keyAdded);
    else if ("keyRevoked" in claim) revoked.add(claim.keyRevoked);
    else payloadDigests.add(claim.payload);
  }
  return {
    acked,
    begun,
    removing,
    removed,
    added,
    revoked,
    payloadDigests,
    files,
    bytes,
    vkey,
    heads: [...heads, ...published],
  };
}

/** What a completed removal promised to be nowhere: old root keys, and ciphertexts, as they lie there before anything is mended. */
function remains(pair: Pair, { files, bytes }: All): string[] {
  const faults = files.filter((name) => existsSync(join(pair.keys, name))).map((name) => `${name} is back after a completed removal`);
  if (bytes.length === 0) return faults;
  const secrets = bytes.map((hex) => Buffer.from(hex, "hex"));
  for (const { path, bytes: held } of allFiles(pair.data))
    for (const secret of secrets) if (held.includes(secret)) faults.push(`${path} holds removed content`);
  return faults;
} // prettier-ignore

function entriesAndHeads(core: Core, { acked, heads }: All): string[] {
  const faults: string[] = [];
  const entries = core.read(0, core.size);
  const byRec = auditEntries(entries);
  for (const [rec, { index, leaf }] of acked) {
    const bytes = entries[index];
    if (byRec.get(rec) !== index) faults.push(`${rec} was acknowledged at ${index}; it is at ${byRec.get(rec) ?? "no place"}`); // prettier-ignore
    else if (toBase64(leafHash(bytes as Uint8Array)) !== leaf) faults.push(`${rec} has other bytes than were acknowledged`); // prettier-ignore
    if (core.vault.locate(rec)?.index !== index) faults.push(`${rec} is not found by its id`);
  }
  let tree = EMPTY_TREE;
  for (const { size, root } of [...heads].sort((a, b) => a.size - b.size)) {
    if (size > entries.length) faults.push(`a head of size ${size} has left; the log has ${entries.length}`);
    else {
      tree = append(tree, entries.slice(tree.size, size).map(leafHash)).tree;
      if (toBase64(rootOfTree(tree)) !== root) faults.push(`the head that left at size ${size} is of another history`);
    }
  }
  return faults;
}

function contents(core: Core, pair: Pair, { acked, removing }: All): string[] {
  const faults: string[] = [];
  for (const [rec, { content }] of acked) {
    if (content === null) continue;
    try {
      const { index, dek, ct, file, blobs } = core.vault.unwrap(rec);
      const { commitment, slots } = parseEntry(core.read(index, 1)[0] as Uint8Array);
      const sealed = { dek, ct: ct ?? readFileSync(join(pair.data, file as string)), commitment: commitment as Uint8Array, slots }; // prettier-ignore
      const names = JSON.parse(blobs ?? "{}") as Record<string, string>;
      const [value] = unseal(Buffer.from(rec, "hex"), sealed, (slot) => readFileSync(join(pair.data, names[slot] as string))); // prettier-ignore
      if (createHash("sha256").update(value ?? Buffer.alloc(0)).digest("hex") !== content) faults.push(`the content of ${rec} is another`); // prettier-ignore
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code !== "record/removed" || !removing.has(rec)) faults.push(`the content of ${rec} is lost: ${message}`);
    }
  }
  return faults;
}

/** A request that may have been forwarded is on record, or waits in the journal to be. */
function answers(core: Core, { begun }: All): string[] {
  const open = new Map(core.vault.openJournal().map((row) => [row.rec, row]));
  return [...begun].flatMap(([rec, request]) => {
    const row = open.get(rec);
    if (row === undefined) return core.vault.locate(rec) === undefined ? [`the answer ${rec} was begun and is nowhere`] : []; // prettier-ignore
    const plain = unsealJournal(Buffer.from(rec, "hex"), row.dek, row.ct);
    const text = plain.subarray(4 + plain.readUInt32BE(0));
    return createHash("sha256").update(text).digest("hex") === request ? [] : [`the request of ${rec} is another`];
  });
}

function keys(core: Core, { added, revoked }: All): string[] {
  const known = new Map(core.accessKeys.all().map((key) => [key.id, key]));
  return [...added].flatMap((id) => {
    if (!known.has(id)) return [`access key ${id} is lost`];
    return revoked.has(id) && known.get(id)?.revokedMs === null ? [`access key ${id} is valid again`] : [];
  });
}

function removals(core: Core, { removed }: All): string[] {
  return [...removed].flatMap((rec) =>
    core.vault.locate(rec)?.removal === "completed" ? [] : [`the removal of ${rec} was told and is not completed`],
  );
}

function payloads(pair: Pair, { payloadDigests }: All): string[] {
  return [...payloadDigests].flatMap((digest) => {
    const path = join(pair.data, "public", digest.slice(0, 2), digest);
    const whole = existsSync(path) && createHash("sha256").update(readFileSync(path)).digest("hex") === digest;
    return whole ? [] : [`the payload ${digest} is lost or damaged`];
  });
}

/** The projections, folded on from where they are, say what those of the whole log say. */
function projections(core: Core, pair: Pair): string[] {
  const path = join(pair.data, "projections.sqlite");
  if (!existsSync(path)) return [];
  const [left, fresh] = [new DatabaseSync(path), new DatabaseSync(":memory:")];
  try {
    const said = [left, fresh].map((database) => {
      const projection = new Projection(database);
      const from = projection.size();
      if (from < core.size) projection.fold(from, pageOf(core.read(from, core.size)));
      return ["entries", "edges", "removed", "cursor"].map((table) => JSON.stringify(database.prepare(`select * from ${table} order by 1, 2`).all())); // prettier-ignore
    });
    return JSON.stringify(said[0]) === JSON.stringify(said[1]) ? [] : ["the projections differ from the log"];
  } catch (error) {
    return [`the projections cannot be read: ${(error as Error).message}`];
  } finally {
    left.close();
    fresh.close();
  }
}

/** Ends what the crash left open, as a start does, records more, publishes, and audits what a stranger can see. */
async function goOn(core: Core, pair: Pair, faults: string[]): Promise<void> {
  const open = core.vault.openRemovals();
  await core.publication.publish();
  if (open.length > 0) core.destroy(open.map(({ rec }) => rec));
  for (const { rec, order } of open) {
    const orderRec = parseEntry(core.read(order, 1)[0] as Uint8Array).rec;
    commitOne(core, { ...prepare(removalDraft(rec, orderRec), NOW_MS).draft, completes: rec });
    if ((await codeOf(() => core.vault.unwrap(rec))) !== "record/removed")
      faults.push(`${rec} opens after its removal`);
  }
  appendAll(core, [plainDraft(), plainDraft()]);
  await core.publication.publish();
  const { size } = auditFolder(pair.data, core.info.vkey);
  if (size !== core.size) faults.push(`published ${size} of ${core.size}`);
}
