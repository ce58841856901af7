import type { Random } from "../random.ts";
import type { Luck, Version } from "./disk.ts";
import type { Change } from "./file.ts";

/** How much of what was never synced is on the disk after a power loss. */
export const KINDS = ["nothing", "names", "bytes", "journal", "torn", "any", "everything"] as const;
export type Kind = (typeof KINDS)[number];

/** A disk writes sectors. */
const SECTOR = 512;

const first = (versions: readonly Version[]): Version => versions[0] as Version;
const last = (versions: readonly Version[]): Version => versions.at(-1) as Version;
const whole = ({ bytes }: Change): number => bytes?.length ?? 1;

/** What happens to be on the disk; the same `random` gives the same. `nth`: changes so far. */
export function luckOf(kind: Kind, random: Random, nth: number): Luck {
  const anyName = (versions: readonly Version[]): Version => random.pick(versions);
  switch (kind) {
    case "nothing":
      return { name: first, bytes: (changes) => changes.map(() => 0) };
    case "names": // files that are there, and empty or old
      return { name: last, bytes: (changes) => changes.map(() => 0) };
    case "bytes":
      return { name: first, bytes: (changes) => changes.map((one) => (one.lost ? 0 : whole(one))) };
    case "journal": {
      // Everything up to a moment, in the order in which it was done.
      const until = nth - Math.floor(random.next() ** 2 * Math.min(nth, 400));
      return {
        name: (versions) => versions.filter((version) => version.nth < until).at(-1) ?? first(versions),
        bytes: (changes) => changes.map((one) => (one.nth < until && !one.lost ? whole(one) : 0)),
      };
    }
    case "torn":
      // Of each file, the beginning of what was written, and a part of what came next.
      return {
        name: anyName,
        bytes: (changes) => {
          const cut = random.below(changes.length + 1);
          return changes.map((one, i) => (one.lost || i > cut ? 0 : i < cut ? whole(one) : torn(one, random)));
        },
      };
    case "any":
      return {
        name: anyName,
        bytes: (changes) => changes.map((one) => random.pick([0, 0, whole(one), whole(one), torn(one, random)])),
      };
    case "everything": // a kill
      return { name: last, bytes: (changes) => changes.map(whole) };
  }
}

/** Up to the end of some sector of the file. */
function torn({ at, bytes }: Change, random: Random): number {
  if (bytes === undefined) return random.below(2);
  const sectors = Math.ceil((at + bytes.length) / SECTOR) - Math.floor(at / SECTOR);
  const end = (Math.floor(at / SECTOR) + random.below(sectors + 1)) * SECTOR;
  return Math.min(bytes.length, Math.max(0, end - at));
}
