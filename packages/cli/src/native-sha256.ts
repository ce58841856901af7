import { hash } from "node:crypto";

/** SHA-256 by Node. Through a string of one character a byte: making a Buffer of the digest takes longer than a short input's hash. */
export function nativeSha256(data: Uint8Array): Uint8Array {
  const characters = hash("sha256", data, "binary");
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = characters.charCodeAt(i);
  return digest;
}
