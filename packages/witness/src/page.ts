import type { Conflict, KnownLog, State } from "./store.ts";
import { originHash } from "./store.ts";

/** What the page shows of a log. */
export interface LogShown {
  readonly log: KnownLog;
  readonly state?: State;
  /** The size of the copy that a mirror keeps here. */
  readonly mirrored?: number;
}

/** The page for people: who this witness is, which logs it watches, and which of them it caught. No script, nothing from elsewhere. */
export function witnessPage(
  keys: readonly { readonly name: string; readonly vkey: string }[],
  logs: readonly LogShown[],
  known: number,
  conflicts: readonly Conflict[],
): string {
  const name = keys[0]?.name ?? "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(name)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color-scheme: light dark; }
code { overflow-wrap: anywhere; } td, th { text-align: left; padding: .3rem 1rem .3rem 0; vertical-align: top; }
.bad { border: 2px solid #c22; padding: 0 1rem; }
</style>
</head>
<body>
<h1>${escape(name)}</h1>
<p>A witness for transparency logs (<a href="https://c2sp.org/tlog-witness">C2SP tlog-witness</a>). It signs that a log only grew since it
looked last, for everybody in the same way. What stands in a log it neither knows nor judges.</p>
<p>Its keys: <a href="/vkeys">/vkeys</a>. Of Ed25519: <code>${escape(keys[0]?.vkey ?? "")}</code></p>
${conflicts.map(conflictNote).join("")}
<h2>${known.toLocaleString("en-US")} ${known === 1 ? "log" : "logs"}</h2>
${logs.length === 0 ? "<p>None is known here yet.</p>" : logTable(logs)}
</body>
</html>
`;
}

function logTable(logs: readonly LogShown[]): string {
  const rows = logs.map(({ log, state, mirrored }) => {
    const hash = originHash(log.origin);
    const origin =
      log.url === undefined ? escape(log.origin) : `<a href="${escape(log.url)}">${escape(log.origin)}</a>`;
    const size =
      state === undefined ? "not yet" : `<a href="/${hash}/checkpoint">${state.size.toLocaleString("en-US")}</a>`;
    const at = state === undefined ? "" : timeOf(state.cosignedS);
    const copy =
      mirrored === undefined ? "" : `<a href="/mirror/${hash}/checkpoint">${mirrored.toLocaleString("en-US")}</a>`;
    return `<tr><td>${origin}</td><td>${size}</td><td>${at}</td><td>${copy}</td></tr>\n`;
  });
  return `<table>
<tr><th>origin</th><th>entries cosigned</th><th>last</th><th>mirrored here</th></tr>
${rows.join("")}</table>`;
}

function conflictNote({ origin, size, note, held, seenS }: Conflict): string {
  const shown = [held, note].filter((one) => one !== "");
  return `<section class="bad"><h2>${escape(origin)} signed what can't both be true</h2>
<p>Size ${size.toLocaleString("en-US")}, seen ${timeOf(seenS)}. It was not cosigned.</p>
${shown.map((one) => `<pre>${escape(one)}</pre>`).join("\n")}
</section>
`;
}

/** The clock may be set to anything; a time that no calendar has is shown as it is. */
function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : `${date.toISOString().slice(0, 19)}Z`;
}

/** Origins and notes are strangers' words. */
function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
