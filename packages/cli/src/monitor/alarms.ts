import type { Finding } from "@spur/verifier/evidence/report";
import type { Exit } from "../io.ts";

/** Above it only their number grows. */
const MAX_ALARMS = 1_000;

/** What an audit finds of the log as a whole, and not of one entry: it may get better. */
const OF_THE_WHOLE: readonly string[] = ["audit/withheld-silently", "audit/taken-back"];

/** Something is wrong, from when it was found until a later look finds it gone. What was signed stays wrong for ever: `lasting`. */
export interface Alarm {
  /** The same fault has the same one in every round. */
  readonly id: string;
  readonly code: string;
  readonly verdict: "fail" | "not-checked";
  readonly sentence: string;
  /** Which part of a round finds it, and finds it gone. */
  readonly scope: string;
  readonly sinceMs: number;
  readonly lasting?: true;
  /** A file of the state folder that shows it, by name. */
  readonly file?: string;
  /** The bundle that is to be read again. */
  readonly bundle?: number;
}

export interface Change {
  readonly event: "alarm" | "cleared";
  readonly alarm: Alarm;
}

export class Alarms {
  readonly #active: Map<string, Alarm>;
  readonly #now: () => number;
  readonly #raised = new Set<string>();
  readonly #looked = new Set<string>();
  #changes: Change[] = [];

  constructor(saved: readonly Alarm[], now: () => number) {
    this.#active = new Map(saved.map((alarm) => [alarm.id, alarm]));
    this.#now = now;
  }

  begin(): void {
    this.#raised.clear();
    this.#looked.clear();
  }

  has(id: string): boolean {
    return this.#active.has(id);
  }

  raise(alarm: Omit<Alarm, "sinceMs">): void {
    const before = this.#active.get(alarm.id);
    this.#raised.add(alarm.id);
    if (before === undefined && this.#active.size >= MAX_ALARMS && alarm.id !== "monitor/more") {
      const sentence = `There are more than ${MAX_ALARMS} alarms: those that came later are not listed.`;
      this.raise({ id: "monitor/more", code: "monitor/more", verdict: "fail", sentence, scope: "", lasting: true });
      return;
    }
    const now: Alarm = { ...alarm, sinceMs: before?.sinceMs ?? this.#now() };
    this.#active.set(alarm.id, now);
    if (before === undefined) this.#changes.push({ event: "alarm", alarm: now });
  }

  /** A failure that the audit of entries has found, or what it could not check and must. */
  raiseFinding({ code, values, verdict, sentence }: Finding): void {
    if (verdict === "pass") return;
    const whole = OF_THE_WHOLE.includes(code) || OF_THE_WHOLE.includes(String(values["like"] ?? ""));
    const of = values["like"] ?? values["index"] ?? "";
    const scope = whole ? "entries" : "";
    this.raise({ id: `${code}:${of}`, code, verdict, sentence, scope, ...(whole ? {} : { lasting: true }) });
  }

  /** This part of the round was done to its end: what it did not find any more is gone. */
  looked(scope: string): void {
    this.#looked.add(scope);
  }

  /** Clears what is gone. */
  settle(): void {
    for (const alarm of this.#active.values()) {
      if (alarm.lasting || !this.#looked.has(alarm.scope) || this.#raised.has(alarm.id)) continue;
      this.#active.delete(alarm.id);
      this.#changes.push({ event: "cleared", alarm });
    }
  }

  /** What has changed since the last call. */
  take(): readonly Change[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  get list(): readonly Alarm[] {
    return [...this.#active.values()];
  }

  get exit(): Exit {
    const verdicts = new Set(this.list.map(({ verdict }) => verdict));
    return verdicts.has("fail") ? 1 : verdicts.has("not-checked") ? 2 : 0;
  }
}
