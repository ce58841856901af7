import { concatBytes, isSafeSize, readU32be, readU64be, u64be, utf8 } from "../bytes.ts";
import { Bug } from "../errors.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { TYPE_COSIGNATURE_V1, TYPE_ED25519, TYPE_ML_DSA_44, type VerifierKey } from "./vkey.ts";

const TIMESTAMP_BYTES = 8;
const SIGNATURE_BYTES = 64;
const ML_DSA_44_BYTES = 2420;

/** Whether a signature verifies; false for whatever is wrong with it, and never an error. */
type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

let mlDsa44: Verify | undefined;

/**
 * Hands in the check of ML-DSA-44 (FIPS 204, empty context), as a rule `verifyMlDsa44` of ml-dsa.ts. It is half as large as all other
 * cryptography here, so a page may do without: lines of type 0x06 then count as unknown, which is "not checked" and never "pass".
 */
export function useMlDsa44(verify: Verify): void {
  mlDsa44 = verify;
}

/** Whether signatures of this type can be verified here. */
export function canVerify(type: number): boolean {
  return type === TYPE_ED25519 || type === TYPE_COSIGNATURE_V1 || (type === TYPE_ML_DSA_44 && mlDsa44 !== undefined);
}

/**
 * What a `cosignature/v1` signs (C2SP tlog-cosignature): the time in seconds since 1970, then the checkpoint's text with its final
 * newline. The cosigner's name isn't part of it, so two cosigners must never share a key.
 */
export function cosignedMessage(timestamp: number, noteText: string): Uint8Array {
  if (!isSafeSize(timestamp)) throw new Bug(`timestamp ${timestamp}`);
  return concatBytes(utf8(`cosignature/v1\ntime ${timestamp}\n`), utf8(noteText));
}

/**
 * What an ML-DSA-44 cosigner signs (C2SP tlog-cosignature): a whole tree as the subtree from 0 to its size, with the cosigner's name and
 * without extension lines. Undefined for a name or origin over 255 bytes, of which it can sign none. Throws `checkpoint/format`.
 */
export function subtreeMessage(cosigner: string, timestamp: number, noteText: string): Uint8Array | undefined {
  const { origin, size, root } = parseCheckpoint(noteText);
  const texts = [utf8(cosigner), utf8(origin)];
  if (texts.some(({ length }) => length > 255)) return undefined;
  const [name, log] = texts.map((text) => concatBytes(Uint8Array.of(text.length), text)) as [Uint8Array, Uint8Array];
  return concatBytes(utf8("subtree/v1\n\0"), name, u64be(timestamp), log, u64be(0), u64be(size), root);
}

/**
 * `blob` = u64be timestamp ‖ signature, of Ed25519 or ML-DSA-44 as the key has it. The time it was made, by the cosigner's clock (0: an
 * ML-DSA-44 cosigner names none), or undefined if it does not verify. Throws `checkpoint/format` where ML-DSA-44 is to sign no checkpoint.
 */
export function verifyCosignature(key: VerifierKey, text: string, blob: Uint8Array): { timestamp: number } | undefined {
  const mlDsa = key.type === TYPE_ML_DSA_44;
  if (blob.length !== TIMESTAMP_BYTES + (mlDsa ? ML_DSA_44_BYTES : SIGNATURE_BYTES)) return undefined;
  if (readU32be(blob) >= 2 ** 21) return undefined; // above 2^53-1: no time that a number can hold
  const timestamp = readU64be(blob);
  const message = mlDsa ? subtreeMessage(key.name, timestamp, text) : cosignedMessage(timestamp, text);
  const verify = mlDsa ? mlDsa44 : verifyEd25519;
  const valid = message !== undefined && verify?.(key.publicKey, message, blob.subarray(TIMESTAMP_BYTES));
  return valid === true ? { timestamp } : undefined;
}
