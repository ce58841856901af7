import { setTimeout as after } from "node:timers/promises";

/** Time, as the client of the witnesses needs it. */
export interface Clock {
  /** Milliseconds that never go back, from any beginning. */
  now(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Resolves after so long, or as soon as the signal says that nobody waits any more. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: (ms, signal) => after(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

/** Runs `work` under a signal that ends it after `ms`, or when the one from outside does. */
export async function within<T>(
  clock: Clock,
  ms: number,
  outside: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const done = new AbortController();
  void clock.sleep(ms, done.signal).then(() => {
    late.abort();
  });
  try {
    return await work(AbortSignal.any([late.signal, outside]));
  } finally {
    done.abort();
  }
}
