import { concatBytes, isSafeSize, readU32be, readU64be, utf8 } from "../bytes.ts";
import { Bug } from "../errors.ts";
import { verifyEd25519 } from "./ed25519.ts";
import type { VerifierKey } from "./note.ts";

const TIMESTAMP_BYTES = 8;
const SIGNATURE_BYTES = 64;

/**
 * What a `cosignature/v1` signs (C2SP tlog-cosignature): the time in seconds since 1970, then the checkpoint's text with its final
 * newline. The cosigner's name isn't part of it, so two cosigners must never share a key.
 */
export function cosignedMessage(timestamp: number, noteText: string): Uint8Array {
  if (!isSafeSize(timestamp)) throw new Bug(`timestamp ${timestamp}`);
  return concatBytes(utf8(`cosignature/v1\ntime ${timestamp}\n`), utf8(noteText));
}

/** `blob` = u64be timestamp ‖ Ed25519 signature. The time it was made, by the cosigner's clock, or undefined if it does not verify. */
export function verifyCosignature(
  key: VerifierKey,
  noteText: string,
  blob: Uint8Array,
): { timestamp: number } | undefined {
  if (blob.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return undefined;
  if (readU32be(blob) >= 2 ** 21) return undefined; // above 2^53-1: no time that a number can hold
  const timestamp = readU64be(blob);
  const message = cosignedMessage(timestamp, noteText);
  return verifyEd25519(key.publicKey, message, blob.subarray(TIMESTAMP_BYTES)) ? { timestamp } : undefined;
}
