import type { WitnessesState, WitnessState } from "../witness/witnesses.ts";

/** A witness as this interface shows it. */
export interface ShownWitness {
  /** In the operator's policy. */
  readonly name: string;
  /** Name of its key. */
  readonly key: string;
  readonly own?: true;
  /** What it cosigned last, and when by its clock (milliseconds since 1970). */
  readonly size?: number;
  readonly atMs?: number;
  /** Why it is no use at present, and since when. `detail` for whoever has a key. */
  readonly failing?: { readonly reason: string; readonly sinceMs: number; readonly detail?: string };
  readonly url?: string;
}

export interface ShownWitnesses extends Omit<WitnessesState, "witnesses"> {
  readonly witnesses: readonly ShownWitness[];
}

/** To strangers without addresses and without what was answered there: how the operator reaches his witnesses is his own affair. */
export function shownWitnesses(state: WitnessesState, insider: boolean): ShownWitnesses {
  return insider ? state : { ...state, witnesses: state.witnesses.map(toStranger) };
}

function toStranger({ name, key, own, size, atMs, failing }: WitnessState): ShownWitness {
  return {
    name,
    key,
    ...(own === undefined ? {} : { own }),
    ...(size === undefined ? {} : { size }),
    ...(atMs === undefined ? {} : { atMs }),
    ...(failing === undefined ? {} : { failing: { reason: failing.reason, sinceMs: failing.sinceMs } }),
  };
}
