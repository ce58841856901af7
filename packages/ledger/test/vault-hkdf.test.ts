import { hkdfSync, randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { expand, extract } from "../src/vault/hkdf.ts";

it("gives what Node's own HKDF gives", () => {
  for (const length of [1, 31, 32, 33, 64, 256, 512, 8160]) {
    for (const infoBytes of [0, 1, 14, 60, 200]) {
      const ikm = randomBytes(32);
      const info = randomBytes(infoBytes);
      const theirs = Buffer.from(hkdfSync("sha256", ikm, new Uint8Array(0), info, length));
      expect(expand(extract(ikm), info, length).equals(theirs)).toBe(true);
    }
  }
});

it("gives what RFC 5869 A.3 says", () => {
  const okm = expand(extract(Buffer.alloc(22, 0x0b)), Buffer.alloc(0), 42);
  expect(okm.toString("hex")).toBe(
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  );
});
