import { checkCheckpoint } from "@spur/verifier/evidence/checks/checkpoint";
import { createFindings } from "@spur/verifier/evidence/findings";
import type { Finding, Report } from "@spur/verifier/evidence/report";
import type { VerifierKey } from "@spur/verifier/note/vkey";
import type { Trust } from "@spur/verifier/trust/trust";
import { typed } from "./text.ts";

export interface Signers {
  readonly signer: Report["signer"];
  /** The trusted key of the log that verified. */
  readonly key?: VerifierKey;
  readonly findings: readonly Finding[];
}

/** Who signed a checkpoint, under what the caller trusts, line by line: the log, and each witness with his time. */
export function checkSigners(noteText: string, trust: Trust, place: string): Signers {
  const findings = createFindings([
    ...trust.require,
    ...(trust.policy.quorum === undefined ? [] : ["witnesses" as const]),
  ]);
  // Here no file claims a key: what no trusted key verifies is just unknown.
  const checkpoint = checkCheckpoint(noteText, undefined, trust, findings);
  const { signer } = findings;
  const key = signer === "trusted" ? checkpoint?.key : undefined;
  // The verifier knows no address; here there may be one.
  const how = /^https?:/.test(place) ? { how: typed("trust", "add", place) } : {};
  const list = findings.list.map(({ how: wanted, ...one }) => (wanted === undefined ? one : { ...one, ...how }));
  return { signer, findings: list, ...(key === undefined ? {} : { key }) };
}
