import { formatVkey } from "@spur/verifier/note/note";
import type { ListedLog } from "./log-list.ts";
import { mirroredLogs } from "./mirror/routes.ts";
import { originHash, Store } from "./store.ts";

/** What `add-log` did. */
export interface Added {
  /** Origins that are new here. */
  readonly added: readonly string[];
  /** Origins that were known, and have what was named besides now. */
  readonly updated: readonly string[];
}

/** All of them or none. May be done beside a running witness: it sees them with its next request. Makes the folder where there is none. */
export function addLogs(data: string, logs: readonly ListedLog[]): Added {
  const store = new Store(data, { create: true });
  try {
    const added = new Set<string>();
    const updated = new Set<string>();
    store.transaction(() => {
      for (const { vkey, ...log } of logs) {
        if (store.log(log.origin) === undefined) added.add(log.origin);
        else if (!added.has(log.origin)) updated.add(log.origin);
        store.addLog(log, vkey);
      }
    });
    return { added: [...added], updated: [...updated] };
  } finally {
    store.close();
  }
}

/** A log as `list` shows it. */
export interface LogState {
  readonly origin: string;
  /** Of the path below which its checkpoint is served. */
  readonly hash: string;
  /** The verifier keys that are trusted for it. */
  readonly vkeys: readonly string[];
  readonly url?: string;
  readonly contact?: string;
  readonly perDay?: number;
  /** What was cosigned last, if anything was, and when: seconds since 1970. */
  readonly size?: number;
  readonly cosignedS?: number;
  /** Pairs of notes that it signed and that can't both be true. */
  readonly conflicts: readonly { readonly size: number; readonly note: string; readonly held: string }[];
}

export interface Listed {
  readonly logs: readonly LogState[];
  /** Copies that are kept here. */
  readonly mirrors: readonly { readonly origin: string; readonly hash: string; readonly size: number }[];
}

/** Throws `witness/none`. */
export function listLogs(data: string): Listed {
  const store = new Store(data);
  try {
    const conflicts = store.conflicts();
    const logs = store.logs().map(({ keys, ...log }): LogState => {
      const state = store.state(log.origin);
      return {
        ...log,
        hash: originHash(log.origin),
        vkeys: keys.map(formatVkey),
        ...(state === undefined ? {} : { size: state.size, cosignedS: state.cosignedS }),
        conflicts: conflicts
          .filter(({ origin }) => origin === log.origin)
          .map(({ size, note, held }) => ({ size, note, held })),
      };
    });
    return { logs, mirrors: mirroredLogs(data) };
  } finally {
    store.close();
  }
}
