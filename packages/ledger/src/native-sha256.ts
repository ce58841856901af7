import { hash } from "node:crypto";

/**
 * SHA-256 by Node. Through a string of one character a byte: a Buffer from `hash` costs twice the hashing of a short input, and one from
 * the pool would keep 64 KiB alive for each hash that a tree holds.
 */
export function nativeSha256(bytes: Uint8Array): Uint8Array {
  const characters = hash("sha256", bytes, "binary");
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = characters.charCodeAt(i);
  return out;
}
