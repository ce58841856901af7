import { equalBytes } from "@spur/verifier/bytes";
import { utc } from "@spur/verifier/evidence/checks/time";
import { sha256 } from "@spur/verifier/hash";
import type { Trust } from "@spur/verifier/trust/trust";
import { request } from "../http.ts";
import type { Io } from "../io.ts";
import { isObject } from "../json.ts";
import { many } from "../text.ts";
import type { Alarms } from "./alarms.ts";
import type { Memory } from "./memory.ts";

const MINUTE_MS = 60_000;
const MAX_ANSWER = 262_144;
/** A witness whose clock is further ahead of ours says nothing of how old a checkpoint is. */
const TOLERANCE_MS = 300_000;

export interface SilenceLimits {
  /** How long entries may wait for a checkpoint. */
  readonly staleMs: number;
  /** The same holds where the log says of none that they wait. */
  readonly always: boolean;
}

/** Whether the log has stopped showing new checkpoints. `queue`: since when entries wait, as far as the log itself says so. */
export function checkSilence(
  memory: Memory,
  alarms: Alarms,
  trust: Trust,
  nowMs: number,
  queue: { readonly sinceMs?: number } | undefined,
  { staleMs, always }: SilenceLimits,
): void {
  const { held, state } = memory;
  alarms.looked("silence");
  if (held === undefined || state.held === undefined) return;
  const cosignedMs = held.seenAt.map((s) => s * 1000).findLast((ms) => ms <= nowMs + TOLERANCE_MS);
  checkAge(alarms, trust, nowMs, cosignedMs);

  if (queue === undefined) delete state.queueMs;
  else state.queueMs = Math.min(state.queueMs ?? nowMs, queue.sinceMs ?? nowMs);
  if (isEnded(memory)) return;
  const queueMs = state.queueMs;
  const sinceMs = Math.max(state.held.atMs, cosignedMs ?? 0);
  const stale = queueMs === undefined ? always && nowMs - sinceMs > staleMs : nowMs - queueMs > staleMs;
  if (!stale) return;
  const minutes = many(Math.floor((nowMs - (queueMs ?? sinceMs)) / MINUTE_MS), "minute");
  const sentence =
    queueMs === undefined
      ? `There has been no new checkpoint for ${minutes}.`
      : `Entries have waited for a checkpoint for ${minutes}, as the log itself says.`;
  alarms.raise({ id: "monitor/stale", code: "monitor/stale", verdict: "fail", sentence, scope: "silence" });
}

/** The age that the caller's trust demands, by the clock of a trusted witness. */
function checkAge(alarms: Alarms, { maxAgeHours }: Trust, nowMs: number, cosignedMs: number | undefined): void {
  if (maxAgeHours === undefined) return;
  const old = cosignedMs !== undefined && nowMs - cosignedMs > maxAgeHours * 60 * MINUTE_MS;
  if (cosignedMs !== undefined && !old) return;
  const sentence =
    cosignedMs === undefined
      ? `No trusted witness says how old the checkpoint is; you demand ${many(maxAgeHours, "hour")} at most.`
      : `A witness saw the checkpoint last at ${utc(Math.floor(cosignedMs / 1000))}; you demand ${many(maxAgeHours, "hour")} at most.`;
  alarms.raise({
    id: "monitor/old",
    code: "monitor/old",
    verdict: old ? "fail" : "not-checked",
    sentence,
    scope: "silence",
  });
}

/** A log ends with the entry that retires its own key. */
function isEnded({ audit, state, held }: Memory): boolean {
  const digests = held?.keys.map((key) => sha256(key.publicKey)) ?? [];
  const last = audit.keys.at(-1);
  if (last === undefined || last.purpose !== "log" || last.state === "active") return false;
  return last.index + 1 === state.followed && digests.some((digest) => equalBytes(digest, last.sha256));
}

/** What a ledger says of itself to strangers; undefined where it says nothing, or where this is no ledger: a log need not be one. */
export async function queueOf(
  io: Io,
  where: string,
  timeoutMs: number,
): Promise<{ readonly sinceMs?: number } | undefined> {
  if (!/^https?:.*\/log$/.test(where)) return undefined;
  const base = where.replace(/\/log$/, "");
  try {
    const { body } = await request(io, `${base}/health`, { timeoutMs, maxBytes: MAX_ANSWER });
    const health: unknown = JSON.parse(new TextDecoder().decode(body));
    if (!isObject(health)) return undefined;
    const waiting = isObject(health["witnesses"]) ? health["witnesses"]["waiting"] : undefined;
    const sinceMs = isObject(waiting) ? waiting["sinceMs"] : undefined;
    if (typeof sinceMs === "number" && sinceMs > 0) return { sinceMs };
    const [size, published] = [health["size"], health["published"]];
    const more = typeof size === "number" && typeof published === "number" && size > published;
    return more || isObject(waiting) || health["status"] === "failing" ? {} : undefined;
  } catch {
    return undefined; // that nobody answers there is told by the look at the log
  }
}
