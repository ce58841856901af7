import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { u64be } from "@spur/verifier/bytes";
import { createProver } from "@spur/verifier/tlog/prover";
import { leafHash, rootOf, verifyInclusion } from "@spur/verifier/tlog/merkle";
import { tileWidth } from "@spur/verifier/tlog/tile";
import { append, EMPTY_TREE, rootOfTree, treeFromPartials, type FullTile, type Tree } from "../src/log/tree.ts";
import "./log-support.ts";

const leaf = (i: number): Uint8Array => leafHash(u64be(i));
const leaves = (from: number, to: number): Uint8Array[] => Array.from({ length: to - from }, (_, i) => leaf(from + i));

/** Tiles as a reader would find them: full ones for ever, partial ones as they stand. */
function tileReader(full: readonly FullTile[], tree: Tree) {
  const byName = new Map(full.map((tile) => [`${tile.level}/${tile.index}`, tile.hashes]));
  return ({ level, index, width }: { level: number; index: number; width: number }) => {
    const hashes = byName.get(`${level}/${index}`) ?? tree.partial[level] ?? [];
    if (hashes.length < width) throw new Error(`no tile ${level}/${index} of width ${width}`);
    return Promise.resolve(Buffer.concat(hashes.slice(0, width)));
  };
}

describe("the tree's edge", () => {
  it("has the root of RFC 9162 at every size to 600, one by one", () => {
    const all = leaves(0, 600);
    let tree = EMPTY_TREE;
    const full: FullTile[] = [];
    for (let size = 1; size <= 600; size++) {
      const grown = append(tree, [all[size - 1] as Uint8Array]);
      expect(tree.size).toBe(size - 1); // a value: the old one did not move
      tree = grown.tree;
      full.push(...grown.full);
      expect(rootOfTree(tree)).toEqual(rootOf(all.slice(0, size)));
      expect(tree.partial.map((hashes) => hashes.length)).toEqual(
        tree.partial.map((_, level) => tileWidth(level, Math.floor(size / 256 ** (level + 1)), size)),
      );
      expect(treeFromPartials(size, tree.partial).peaks).toEqual(tree.peaks);
    }
    expect(full.map(({ level, index }) => [level, index])).toEqual([[0, 0], [0, 1]]); // prettier-ignore
  });

  it("does not depend on how the leaves are batched", () => {
    const all = leaves(0, 1500);
    for (const batch of [1, 3, 255, 256, 257, 700, 1500]) {
      let tree = EMPTY_TREE;
      const full: FullTile[] = [];
      for (let at = 0; at < all.length; at += batch) {
        const grown = append(tree, all.slice(at, at + batch));
        tree = grown.tree;
        full.push(...grown.full);
      }
      expect(rootOfTree(tree)).toEqual(rootOf(all));
      expect(full.map(({ level, index }) => `${level}/${index}`)).toEqual(["0/0", "0/1", "0/2", "0/3", "0/4"]);
    }
  });

  it("fills tiles of level 1 and 2 around 65,536, and a reader proves from them", async () => {
    const all = leaves(0, 65_536 + 300);
    let { tree, full } = append(EMPTY_TREE, all.slice(0, 65_530));
    for (let size = 65_531; size <= all.length; size++) {
      const grown = append(tree, [all[size - 1] as Uint8Array]);
      tree = grown.tree;
      full = [...full, ...grown.full];
      if (![65_535, 65_536, 65_537, 65_791, 65_792, 65_793, all.length].includes(size)) continue;
      const root = rootOf(all.slice(0, size));
      expect(rootOfTree(tree)).toEqual(root);
      expect(tree.partial.map((hashes) => hashes.length).filter((width) => width > 0)).toEqual(
        [0, 1, 2]
          .map((level) => tileWidth(level, Math.floor(size / 256 ** (level + 1)), size))
          .filter((width) => width > 0 && width < 256),
      );
      const prover = createProver(size, tileReader(full, tree));
      expect(await prover.root()).toEqual(root);
      for (const index of [0, 255, 256, 65_279, 65_280, size - 1])
        verifyInclusion(leaf(index), index, size, await prover.inclusion(index), root);
    }
    expect(full.filter(({ level }) => level === 1).map(({ index }) => index)).toEqual([0]);
    expect(hash("sha256", Buffer.concat(full.flatMap(({ hashes }) => hashes)))).toHaveLength(64);
  });
});
