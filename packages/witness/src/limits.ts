import { SpurError } from "./errors.ts";

const DAY_MS = 86_400_000;

/** A bucket of tokens that fills at an even rate. */
interface Bucket {
  tokens: number;
  atMs: number;
}

function refill(bucket: Bucket, most: number, perMs: number, nowMs: number): void {
  bucket.tokens = Math.min(most, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * perMs);
  bucket.atMs = nowMs;
}

/**
 * How many checkpoints a log may have cosigned in a day (`qpd` of witness-network's lists). Taken only for what was signed by the log and
 * is to be cosigned: a stranger's requests never use it up. Not kept over a restart.
 */
export class DailyAllowance {
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws `witness/allowance` (429). */
  take(origin: string, perDay: number | undefined): void {
    if (perDay === undefined) return;
    const nowMs = this.#now();
    const bucket = this.#buckets.get(origin) ?? { tokens: perDay, atMs: nowMs };
    this.#buckets.set(origin, bucket);
    refill(bucket, perDay, perDay / DAY_MS, nowMs);
    if (bucket.tokens < 1)
      throw new SpurError("witness/allowance", `${perDay} checkpoints a day are used up`, { status: 429 });
    bucket.tokens -= 1;
  }
}

const REFUSALS = 100;
const REFUSALS_PER_MS = 2 / 1000;
const MAX_ADDRESSES = 10_000;

/**
 * Keeps an address that only sends what is refused from using up the processor: after a hundred, two a second. A proxy on this machine
 * speaks for many and isn't counted; it has limits of its own.
 */
export class Refusals {
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True if nothing more is looked at from this address for now. */
  exhausted(address: string): boolean {
    const bucket = this.#buckets.get(placeOf(address));
    if (bucket === undefined) return false;
    refill(bucket, REFUSALS, REFUSALS_PER_MS, this.#now());
    return bucket.tokens < 1;
  }

  count(address: string): void {
    const place = placeOf(address);
    if (place === "") return;
    const bucket = this.#buckets.get(place) ?? { tokens: REFUSALS, atMs: this.#now() };
    this.#buckets.delete(place); // and set again, so that the one not seen for longest is the first
    this.#buckets.set(place, bucket);
    refill(bucket, REFUSALS, REFUSALS_PER_MS, this.#now());
    bucket.tokens = Math.max(0, bucket.tokens - 1);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MAX_ADDRESSES) break;
      this.#buckets.delete(oldest);
    }
  }
}

/** Whoever has one IPv6 address mostly has all of its /64. Empty for this machine itself. */
function placeOf(address: string): string {
  const plain = address.replace(/^::ffff:/, "");
  if (plain === "::1" || plain.startsWith("127.") || plain === "") return "";
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const left = head.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - tail.split(":").length);
  return [...left, ...Array.from({ length: zeros }, () => "0"), ...(tail ?? "").split(":")].slice(0, 4).join(":");
}
