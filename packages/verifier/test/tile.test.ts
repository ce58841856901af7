import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bug, VerifyError } from "../src/errors.ts";
import * as t from "../src/tlog/tile.ts";

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;

describe("paths", () => {
  it.each([
    ["tile/0/000", { level: 0, index: 0, width: 256 }],
    ["tile/0/x001/x234/067", { level: 0, index: 1_234_067, width: 256 }],
    ["tile/0/x001/x234/067.p/44", { level: 0, index: 1_234_067, width: 44 }],
    ["tile/1/x001/000.p/255", { level: 1, index: 1000, width: 255 }],
    ["tile/63/999.p/1", { level: 63, index: 999, width: 1 }],
    ["tile/10/x009/x007/x199/x254/x740/991", { level: 10, index: Number.MAX_SAFE_INTEGER, width: 256 }],
  ])("%s", (path, tile) => {
    expect(t.formatTilePath(tile)).toBe(path);
    expect(t.parseTilePath(path)).toEqual(tile);
  });

  it.each(["tile/entries/000", "tile/entries/x001/x234/067.p/44"])("%s", (path) => {
    expect(t.formatBundlePath(t.parseBundlePath(path))).toBe(path);
  });

  const positions = [
    "", "0", "00", "0000", "1234", "x000/001", "x001/1", "001/002", "x01/002", "x001/x002", "000/", "000.p", "000.p/", "000.p/0", "000.p/01",
    "000.p/256", "000.p/999", "000.p/1000", "000.p/-1", "000.p/1/", "000.P/1", "+00", "0x0", "٠٠٠", "000\n", "x009/x007/x199/x254/x740/992",
    "x999/x999/x999/x999/x999/x999/999", "x001/".repeat(30) + "000",
  ]; // prettier-ignore
  it.each(positions)("none at position %j", (position) => {
    expect(() => t.parseTilePath(`tile/0/${position}`)).toThrow(refused("tile/path"));
    expect(() => t.parseBundlePath(`tile/entries/${position}`)).toThrow(refused("tile/path"));
  });

  it.each([
    "",
    "tile",
    "tile//000",
    "tile/00/000",
    "tile/01/000",
    "tile/64/000",
    "tile/-1/000",
    "/tile/0/000",
    "Tile/0/000",
    "tile/entries/000",
  ])("%j is no tile", (path) => {
    expect(() => t.parseTilePath(path)).toThrow(refused("tile/path"));
  });

  it.each(["tile/0/000", "entries/000", "tile/data/000", "tile/entries000", "xile/entries/000"])(
    "%j is no bundle",
    (path) => {
      expect(() => t.parseBundlePath(path)).toThrow(refused("tile/path"));
    },
  );

  it("of what is no tile are not written", () => {
    for (const wrong of [
      { level: 64 },
      { level: -1 },
      { level: 0.5 },
      { index: -1 },
      { index: 2 ** 53 },
      { width: 0 },
      { width: 257 },
      { width: NaN },
    ]) {
      expect(() => t.formatTilePath({ level: 0, index: 0, width: 1, ...wrong })).toThrow(refused("tile/path"));
    }
  });
});

it.each([
  [0, 0, 0, 0],
  [0, 0, 1, 1],
  [0, 0, 256, 256],
  [0, 1, 256, 0],
  [1, 0, 255, 0],
  [1, 0, 256, 1],
  [0, 272, 70_000, 256],
  [0, 273, 70_000, 112],
  [0, 274, 70_000, 0],
  [1, 0, 70_000, 256],
  [1, 1, 70_000, 17],
  [2, 0, 70_000, 1],
  [3, 0, 70_000, 0],
  [6, 0, Number.MAX_SAFE_INTEGER, 31],
  [7, 0, Number.MAX_SAFE_INTEGER, 0],
  [63, 0, Number.MAX_SAFE_INTEGER, 0],
])("tile %d/%d in a tree of %d is %d wide", (level, index, size, width) => {
  expect(t.tileWidth(level, index, size)).toBe(width);
});

it("hash tiles have exactly their hashes", () => {
  const bytes = new Uint8Array(96).map((_, i) => i);
  const hashes = t.parseHashTile(bytes, 3);
  expect(hashes.map((h) => [h.length, h[0]])).toEqual([[32, 0], [32, 32], [32, 64]]); // prettier-ignore
  for (const length of [0, 32, 95, 97, 128]) {
    expect(() => t.parseHashTile(new Uint8Array(length), 3)).toThrow(refused("tile/hashes"));
  }
});

it("complete subtrees have 2^k hashes", () => {
  const hash = new Uint8Array(32);
  expect(t.subtreeRoot([hash])).toEqual(hash);
  for (const n of [0, 3, 5, 255, 257]) expect(() => t.subtreeRoot(Array<Uint8Array>(n).fill(hash))).toThrow(Bug);
});

describe("bundles", () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 600 }), { minLength: 1, maxLength: 256 });

  it("come back, and never cut, longer, or with another count", () => {
    fc.assert(
      fc.property(entries, fc.nat(), (list, n) => {
        const bytes = t.formatBundle(list);
        expect(t.parseBundle(bytes, list.length)).toEqual(list);
        const at = n % bytes.length;
        expect(() => t.parseBundle(bytes.subarray(0, at), list.length)).toThrow(refused("tile/bundle"));
        expect(() => t.parseBundle(Uint8Array.of(...bytes, 0), list.length)).toThrow(refused("tile/bundle"));
        expect(() => t.parseBundle(Uint8Array.of(...bytes, 0, 0), list.length)).toThrow(refused("tile/bundle"));
        expect(() => t.parseBundle(bytes, list.length + 1)).toThrow(refused("tile/bundle"));
        expect(() => t.parseBundle(bytes, list.length - 1)).toThrow(refused("tile/bundle"));
      }),
    );
  });

  it("hold entries of 0 to 65,535 bytes, at most 256", () => {
    const list = [new Uint8Array(0), new Uint8Array(65_535).fill(7)];
    expect(t.parseBundle(t.formatBundle(list), 2)).toEqual(list);
    expect(() => t.formatBundle([new Uint8Array(65_536)])).toThrow(refused("tile/bundle"));
    expect(() => t.formatBundle(Array<Uint8Array>(257).fill(new Uint8Array(1)))).toThrow(refused("tile/bundle"));
  });
});
