import { utf8 } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { verifyMisbehaviour } from "@spur/verifier/evidence/misbehaviour";
import { verifyTlogProof } from "@spur/verifier/evidence/proof";
import { verifyReceipt } from "@spur/verifier/evidence/receipt";
import type { Report } from "@spur/verifier/evidence/report";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { NO_TRUST, parseTrust, trustFromVkeys, type Trust } from "@spur/verifier/trust/trust";
import type { Kind } from "./peek.ts";
import type { Given } from "./trust-store.ts";

export interface CheckOptions {
  /** The reader's clock, in milliseconds since 1970. */
  readonly nowMs: number;
  /** What the file calls itself. */
  readonly kind: Kind;
  /** What a receipt is held against. */
  readonly evidence?: Uint8Array;
  /** What a tlog-proof is about. */
  readonly entry?: Uint8Array;
}

/** The verifier's word on a file, under what the reader believes and nothing else. */
export function check(bytes: Uint8Array, given: Given, { kind, ...options }: CheckOptions): Report {
  const trust = trustOf(given);
  if (kind === "misbehaviour") return verifyMisbehaviour(bytes, trust);
  return { evidence: verifyEvidence, receipt: verifyReceipt, proof: verifyTlogProof }[kind](bytes, trust, options);
}

function trustOf(given: Given): Trust {
  switch (given.kind) {
    case "nobody":
      return NO_TRUST;
    case "keys":
      return trustFromVkeys(given.vkeys);
    case "file":
      return parseTrust(utf8(given.text));
  }
}

/**
 * What the reader typed, pasted or picked: keys (one a line; they join those he named before) or a trust file (it takes their place).
 * A text in place of trust says what is wrong with it.
 */
export function readTrust(text: string, before: Given): Given | string {
  const given: Given = text.trimStart().startsWith("{")
    ? { kind: "file", text }
    : { kind: "keys", vkeys: [...new Set([...(before.kind === "keys" ? before.vkeys : []), ...keysIn(text)])] };
  try {
    if (given.kind === "keys" && keysIn(text).length === 0) throw new VerifyError("note/vkey", "empty");
    trustOf(given);
    return given;
  } catch (error) {
    return error instanceof VerifyError ? error.message : String(error);
  }
}

function keysIn(text: string): readonly string[] {
  return text
    .split(/\s+/)
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** What was remembered may be from another version, or broken: then nobody is trusted. */
export function stillGood(given: Given): boolean {
  try {
    trustOf(given);
    return true;
  } catch {
    return false;
  }
}
