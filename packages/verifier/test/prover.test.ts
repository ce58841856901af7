import { hash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../src/bytes.ts";
import { Bug, VerifyError } from "../src/errors.ts";
import { useSha256 } from "../src/hash.ts";
import {
  consistencyProof,
  EMPTY_ROOT,
  inclusionProof,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../src/tlog/merkle.ts";
import { createProver } from "../src/tlog/prover.ts";
import { tileWidth, type Tile } from "../src/tlog/tile.ts";

beforeAll(() => useSha256((data) => hash("sha256", data, "buffer")));

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;
const hex = (hashes: readonly Uint8Array[]) => hashes.map(toHex);

/** Leaf hashes that cost nothing: the number itself. */
function cheapLeaves(size: number): Uint8Array[] {
  const bytes = new Uint8Array(size * 32);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: size }, (_, i) => {
    view.setUint32(i * 32, i + 1);
    return bytes.subarray(i * 32, i * 32 + 32);
  });
}

/** Tiles by the words of the specification, in memory. */
function tilesOf(leaves: readonly Uint8Array[]) {
  const levels: (readonly Uint8Array[])[] = [leaves];
  for (let below = leaves; below.length >= 256;) {
    const above = Array.from({ length: Math.floor(below.length / 256) }, (_, i) =>
      rootOf(below.slice(i * 256, i * 256 + 256)),
    );
    levels.push(above);
    below = above;
  }
  const reads: string[] = [];
  const readTile = (tile: Tile): Promise<Uint8Array> => {
    expect(tile.width).toBe(tileWidth(tile.level, tile.index, leaves.length));
    reads.push(`${tile.level}/${tile.index}`);
    const hashes = levels[tile.level]?.slice(tile.index * 256, tile.index * 256 + tile.width) ?? [];
    return Promise.resolve(concatBytes(...hashes));
  };
  return { readTile, reads };
}

/** The edges of tiles and of the tree, and a few places between. */
function places(size: number): number[] {
  const edges = [0, 1, 127, 128, 254, 255, 256, 257, 510, 511, 512, 65_279, 65_280, 65_534, 65_535, 65_536];
  return [...new Set([...edges, Math.floor(size / 3), size - 2, size - 1])].filter((i) => i >= 0 && i < size);
}

describe.each([1, 2, 3, 255, 256, 257, 511, 512, 513, 1000])("a tree of %d entries", (size) => {
  const leaves = cheapLeaves(size);

  it("proves inclusion as the array does, at every earlier size near an edge", async () => {
    const prover = createProver(size, tilesOf(leaves).readTile);
    for (const atSize of places(size + 1).filter((n) => n > 0)) {
      const tree = leaves.slice(0, atSize);
      const root = rootOf(tree);
      expect(toHex(await prover.root(atSize))).toBe(toHex(root));
      for (const index of places(atSize)) {
        const proof = await prover.inclusion(index, atSize);
        expect(hex(proof)).toEqual(hex(inclusionProof(tree, index)));
        verifyInclusion(tree[index] ?? EMPTY_ROOT, index, atSize, proof, root);
      }
    }
  });

  it("proves consistency as the array does", async () => {
    const prover = createProver(size, tilesOf(leaves).readTile, 1);
    for (const n of places(size + 1).filter((x) => x > 0)) {
      const tree = leaves.slice(0, n);
      for (const m of places(n + 1).filter((x) => x > 0)) {
        const proof = await prover.consistency(m, n);
        expect(hex(proof)).toEqual(hex(consistencyProof(tree, m)));
        verifyConsistency(m, rootOf(leaves.slice(0, m)), n, rootOf(tree), proof);
      }
    }
  });
});

it.each([65_535, 65_536, 65_537])("proofs of a tree of %d entries are those of the array", async (size) => {
  const leaves = cheapLeaves(size);
  const prover = createProver(size, tilesOf(leaves).readTile);
  const root = await prover.root();
  expect(toHex(root)).toBe(toHex(rootOf(leaves)));
  for (const index of places(size)) {
    const proof = await prover.inclusion(index);
    verifyInclusion(leaves[index] ?? EMPTY_ROOT, index, size, proof, root);
    const m = index + 1;
    verifyConsistency(m, await prover.root(m), size, root, await prover.consistency(m));
  }
  for (const index of [0, 65_279, 65_280, size - 1])
    expect(hex(await prover.inclusion(index))).toEqual(hex(inclusionProof(leaves, index)));
  for (const m of [1, 255, 65_280, size - 1])
    expect(hex(await prover.consistency(m))).toEqual(hex(consistencyProof(leaves, m)));
});

describe("the prover", () => {
  const size = 700;
  const leaves = cheapLeaves(size);

  it("reads a tile once while it is in the cache", async () => {
    const { readTile, reads } = tilesOf(leaves);
    const prover = createProver(size, readTile);
    for (const index of places(size)) await prover.inclusion(index);
    expect(reads.toSorted()).toEqual(["0/0", "0/1", "0/2", "1/0"]);
  });

  it("keeps no more tiles than it is told, those used last", async () => {
    const { readTile, reads } = tilesOf(leaves);
    const prover = createProver(size, readTile, 2);
    for (const index of [0, 256, 0, 600, 0, 256]) await prover.node(0, index);
    expect(reads).toEqual(["0/0", "0/1", "0/2", "0/1"]);
  });

  it("asks again after a failed read", async () => {
    const { readTile } = tilesOf(leaves);
    let broken = true;
    const prover = createProver(size, (tile) => (broken ? Promise.reject(new Error("disk")) : readTile(tile)));
    await expect(prover.inclusion(5)).rejects.toThrow("disk");
    broken = false;
    expect(toHex(await prover.root())).toBe(toHex(rootOf(leaves)));
  });

  it("refuses a tile of another width, and cannot make a proof that verifies from a wrong one", async () => {
    const { readTile } = tilesOf(leaves);
    const long = createProver(size, async (tile) => concatBytes(await readTile(tile), new Uint8Array(32)));
    await expect(long.inclusion(5)).rejects.toThrow(refused("tile/hashes"));
    const lying = createProver(size, async (tile) =>
      (await readTile(tile)).map((byte, i) => (i === 32 ? byte ^ 1 : byte)),
    );
    const root = rootOf(leaves);
    const proof = await lying.inclusion(0);
    expect(() => verifyInclusion(leaves[0] ?? EMPTY_ROOT, 0, size, proof, root)).toThrow(refused("proof/wrong-root"));
  });

  it("knows only its own tree", async () => {
    const prover = createProver(size, tilesOf(leaves).readTile);
    expect(toHex(await prover.root(0))).toBe(toHex(EMPTY_ROOT));
    expect(toHex(await createProver(0, () => Promise.reject(new Bug("read"))).root())).toBe(toHex(EMPTY_ROOT));
    expect(toHex(await prover.node(0, 699))).toBe(toHex(leaves[699] ?? EMPTY_ROOT));
    for (const [level, index] of [[0, 700], [9, 1], [10, 0], [8, 2], [-1, 0], [0, -1], [0.5, 0], [0, 2 ** 53], [60, 1]] as const) {
      await expect(prover.node(level, index)).rejects.toThrow(refused("tile/range"));
    } // prettier-ignore
    await expect(prover.inclusion(700)).rejects.toThrow(refused("proof/index"));
    await expect(prover.inclusion(5, 5)).rejects.toThrow(refused("proof/index"));
    await expect(prover.inclusion(5, 701)).rejects.toThrow(refused("proof/size"));
    await expect(prover.root(701)).rejects.toThrow(refused("proof/size"));
    await expect(prover.consistency(0)).rejects.toThrow(refused("proof/empty-tree"));
    await expect(prover.consistency(6, 5)).rejects.toThrow(refused("proof/order"));
    await expect(prover.consistency(6, 701)).rejects.toThrow(refused("proof/size"));
    expect(() => createProver(2 ** 53, tilesOf(leaves).readTile)).toThrow(refused("proof/size"));
  });
});
