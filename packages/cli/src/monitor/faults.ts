import { setTimeout as sleep } from "node:timers/promises";
import { VerifyError } from "@spur/verifier/errors";
import { CliError } from "../errors.ts";
import type { Alarm } from "./alarms.ts";

/**
 * What an error says of the log. That something is not there which a signed checkpoint covers, or is not what was signed, is the log's
 * fault; that nobody answers, or not in time, says nothing of it. Throws what is neither.
 */
export function faultOf(error: unknown): Pick<Alarm, "code" | "verdict" | "sentence"> {
  if (error instanceof VerifyError) {
    const code = error.code === "monitor/entry" ? "monitor/entry" : "monitor/tile";
    return { code, verdict: "fail", sentence: `What the log serves is not what it signed: ${error.detail}.` };
  }
  // A folder in place of an address.
  if (error instanceof Error && "syscall" in error)
    return { code: "monitor/unreachable", verdict: "not-checked", sentence: `${error.message}.` };
  if (!(error instanceof CliError)) throw error;
  const { code, detail } = error;
  if (code === "log/missing") return { code: "monitor/missing", verdict: "fail", sentence: `${detail}.` };
  if (code === "http/too-large")
    return { code: "monitor/tile", verdict: "fail", sentence: `What the log serves is not what it signed: ${detail}.` };
  if (code === "monitor/open") return { code, verdict: "not-checked", sentence: `${detail}.` };
  if (!/^(http|log)\//.test(code)) throw error;
  return { code: "monitor/unreachable", verdict: "not-checked", sentence: `${detail}.` };
}

/** Once more after a pause, where the log seems to be at fault: a cache may be behind, a file may be on its way. */
export async function twice<T>(pauseMs: number, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (faultOf(error).verdict !== "fail" || signal.aborted) throw error;
  }
  await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  return attempt();
}
