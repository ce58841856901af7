import type { SpurError } from "../errors.ts";
import type { LogStore } from "../storage/log-store.ts";

/** The database as the one writer may use it: after an error inside a transaction nothing more is done with it. */
export class Handle {
  readonly #log: LogStore;
  #dead: SpurError | undefined;

  constructor(log: LogStore) {
    this.#log = log;
  }

  /** The error after which the process must end. */
  get dead(): SpurError | undefined {
    return this.#dead;
  }

  /** Throws after such an error: a transaction that failed may still be open, and what is read there may never have happened. */
  alive(): void {
    if (this.#dead !== undefined) throw this.#dead;
  }

  /** Ends all use; gives the error back, to be thrown. */
  end(error: SpurError): SpurError {
    this.#dead ??= error;
    return this.#dead;
  }

  /** Work whose failure leaves unknown what is on disk. */
  fatal(work: () => void): void {
    this.alive();
    try {
      work();
    } catch (error) {
      throw this.end(error as SpurError);
    }
  }

  /** A transaction without entries; durable when it returns. */
  write(work: () => void): void {
    this.fatal(() => {
      this.#log.write(work);
    });
  }
}
