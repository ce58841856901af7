import { setTimeout as sleep } from "node:timers/promises";
import type { Trust } from "@spur/verifier/trust/trust";
import { CliError, toldOf } from "../errors.ts";
import type { LogReader } from "../fetch-log.ts";
import type { Exit, Io } from "../io.ts";
import type { ReadTile } from "../misbehaviour.ts";
import { startProgress } from "../progress.ts";
import { readSeen } from "../seen.ts";
import { typed } from "../text.ts";
import { Alarms } from "./alarms.ts";
import { Comparison } from "./compare.ts";
import { faultOf, twice } from "./faults.ts";
import { followEntries } from "./follow.ts";
import { Memory } from "./memory.ts";
import { gossipIn, Place, seenBeside, type Shown } from "./places.ts";
import { checkReceipt, type GivenReceipt } from "./receipts.ts";
import { readAgain } from "./reread.ts";
import { openTree } from "./signed-tree.ts";
import { judge, type Refused, type Signed } from "./signed.ts";
import { checkSilence, queueOf, type SilenceLimits } from "./silence.ts";
import { Teller, type TellerOptions } from "./teller.ts";

/** A round that reads many entries pauses after so long, to look at the checkpoints again. */
const READ_MS = 120_000;

export interface MonitorOptions extends Omit<TellerOptions, "places"> {
  readonly trust: Trust;
  /** The folder of this log's memory. */
  readonly folder: string;
  readonly timeoutMs: number;
  /** Before what looks like a fault is looked at again. */
  readonly pauseMs: number;
  readonly also: readonly string[];
  readonly gossip?: string;
  readonly lateMs: number;
  readonly silence: SilenceLimits;
  /** Bundles that are read a second time in each round. */
  readonly reread: number;
  /** Origins of logs that are followed beside this one: what is shown of them is not about this log. */
  readonly others: () => readonly (string | undefined)[];
  readonly random: () => number;
}

/** Follows one log. What it finds is durable before it is told, and told at least once, wherever the process ends. */
export class LogMonitor {
  readonly #io: Io;
  readonly #options: MonitorOptions;
  readonly #memory: Memory;
  readonly #alarms: Alarms;
  readonly #compare: Comparison;
  readonly #teller: Teller;
  readonly #own: Place;
  readonly #also: readonly Place[];
  #rounds = 0;
  #receipts: readonly GivenReceipt[] = [];

  /** Throws `monitor/locked`, `monitor/state`, `cli/old-node`. */
  static async open(io: Io, place: string, options: MonitorOptions): Promise<LogMonitor> {
    return new LogMonitor(io, place, options, await Memory.open(options.folder, place, options.trust));
  }

  private constructor(io: Io, place: string, options: MonitorOptions, memory: Memory) {
    this.#io = io;
    this.#options = options;
    this.#memory = memory;
    this.#alarms = new Alarms(memory.state.alarms, io.now);
    this.#compare = new Comparison(memory, this.#alarms, io.now);
    this.#teller = new Teller(io, memory, this.#alarms, { ...options, places: [place, ...options.also] });
    this.#own = new Place(io, place, options.timeoutMs);
    this.#also = options.also.map((address) => new Place(io, address, options.timeoutMs));
  }

  get origin(): string | undefined {
    return this.#memory.state.origin;
  }

  close(): void {
    this.#memory.close();
  }

  /**
   * Looks once, everywhere, and reads what is new. 1 where something is wrong, 2 where something could not be looked at, else 0. Throws
   * `cli/trust` for a log that the caller trusts no key of, and where the memory cannot be written.
   */
  async round(signal: AbortSignal): Promise<Exit> {
    this.#rounds++;
    this.#alarms.begin();
    const before = this.#memory.held;
    const answered = await this.#lookAtOwn(signal);
    const { held } = this.#memory;
    // Whatever becomes of this round, the log is bound by what it has shown.
    if (held !== before) this.#teller.save();
    if (held !== undefined && held.size !== before?.size)
      this.#teller.grown("checkpoint", held.size - (before?.size ?? 0));
    await Promise.all(this.#also.map((place) => this.#lookAt(place, signal)));
    await this.#lookAtFiles();
    await this.#compare.waiting(this.#sources(), this.#options.trust, this.#options.silence.staleMs);
    if (answered) await this.#checkSilence();
    this.#teller.save();
    if (answered) await this.#read(signal);
    await this.#checkReceipts();
    this.#judgeAll();
    this.#teller.save();
    await this.#teller.deliver(signal);
    return this.#teller.round();
  }

  /** False where the log did not answer. */
  async #lookAtOwn(signal: AbortSignal): Promise<boolean> {
    let shown: Shown;
    try {
      shown = await this.#own.show(this.origin);
    } catch (error) {
      if (!signal.aborted) this.#unreachable(this.#own, error);
      return false;
    }
    this.#alarms.looked("reach");
    const judged = this.#judge(shown);
    if (judged === undefined) return true;
    const { held } = this.#memory;
    if (held !== undefined && judged.size < held.size) {
      // A cache that is behind shows an older one for a moment. It is held against what we know all the same.
      await this.#compare.other(judged, shown.where, this.#sources());
      await sleep(this.#options.pauseMs, undefined, { signal }).catch(() => undefined);
      shown = await this.#own.show(this.origin).catch(() => shown);
    }
    const signed = this.#judge(shown);
    if (signed === undefined) return true;
    for (const flaw of signed.flaws)
      this.#alarms.raise({ id: `${flaw.code}:${flaw.sentence}`, ...flaw, scope: "look" });
    if (await this.#compare.own(signed, this.#sources())) {
      if (signed.size === this.#memory.held?.size) this.#memory.state.lookMs = this.#io.now();
    }
    this.#alarms.looked("look");
    return true;
  }

  async #lookAt(place: Place, signal: AbortSignal): Promise<void> {
    const scope = `place ${place.address}`;
    try {
      const shown = await place.show(this.origin);
      const judged = this.#judge(shown, scope);
      if (judged !== undefined) await this.#compare.other(judged, shown.where, this.#sources(shown.reader));
      this.#alarms.looked(scope);
    } catch (error) {
      if (!signal.aborted) this.#unreachable(place, error, scope);
    }
  }

  /** What others have handed on, and what `spur audit` saw: more pairs of eyes. */
  async #lookAtFiles(): Promise<void> {
    const { gossip, trust } = this.#options;
    const { origin } = this;
    try {
      const given = gossip === undefined ? undefined : await gossipIn(this.#io, gossip);
      this.#receipts = given?.receipts ?? [];
      const seen = origin === undefined ? undefined : await readSeen(this.#io, origin);
      const audited = seen === undefined ? [] : [{ where: "an earlier audit", text: seen.note }];
      const beside = await seenBeside(this.#memory.folder);
      for (const shown of [...(given?.checkpoints ?? []), ...audited, ...beside]) {
        const judged = judge(shown.text, origin, trust);
        if ("root" in judged) await this.#compare.other(judged, shown.where, this.#sources());
      }
      this.#alarms.looked("files");
    } catch (error) {
      const { code, detail } = toldOf(error);
      const what = { verdict: "not-checked", sentence: `${detail}.`, scope: "files" } as const;
      if (code !== "monitor/gossip" && code !== "audit/seen") throw error;
      this.#alarms.raise({ id: "monitor/gossip", code: "monitor/gossip", ...what });
    }
  }

  /** Whether the log keeps what it promised to those who put their receipts into the folder. */
  async #checkReceipts(): Promise<void> {
    for (const receipt of this.#receipts) {
      try {
        await checkReceipt(this.#memory, this.#alarms, receipt, this.#own.reader);
      } catch (error) {
        faultOf(error); // that a file of the log can't be read is told where it is read
      }
    }
  }

  /** The checkpoint that is shown, if the log is bound by it; else why not is told. `scope`: of another place than the log itself. */
  #judge({ where, text }: Shown, scope?: string): Signed | undefined {
    const judged = judge(text, this.origin, this.#options.trust);
    if ("root" in judged) return judged;
    const { code, verdict, sentence, origin } = judged;
    if (scope !== undefined && origin !== undefined && this.#options.others().includes(origin)) return undefined;
    const stranger = this.origin === undefined && code === "monitor/untrusted-key" && verdict !== "fail";
    if (scope === undefined && stranger && this.#rounds === 1) throw this.#stranger(judged);
    const file = verdict === "fail" ? this.#memory.keep(text, "checkpoint") : undefined;
    // Anybody can set up a place that shows anything: only the log itself is blamed for what it shows.
    const alarm =
      scope === undefined
        ? { verdict, sentence }
        : { verdict: "not-checked" as const, sentence: `${where}: ${sentence}` };
    const at = scope ?? "look";
    // What was wrong before is not over because this can't be looked at.
    this.#alarms.raise({ id: `${code}:${at}`, code, ...alarm, ...(file === undefined ? {} : { file }), scope: at });
    return undefined;
  }

  #stranger({ sentence }: Refused): CliError {
    return new CliError("cli/trust", sentence.replace(/\.$/, ""), {
      hint: `say whose key you believe: ${typed("trust", "add", this.#own.address)}`,
    });
  }

  #unreachable(place: Place, error: unknown, scope = "reach"): void {
    const fault = faultOf(error);
    // At a place of its own, a checkpoint that is not there is an address that is not right.
    const what = { code: "monitor/unreachable", verdict: "not-checked", sentence: fault.sentence } as const;
    this.#alarms.raise({ id: `monitor/unreachable:${place.address}`, ...what, scope });
  }

  async #checkSilence(): Promise<void> {
    const where = this.#own.reader?.where;
    const queue = where === undefined ? undefined : await queueOf(this.#io, where, this.#options.timeoutMs);
    checkSilence(this.#memory, this.#alarms, this.#options.trust, this.#io.now(), queue, this.#options.silence);
  }

  /** The entries that are new, and some that are not. */
  async #read(signal: AbortSignal): Promise<void> {
    const { held, state } = this.#memory;
    const reader = this.#own.reader;
    if (held === undefined || reader === undefined) return;
    const { once, pauseMs, lateMs, reread, random } = this.#options;
    const from = state.followed;
    if (from === held.size && reread === 0) return this.#alarms.looked("follow");
    const bar = startProgress(this.#io, "reading");
    const untilMs = once ? Infinity : this.#io.now() + READ_MS;
    try {
      const tree = await twice(pauseMs, signal, () => openTree(held, (tile) => reader.tile(tile)));
      const of = {
        memory: this.#memory,
        alarms: this.#alarms,
        tree,
        reader,
        now: this.#io.now,
        lateMs,
        untilMs,
        signal,
      };
      const progress = (done: number, all: number) => bar.at(done, all);
      const whole = await twice(pauseMs, signal, () =>
        followEntries({ ...of, save: () => this.#teller.save(), progress }),
      );
      this.#alarms.looked("follow");
      if (state.followed > from) this.#alarms.looked("entries");
      bar.end();
      if (whole && state.followed > from) this.#teller.grown("followed", state.followed - from);
      if (from > 0)
        await readAgain(this.#memory, this.#alarms, tree, reader, { count: reread, random, pauseMs, signal });
    } catch (error) {
      const fault = faultOf(error);
      // Who was told to stop breaks off what he asked for himself.
      if (!signal.aborted) this.#alarms.raise({ id: "monitor/follow", ...fault, scope: "follow" });
    } finally {
      bar.end();
    }
  }

  /** A checkpoint is good if it stands, and everything below it was read, and nothing is wrong. */
  #judgeAll(): void {
    const { held, state } = this.#memory;
    this.#alarms.settle();
    const open = this.#alarms.list.some(({ verdict, scope }) => verdict === "fail" || scope === "entries");
    if (held === undefined || state.held === undefined || open || held.flaws.length > 0) return;
    if (state.followed === held.size && state.good?.note !== state.held.note) {
      state.good = { note: state.held.note, atMs: this.#io.now(), size: held.size };
    }
  }

  /** Where tiles may be read. */
  #sources(first?: LogReader): readonly ReadTile[] {
    const all = [first, this.#own.reader, ...this.#also.map(({ reader }) => reader)];
    const readers = new Set(all.filter((reader) => reader !== undefined));
    return [...readers].map((reader) => (tile) => reader.tile(tile));
  }
}
