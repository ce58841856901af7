import type { SpurError } from "../errors.ts";
import type { Numbered } from "../log/plan.ts";
import type { LogFile } from "../log/tiles.ts";
import type { Limits, Surroundings } from "../witness/endpoint.ts";
import type { WitnessSettings } from "../witness/policy.ts";

// What goes into the one writer and comes out of it.

/** Ciphertext and data key of a draft, as the worker stores them. */
export interface SealedPart {
  readonly dek: Uint8Array;
  /** Up to 64 KiB as a row; larger as a file, durable before the draft came here. */
  readonly ct?: Uint8Array;
  readonly file?: string;
  readonly blobs?: string;
  readonly dueMs?: number;
}

export interface CoreDraft extends Numbered {
  readonly sealed?: SealedPart;
  /** A removal order: the rec whose content is tombstoned in the same transaction. */
  readonly orders?: string;
  /** A removal that is over: the rec whose tombstone is completed in the same transaction. */
  readonly completes?: string;
}

/** What one caller wants committed. */
export type Op =
  | {
      readonly kind: "append";
      readonly drafts: readonly CoreDraft[];
      readonly finishes?: string;
      readonly essential?: boolean;
    }
  | {
      readonly kind: "journal";
      readonly rec: string;
      readonly owner: string;
      readonly ct: Uint8Array;
      readonly dek: Uint8Array;
    };

export type OpResult =
  { readonly entries: readonly { rec: string; index: number; leaf: Uint8Array }[] } | { readonly refused: SpurError };

export interface CoreOptions {
  readonly data: string;
  readonly keys: string;
  /** Used when the log is made; an existing log keeps its own. */
  readonly origin: string;
  /** Milliseconds that never go back, from any beginning. */
  readonly now: () => number;
  /** The time of day, in milliseconds since 1970; by default the system's. */
  readonly wallNow?: () => number;
  /** Writes the log's files; by default in this thread. */
  readonly writeFiles?: (files: readonly LogFile[]) => Promise<void>;
  /** Nothing is published without the cosignatures that this policy asks for. */
  readonly witnesses?: WitnessSettings;
  /** How witnesses are reached; by default over this machine's network, by its clock. */
  readonly witnessing?: { readonly outside?: Partial<Surroundings>; readonly limits?: Partial<Limits> };
}

/** How a log took back its own key; the entry that says so is its last. */
export type Closed = "retired" | "compromised";

export interface CoreInfo {
  readonly origin: string;
  readonly vkey: string;
  readonly receiptsVkey: string;
  readonly logPublicKey: Uint8Array;
  readonly receiptsPublicKey: Uint8Array;
  readonly created: boolean;
  /** Present where nothing can be added to the log any more. */
  readonly closed?: Closed;
}

/** A payload as the vault gives it out to be opened. */
export interface Unwrapped {
  readonly index: number;
  readonly owner: string;
  readonly dek: Uint8Array;
  readonly ct?: Uint8Array;
  readonly file?: string;
  readonly blobs?: string;
}
