import { fromBase64, fromHex, toBase64, toHex, utf8 } from "@spur/verifier/bytes";
import { TYPES, type AuditState } from "@spur/verifier/audit/fold";
import { sha256 } from "@spur/verifier/hash";
import { CliError } from "../errors.ts";
import { isObject } from "../json.ts";
import type { Alarm } from "./alarms.ts";
import type { AlarmEvent } from "./events.ts";

/** A log that announces keys or removals without end could make the file as large as it likes. */
const MAX_STATE = 64 * 1024 * 1024;

/** What this version makes of an entry. Under other rules a log is read again from its first entry. */
export const RULES = toHex(sha256(utf8(JSON.stringify(["spur-monitor/v1", ...TYPES])))).slice(0, 16);

/** A checkpoint of the log, with the lines of trusted keys alone. */
export interface Kept {
  readonly note: string;
  /** When it was seen first, by our own clock. */
  readonly atMs: number;
}

/** A signed checkpoint that has not been held against the newest one yet: nobody could be found who serves its tiles. */
export interface Waiting extends Kept {
  /** Size and root: of one tree, one is enough. */
  readonly tree: string;
  readonly where: string;
}

/** When entries below `size`, and above the cover before, came under a checkpoint. */
export interface Cover {
  readonly size: number;
  /** First sight of a checkpoint that covers them. */
  readonly atMs: number;
  /** The last look at which the log did not cover them yet. */
  readonly lookMs?: number;
  /** The first trusted cosignature that names a time, in seconds since 1970. */
  readonly seenAt?: number;
}

/** All that a monitor remembers of a log besides its entries. Plain JSON. */
export interface SavedState {
  readonly format: "spur-monitor/v1";
  /** The address as it was named. */
  readonly place: string;
  rules: string;
  origin?: string;
  /** The newest checkpoint; it extends all that came before it. */
  held?: Kept;
  /** The newest one under which everything was as it should be. */
  good?: Kept & { readonly size: number };
  /** Entries that were read and checked. */
  followed: number;
  audit?: SavedAudit;
  covers: readonly Cover[];
  waiting: readonly Waiting[];
  /** When the log itself last showed the newest checkpoint. */
  lookMs?: number;
  /** Since when the log says that entries wait for a checkpoint. */
  queueMs?: number;
  /** The next bundle that is read a second time. */
  reread?: number;
  alarms: readonly Alarm[];
  /** Told to nobody yet, should the process have ended in between. */
  untold: readonly AlarmEvent[];
  /** Not yet delivered to the webhook. */
  outbox: readonly AlarmEvent[];
  /** Number of the last event. */
  told: number;
}

/** What an audit carries on, without what the rows of entries hold. */
export interface SavedAudit {
  readonly counts: AuditState["counts"];
  readonly latest: AuditState["latest"];
  readonly registers: readonly (readonly [string, { readonly seq: number; readonly index: number }])[];
  readonly orders: readonly (readonly [number, { readonly order: number; readonly state: string }])[];
  readonly entryRemovals: readonly number[];
  readonly keys: readonly {
    readonly index: number;
    readonly purpose: string;
    readonly state: string;
    readonly sha256: string;
  }[];
  readonly subtrees: readonly string[];
}

export function newState(place: string): SavedState {
  return {
    ...{ format: "spur-monitor/v1", place, rules: RULES, followed: 0, covers: [], waiting: [] },
    ...{ alarms: [], untold: [], outbox: [], told: 0 },
  };
}

export function saveAudit(state: AuditState): SavedAudit {
  return {
    counts: state.counts,
    latest: state.latest,
    registers: [...state.registers],
    orders: [...state.orders],
    entryRemovals: [...state.entryRemovals],
    keys: state.keys.map((key) => ({ ...key, sha256: toHex(key.sha256) })),
    subtrees: state.subtrees.map(toBase64),
  };
}

/** Fills an empty audit with what was saved; types and entries that could not be read come from the rows. */
export function loadAudit(state: AuditState, saved: SavedAudit): void {
  Object.assign(state.counts, saved.counts);
  state.latest = saved.latest;
  for (const [name, last] of saved.registers) state.registers.set(name, { ...last });
  for (const [target, order] of saved.orders) state.orders.set(target, { ...order });
  for (const target of saved.entryRemovals) state.entryRemovals.add(target);
  state.keys.push(...saved.keys.map((key) => ({ ...key, sha256: fromHex(key.sha256) })));
  state.subtrees.push(...saved.subtrees.map((hash) => fromBase64(hash)));
}

/** Throws `monitor/too-large`. */
export function formatState(state: SavedState): string {
  const text = `${JSON.stringify(state)}\n`;
  if (text.length > MAX_STATE) {
    throw new CliError("monitor/too-large", `what must be remembered of this log has ${text.length} bytes`, {
      hint: "it announces keys or removals without end; audit it from time to time instead",
    });
  }
  return text;
}

/** Throws `monitor/state` for what is not a state of this monitor. Nobody but us writes there, so its members are not looked at one by one. */
export function parseState(text: string, file: string): SavedState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isObject(value) && value["format"] === "spur-monitor/v1" && typeof value["followed"] === "number")
    return value as unknown as SavedState;
  throw new CliError("monitor/state", `${file} is not what a monitor stored there`, {
    hint: "move the folder away and begin anew; keep its evidence",
  });
}
