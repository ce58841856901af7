import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

/** Whether an ML-DSA-44 signature verifies (FIPS 204 §5.3, empty context). Never throws; a wrong length is false. */
export function verifyMlDsa44(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ml_dsa44.lengths.publicKey || signature.length !== ml_dsa44.lengths.signature) return false;
  return ml_dsa44.verify(signature, message, publicKey);
}
