import type { Taken } from "./intake.ts";

/** What the explorer says to a verifier that it opened. */
export interface Handover {
  readonly type: "spur-evidence";
  readonly name: string;
  readonly bytes: ArrayBuffer;
}

/**
 * Takes evidence from the page that opened this one, if both come from the same server: one click in the explorer in place of a download
 * and a drop. Evidence is judged like any other; trust is never handed over.
 */
export function listenToOpener(take: (taken: Taken) => void): void {
  const opener = window.opener as Window | null;
  if (opener === null || !location.protocol.startsWith("http")) return;
  window.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (event.source !== opener || event.origin !== location.origin || !isHandover(event.data)) return;
    take({ name: event.data.name, bytes: new Uint8Array(event.data.bytes) });
  });
  opener.postMessage({ type: "spur-verify-ready" }, location.origin);
}

function isHandover(data: unknown): data is Handover {
  if (typeof data !== "object" || data === null) return false;
  const { type, name, bytes } = data as { type?: unknown; name?: unknown; bytes?: unknown };
  return type === "spur-evidence" && typeof name === "string" && bytes instanceof ArrayBuffer;
}
