import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { toBase64 } from "@spur/verifier/bytes";
import type { Exit, Io } from "../io.ts";
import type { Alarms } from "./alarms.ts";
import type { AlarmEvent, GrownEvent, MonitorEvent } from "./events.ts";
import type { Memory } from "./memory.ts";
import { MAX_OUTBOX, type Message, type Webhook } from "./webhook.ts";

/** A longer proof stays where it is; all that the notes of honest and lying logs need is a few KiB. */
const MAX_PROOF = 262_144;

/** Alarms that are listed at the end of a round. */
const LISTED = 20;

export interface TellerOptions {
  /** Addresses and folders that the caller named, the log's own first. */
  readonly places: readonly string[];
  readonly webhook?: Webhook;
  /** There is one round only. */
  readonly once: boolean;
  readonly tell: (event: MonitorEvent) => void;
}

/** Says what has changed, when it is durable: at least once, wherever the process ends. */
export class Teller {
  readonly #io: Io;
  readonly #memory: Memory;
  readonly #alarms: Alarms;
  readonly #options: TellerOptions;

  constructor(io: Io, memory: Memory, alarms: Alarms, options: TellerOptions) {
    this.#io = io;
    this.#memory = memory;
    this.#alarms = alarms;
    this.#options = options;
  }

  /** Makes durable what is known, and only then tells it. Throws `monitor/disk`, `monitor/too-large`. */
  save(): void {
    const { state } = this.#memory;
    this.#alarms.settle();
    const events = this.#alarms.take().map(({ event, alarm }): AlarmEvent => {
      const { code, verdict, sentence, sinceMs, file } = alarm;
      const since = new Date(sinceMs).toISOString();
      return { event, ...this.#said(), n: ++state.told, code, verdict, sentence, since, ...(file && { file }) };
    });
    state.alarms = this.#alarms.list;
    state.untold = [...state.untold, ...events];
    if (this.#options.webhook !== undefined) state.outbox = [...state.outbox, ...events].slice(-MAX_OUTBOX);
    this.#memory.save();
    for (const event of state.untold) this.#options.tell(event);
    // A crash before the next save has them told twice, and not never.
    state.untold = [];
  }

  /** Hands what waits to the webhook. */
  async deliver(signal: AbortSignal): Promise<void> {
    const { webhook, once } = this.#options;
    const { state } = this.#memory;
    if (webhook !== undefined) {
      const message = (event: AlarmEvent): Message => this.#messageOf(event);
      const { left, why } = await webhook.deliver(state.outbox, { patient: once, signal, message });
      state.outbox = left;
      if (why !== undefined) {
        const sentence = `The webhook takes no message (${why}).`;
        const rest = { verdict: "not-checked", sentence, scope: "webhook" } as const;
        this.#alarms.raise({ id: "monitor/webhook", code: "monitor/webhook", ...rest });
      } else if (left.length === 0) this.#alarms.looked("webhook");
    }
    // What was told and delivered is not told again.
    this.save();
  }

  grown(event: GrownEvent["event"], more: number): void {
    const { held } = this.#memory;
    if (held === undefined) return;
    this.#options.tell({ event, ...this.#said(), size: held.size, root: toBase64(held.root), more });
  }

  /** Ends a round. */
  round(): Exit {
    const { held, state, audit } = this.#memory;
    const cut = this.#options.once && held !== undefined && state.followed < held.size;
    const exit = this.#alarms.exit === 0 && cut ? 2 : this.#alarms.exit;
    this.#options.tell({
      ...{ event: "round", ...this.#said(), exit },
      ...(held === undefined ? {} : { size: held.size }),
      followed: state.followed,
      ...(state.good === undefined ? {} : { good: state.good.size }),
      withheld: [...audit.opaque.values()].filter((why) => why === "withheld").length,
      unknown: audit.counts.unknown,
      alarms: this.#alarms.list.length,
      open: this.#alarms.list.slice(0, LISTED).map(({ code, verdict, sentence, sinceMs, file }) => {
        return { code, verdict, sentence, since: new Date(sinceMs).toISOString(), ...(file && { file }) };
      }),
    });
    return exit;
  }

  #messageOf(event: AlarmEvent): Message {
    const { log, sentence } = { log: this.#hide(event.log), sentence: this.#hide(event.sentence) };
    const message: Message = { format: "spur-monitor-event/v1", ...event, log, sentence };
    if (event.file === undefined || !event.file.endsWith(".misbehaviour.json")) return message;
    const proof = readFileSync(join(this.#memory.folder, event.file), "utf8");
    return proof.length > MAX_PROOF ? message : { ...message, proof };
  }

  /** Where something lies on this machine is nobody's business elsewhere. */
  #hide(text: string): string {
    const folders = this.#options.places.filter((place) => !/^https?:/i.test(place));
    return folders.reduce((left, one) => {
      return left.replaceAll(resolve(this.#io.cwd, one), "(folder)").replaceAll(one, "(folder)");
    }, text);
  }

  #said(): { at: string; origin?: string; log: string } {
    const { origin } = this.#memory.state;
    const at = new Date(this.#io.now()).toISOString();
    return { at, ...(origin === undefined ? {} : { origin }), log: this.#options.places[0] ?? "" };
  }
}
