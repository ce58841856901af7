import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { policyOf, startRealWitness, type RealWitness } from "../../../packages/ledger/test/witness-support.ts";
import type { Random } from "../random.ts";
import { claimsOf, ORIGIN, type Claim, type Told } from "./claims.ts";
import { killed, notByDisk, recordProcess, type Ended, type Recording } from "./recording.ts";
import { settle } from "./settle.ts";
import type { StepFault } from "./steps-preload.ts";

/** How one process of a story runs and ends. */
interface Life {
  readonly operations: number;
  readonly end: "kill" | "close";
  /** Options of strace that make calls fail, or slow. */
  readonly calls?: readonly string[];
  /** A step of the ledger that fails. */
  readonly step?: StepFault;
}

/** Folders in which names become durable by a sync of their own, and files. */
const FOLDERS = ["/live", "/data", "/data-keys", "/log", "/tile", "/tile/[01]", "/tile/entries", "\\.p", "/payloads", "/payloads/0.", "/public", "/public/.."]; // prettier-ignore
const FILES = ["/checkpoint", "/seen", "/root\\.[0-9a-f]+", "/tile/.*/[0-9]+", "/payloads/.*", "/public/.*", "/[a-z]+\\.key"]; // prettier-ignore

/**
 * Most processes meet a disk that is slow, or a call that fails or kills them. While a sync is slow, other threads come to what it has not
 * made durable yet; strace counts the calls of each thread by itself.
 */
function lifeOf(random: Random): Life {
  const life = { operations: 4 + random.below(40), end: random.below(3) === 0 ? "close" : "kill" } as const;
  const calls = (call: string, what: string, when: string): Life => ({ ...life, calls: ["-e", `inject=${call}:${what}:when=${when}`] }); // prettier-ignore
  const step = (what: StepFault["what"], path: string): Life => {
    const [when, act] = [random.pick(["before", "after"] as const), random.pick(["kill", "kill", "EIO", "ENOSPC"] as const)]; // prettier-ignore
    return { ...life, step: { what, path: `${path}$`, when, nth: 1 + random.below(3), act } };
  };
  const nth = (range: number): string => String(1 + random.below(range));
  switch (random.below(12)) {
    case 0:
      return calls("fsync", "error=EIO", nth(30));
    case 1:
      return calls(random.pick(["rename", "mkdir", "unlink", "ftruncate", "pwrite64"]), random.pick(["error=EIO", "error=ENOSPC"]), nth(25)); // prettier-ignore
    case 2:
    case 3:
    case 4:
      return calls("fsync", `delay_${random.pick(["enter", "exit"])}=${5_000 + random.below(40_000)}`, `${nth(6)}+${nth(5)}`); // prettier-ignore
    case 5:
    case 6:
    case 7:
      return step("sync", random.pick(FOLDERS));
    case 8:
      return step(random.pick(["open", "write", "sync", "close"]), `${random.pick(FILES)}\\.[0-9a-f]{8}\\.tmp`);
    case 9:
      return step(random.pick(["rename", "mkdir", "unlink", "commit", "checkpoint"]), "");
    default:
      return life;
  }
}

export interface Lineage {
  readonly recording: Recording;
  readonly processes: number;
  /** Starts that were refused and ends that were not in order, where no disk can be blamed. */
  readonly faults: readonly string[];
}

/**
 * Records some processes one after the other on the same folders: none of them waits for what the one before it left unsynced.
 * What an earlier power loss left may lie in `<folder>/start`; `before` is what the world had been told by then.
 */
export async function recordLineage(folder: string, random: Random, cache: string, before: Told): Promise<Lineage> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "before.json"), JSON.stringify(before));
  const recording: Recording = { folder, before };
  const faults: string[] = [];
  const processes = 1 + random.below(3);
  // New ones each time: those of a lineage that went on would remember what never happened in this one.
  const witnesses = random.below(3) === 0 ? await startWitnesses(folder) : [];
  let vkey = vkeyAmong(before.claims);
  try {
    for (let nth = 0; nth < processes; nth++) {
      const life = lifeOf(random);
      const { operations, end, calls = [], step } = life;
      const policy = vkey === undefined ? {} : policyFile(folder, witnesses, vkey);
      const options = { seed: random.below(2 ** 31), operations, end, callers: 3, publishEvery: 0.15, ...policy };
      const ended = await recordProcess(recording, options, cache, { calls, ...(step === undefined ? {} : { step }) });
      settle(recording);
      const wrong = wrongEnd(life, ended);
      if (wrong !== undefined) faults.push(`process ${nth} of ${folder}: ${wrong}`);
      vkey ??= vkeyAmong(claimsOf(ended.stdout));
    }
  } finally {
    for (const one of witnesses) await one.stop();
  }
  return { recording, processes, faults };
}

function startWitnesses(folder: string): Promise<RealWitness[]> {
  return Promise.all(["one", "two"].map((name) => startRealWitness(join(folder, name), `${name}.invalid`)));
}

function policyFile(folder: string, witnesses: readonly RealWitness[], vkey: string): { policy?: string } {
  if (witnesses.length === 0) return {};
  for (const one of witnesses) one.knows(ORIGIN, vkey);
  const policy = join(folder, "policy");
  writeFileSync(policy, policyOf(2, witnesses));
  return { policy };
}

const vkeyAmong = (claims: readonly Claim[]): string | undefined =>
  claims.flatMap((claim) => ("vkey" in claim ? [claim.vkey] : []))[0];

/** Without a fault nothing may be refused; with one, only what a disk can be blamed for. */
function wrongEnd({ calls = [], step, end }: Life, ended: Ended): string | undefined {
  const fault = step ?? calls.find((one) => one.includes("error="));
  if (fault !== undefined) return notByDisk(ended, JSON.stringify(fault));
  const { code, signal, stderr } = ended;
  if (end === "close" ? code === 0 : killed(ended)) return undefined;
  return `it ended with ${String(code ?? signal)}: ${stderr.trim()}`;
}
