import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { turns } from "./turns.ts";

const compress = promisify(gzip);

/** Kept, in bytes: some 280 bundles of usual entries, which come to a fifth of their length. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** Compressed at the same time, each in a thread beside the main one. */
const AT_ONCE = 2;
/** Beyond so many that wait or are under way, readers get theirs as it is: strangers may not take all cores. */
const MAX_UNDER_WAY = 8;
/** A millisecond for a usual bundle; higher levels take more and gain next to nothing on digests. */
const LEVEL = 1;

/**
 * Bundles compressed for those who take gzip (C2SP tlog-tiles wants it). Each is compressed when it is first asked for, once for all
 * who ask meanwhile, and the ones asked for last are kept: what all followers of a log read is its end.
 */
export class PackedBundles {
  readonly #kept = new Map<string, Buffer>();
  #keptBytes = 0;
  readonly #underWay = new Map<string, Promise<Buffer>>();
  readonly #turn = turns(AT_ONCE);

  /** Bytes that are kept. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** The compressed bundle of a path, if it is kept. */
  kept(path: string): Buffer | undefined {
    const packed = this.#kept.get(path);
    if (packed === undefined) return undefined;
    this.#kept.delete(path); // and set again: the first key of a Map is the one set longest ago
    this.#kept.set(path, packed);
    return packed;
  }

  /** `plain`, compressed; undefined while too many others are at it. */
  async pack(path: string, plain: () => Promise<Uint8Array>): Promise<Buffer | undefined> {
    const known = this.kept(path) ?? this.#underWay.get(path);
    if (known !== undefined) return known;
    if (this.#underWay.size >= MAX_UNDER_WAY) return undefined;
    const packing = this.#turn(async () => compress(await plain(), { level: LEVEL }));
    this.#underWay.set(path, packing);
    try {
      const packed = await packing;
      this.#keep(path, packed);
      return packed;
    } finally {
      this.#underWay.delete(path);
    }
  }

  #keep(path: string, packed: Buffer): void {
    this.#kept.set(path, packed);
    this.#keptBytes += packed.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_BYTES) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= length;
    }
  }
}
