/** Below the 2^24 entries at which a Map of V8 is full. */
const MAP_FULL = 8_388_608;

/** Which record id stands at which index. Ids are kept as strings of 8 characters, 16 bytes: the engine's own hashing is seeded, so ids that were chosen to collide do not. */
export interface RecIndex {
  /** Index of the entry with this id (32 hex digits). */
  get(rec: string): number | undefined;
  /** The index that the id has already, if it has one; else it gets this one. */
  add(rec: string, index: number): number | undefined;
}

export function createRecIndex(): RecIndex {
  const maps = [new Map<string, number>()];
  const find = (key: string): number | undefined => {
    for (const map of maps) {
      const index = map.get(key);
      if (index !== undefined) return index;
    }
    return undefined;
  };
  return {
    get: (rec) => find(compact(rec)),
    add(rec, index) {
      const key = compact(rec);
      const other = find(key);
      if (other !== undefined) return other;
      if ((maps[0]?.size ?? 0) >= MAP_FULL) maps.unshift(new Map());
      maps[0]?.set(key, index);
      return undefined;
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
