import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as b from "../src/bytes.ts";
import { Bug, VerifyError } from "../src/errors.ts";

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;
const bytes = fc.uint8Array({ maxLength: 300 });

describe("hex and base64", () => {
  it("are those of Node", () => {
    fc.assert(
      fc.property(bytes, (data) => {
        expect(b.toHex(data)).toBe(Buffer.from(data).toString("hex"));
        expect(b.toBase64(data)).toBe(Buffer.from(data).toString("base64"));
        expect(b.fromHex(b.toHex(data))).toEqual(data);
        expect(b.fromBase64(b.toBase64(data))).toEqual(data);
      }),
    );
  });

  it("accept one text for each value", () => {
    const texts = fc.string({
      unit: fc.constantFrom("A", "B", "Q", "g", "+", "/", "=", "-", "\n", "é"),
      maxLength: 12,
    });
    let accepted = 0;
    fc.assert(
      fc.property(texts, (text) => {
        let data: Uint8Array;
        try {
          data = b.fromBase64(text);
        } catch (error) {
          expect(error).toEqual(refused("bytes/base64"));
          return;
        }
        if (text !== "") accepted++;
        expect(b.toBase64(data)).toBe(text);
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(10);
  });

  it.each(["A", "AA", "AA=", "A===", "====", "AB==", "AAB=", "AA==AA==", "AA A", "AA-_", "AA=A", " AAA", "AAA\u0141"])(
    "refuse base64 %j",
    (text) => {
      expect(() => b.fromBase64(text)).toThrow(refused("bytes/base64"));
    },
  );

  it.each(["0", "0G", "AB", "0x", " 0", "é0"])("refuse hex %j", (text) => {
    expect(() => b.fromHex(text)).toThrow(refused("bytes/hex"));
  });
});

describe("UTF-8", () => {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  it("of every character is Node's", () => {
    for (let from = 0; from <= 0x10ffff; from += 0x800) {
      if (from === 0xd800) continue;
      const text = Array.from({ length: 0x800 }, (_, i) => String.fromCodePoint(from + i)).join("");
      expect(Buffer.compare(b.utf8(text), encoder.encode(text))).toBe(0);
      expect(b.fromUtf8(b.utf8(text)) === text).toBe(true);
    }
  });

  it("of any bytes is accepted exactly when Node accepts it", () => {
    const parts = fc.constantFrom(
      0,
      0x41,
      0x7f,
      0x80,
      0xbf,
      0xc0,
      0xc1,
      0xc2,
      0xe0,
      0xed,
      0xef,
      0xa0,
      0x9f,
      0xf0,
      0x90,
      0x8f,
      0xf4,
      0xf5,
      0xff,
    );
    const input = fc.oneof(
      bytes,
      fc.array(parts, { maxLength: 8 }).map((list) => Uint8Array.from(list)),
    );
    let accepted = 0;
    fc.assert(
      fc.property(input, (data) => {
        let expected: string | undefined;
        try {
          expected = decoder.decode(data);
        } catch {
          expect(() => b.fromUtf8(data)).toThrow(refused("bytes/utf8"));
          return;
        }
        accepted++;
        expect(b.fromUtf8(data)).toBe(expected);
        expect(b.utf8(expected)).toEqual(data);
      }),
      { numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it.each([
    "f4908080",
    "f5808080",
    "f7bfbfbf",
    "f8888080",
    "eda080",
    "edbfbf",
    "c080",
    "c1bf",
    "e08080",
    "e09fbf",
    "f0808080",
    "f08fbfbf",
    "80",
    "c2",
    "e282",
    "f09f98",
  ])("of no character is refused: %s", (hex) => {
    const data = b.fromHex(hex);
    expect(() => decoder.decode(data)).toThrow(TypeError);
    expect(() => b.fromUtf8(data)).toThrow(refused("bytes/utf8"));
    expect(() => b.fromUtf8(Uint8Array.of(0x41, ...data, 0x41))).toThrow(refused("bytes/utf8"));
  });

  it("keeps a byte order mark", () => {
    expect(b.fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\ufeffA");
  });

  it.each(["\ud800", "a\ud800b", "\udc00", "\udc00\ud800", "\ud800\ud800\udc00", "x\udbff"])(
    "has none for %j",
    (text) => {
      expect(() => b.utf8(text)).toThrow(refused("bytes/utf8"));
    },
  );

  it("of long texts needs no long argument lists", () => {
    const text = "añ永😀".repeat(100_000);
    expect(b.fromUtf8(b.utf8(text)) === text).toBe(true);
  });
});

describe("numbers", () => {
  it("go out and in big-endian", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (n) => {
        expect(b.toHex(b.u64be(n))).toBe(n.toString(16).padStart(16, "0"));
        expect(b.readU64be(b.u64be(n))).toBe(n);
        expect(b.readU32be(b.u32be(n % 2 ** 32))).toBe(n % 2 ** 32);
        expect(b.readU16be(b.concatBytes(Uint8Array.of(9), b.u16be(n % 65_536)), 1)).toBe(n % 65_536);
      }),
    );
  });

  it("that do not fit are never cut", () => {
    for (const n of [-1, 0.5, NaN, Infinity, 2 ** 53, 2 ** 64]) expect(() => b.u64be(n)).toThrow(Bug);
    expect(() => b.u32be(2 ** 32)).toThrow(Bug);
    expect(() => b.u16be(65_536)).toThrow(Bug);
    expect(b.readU64be(b.fromHex("001fffffffffffff"))).toBe(Number.MAX_SAFE_INTEGER);
    for (const hex of ["0020000000000000", "0020000000000001", "ffffffffffffffff"]) {
      expect(() => b.readU64be(b.fromHex(hex))).toThrow(refused("bytes/number"));
    }
    expect(() => b.readU32be(new Uint8Array(3))).toThrow(refused("bytes/short"));
    expect(() => b.readU32be(new Uint8Array(8), 5)).toThrow(refused("bytes/short"));
    expect(() => b.readU16be(new Uint8Array(8), -1)).toThrow(refused("bytes/short"));
  });

  it("are sizes from 0 to 2^53-1", () => {
    expect([0, 1, Number.MAX_SAFE_INTEGER].every(b.isSafeSize)).toBe(true);
    expect([-1, 0.5, NaN, 2 ** 53, Infinity].some(b.isSafeSize)).toBe(false);
  });
});

it("bytes are compared as Node compares them", () => {
  fc.assert(
    fc.property(bytes, bytes, (x, y) => {
      expect(b.equalBytes(x, y)).toBe(Buffer.compare(x, y) === 0);
      expect(b.equalBytes(x, x.slice())).toBe(true);
    }),
  );
});
