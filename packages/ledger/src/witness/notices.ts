import type { WitnessesState } from "./witnesses.ts";

/** What an operator should read about his witnesses at a start. */
export function witnessNotices(state: WitnessesState | undefined): string[] {
  if (state === undefined) return [];
  const names = state.witnesses.map(({ name, own }) => (own === true ? `${name} (your own, not counted)` : name));
  return [
    `checkpoints are published with cosignatures of ${names.join(", ") || "no witness"}`,
    ...(state.detectOnly === true ? ["two different heads could both have a quorum of them (--detect-only)"] : []),
    ...state.witnesses.flatMap(({ name, url, failing }) => {
      if (url === undefined) return [`witness ${name} has no URL in the policy and is not asked`];
      return failing === undefined ? [] : [`witness ${name} at ${url} is no use at present: ${failing.detail}`];
    }),
  ];
}

/** What has changed since it was called last, for diagnostics: who fails now, and who works again. */
export function witnessChanges(): (state: WitnessesState | undefined) => { failing: boolean; text: string }[] {
  const known = new Map<string, string>();
  return (state) =>
    (state?.witnesses ?? []).flatMap(({ name, failing }): { failing: boolean; text: string }[] => {
      const before = known.get(name);
      if (before === failing?.reason) return [];
      if (failing === undefined) {
        known.delete(name);
        return [{ failing: false, text: `witness ${name} works again` }];
      }
      known.set(name, failing.reason);
      return [{ failing: true, text: `witness ${name} is no use at present: ${failing.reason}, ${failing.detail}` }];
    });
}
