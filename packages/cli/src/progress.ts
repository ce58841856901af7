import type { Io } from "./io.ts";

const QUIET_MS = 1_000;
const EVERY_MS = 100;
const CELLS = 24;

export interface Progress {
  /** `of` where the end is known. */
  at(done: number, of?: number): void;
  /** Clears the line. */
  end(): void;
}

/** A bar on stderr for what takes longer than a second; nothing where nobody looks. */
export function startProgress(io: Io, label: string): Progress {
  const startedAt = io.now();
  let shownAt = startedAt + QUIET_MS - EVERY_MS;
  let shown = false;
  return {
    at(done, of) {
      const now = io.now();
      if (!io.isTty || now - shownAt < EVERY_MS) return;
      shownAt = now;
      shown = true;
      io.stderr.write(`\r\u001b[K${label} ${line(done, of, now - startedAt)}`);
    },
    end() {
      if (shown) io.stderr.write("\r\u001b[K");
      shown = false;
    },
  };
}

function line(done: number, of: number | undefined, ms: number): string {
  if (of === undefined || of === 0) return `${done.toLocaleString("en-US")} · ${Math.round(ms / 1000)} s`;
  const part = Math.min(1, done / of);
  const full = Math.round(part * CELLS);
  const left = part > 0.02 ? ` · ${Math.ceil((ms * (1 - part)) / part / 1000)} s left` : "";
  return `[${"█".repeat(full)}${"░".repeat(CELLS - full)}] ${Math.floor(part * 100)} %${left}`;
}
