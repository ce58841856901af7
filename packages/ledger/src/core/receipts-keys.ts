import { existsSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { parseEntry } from "@spur/verifier/statement/entry";
import { createSigningKey, readSigningKey, type SigningKey } from "../log/signing-key.ts";
import { syncFolder } from "../storage/durable-file.ts";

/** In the keys folder: the key that signs receipts. */
export const RECEIPTS_KEY = "receipts.key";
/** One that was made and perhaps not announced yet; the name holds the rec of the entry that announces it. */
const NEXT = /^receipts\.next\.([0-9a-f]{32})\.key$/;
const nextFile = (rec: string): string => `receipts.next.${rec}.key`;
/** One that was retired; the name holds the index of the entry that says so. */
const UNTIL = /^receipts\.until\.(0|[1-9][0-9]{0,15})\.key$/;

/** Where an entry with this record id stands. */
type IndexOf = (rec: string) => number | undefined;

/**
 * The keys of receipts. There is one at a time; those that were retired still sign for the entries below the one that retired them, since
 * only for these the log vouches for them (formats §3.6), and for those above it does so only for the new one. A compromised key is gone.
 */
export class ReceiptsKeys {
  readonly #folder: string;
  readonly #name: string;
  readonly #indexOf: IndexOf;
  #current: SigningKey;
  #retired: readonly { readonly until: number; readonly key: SigningKey }[] = [];

  /** Reads, and changes nothing. Throws `keys/missing` and `keys/damaged`. */
  constructor(folder: string, origin: string, indexOf: IndexOf) {
    this.#folder = folder;
    this.#name = `${origin}/receipts`;
    this.#indexOf = indexOf;
    this.#current = this.#read();
  }

  get current(): SigningKey {
    return this.#current;
  }

  /** The key for a receipt of the entry at `index`. */
  at(index: number): SigningKey {
    return this.#retired.find(({ until }) => index <= until)?.key ?? this.#current;
  }

  /** Makes the key that is to follow; durable when it returns. Crash: a start takes it up if `rec` is on record by then, and else deletes it. */
  make(rec: string): SigningKey {
    return createSigningKey(this.#folder, nextFile(rec), this.#name);
  }

  /**
   * What was announced takes its place, and what was not goes. The entry behind the announcement takes the old key back and says how.
   * Crash at any step: the next start goes on, and never signs with another key than this one.
   */
  settle(entryAt: (index: number) => Uint8Array): void {
    for (const rec of this.#nexts()) {
      const announced = this.#indexOf(rec);
      const next = join(this.#folder, nextFile(rec));
      const current = join(this.#folder, RECEIPTS_KEY);
      if (announced === undefined) unlinkSync(next);
      else {
        const back = announced + 1;
        if (parseEntry(entryAt(back)).predicate["state"] === "retired" && existsSync(current)) {
          renameSync(current, join(this.#folder, `receipts.until.${back}.key`));
          syncFolder(this.#folder); // before the other one takes its place: else a power loss could leave neither
        }
        renameSync(next, current);
      }
      syncFolder(this.#folder);
    }
    this.#current = this.#read();
  }

  #read(): SigningKey {
    const retired = readdirSync(this.#folder).flatMap((file) => {
      const until = UNTIL.exec(file)?.[1];
      if (until === undefined) return [];
      return [{ until: Number(until), key: readSigningKey(this.#folder, file, this.#name) }];
    });
    this.#retired = retired.sort((a, b) => a.until - b.until);
    const announced = this.#nexts().find((rec) => this.#indexOf(rec) !== undefined);
    return readSigningKey(this.#folder, announced === undefined ? RECEIPTS_KEY : nextFile(announced), this.#name);
  }

  #nexts(): string[] {
    return readdirSync(this.#folder).flatMap((file) => NEXT.exec(file)?.[1] ?? []);
  }
}
