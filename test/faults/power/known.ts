import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { appendAll, copyPair, openCore, plainDraft, removeFolder } from "../../../packages/ledger/test/log-support.ts";
import { random } from "../random.ts";
import { claimsOf, NOTHING } from "./claims.ts";
import type { Kind } from "./luck.ts";
import { holdAgainst } from "./outside.ts";
import { lossesOf, pairIn, type Cut } from "./power.ts";
import { follow, liveOf, recordProcess, type Ended, type Recording } from "./recording.ts";
import { settle } from "./settle.ts";
import type { StepFault } from "./steps-preload.ts";

/** A way in which something was lost once: what a run meets only now and then is repeated every time. */
export interface Known {
  readonly name: string;
  /** Runs on empty folders, and leaves what the process that is recorded last goes on with. */
  readonly begin: (recording: Recording, cache: string) => Promise<Recording>;
  readonly kinds: readonly Kind[];
  /** Power losses among the first changes of the last process, and later on. */
  readonly early: number;
  readonly later: number;
}

const EARLY = 60;
const STORY = { operations: 50, end: "kill", callers: 3, publishEvery: 0.15 } as const;

/** A process that is killed at a step; the next one goes on in its page cache. */
const killedAt =
  (what: StepFault["what"], path: string, when: StepFault["when"], nth: number) =>
  async (recording: Recording, cache: string): Promise<Recording> => {
    const ended = await recordProcess(recording, { ...STORY, seed: 1 }, cache, { step: { what, path, when, nth, act: "kill" } }); // prettier-ignore
    demandKilled(ended);
    settle(recording);
    return recording;
  };

function demandKilled({ signal, code, stderr }: Ended): void {
  if (signal !== "SIGKILL" && code !== 137) throw new Error(`it was not killed: ${String(code)} ${stderr}`);
}

/** The one commit in the write-ahead log was never synced: nobody was told of it, and readers see it. */
async function withLostLog(recording: Recording, cache: string): Promise<Recording> {
  const { folder } = recording;
  const { code, stdout, stderr } = await recordProcess(recording, { ...STORY, seed: 1, end: "close" }, cache);
  if (code !== 0) throw new Error(`it did not end in good order: ${stderr}`);
  const pair = pairIn(liveOf(recording));
  const core = await openCore(pair);
  appendAll(
    core,
    Array.from({ length: 70 }, () => plainDraft()),
  );
  const left = copyPair(pair); // before the orderly end writes it into the database
  await core.close();
  const next = join(folder, "next");
  for (const name of ["start", "live"]) cpSync(dirname(left.data), join(next, name), { recursive: true });
  removeFolder(left);
  return { folder: next, before: { claims: claimsOf(stdout), heads: [] }, lost: ["data/ledger.sqlite-wal"] };
}

export const KNOWN: readonly Known[] = [
  {
    name: "a folder of payloads that a killed process had made, and not synced where it stands",
    begin: killedAt("sync", "/payloads$", "before", 2),
    kinds: ["nothing"],
    early: 2,
    later: 16,
  },
  {
    name: "a keys folder that a killed process had made, and not synced where it stands",
    begin: killedAt("sync", "/live$", "before", 2),
    kinds: ["nothing", "bytes"],
    early: 4,
    later: 8,
  },
  {
    name: "a root key that a removal had made when its process was killed before the transaction",
    begin: killedAt("rename", "/root\\.[0-9a-f]{16}$", "after", 2),
    kinds: ["everything", "nothing"],
    early: 2,
    later: 12,
  },
  {
    name: "a write-ahead log whose sync had failed, while a start writes it into the database",
    begin: withLostLog,
    kinds: ["any", "torn", "names", "bytes"],
    early: 60,
    later: 2,
  },
];

/** Repeats one; `image`: where what is left is written. */
export async function repeatKnown(known: Known, folder: string, image: string, cache: string): Promise<{ losses: number; faults: string[] }> {
  mkdirSync(folder, { recursive: true });
  const begun = await known.begin({ folder, before: NOTHING }, cache);
  const before = [...follow(begun)].length;
  demandKilled(await recordProcess(begun, { ...STORY, seed: 2 }, cache));
  const moments = [...follow(begun)].length;
  const dice = random(1);
  const cut = (from: number, range: number, i: number): Cut =>
    ({ nth: from + dice.below(range), kind: known.kinds[i % known.kinds.length] as Kind, seed: dice.below(2 ** 31) }); // prettier-ignore
  const cuts = [
    ...Array.from({ length: known.early }, (_, i) => cut(before, EARLY, i)),
    ...Array.from({ length: known.later }, (_, i) => cut(before, moments - before, i)),
  ];
  const faults: string[] = [];
  for (const { cut: one, told } of lossesOf(begun, cuts.sort((a, b) => a.nth - b.nth), image)) {
    const held = await holdAgainst(pairIn(image), told);
    faults.push(...held.faults.map((fault) => `${known.name}: ${one.kind} after change ${one.nth}: ${fault}`));
  }
  if (faults.length === 0) rmSync(folder, { recursive: true, force: true });
  return { losses: cuts.length, faults };
} // prettier-ignore
