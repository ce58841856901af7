import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { concatBytes, fromBase64, toBase64, u64be } from "@spur/verifier/bytes";
import { cosignedMessage, subtreeMessage } from "@spur/verifier/note/cosignature";
import {
  formatNote,
  formatVkey,
  openNote,
  parseNote,
  parseVkey,
  TYPE_COSIGNATURE_V1,
  TYPE_ML_DSA_44,
  type NoteSignature,
  type VerifierKey,
} from "@spur/verifier/note/note";
import { SpurError } from "./errors.ts";
import { readIfThere, writeDurable } from "./files.ts";
import "./ml-dsa.ts";

/** A key that signs cosignatures and nothing else. What Ed25519 signs does not name the witness: one key, one witness. */
export interface WitnessKey extends VerifierKey {
  readonly vkey: string;
  /** C2SP tlog-cosignature: the checkpoint's text, at a time in seconds since 1970. Undefined for an origin that the form can't hold. */
  cosign(noteText: string, timeS: number): Omit<NoteSignature, "line"> | undefined;
}

interface Form {
  readonly type: number;
  readonly file: string;
  /** What stands before the 32-byte seed in PKCS #8 (RFC 8410 §7, RFC 9881 §6). */
  readonly pkcs8: string;
  readonly publicBytes: number;
  readonly message: (name: string, timeS: number, noteText: string) => Uint8Array | undefined;
}

const ED25519: Form = {
  type: TYPE_COSIGNATURE_V1,
  file: "witness.key",
  pkcs8: "302e020100300506032b657004220420",
  publicBytes: 32,
  message: (_name, timeS, noteText) => cosignedMessage(timeS, noteText),
};

/** Signs where Node's OpenSSL is 3.5 or newer. */
const ML_DSA_44: Form = {
  type: TYPE_ML_DSA_44,
  file: "witness-ml-dsa.key",
  pkcs8: "3034020100300b060960864801650304031104228020",
  publicBytes: 1312,
  message: subtreeMessage,
};

const SEED_BYTES = 32;

function witnessKey(form: Form, name: string, seed: Uint8Array): WitnessKey {
  const der = Buffer.concat([Buffer.from(form.pkcs8, "hex"), seed]);
  const key: KeyObject = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const vkey = formatVkey({ name, type: form.type, publicKey: new Uint8Array(spki.subarray(-form.publicBytes)) });
  const verifier = parseVkey(vkey); // refuses a name that no signature line can carry
  return {
    ...verifier,
    vkey,
    cosign(noteText, timeS) {
      const message = form.message(name, timeS, noteText);
      if (message === undefined) return undefined;
      return {
        name,
        keyId: verifier.keyId,
        signature: concatBytes(u64be(timeS), new Uint8Array(sign(null, message, key))),
      };
    },
  };
}

/**
 * Makes the keys of a new witness: Ed25519, and ML-DSA-44 where this Node can. Each has its file, in the form that Go's note tools read:
 * `PRIVATE+KEY+name+id+base64(type ‖ seed)`. Durable when it returns. Throws `witness/name` for a name that no signature line can carry.
 */
export function createKeys(folder: string, name: string): WitnessKey[] {
  // Ed25519 last: where its file is, all are.
  const made = [ML_DSA_44, ED25519].filter(isSupported).map((form) => {
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    const key = named(form, name, seed);
    const secret = toBase64(concatBytes(Uint8Array.of(form.type), seed));
    writeDurable(join(folder, form.file), `PRIVATE+KEY+${name}+${idOf(key)}+${secret}\n`, 0o600);
    return key;
  });
  return made.reverse();
}

function isSupported(form: Form): boolean {
  try {
    witnessKey(form, "witness.invalid", new Uint8Array(SEED_BYTES));
    return true;
  } catch {
    return false;
  }
}

function named(form: Form, name: string, seed: Uint8Array): WitnessKey {
  try {
    return witnessKey(form, name, seed);
  } catch (cause) {
    throw new SpurError("witness/name", `${JSON.stringify(name)} can be no witness's name`, {
      hint: "a URL without its scheme, like example.com/witness: no space, no plus sign",
      cause,
    });
  }
}

/** None where there is no Ed25519 key. Throws `keys/damaged`, and `keys/exposed` where other users could read one. */
export function readKeys(folder: string): WitnessKey[] {
  const first = readKey(folder, ED25519);
  if (first === undefined) return [];
  const second = isSupported(ML_DSA_44) ? readKey(folder, ML_DSA_44) : undefined;
  if (second !== undefined && second.name !== first.name) {
    throw new SpurError(
      "keys/damaged",
      `the keys in ${folder} are of two witnesses, ${first.name} and ${second.name}`,
      {
        status: 503,
        hint: "Put back the files that belong together. Nothing was changed.",
      },
    );
  }
  return second === undefined ? [first] : [first, second];
}

function readKey(folder: string, form: Form): WitnessKey | undefined {
  const path = join(folder, form.file);
  const text = readIfThere(path)?.toString("utf8");
  if (text === undefined) return undefined;
  // Windows has no such bits.
  if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
    throw new SpurError("keys/exposed", `other users of this machine may read ${path}`, { hint: `chmod 600 ${path}` });
  }
  try {
    // The base64 itself can hold "+": all that follows the key ID belongs to it.
    const [private_, word, name = "", id, ...rest] = text.trimEnd().split("+");
    const blob = fromBase64(rest.join("+"));
    if (private_ !== "PRIVATE" || word !== "KEY" || blob.length !== 1 + SEED_BYTES || blob[0] !== form.type)
      throw new Error("not of the form PRIVATE+KEY+name+id+base64(type ‖ seed)");
    const key = witnessKey(form, name, blob.subarray(1));
    if (id !== idOf(key)) throw new Error("the key ID is not that of name and key");
    checkKey(key);
    return key;
  } catch (cause) {
    throw new SpurError("keys/damaged", `${path} holds no key of a witness`, {
      status: 503,
      hint: "Restore it from a copy. Nothing was changed.",
      cause,
    });
  }
}

const idOf = ({ keyId }: WitnessKey): string => keyId.toString(16).padStart(8, "0");

/** What it signs must open under what it shows to others, before anybody relies on it. */
function checkKey(key: WitnessKey): void {
  const text = "spur witness\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  const cosignature = key.cosign(text, 1);
  const opened = cosignature && openNote(parseNote(formatNote(text, [cosignature])), [key]);
  if (opened?.verified[0]?.timestamp !== 1) throw new Error("what it signs does not verify");
}
