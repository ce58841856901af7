// ML-DSA-44 cosignatures (type 0x06), made by OpenSSL. It draws random numbers for each signature, so those that are in use are kept in
// ml-dsa-signatures.json, by the SHA-256 of what they sign; each is verified when it is used, and a missing one is made and added.
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { b64, concat, flip, hex, leafHash, ORIGIN, sha256, signatureLine, logKey, treeRoot, u64be, u8, unhex, utf8, witnessKey } from "./lib.ts";

const STORE = new URL("ml-dsa-signatures.json", import.meta.url);
const kept: { [digest: string]: string } = JSON.parse(readFileSync(STORE, "utf8")) as { [digest: string]: string };

/** As `Signer` of lib.ts, for what only a cosigner signs. */
export interface LatticeSigner {
  readonly name: string;
  readonly type: 6;
  readonly seed: Buffer;
  readonly publicKey: Buffer;
  readonly keyId: Buffer;
  readonly vkey: string;
  readonly sign: (message: Uint8Array) => Buffer;
}

export function latticeSigner(name: string, seed: Buffer): LatticeSigner {
  const head = unhex("3034020100300b060960864801650304031104228020"); // RFC 9881 §6: PKCS #8 around a seed of 32 bytes
  const key = createPrivateKey({ key: concat(head, seed), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-1312);
  const keyId = sha256(utf8(`${name}\n`), u8(6), publicKey).subarray(0, 4);
  const vkey = `${name}+${hex(keyId)}+${b64(concat(u8(6), publicKey))}`;
  return {
    name, type: 6, seed, publicKey, keyId, vkey,
    sign(message) {
      const digest = hex(sha256(publicKey, message));
      const known = kept[digest];
      const signature = known === undefined ? sign(null, message, key) : Buffer.from(known, "base64");
      if (!verify(null, message, createPublicKey(key), signature)) throw new Error(`the signature kept for ${digest} does not verify`);
      if (known === undefined) {
        if (process.argv.includes("--check")) throw new Error(`no signature is kept for ${digest}`);
        kept[digest] = b64(signature);
        writeFileSync(STORE, `${JSON.stringify(kept, null, 1)}\n`);
      }
      return signature;
    },
  }; // prettier-ignore
}

const short = (text: string): Buffer => concat(u8(utf8(text).length), utf8(text));

/** `cosigned_message` of C2SP tlog-cosignature. */
export function subtreeMessage(name: string, seconds: number, origin: string, start: number, end: number, root: Buffer): Buffer {
  return concat(utf8("subtree/v1\n\0"), short(name), u64be(seconds), short(origin), u64be(start), u64be(end), root);
}

const treeOf = (text: string): [string, number, Buffer] => {
  const [origin = "", size = "", root = ""] = text.split("\n");
  return [origin, Number(size), Buffer.from(root, "base64")];
};

/** Key id ‖ time ‖ signature over a checkpoint's text. */
export function latticeBlob(key: LatticeSigner, text: string, seconds: number): Buffer {
  const [origin, size, root] = treeOf(text);
  return concat(u64be(seconds), key.sign(subtreeMessage(key.name, seconds, origin, 0, size, root)));
}
export const latticeLine = (key: LatticeSigner, text: string, seconds: number): string =>
  `— ${key.name} ${b64(concat(key.keyId, latticeBlob(key, text, seconds)))}\n`;

export const latticeKey = latticeSigner("witness.example/lattice", Buffer.from(Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i)));

const leaves = Array.from({ length: 8 }, (_, i) => leafHash(utf8(`entry ${i}`)));
const text = `${ORIGIN}\n8\n${b64(treeRoot(leaves))}\n`;
const SECONDS = 1_795_320_000;
const good = latticeBlob(latticeKey, text, SECONDS);
const renamed = (name: string): string => {
  const id = sha256(utf8(`${name}\n`), u8(6), latticeKey.publicKey).subarray(0, 4);
  return `${name}+${hex(id)}+${b64(concat(u8(6), latticeKey.publicKey))}`;
};
function valid(name: string, of: string, seconds: number) {
  const [origin, size, root] = treeOf(of);
  const message = hex(subtreeMessage(latticeKey.name, seconds, origin, 0, size, root));
  return { name, vkey: latticeKey.vkey, seconds, text: of, message, line: latticeLine(latticeKey, of, seconds) };
}
const invalid = (name: string, why: string, blob: Buffer, of = text, vkey = latticeKey.vkey) => ({ name, why, vkey, text: of, blob: hex(blob) });

export const mlDsaVectors = {
  format: "ML-DSA-44 cosignature (type 0x06)",
  about: 'Signed bytes (`message`) = "subtree/v1\\n\\0" ‖ u8 length ‖ cosigner\'s name ‖ u64be seconds ‖ u8 length ‖ origin ‖ u64be 0 ‖ u64be size ‖ root; the line holds key id ‖ u64be seconds ‖ signature. Extension lines are not signed.',
  valid: [valid(`time ${SECONDS}`, text, SECONDS), valid("time 0: the cosigner names none", text, 0), valid("extension lines are not signed", `${text}x 1\n`, SECONDS)],
  invalid: [
    invalid("another size", "the size is signed", good, text.replace("\n8\n", "\n9\n")),
    invalid("another origin", "the origin is signed", good, text.replace(ORIGIN, "other.example/log")),
    invalid("another root", "the root is signed", good, text.replace(/\n[^\n]+\n$/, `\n${b64(leaves[0]!)}\n`)),
    invalid("another time", "the time is signed", concat(u64be(SECONDS + 1), good.subarray(8))),
    invalid("another name", "the cosigner's name is signed", good, text, renamed("witness.example/another")),
    invalid("a subtree that does not begin at 0", "a checkpoint is a whole tree", concat(u64be(0), latticeKey.sign(subtreeMessage(latticeKey.name, 0, ORIGIN, 4, 8, treeRoot(leaves))))),
    invalid("cosignature/v1 in its place", "each type has a message of its own", concat(u64be(SECONDS), latticeKey.sign(utf8(`cosignature/v1\ntime ${SECONDS}\n${text}`)))),
    invalid("a bit of the signature", "it does not verify", flip(good, 1_000)),
    invalid("no time", "8 bytes stand before the signature", good.subarray(8)),
    invalid("a byte too many", "2,420 bytes", concat(good, Buffer.alloc(1))),
    invalid("a time above 2^53-1", "no time that a number can hold", concat(Buffer.alloc(8, 0xff), good.subarray(8))),
    invalid("the length of an Ed25519 signature", "2,420 bytes", concat(u64be(SECONDS), witnessKey.sign(utf8(text)))),
  ],
};

/** A note by the log and both kinds of witness, for note.json. */
export const latticeNote = `${text}\n${signatureLine(logKey, text)}${latticeLine(latticeKey, text, SECONDS)}`;
export const forgedLatticeNote = `${text}\n${signatureLine(logKey, text)}— ${latticeKey.name} ${b64(concat(latticeKey.keyId, flip(good, 1_000)))}\n`;
export const LATTICE_SECONDS = SECONDS;
