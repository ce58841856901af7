import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { SpurError } from "../errors.ts";

const DEFAULT_IV = Buffer.from("A6A6A6A6A6A6A6A6", "hex"); // RFC 3394 §2.2.3.1

/** Thousands of keys are wrapped under one. A key handed over as bytes, not as an object, makes Node take several times as long. */
const objects = new WeakMap<Uint8Array, KeyObject>();

function objectOf(key: Uint8Array): KeyObject {
  let object = objects.get(key);
  if (object === undefined) objects.set(key, (object = createSecretKey(key)));
  return object;
}

/** AES-256 key wrap (RFC 3394): 32 bytes become 40. `under` is never written to afterwards, but to be forgotten. */
export function wrapKey(under: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv("id-aes256-wrap", objectOf(under), DEFAULT_IV);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** Undoes {@link wrapKey}; throws `vault/key-damaged` under another key or for other bytes. */
export function unwrapKey(under: Uint8Array, wrapped: Uint8Array): Buffer {
  try {
    // A shorter key, wrapped rightly, would unwrap too: every key of ours has 32 bytes.
    if (wrapped.length !== 40) throw new Error(`${wrapped.length} bytes`);
    const decipher = createDecipheriv("id-aes256-wrap", objectOf(under), DEFAULT_IV);
    return Buffer.concat([decipher.update(wrapped), decipher.final()]);
  } catch (cause) {
    throw new SpurError("vault/key-damaged", "a wrapped key does not unwrap", { status: 500, cause });
  }
}
