import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseVkey } from "@spur/verifier/note/vkey";
import { parseEntry, parseOuter } from "@spur/verifier/statement/entry";
import { EMPTY_ROOT } from "@spur/verifier/tlog/merkle";
import { removeDue, resumeRemovals } from "./api/removals.ts";
import { resolveConfig, type ConfigSource, type LedgerConfig } from "./config.ts";
import { refusedAsClosed } from "./core/closed.ts";
import type { Closed } from "./core/types.ts";
import { keyDraft } from "./deployments.ts";
import type { Draft } from "./draft.ts";
import { SpurError } from "./errors.ts";
import { LedgerThread } from "./ledger-thread.ts";
import { readSeen } from "./log/seen.ts";
import { readSigningKey } from "./log/signing-key.ts";
import { Ledger, newRec } from "./record.ts";
import { originOf, Successor, successorDraft, takeOver, type Folders, type Succession } from "./succession.ts";

// Keys that are taken back (formats §3.6). Nobody else works on the folders meanwhile: a running ledger holds their locks.

/** What says where the log lies, and who must have cosigned what is published of it: as `spur up` is told. */
export interface RetireOptions extends ConfigSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Somebody else may have the key; else it just goes out of use. */
  readonly compromised?: boolean;
  readonly now?: () => number;
}

/** A log that takes nothing more. */
export interface RetiredLog {
  readonly origin: string;
  readonly vkey: string;
  readonly size: number;
  /** What its last entry says of its key; absent where an earlier call had closed it and only the folders were left to be moved. */
  readonly state?: Closed;
  /** It was closed before this call. */
  readonly already?: true;
  /** Where it goes on. */
  readonly successor?: Succession;
}

/** The keys of receipts, after the change. */
export interface RetiredReceiptsKey {
  readonly origin: string;
  readonly vkey: string;
  /** The key before; absent where an earlier call had changed it. */
  readonly retired?: string;
  readonly state: Closed;
  /** Only ended what an earlier attempt had begun. */
  readonly resumed?: true;
}

/**
 * Closes a log for good: its last entry takes its own key back, and is published. With `newOrigin` another log follows it in the same place,
 * and each names the other. Called again, it goes on where a crash stopped it. Throws `log/no-quorum` where too few witnesses answer: the
 * log is closed then, and the next call publishes it.
 */
export async function retireLogKey(options: RetireOptions & { readonly newOrigin?: string }): Promise<RetiredLog> {
  const { newOrigin, now = () => Date.now(), ...rest } = options;
  const { folders, witnesses } = placeOf(rest);
  const begun = takeOver(folders);
  if (begun !== undefined) {
    const { retired: vkey, size } = begun;
    return { origin: parseVkey(vkey).name, vkey, size, already: true, successor: begun };
  }
  demandLog(folders);
  const thread = await start(folders, witnesses);
  let successor: Successor | undefined;
  try {
    if (newOrigin !== undefined) successor = await Successor.begin(folders, newOrigin, now);
    const { origin, vkey, closed } = thread.info;
    const state = options.compromised === true ? "compromised" : "retired";
    // Crash before: a log as it was, and one beside it that nobody knows. After: a closed log, which any start publishes.
    if (closed === undefined) await close(new Ledger(thread, { data: folders.data, now }), state, successor?.vkey, now);
    const { size, root } = await thread.call("head");
    await thread.call("publish");
    const done = {
      origin,
      vkey,
      state: closed ?? state,
      size,
      ...(closed === undefined ? {} : { already: true as const }),
    };
    if (successor === undefined) return done;
    await successor.goOnFrom({ vkey, size, root });
    await thread.close();
    const succession = takeOver(folders);
    return { ...done, ...(succession === undefined ? {} : { successor: succession }) };
  } finally {
    await thread.close();
    await successor?.thread.close();
  }
}

/** Everything that is begun gets its end, since nothing can be added later; then the last entries, in one transaction. */
async function close(ledger: Ledger, state: Closed, successor: string | undefined, now: () => number): Promise<void> {
  const { thread } = ledger;
  await ledger.endInterrupted();
  await resumeRemovals(ledger, async (index) => parseEntry(await ledger.entryBytes(index)));
  await removeDue(ledger, now(), async (index) => parseOuter(await ledger.entryBytes(index)).rec);
  // The tree as it stands before these entries: of the one that they make, none of them can speak.
  const { size, root } = await thread.call("head");
  const closing: Draft = {
    rec: newRec(),
    predicateType: "spur:registers/v1",
    predicate: {},
    evidence: "observed",
    retention: "system",
    owner: "",
  };
  const { prepared } = ledger.ready([
    ...(successor === undefined ? [] : [successorDraft("to", { vkey: successor, size, root })]),
    closing,
    keyDraft("log", state, thread.info.logPublicKey),
  ]);
  await thread.call(
    "closeLog",
    prepared.map(({ draft }) => draft),
    state,
  );
}

/**
 * Puts a new key for receipts in the place of the old one: announced and taken back in one transaction, so that every answer is under one
 * of the two. A retired key goes on signing for answers before the change; a compromised one is deleted. Throws as {@link retireLogKey}.
 */
export async function retireReceiptsKey(options: RetireOptions): Promise<RetiredReceiptsKey> {
  const { now = () => Date.now(), compromised = false, ...rest } = options;
  const { folders, witnesses } = placeOf(rest);
  demandLog(folders);
  const thread = await start(folders, witnesses);
  try {
    const { origin, receiptsVkey, receiptsPublicKey, closed } = thread.info;
    if (closed !== undefined) throw refusedAsClosed(closed);
    const state = compromised ? "compromised" : "retired";
    const ledger = new Ledger(thread, { data: folders.data, now });
    // What an earlier attempt has announced, a start has taken up; only its publication can be missing.
    const earlier = await unpublishedChange(ledger);
    if (earlier !== undefined) {
      await thread.call("publish");
      return { origin, vkey: receiptsVkey, state: earlier, resumed: true };
    }
    const rec = newRec();
    // Crash: a key that nothing announces; the next start deletes it.
    const { vkey, publicKey } = await thread.call("makeReceiptsKey", rec);
    // Crash: the next start finds the entry `rec`, and takes the new key.
    await ledger.record([
      keyDraft("receipts", "active", publicKey, rec),
      keyDraft("receipts", state, receiptsPublicKey),
    ]);
    await thread.call("settleReceiptsKey");
    await thread.call("publish");
    return { origin, vkey, retired: receiptsVkey, state };
  } finally {
    await thread.close();
  }
}

/** How the last key of receipts was taken back, if no checkpoint covers that yet. */
async function unpublishedChange(ledger: Ledger): Promise<Closed | undefined> {
  const { published, size } = await ledger.thread.call("head");
  const entries = (await ledger.thread.call("read", published, size - published)).map(parseEntry);
  const back = entries.findLast(
    ({ evidence, predicate }) =>
      evidence === "observed" && predicate["purpose"] === "receipts" && predicate["state"] !== "active",
  );
  return back?.predicate["state"] as Closed | undefined;
}

/**
 * For a log that cannot be continued: nothing can be added to it, so only the new log says where the old one was last seen. Goes on where a
 * crash stopped it.
 */
export async function retire(options: Folders & { newOrigin: string; now?: () => number }): Promise<Succession> {
  const { data, keys, newOrigin, now = () => Date.now() } = options;
  const folders = { data, keys };
  const begun = takeOver(folders);
  if (begun !== undefined) return begun;
  const { vkey } = readSigningKey(keys, "log.key", originOf(keys));
  const seen = readSeen(keys) ?? { size: 0, root: EMPTY_ROOT };
  const successor = await Successor.begin(folders, newOrigin, now);
  try {
    await successor.goOnFrom({ vkey, ...seen });
  } finally {
    await successor.thread.close();
  }
  return takeOver(folders) as Succession;
}

function placeOf({ env, cwd, ...source }: RetireOptions) {
  const { data, keys, witnesses } = resolveConfig(source, env, cwd);
  return { folders: { data, keys }, witnesses };
}

/** A start would make a log where there is none. */
function demandLog({ data }: Folders): void {
  if (existsSync(join(data, "ledger.sqlite"))) return;
  throw new SpurError("data/none", `${data} holds no ledger`, { hint: "Name the data folder with --data." });
}

/** Between two commits nothing is published but what is asked for. */
function start(folders: Folders, witnesses: LedgerConfig["witnesses"]): Promise<LedgerThread> {
  const options = { ...folders, origin: originOf(folders.keys), publishEveryMs: 3_600_000 };
  return LedgerThread.start({ ...options, ...(witnesses === undefined ? {} : { witnesses }) }, () => undefined);
}
