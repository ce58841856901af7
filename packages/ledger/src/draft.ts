import type { EvidenceLevel, Retention } from "@spur/verifier/statement/entry";
import type { JsonObject } from "@spur/verifier/statement/canonical";
import type { Envelope } from "@spur/verifier/statement/dsse";

/** What somebody wants on record, before anything is sealed or numbered. */
export interface Draft {
  /** 32 hex digits; see {@link newRec}. */
  readonly rec: string;
  readonly predicateType: string;
  /** The public part. A reference is written `{"rec": "<32 hex>"}`; its index is found in *plan*. */
  readonly predicate: JsonObject;
  /** Plaintext of the sealed payload by slot, as many as the predicate has; absent where the predicate has no slots. */
  readonly slots?: readonly (Uint8Array | undefined)[];
  /** Plain digests of the subject: only for what is meant to be matched in public. */
  readonly digests?: { readonly sha256?: Uint8Array; readonly spurRowsV1?: Uint8Array };
  readonly evidence: EvidenceLevel;
  readonly retention: Retention;
  /** Id of the access key that writes it; "" for the ledger itself. It may open the record later. */
  readonly owner: string;
  /** Content leaves by itself (by a logged removal) this many days after it was recorded; 0 = kept until removed. */
  readonly contentDays?: number;
  /** `content: none`: nothing sealed is stored; data key and slots stay in memory ten minutes for the caller's receipt. */
  readonly keepNothing?: boolean;
  /** A published foreign envelope in place of a statement. */
  readonly dsse?: Envelope;
}

/** One record, durable. */
export interface Recorded {
  readonly rec: string;
  readonly index: number;
  readonly leafHash: Uint8Array;
  /** Absent where the predicate has no slots. */
  readonly commitment?: Uint8Array;
  /** True if this very record was there already (same rec, same bytes). */
  readonly known?: boolean;
}

/** What the gateway and the routes need of the ledger. Implemented in record.ts. */
export interface Recorder {
  /**
   * Commits the drafts in one transaction, in order (an output before its decision), and ends the journal row of
   * `finishes` with them. Durable when it resolves. Rejects with SpurError: "record/rec-used" 409, "reference/forward" 422,
   * "entry/too-long" 422, "log/commit-unknown" 503 (retry with the same rec), "log/not-published" 503, "record/removed" 410.
   */
  record(drafts: readonly Draft[], finishes?: string): Promise<Recorded[]>;
  /** Writes the request into the journal, sealed. Durable when it resolves; nothing may be forwarded before. */
  begin(rec: string, owner: string, request: Uint8Array, info: JournalInfo): Promise<void>;
}

/** What a start needs to close a journal row that a crash left open; kept inside the sealed journal row. */
export interface JournalInfo {
  /** rec of the deployment entry. */
  readonly deployment: string;
  /** rec of the policy entry, and its version. */
  readonly policy: string;
  readonly policyVersion: number;
  readonly contentDays: number;
  readonly keepNothing: boolean;
  readonly caller: string;
  readonly startedAtMs: number;
}
