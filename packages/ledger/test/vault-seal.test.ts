import { createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rootOf } from "@spur/verifier/tlog/merkle";
import { utf8 } from "@spur/verifier/bytes";
import { seal, sealJournal, unseal, unsealJournal, type Sealed } from "../src/vault/seal.ts";
import { unwrapKey, wrapKey } from "../src/vault/key-wrap.ts";
import { codeOf } from "./log-support.ts";

const REC = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const MIB = 1_048_576;

type Counted = Sealed & { readonly slots: number };
const sealing = (values: readonly (Uint8Array | undefined)[]): Counted => ({
  ...seal(REC, values),
  slots: values.length,
});

const open = (sealed: Counted, change: Partial<Counted> = {}, rec: Uint8Array = REC): (Uint8Array | undefined)[] => {
  const from = { ...sealed, ...change };
  return unseal(rec, from, (slot) => from.blobs.find((blob) => blob.slot === slot)?.bytes ?? Buffer.alloc(0));
};

const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

const sha256 = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const u64 = (n: number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
};
const u32 = (n: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(n);
  return out;
};
const hkdf = (key: Uint8Array, info: Uint8Array, length = 32): Buffer =>
  Buffer.from(hkdfSync("sha256", key, "", info, length));

describe("sealing", () => {
  it("gives back what it was given, absent and empty kept apart", () => {
    const slots = fc.array(fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(slots, (values) => {
        const opened = open(sealing(values));
        expect(opened.map((value) => value && Buffer.from(value))).toEqual(
          values.map((value) => value && Buffer.from(value)),
        );
      }),
      { numRuns: 100 },
    );
  });

  it.each([65_535, 65_536, MIB - 1, MIB, MIB + 1, MIB + 65_536 - 1, MIB + 65_536, MIB + 65_537, 3 * MIB])(
    "keeps a value of %i bytes",
    (bytes) => {
      const value = randomBytes(bytes);
      const sealed = sealing([utf8("a"), value, undefined]);
      expect(sealed.blobs.map(({ slot }) => slot)).toEqual(bytes > MIB ? [1] : []);
      expect(Buffer.from(open(sealed)[1] as Uint8Array).equals(value)).toBe(true);
    },
  );

  it("follows formats §2, written a second time here", () => {
    const values = [utf8("request"), undefined, randomBytes(MIB + 70_000)];
    const sealed = sealing(values);
    const { dek } = sealed;
    const salts = hkdf(dek, Buffer.concat([utf8("spur/v1/slots"), Buffer.of(3)]), 96);
    const chunks: Buffer[] = [];
    const big = values[2] as Uint8Array;
    for (let at = 0; at < big.length; at += 65_536) chunks.push(Buffer.from(big.subarray(at, at + 65_536)));
    const h = chunks.map((chunk, j) =>
      sha256(
        Buffer.of(3),
        hkdf(salts.subarray(64), Buffer.concat([utf8("spur/v1/chunk"), u64(j)])),
        u64(j),
        u32(chunk.length),
        chunk,
      ),
    );
    const head = Buffer.concat([utf8("spur-chunks/v1"), u64(big.length), rootOf(h)]);
    const held: [number, Uint8Array][] = [[1, values[0] as Uint8Array], [0, Buffer.alloc(0)], [2, head]]; // prettier-ignore
    const d = held.map(([present, value], i) =>
      sha256(Buffer.of(2), salts.subarray(32 * i, 32 * i + 32), Buffer.of(i, present), u64(value.length), value),
    );
    const c = rootOf(d);
    expect(Buffer.from(sealed.commitment)).toEqual(Buffer.from(c));
    const decipher = createDecipheriv(
      "aes-256-gcm",
      hkdf(dek, Buffer.concat([utf8("spur/v1/enc"), REC, c])),
      Buffer.alloc(12),
    );
    decipher.setAAD(Buffer.concat([utf8("spur-sealed/v1"), REC, c]));
    decipher.setAuthTag(sealed.ct.subarray(-16));
    const plain = Buffer.concat([decipher.update(sealed.ct.subarray(0, -16)), decipher.final()]);
    expect(plain).toEqual(
      Buffer.concat([
        Buffer.of(3),
        ...held.flatMap(([present, value], i) => [Buffer.of(i, present), u64(value.length), value]),
      ]),
    );
    expect(sealed.ctSha256).toEqual(sha256(sealed.ct));
    const stream = hkdf(dek, Buffer.concat([utf8("spur/v1/stream"), Buffer.of(2), REC]));
    const blob = sealed.blobs[0]?.bytes as Buffer;
    chunks.forEach((chunk, j) => {
      const part = blob.subarray(j * 65_552, (j + 1) * 65_552);
      const one = createDecipheriv(
        "aes-256-gcm",
        stream,
        Buffer.concat([Buffer.alloc(3), u64(j), Buffer.of(j === chunks.length - 1 ? 1 : 0)]),
      );
      one.setAAD(Buffer.concat([utf8("spur-chunk/v1"), REC, Buffer.of(2)]));
      one.setAuthTag(part.subarray(-16));
      expect(Buffer.concat([one.update(part.subarray(0, -16)), one.final()]).equals(chunk)).toBe(true);
    });
    expect(sealed.blobs[0]?.sha256).toEqual(sha256(blob));
  });

  it("opens nothing after any byte of ciphertext, key, commitment or rec has changed", async () => {
    const sealed = sealing([utf8("some text"), undefined]);
    for (let at = 0; at < sealed.ct.length; at++)
      expect(await codeOf(() => open(sealed, { ct: flipped(sealed.ct, at) }))).toBe("vault/sealed-mismatch");
    for (let at = 0; at < 32; at++) {
      expect(await codeOf(() => open(sealed, { dek: flipped(sealed.dek, at) }))).toBe("vault/sealed-mismatch");
      expect(await codeOf(() => open(sealed, { commitment: flipped(sealed.commitment, at) }))).toBe(
        "vault/sealed-mismatch",
      );
      expect(await codeOf(() => open(sealed, {}, flipped(REC, at % 16)))).toBe("vault/sealed-mismatch");
    }
    for (const cut of [0, 1, 15, 16, 17, sealed.ct.length - 1])
      expect(await codeOf(() => open(sealed, { ct: sealed.ct.subarray(0, cut) }))).toBe("vault/sealed-mismatch");
  });

  it("opens no blob that was cut, lengthened, reordered or taken from another slot", async () => {
    const value = randomBytes(MIB + 3 * 65_536);
    const sealed = sealing([value, value]);
    const bytes = sealed.blobs[0]?.bytes as Buffer;
    const part = (j: number): Buffer => bytes.subarray(j * 65_552, (j + 1) * 65_552);
    const wrong: Record<string, Buffer> = {
      "a flipped bit": flipped(bytes, 70_000),
      "without its last chunk": bytes.subarray(0, -65_552),
      "cut inside a chunk": bytes.subarray(0, -1),
      "with a chunk twice": Buffer.concat([bytes, part(0)]),
      "two chunks changed about": Buffer.concat([part(1), part(0), bytes.subarray(2 * 65_552)]),
      "the other slot's": sealed.blobs[1]?.bytes as Buffer,
      empty: Buffer.alloc(0),
    };
    for (const [what, blob] of Object.entries(wrong)) {
      const other = { slot: 0, bytes: blob, sha256: sealed.ctSha256 };
      expect([
        what,
        await codeOf(() => open(sealed, { blobs: [other, sealed.blobs[1] as (typeof sealed.blobs)[0]] })),
      ]).toEqual([what, "vault/sealed-mismatch"]);
    }
  });

  it("seals the same text differently every time: no key, salt or ciphertext comes twice", () => {
    const seen = new Set(
      Array.from({ length: 50 }, () => sealing([utf8("same")])).flatMap(({ dek, ct, commitment }) =>
        [dek, ct, commitment].map((bytes) => Buffer.from(bytes).toString("hex")),
      ),
    );
    expect(seen.size).toBe(150);
  });
});

describe("journal rows", () => {
  it("open with their rec and key only", async () => {
    const { dek, ct } = sealJournal(REC, utf8("a request"));
    expect(unsealJournal(REC, dek, ct).toString()).toBe("a request");
    expect(await codeOf(() => unsealJournal(flipped(REC, 0), dek, ct))).toBe("vault/sealed-mismatch");
    expect(await codeOf(() => unsealJournal(REC, flipped(dek, 0), ct))).toBe("vault/sealed-mismatch");
    expect(await codeOf(() => unsealJournal(REC, dek, flipped(ct, 0)))).toBe("vault/sealed-mismatch");
  });
});

describe("key wrap", () => {
  it("is RFC 3394 (its test vector 4.6), and unwraps under its own key only", async () => {
    const kek = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
    const key = Buffer.from("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f", "hex");
    const wrapped = wrapKey(kek, key);
    expect(wrapped.toString("hex")).toBe(
      "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
    );
    expect(unwrapKey(kek, wrapped)).toEqual(key);
    for (let at = 0; at < 40; at++)
      expect(await codeOf(() => unwrapKey(kek, flipped(wrapped, at)))).toBe("vault/key-damaged");
    expect(await codeOf(() => unwrapKey(flipped(kek, 0), wrapped))).toBe("vault/key-damaged");
  });
});
