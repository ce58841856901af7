import { h } from "../dom.ts";
import type { Handover } from "../verify/handover.ts";

/** Gives evidence to a verifier that this page opened, as soon as that says it is ready. Trust is never handed over. */
export function handOver(verifier: Window, bytes: ArrayBuffer, name: string): void {
  const message: Handover = { type: "spur-evidence", name, bytes };
  const give = (): void => verifier.postMessage(message, location.origin);
  const listen = (event: MessageEvent<unknown>): void => {
    if (event.source !== verifier || event.origin !== location.origin) return;
    window.removeEventListener("message", listen);
    give();
  };
  window.addEventListener("message", listen);
  // It may have been ready before the evidence was.
  give();
}

/** Saves bytes as a file of the reader's. */
export function saveBytes(bytes: ArrayBuffer, name: string): void {
  const address = URL.createObjectURL(new Blob([bytes], { type: "application/json" }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
