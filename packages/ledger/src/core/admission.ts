import { SpurError } from "../errors.ts";
import { MAX_UNPUBLISHED_ENTRIES, MAX_UNPUBLISHED_MS } from "../log/constants.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { VaultStore } from "../storage/vault-store.ts";
import { refusedAsClosed } from "./closed.ts";
import type { Publication } from "./publication.ts";
import type { Closed, Op } from "./types.ts";

/** What the operations of one batch do so far. */
export interface Batch {
  /** Recs whose removal is ordered. */
  readonly targets: Set<string>;
  readonly appended: Set<string>;
  readonly begun: Set<string>;
}

/** Says which operations cannot be committed, before any is planned. */
export class Admission {
  readonly #log: LogStore;
  readonly #vault: VaultStore;
  readonly #publication: Publication;
  readonly #now: () => number;
  /** Recs of the journal rows that are open. */
  readonly journal: Set<string>;
  /** Set when the log's own key was taken back: nothing follows that entry. */
  closed: Closed | undefined;

  constructor(
    parts: { log: LogStore; vault: VaultStore; closed: Closed | undefined },
    publication: Publication,
    now: () => number,
  ) {
    this.closed = parts.closed;
    this.#log = parts.log;
    this.#vault = parts.vault;
    this.#publication = publication;
    this.#now = now;
    this.journal = new Set(parts.vault.journalRows().map(({ rec }) => rec));
  }

  /** Why the operation is refused; `size` is the log's. What the others of the batch must know of it stands in `batch` afterwards. */
  refuse(op: Op, size: number, batch: Batch): SpurError | undefined {
    if (this.closed !== undefined) return refusedAsClosed(this.closed);
    const used = (rec: string): SpurError => new SpurError("record/rec-used", `rec ${rec} is taken`, { status: 409 });
    if (
      op.kind === "journal" &&
      (this.journal.has(op.rec) ||
        batch.begun.has(op.rec) ||
        batch.appended.has(op.rec) ||
        this.#log.indexOf(op.rec) !== undefined)
    ) {
      return used(op.rec);
    }
    if (op.kind === "journal" || op.essential !== true) {
      const { published } = this.#publication;
      const unpublished = size - published.size;
      const late = unpublished > 0 && this.#now() - published.atMs > MAX_UNPUBLISHED_MS;
      if (unpublished > MAX_UNPUBLISHED_ENTRIES || late || this.#publication.filesFailed !== undefined) {
        return new SpurError("log/not-published", `${unpublished} entries wait to be published`, {
          status: 503,
          hint: "Publication fails; see /health and the diagnostics. Removals and ends of answers still pass.",
        });
      }
    }
    if (op.kind === "append") {
      const { targets } = batch;
      for (const { rec, orders } of op.drafts) {
        // Whoever learns the rec of an answer under way must not take its place in the log: the answer could never be recorded.
        if ((this.journal.has(rec) || batch.begun.has(rec)) && op.finishes !== rec) return used(rec);
        if (orders === undefined) continue;
        if (targets.has(orders) || this.#vault.tombstoneOf(orders) !== undefined) {
          return new SpurError("removal/already", `the removal of ${orders} is on record`, { status: 409 });
        }
        if (this.#log.indexOf(orders) === undefined) return new SpurError("record/unknown", orders, { status: 404 });
        targets.add(orders);
      }
      for (const { rec } of op.drafts) batch.appended.add(rec);
    } else batch.begun.add(op.rec);
    return undefined;
  }
}
