import { hourMs } from "../../statement/entry.ts";
import type { Trust } from "../../trust/trust.ts";
import type { Findings } from "../findings.ts";
import type { Held } from "./checked.ts";

/** A witness's clock and the ledger's may differ by so much. */
const TOLERANCE_SECONDS = 300;
const LAST_SECOND = 8_640_000_000_000; // the last that a Date can hold

/** Recorded hours against the clocks of trusted witnesses (`seenAt`, seconds, rising). */
export function checkHours(held: ReadonlyMap<number, Held>, seenAt: readonly number[], findings: Findings): void {
  const [first] = seenAt;
  if (first === undefined) return void findings.notChecked("time", "time/none");
  const late = [...held.values()].filter(({ outer }) => outer && hourMs(outer.at) / 1000 > first + TOLERANCE_SECONDS);
  for (const { index, outer } of late) {
    findings.fail("time", "time/refuted", { index, at: outer?.at ?? "", time: utc(first) });
  }
  if (late.length === 0) findings.pass("time", "time/ok", { time: utc(first) });
}

/** The age that the caller demands, by the same clocks. */
export function checkAge(seenAt: readonly number[], trust: Trust, nowMs: number | undefined, findings: Findings): void {
  const hours = trust.maxAgeHours;
  if (hours === undefined) return;
  // A witness whose clock is ahead of the caller's says nothing of how old it is now.
  const newest = nowMs === undefined ? undefined : seenAt.findLast((one) => one <= nowMs / 1000 + TOLERANCE_SECONDS);
  if (newest === undefined || nowMs === undefined) findings.notChecked("time", "time/no-age", { hours });
  else if (nowMs / 1000 - newest > hours * 3600) findings.notChecked("time", "time/old", { hours, time: utc(newest) });
  else findings.pass("time", "time/fresh", { hours, time: utc(newest) });
}

/** For a reader. A witness names any second that it likes. */
export function utc(seconds: number): string {
  return seconds > LAST_SECOND ? `second ${seconds}` : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
