import type { Exit } from "../io.ts";
import type { Alarm } from "./alarms.ts";

interface Said {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly origin?: string;
  /** The address as it was named. */
  readonly log: string;
}

/** Something is wrong, or is no longer. Told at least once, also after a crash; `n` tells a second telling from a second fault. */
export interface AlarmEvent extends Said {
  readonly event: "alarm" | "cleared";
  readonly n: number;
  readonly code: string;
  /** "fail": something contradicts what the log must be. "not-checked": something could not be looked at. */
  readonly verdict: Alarm["verdict"];
  readonly sentence: string;
  readonly since: string;
  /** A file of the state folder that shows it, by name. */
  readonly file?: string;
}

/** The log shows a checkpoint that was not seen before, or has been followed to its end. */
export interface GrownEvent extends Said {
  readonly event: "checkpoint" | "followed";
  readonly size: number;
  readonly root: string;
  /** Entries that came since the one before. */
  readonly more: number;
}

/** The end of a round. */
export interface RoundEvent extends Said {
  readonly event: "round";
  readonly exit: Exit;
  readonly size?: number;
  /** Entries read and checked. */
  readonly followed: number;
  /** Size of the newest checkpoint under which everything was as it should be. */
  readonly good?: number;
  readonly withheld: number;
  readonly unknown: number;
  /** What is wrong or could not be looked at now, and the first of it. */
  readonly alarms: number;
  readonly open: readonly (Pick<Alarm, "code" | "verdict" | "sentence" | "file"> & { readonly since: string })[];
}

export type MonitorEvent = AlarmEvent | GrownEvent | RoundEvent;
