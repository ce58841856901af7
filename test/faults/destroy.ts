import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEntry } from "@spur/verifier/statement/entry";
import { slotSalts } from "@spur/verifier/payload/commitment";
import { prepare } from "../../packages/ledger/src/prepare.ts";
import { unseal } from "../../packages/ledger/src/vault/seal.ts";
import {
  auditFolder, commitOne, copyPair, filesHolding, grow, newPair, NOW_MS, openCore, ready, removalDraft, removeFolder, sealedDraft, type Pair,
} from "../../packages/ledger/test/log-support.ts"; // prettier-ignore

const DRIVER = fileURLToPath(new URL("destroy-driver.ts", import.meta.url));
/** Every call by which a destruction changes the disk. */
const CALLS = ["openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "ftruncate"] as const;

interface Ordered {
  readonly pair: Pair;
  readonly recs: readonly string[];
  readonly kept: string;
  readonly keptText: string;
  readonly secrets: readonly Uint8Array[];
}

/** A ledger in which two removals are ordered and published, one of them of large content. */
async function ordered(): Promise<Ordered> {
  const pair = newPair();
  const core = await openCore(pair);
  const secrets: Uint8Array[] = [];
  const recs: string[] = [];
  for (const [name, sizes] of [["kept", [300]], ["small", [5000]], ["large", [90_000, 1_100_000]]] as const) {
    const draft = sealedDraft(sizes.map((bytes, i) => Buffer.from(`${name}${i}-never-to-be-read;`.repeat(bytes / 20))));
    const one = await ready(pair, draft);
    const dek = (one.sealed as { dek: Uint8Array }).dek;
    secrets.push(dek, ...slotSalts(dek, 4), ...(draft.slots as Uint8Array[]).map((value) => value.subarray(0, 200)));
    commitOne(core, one);
    recs.push(draft.rec);
  } // prettier-ignore
  grow(core, 20);
  const [kept, ...doomed] = recs as [string, ...string[]];
  for (const rec of doomed) commitOne(core, { ...prepare(removalDraft(rec), NOW_MS).draft, orders: rec });
  await core.publication.publish();
  await core.close();
  return { pair, recs: doomed, kept, keptText: "kept0-never-to-be-read;", secrets };
}

/** How often each call was made before the destruction, and by its end. */
function countCalls(made: Ordered): Map<string, { before: number; by: number }> {
  const copy = copyPair(made.pair);
  const log = join(copy.data, "..", "trace");
  spawnSync("strace", [
    "-qq",
    "-o",
    log,
    "-e",
    `trace=${CALLS.join(",")},stat,statx,newfstatat`,
    process.execPath,
    "--no-warnings",
    DRIVER,
    copy.data,
    copy.keys,
    ...made.recs,
  ]);
  const lines = readFileSync(log, "latin1").split("\n");
  const begins = lines.findIndex((line) => line.includes("spur-destruction-begins"));
  const ends = lines.findIndex((line) => line.includes("spur-destruction-ends"));
  if (begins < 0 || ends < begins) throw new Error("the destruction was not traced");
  const count = (call: string, to: number): number =>
    lines.slice(0, to).filter((line) => line.startsWith(`${call}(`)).length;
  removeFolder(copy);
  return new Map(CALLS.map((call) => [call, { before: count(call, begins), by: count(call, ends) }]));
}

/** Goes on with what was left, and looks into every file. */
async function resume(left: Pair, made: Ordered): Promise<string[]> {
  const faults: string[] = [];
  const core = await openCore(left);
  const open = core.vault.openRemovals();
  if (open.length !== made.recs.length) faults.push(`${open.length} removals are open`);
  for (const { had, rec } of core.destroy(made.recs)) if (!had) faults.push(`${rec} is said to have had no content`);
  faults.push(...filesHolding(made.secrets, left.data, left.keys));
  for (const { rec, order } of open) {
    const orderRec = parseEntry(core.read(order, 1)[0] as Uint8Array).rec;
    commitOne(core, { ...prepare(removalDraft(rec, orderRec), NOW_MS).draft, completes: rec });
  }
  const found = core.vault.unwrap(made.kept);
  const { commitment, slots } = parseEntry(core.read(found.index, 1)[0] as Uint8Array);
  const [value] = unseal(
    Buffer.from(made.kept, "hex"),
    { dek: found.dek, ct: found.ct as Uint8Array, commitment: commitment as Uint8Array, slots },
    () => Buffer.alloc(0),
  );
  if (
    !Buffer.from(value ?? [])
      .toString()
      .startsWith(made.keptText)
  )
    faults.push("what was to be kept does not open");
  await core.publication.publish();
  auditFolder(left.data, core.info.vkey);
  await core.close();
  return faults;
}

export interface DestroyRun {
  readonly calls: number;
  readonly faults: string[];
}

/** Kills a destruction at each of its system calls, and lets each fail with EIO; every time the next start must finish it. `every`: only each n-th. */
export async function destroyRun(every = 1, progress: (name: string) => void = () => undefined): Promise<DestroyRun> {
  const made = await ordered();
  const faults: string[] = [];
  let calls = 0;
  let nth = 0;
  for (const [call, { before, by }] of countCalls(made)) {
    for (let at = before + 1; at <= by; at++) {
      for (const what of ["signal=KILL", "error=EIO"]) {
        if (nth++ % every !== 0) continue;
        const left = copyPair(made.pair);
        const name = `${what} at ${call} ${at - before} of ${by - before}`;
        progress(name);
        spawnSync("strace", [
          "-qq",
          "-o",
          "/dev/null",
          "-e",
          `trace=${call}`,
          "-e",
          `inject=${call}:${what}:when=${at}`,
          process.execPath,
          "--no-warnings",
          DRIVER,
          left.data,
          left.keys,
          ...made.recs,
        ]);
        try {
          faults.push(...(await resume(left, made)).map((fault) => `${name}: ${fault}`));
        } catch (error) {
          faults.push(`${name}: ${(error as Error).message}`);
        }
        calls++;
        removeFolder(left);
      }
    }
  }
  removeFolder(made.pair);
  return { calls, faults };
}
