import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { fromBase64, toBase64, concatBytes } from "@spur/verifier/bytes";
import { formatVkey, keyIdOf } from "@spur/verifier/note/note";
import { SpurError } from "../errors.ts";
import { readIfThere, writeDurable } from "../storage/durable-file.ts";

/** An Ed25519 key that signs notes under one name. */
export interface SigningKey {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly vkey: string;
  readonly keyId: number;
  sign(message: Uint8Array): Uint8Array;
}

const ED25519 = 0x01;
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex"); // RFC 8410 §7: the 32-byte seed follows

/** A signing key from its 32-byte seed. */
export function signingKey(name: string, seed: Uint8Array): SigningKey {
  const key: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(spki.length - 32));
  return {
    name,
    publicKey,
    vkey: formatVkey({ name, type: ED25519, publicKey }),
    keyId: keyIdOf(name, ED25519, publicKey),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

/** Makes a key and keeps it in the keys folder, in the form Go's signed-note tools use: `PRIVATE+KEY+name+id+base64(0x01 ‖ seed)`. */
export function createSigningKey(folder: string, file: string, name: string): SigningKey {
  const seed = randomBytes(32);
  const key = signingKey(name, seed);
  const id = key.keyId.toString(16).padStart(8, "0");
  const text = `PRIVATE+KEY+${name}+${id}+${toBase64(concatBytes(Uint8Array.of(ED25519), seed))}\n`;
  writeDurable(join(folder, file), Buffer.from(text), 0o600);
  return key;
}

/** Reads what {@link createSigningKey} wrote; throws `keys/missing` or `keys/damaged`. */
export function readSigningKey(folder: string, file: string, name: string): SigningKey {
  const path = join(folder, file);
  const text = readIfThere(path)?.toString("utf8").trimEnd();
  if (text === undefined) {
    throw new SpurError("keys/missing", `${path} is missing`, {
      status: 503,
      hint: "The keys folder that was made with this data folder is needed (--keys). Nothing was changed.",
    });
  }
  const parts = text.split("+");
  try {
    // The base64 itself can hold "+": all that follows the key ID belongs to it.
    const blob = fromBase64(parts.slice(4).join("+"));
    if (parts[0] !== "PRIVATE" || parts[1] !== "KEY" || blob.length !== 33 || blob[0] !== ED25519)
      throw new Error("form");
    const key = signingKey(name, blob.subarray(1));
    if (parts[2] !== name || parts[3] !== key.keyId.toString(16).padStart(8, "0")) throw new Error("name or key ID");
    return key;
  } catch (cause) {
    throw new SpurError("keys/damaged", `${path} holds no key of ${name}`, { status: 503, cause });
  }
}
