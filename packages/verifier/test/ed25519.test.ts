import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, utf8 } from "../src/bytes.ts";
import { verifyEd25519 } from "../src/note/ed25519.ts";
import { describeVectors } from "./vectors-dir.ts";

describeVectors("ed25519", (dir) => {
  interface Vector {
    readonly number: number;
    readonly key: string;
    readonly sig: string;
    readonly msg: string;
    readonly flags: readonly string[] | null;
  }
  const vectors = JSON.parse(readFileSync(join(dir, "ed25519vectors.json"), "utf8")) as Vector[];
  /** What one of the verifiers that we know refuses. */
  const refusedFlags = ["low_order_residue", "non_canonical_R", "non_canonical_A", "low_order_A", "low_order_R"];

  it("of every kind are there", () => {
    expect(vectors.length).toBe(914);
    const flags = new Set(vectors.flatMap((v) => v.flags ?? []));
    for (const flag of refusedFlags) expect(flags).toContain(flag);
  });

  it("are accepted exactly when no flag is one that somebody refuses", () => {
    const wrong = vectors.filter((v) => {
      const expected = !(v.flags ?? []).some((flag) => refusedFlags.includes(flag));
      return verifyEd25519(fromHex(v.key), utf8(v.msg), fromHex(v.sig)) !== expected;
    });
    expect(wrong).toEqual([]);
  });

  it("that we accept are accepted by Node and by noble too, and some are", () => {
    const accepted = vectors.filter((v) => verifyEd25519(fromHex(v.key), utf8(v.msg), fromHex(v.sig)));
    expect(accepted.length).toBeGreaterThan(0);
    for (const v of accepted) {
      expect(nodeVerify(fromHex(v.key), utf8(v.msg), fromHex(v.sig))).toBe(true);
      expect(ed25519.verify(fromHex(v.sig), utf8(v.msg), fromHex(v.key), { zip215: false })).toBe(true);
    }
  });
});

const SPKI = fromHex("302a300506032b6570032100");

function nodeVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }),
    signature,
  );
}

function newKey() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  return { publicKey: raw, sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)) };
}

describe("Ed25519", () => {
  it("verifies what Node signs, and nothing that differs in a bit", () => {
    // More keys than are remembered, each used more often than it takes to get a table.
    const keys = Array.from({ length: 20 }, newKey);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (message, n) => {
        const key = keys[n % keys.length] ?? newKey();
        const signature = key.sign(message);
        const flip = (bytes: Uint8Array) =>
          bytes.with(n % bytes.length, (bytes[n % bytes.length] ?? 0) ^ (1 << (n % 8)));
        expect(verifyEd25519(key.publicKey, message, signature)).toBe(true);
        expect(verifyEd25519(key.publicKey, flip(message), signature)).toBe(false);
        expect(verifyEd25519(key.publicKey, message, flip(signature))).toBe(false);
        expect(verifyEd25519(flip(key.publicKey), message, signature)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it("refuses S + L: one signature has one form", () => {
    const key = newKey();
    const message = utf8("once");
    const signature = key.sign(message);
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + ed25519.Point.Fn.ORDER;
    const other = signature.slice();
    other.set(Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse(), 32);
    expect(verifyEd25519(key.publicKey, message, signature)).toBe(true);
    expect(verifyEd25519(key.publicKey, message, other)).toBe(false);
  });

  it("never throws", () => {
    const key = newKey();
    const good = key.sign(new Uint8Array(0));
    for (const length of [0, 31, 33])
      expect(verifyEd25519(new Uint8Array(length), new Uint8Array(0), good)).toBe(false);
    for (const length of [0, 63, 65])
      expect(verifyEd25519(key.publicKey, new Uint8Array(0), new Uint8Array(length))).toBe(false);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        (k, s) => {
          expect(verifyEd25519(k, new Uint8Array(0), s)).toBe(false);
        },
      ),
    );
    for (const fill of [0, 1, 0x7f, 0x80, 0xff]) {
      expect(verifyEd25519(new Uint8Array(32).fill(fill), new Uint8Array(0), new Uint8Array(64).fill(fill))).toBe(
        false,
      );
    }
  });
});

it("leaves the caller's bytes as they are, also where they are a Buffer", () => {
  const signature = Buffer.alloc(64, 3);
  signature[63] = 0;
  const before = Buffer.from(signature);
  verifyEd25519(new Uint8Array(32).fill(9), new Uint8Array(3), signature);
  expect(signature.equals(before)).toBe(true);
});
