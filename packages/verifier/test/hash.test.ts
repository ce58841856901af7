import { createHash, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VerifyError } from "../src/errors.ts";
import { hkdfSha256, sha256, useSha256 } from "../src/hash.ts";

const native = (data: Uint8Array): Uint8Array => createHash("sha256").update(data).digest();
const mismatch = expect.objectContaining({ constructor: VerifyError, code: "hash/mismatch" }) as VerifyError;

describe("a SHA-256 handed in", () => {
  const shared = new Uint8Array(32);
  it.each([
    ["hashes something else", (d: Uint8Array) => createHash("sha512").update(d).digest().subarray(0, 32)],
    ["is too short", (d: Uint8Array) => native(d).subarray(0, 31)],
    ["is wrong for long input", (d: Uint8Array) => (d.length > 2000 ? new Uint8Array(32) : native(d))],
    ["ignores the offset of a view", (d: Uint8Array) => native(new Uint8Array(d.buffer as ArrayBuffer, 0, d.length))],
    ["gives the same array each time", (d: Uint8Array) => (shared.set(native(d)), shared)],
  ])("that %s is refused, and ours stays", (_, fn) => {
    expect(() => useSha256(fn)).toThrow(mismatch);
    expect(Buffer.from(sha256(Uint8Array.of(1))).equals(native(Uint8Array.of(1)))).toBe(true);
  });

  it("that is right is used", () => {
    let calls = 0;
    useSha256((data) => (calls++, native(data)));
    const before = calls;
    fc.assert(fc.property(fc.uint8Array(), (data) => Buffer.compare(sha256(data), native(data)) === 0));
    expect(calls).toBeGreaterThan(before);
  });
});

it("HKDF is Node's", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.integer({ min: 1, max: 300 }), (ikm, info, length) => {
      expect(hkdfSha256(ikm, info, length)).toEqual(new Uint8Array(hkdfSync("sha256", ikm, "", info, length)));
    }),
  );
});
