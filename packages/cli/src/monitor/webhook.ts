import { setTimeout as sleep } from "node:timers/promises";
import { CliError, toldOf } from "../errors.ts";
import { request } from "../http.ts";
import type { Io } from "../io.ts";
import type { AlarmEvent } from "./events.ts";

const MAX_ANSWER = 65_536;
const TIMEOUT_MS = 10_000;
/** Tries at once, where nobody will come back to try again. */
const TRIES = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;
/** Events that wait to be delivered; the oldest give way, since what is wrong now matters most. */
export const MAX_OUTBOX = 200;

/** An event as it is delivered, with the proof itself where there is one, so that it survives the monitor. */
export type Message = AlarmEvent & { readonly format: "spur-monitor-event/v1"; readonly proof?: string };

/**
 * Hands events to somebody's web hook, in order, each until it was taken: a POST of JSON, with nothing in it but what is public. A redirect
 * is not followed: what is told goes to the address that was named. The address may hold a secret, so it is never shown.
 */
export class Webhook {
  readonly #io: Io;
  readonly #url: string;
  #pauseMs = FIRST_PAUSE_MS;
  #notBeforeMs = 0;

  /** Throws `cli/option` for what is no address. */
  constructor(io: Io, url: string) {
    this.#io = io;
    try {
      const { protocol } = new URL(url);
      if (protocol !== "http:" && protocol !== "https:") throw new TypeError(protocol);
    } catch {
      throw new CliError("cli/option", "--webhook is no address", {
        hint: "an address begins with http:// or https://",
      });
    }
    this.#url = url;
  }

  /**
   * Delivers what waits, and returns what is left with the reason. `patient`: tries again at once, with pauses, since there is no next
   * round; else one failure ends it for this round, and the next ones wait twice as long each time, up to ten minutes.
   */
  async deliver(
    waiting: readonly AlarmEvent[],
    how: { patient: boolean; signal: AbortSignal; message: (event: AlarmEvent) => Message },
  ): Promise<{ left: readonly AlarmEvent[]; why?: string }> {
    const left = [...waiting];
    let tries = how.patient ? TRIES : 1;
    if (!how.patient && this.#io.now() < this.#notBeforeMs) return { left };
    for (let event = left[0]; event !== undefined; event = left[0]) {
      const why = await this.#post(how.message(event));
      if (why === undefined) {
        left.shift();
        this.#pauseMs = FIRST_PAUSE_MS;
        continue;
      }
      this.#notBeforeMs = this.#io.now() + this.#pauseMs;
      if (--tries === 0 || how.signal.aborted) {
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
        return { left, why };
      }
      await sleep(this.#pauseMs, undefined, { signal: how.signal }).catch(() => undefined);
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    }
    return { left };
  }

  /** Why it was not taken. */
  async #post(message: Message): Promise<string | undefined> {
    try {
      const { status } = await request(this.#io, this.#url, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": "spur-monitor" },
        body: JSON.stringify(message),
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_ANSWER,
      });
      return status >= 200 && status < 300 ? undefined : `it answered ${status}`;
    } catch (error) {
      const { code } = toldOf(error);
      // The detail names the address.
      if (code === "http/too-large") return undefined; // taken, with more words than needed
      return code;
    }
  }
}
