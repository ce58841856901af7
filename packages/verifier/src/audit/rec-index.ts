/** Below the 2^24 entries at which a Map of V8 is full. */
const MAP_FULL = 8_388_608;

/** Which record id stands at which index. Ids are kept as strings of 8 characters, 16 bytes: the engine's own hashing is seeded, so ids that were chosen to collide do not. */
export interface RecIndex {
  /** Index of the entry with this id (32 hex digits). */
  get(rec: string): number | undefined;
  /** The id must be new. */
  set(rec: string, index: number): void;
}

export function createRecIndex(): RecIndex {
  const maps = [new Map<string, number>()];
  return {
    get(rec) {
      const key = compact(rec);
      for (const map of maps) {
        const index = map.get(key);
        if (index !== undefined) return index;
      }
      return undefined;
    },
    set(rec, index) {
      if ((maps[0]?.size ?? 0) >= MAP_FULL) maps.unshift(new Map());
      maps[0]?.set(compact(rec), index);
    },
  };
}

function compact(rec: string): string {
  const unit = (i: number) =>
    (digit(rec, i) << 12) | (digit(rec, i + 1) << 8) | (digit(rec, i + 2) << 4) | digit(rec, i + 3);
  return String.fromCharCode(unit(0), unit(4), unit(8), unit(12), unit(16), unit(20), unit(24), unit(28));
}

function digit(rec: string, at: number): number {
  const code = rec.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}
