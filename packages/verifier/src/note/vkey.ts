import { concatBytes, fromBase64, readU32be, toBase64, toHex, u32be, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";

/** Signature types of C2SP signed-note that we verify; lines under keys of any other type count as unknown. */
export const TYPE_ED25519 = 0x01;
export const TYPE_COSIGNATURE_V1 = 0x04;
export const TYPE_ML_DSA_44 = 0x06;
const TYPE_ECDSA = 0x02;
/** Bytes of a public key. */
const KEY_BYTES = new Map([[TYPE_ED25519, 32], [TYPE_COSIGNATURE_V1, 32], [TYPE_ML_DSA_44, 1312]]); // prettier-ignore

const MAX_NAME = 1_024;
/** Room for the largest post-quantum keys. */
const MAX_VKEY = 8_192;

export interface VerifierKey {
  readonly name: string;
  readonly keyId: number;
  readonly type: number;
  readonly publicKey: Uint8Array;
}

/** Whether a key of this type signs as a witness does: cosignatures, and nothing else. */
export function isCosigner({ type }: Pick<VerifierKey, "type">): boolean {
  return type === TYPE_COSIGNATURE_V1 || type === TYPE_ML_DSA_44;
}

/** `name+hex8(key id)+base64(type ‖ public key)`. Throws `note/vkey`. */
export function parseVkey(vkey: string): VerifierKey {
  const bad = (why: string) => new VerifyError("note/vkey", `${why}: ${JSON.stringify(vkey.slice(0, 200))}`);
  if (vkey.length > MAX_VKEY) throw bad("too long");
  const [name, id, ...rest] = vkey.split("+"); // base64 has "+" too
  if (name === undefined || id === undefined || !isKeyName(name)) throw bad("no key name and id");
  checkCharacters(vkey, "note/vkey");
  const encoded = fromBase64(rest.join("+"), "note/vkey");
  const type = encoded[0];
  const publicKey = encoded.subarray(1);
  if (type === undefined || publicKey.length === 0) throw bad("no key");
  if (publicKey.length !== (KEY_BYTES.get(type) ?? publicKey.length)) throw bad("a key of another length");
  // Also refuses a key id that is not the key's: names on screen would mean nothing otherwise.
  if (formatVkey({ name, type, publicKey }) !== vkey) throw bad("does not re-encode to itself");
  return { name, keyId: keyIdOf(name, type, publicKey), type, publicKey };
}

export function formatVkey(key: Omit<VerifierKey, "keyId">): string {
  const id = toHex(u32be(keyIdOf(key.name, key.type, key.publicKey)));
  return `${key.name}+${id}+${toBase64(concatBytes(Uint8Array.of(key.type), key.publicKey))}`;
}

/** Four bytes, no strong hash: it tells keys apart, it does not name one. */
export function keyIdOf(name: string, type: number, publicKey: Uint8Array): number {
  // For ECDSA the spec hashes the SPKI encoding alone.
  if (type === TYPE_ECDSA) return readU32be(sha256(publicKey));
  return readU32be(sha256(concatBytes(utf8(`${name}\n`), Uint8Array.of(type), publicKey)));
}

export function isKeyName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_NAME && !/[+\p{White_Space}]/u.test(name);
}

/** Throws `code` unless this is valid UTF-8 (here: no lone surrogate) without a control character below U+0020 but newline. */
export function checkCharacters(text: string, code: string): void {
  const wrong = /[\x00-\x09\x0b-\x1f]|\p{Surrogate}/u.exec(text);
  if (wrong !== null) throw new VerifyError(code, `a control character or lone surrogate at ${wrong.index}`);
}
