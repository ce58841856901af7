import { hourMs } from "../../statement/entry.ts";
import type { Trust } from "../../trust/trust.ts";
import type { Findings } from "../findings.ts";
import type { Held } from "./checked.ts";

/** A witness's clock and the ledger's may differ by so much. */
const TOLERANCE_SECONDS = 300;
const LAST_SECOND = 8_640_000_000_000; // the last that a Date can hold

/** Recorded hours against the clocks of trusted witnesses (`seenAt`, seconds, rising); and the age that the caller demands. */
export function checkTime(
  held: ReadonlyMap<number, Held>,
  seenAt: readonly number[],
  trust: Trust,
  nowMs: number | undefined,
  findings: Findings,
): void {
  const [first] = seenAt;
  if (first === undefined) findings.notChecked("time", "time/none");
  else {
    const late = [...held.values()].filter(({ outer }) => outer && hourMs(outer.at) / 1000 > first + TOLERANCE_SECONDS);
    for (const { index, outer } of late) {
      findings.fail("time", "time/refuted", { index, at: outer?.at ?? "", time: utc(first) });
    }
    if (late.length === 0) findings.pass("time", "time/ok", { time: utc(first) });
  }
  const hours = trust.maxAgeHours;
  if (hours === undefined) return;
  // A witness whose clock is ahead of the caller's says nothing of how old it is now.
  const newest = nowMs === undefined ? undefined : seenAt.findLast((one) => one <= nowMs / 1000 + TOLERANCE_SECONDS);
  if (newest === undefined || nowMs === undefined) findings.notChecked("time", "time/no-age", { hours });
  else if (nowMs / 1000 - newest > hours * 3600) findings.notChecked("time", "time/old", { hours, time: utc(newest) });
  else findings.pass("time", "time/fresh", { hours, time: utc(newest) });
}

function utc(seconds: number): string {
  return seconds > LAST_SECOND ? `second ${seconds}` : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
