import type { IncomingHttpHeaders } from "node:http";
import type { LedgerConfig } from "../config.ts";
import type { Projector } from "../projections/projector.ts";
import type { Ledger } from "../record.ts";
import type { AccessKey, AccessKeys, Scope } from "./access.ts";

/** What the routes share. */
export interface ApiContext {
  readonly config: LedgerConfig;
  readonly ledger: Ledger;
  readonly projector: Projector;
  readonly keys: AccessKeys;
  /** Folder of the published log. */
  readonly logFolder: string;
  readonly now: () => number;
  readonly version: string;
  publish(): Promise<{ size: number; checkpoint: Uint8Array | undefined }>;
  /** Throws 401 or 403. */
  require(headers: IncomingHttpHeaders, scope: Scope): AccessKey;
  /** Copies the running ledger's data to a folder on this machine. */
  backup(to: string): Promise<object>;
}
