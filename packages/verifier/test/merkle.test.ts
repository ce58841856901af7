import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../src/bytes.ts";
import { Bug, VerifyError } from "../src/errors.ts";
import * as m from "../src/tlog/merkle.ts";
import { coverNodes, foldRange } from "../src/tlog/range.ts";

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;
const LARGEST = 100;
const leaves = Array.from({ length: LARGEST }, (_, i) => m.leafHash(utf8(`entry ${i}`)));

/** RFC 9162 §2.1.1 word for word, on Node's SHA-256. */
function slowRoot(list: readonly Uint8Array[]): Uint8Array {
  const [first] = list;
  if (first === undefined) return createHash("sha256").digest();
  if (list.length === 1) return first;
  const k = 2 ** (Math.ceil(Math.log2(list.length)) - 1);
  return createHash("sha256")
    .update(Uint8Array.of(1))
    .update(slowRoot(list.slice(0, k)))
    .update(slowRoot(list.slice(k)))
    .digest();
}

const roots = Array.from({ length: LARGEST + 1 }, (_, n) => m.rootOf(leaves.slice(0, n)));
const rootAt = (n: number) => roots[n] ?? m.EMPTY_ROOT;
const leafAt = (i: number) => leaves[i] ?? m.EMPTY_ROOT;

function flip(hash: Uint8Array, bit: number): Uint8Array {
  return hash.map((byte, i) => (i === Math.floor(bit / 8) % 32 ? byte ^ (1 << (bit % 8)) : byte));
}

/** Every way to flip one bit in one hash of a proof, each time another bit. */
function* flipped(proof: readonly Uint8Array[], seed: number): Generator<Uint8Array[]> {
  for (const [i, hash] of proof.entries()) yield proof.with(i, flip(hash, (seed * 31 + i * 7) % 256));
}

/** As `toThrow(refused(code))`, without the price of `expect` a hundred thousand times. */
function mustRefuse(code: string, what: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof VerifyError && error.code === code) return;
    throw error;
  }
  throw new Error(`accepted: ${what}`);
}

describe("roots", () => {
  it("of every tree up to 100 entries follow the definition", () => {
    for (let n = 0; n <= LARGEST; n++) expect(toHex(rootAt(n))).toBe(toHex(slowRoot(leaves.slice(0, n))));
  });

  it("fold from the hashes of complete subtrees", () => {
    for (let n = 1; n <= LARGEST; n++) {
      const hashes = coverNodes(0, n).map(({ level, index }) =>
        slowRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)),
      );
      expect(toHex(foldRange(hashes))).toBe(toHex(rootAt(n)));
    }
  });

  it("keep leaves and nodes apart", () => {
    const [l, r] = [leafAt(0), leafAt(1)];
    expect(toHex(m.nodeHash(l, r))).not.toBe(toHex(m.leafHash(Uint8Array.of(...l, ...r))));
    expect(toHex(m.leafHash(new Uint8Array(0)))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    );
    expect(toHex(m.EMPTY_ROOT)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  it("are made of hashes of 32 bytes only", () => {
    expect(() => m.nodeHash(new Uint8Array(31), leafAt(0))).toThrow(Bug);
    expect(() => m.rootOf([new Uint8Array(33)])).toThrow(Bug);
    expect(() => foldRange([])).toThrow(Bug);
    expect(() => coverNodes(2, 1)).toThrow(Bug);
    expect(() => coverNodes(-1, 1)).toThrow(Bug);
  });
});

it.each([
  [2, 1],
  [3, 2],
  [4, 2],
  [5, 4],
  [256, 128],
  [257, 256],
  [2 ** 31 + 1, 2 ** 31],
  [2 ** 32, 2 ** 31],
  [2 ** 53 - 1, 2 ** 52],
])("a tree of %d entries splits at %d", (n, k) => {
  expect(m.splitPoint(n)).toBe(k);
});

describe("inclusion", () => {
  it("verifies for every entry of every tree up to 100, and for no proof with a flipped bit", () => {
    let proofs = 0;
    for (let size = 1; size <= LARGEST; size++) {
      for (let index = 0; index < size; index++) {
        const proof = m.inclusionProof(leaves.slice(0, size), index);
        m.verifyInclusion(leafAt(index), index, size, proof, rootAt(size));
        proofs++;
        for (const bad of flipped(proof, size + index)) {
          mustRefuse("proof/wrong-root", `${index} of ${size}`, () =>
            m.verifyInclusion(leafAt(index), index, size, bad, rootAt(size)),
          );
        }
      }
    }
    expect(proofs).toBe((LARGEST * (LARGEST + 1)) / 2);
  });

  it("refuses another leaf, place, root, length", () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const proof = m.inclusionProof(leaves.slice(0, size), index);
        const leaf = leafAt(index);
        const root = rootAt(size);
        mustRefuse("proof/wrong-root", "leaf", () => m.verifyInclusion(flip(leaf, index), index, size, proof, root));
        mustRefuse("proof/wrong-root", "root", () => m.verifyInclusion(leaf, index, size, proof, flip(root, index)));
        mustRefuse("proof/length", "longer", () => m.verifyInclusion(leaf, index, size, [...proof, root], root));
        if (proof.length > 0)
          mustRefuse("proof/length", "shorter", () => m.verifyInclusion(leaf, index, size, proof.slice(1), root));
        for (let other = 0; other < size; other++) {
          if (other !== index) expect(() => m.verifyInclusion(leaf, other, size, proof, root)).toThrow(VerifyError);
        }
      }
    }
  });

  it("bounds everything first", () => {
    const proof = m.inclusionProof(leaves.slice(0, 4), 1);
    const check = (index: number, size: number, list: readonly Uint8Array[], leaf: Uint8Array = leafAt(1)) =>
      m.rootFromInclusion(leaf, index, size, list);
    for (const index of [4, 5, -1, 0.5, NaN, 2 ** 53])
      expect(() => check(index, 4, proof)).toThrow(refused("proof/index"));
    for (const size of [-1, 0.5, NaN, 2 ** 53, Infinity])
      expect(() => check(1, size, proof)).toThrow(refused("proof/size"));
    expect(() => check(0, 0, [])).toThrow(refused("proof/index"));
    for (const length of [0, 31, 33]) {
      expect(() => check(1, 4, proof.with(1, new Uint8Array(length)))).toThrow(refused("proof/hash"));
      expect(() => check(1, 4, proof, new Uint8Array(length))).toThrow(refused("proof/hash"));
    }
    expect(() => check(1, 4, Array<Uint8Array>(1_000_000).fill(leafAt(0)))).toThrow(refused("proof/length"));
    expect(() => m.inclusionProof(leaves, LARGEST)).toThrow(refused("proof/index"));
  });
});

describe("consistency", () => {
  it("verifies between all trees up to 100, and for no proof with a flipped bit", () => {
    for (let size2 = 1; size2 <= LARGEST; size2++) {
      for (let size1 = 1; size1 <= size2; size1++) {
        const proof = m.consistencyProof(leaves.slice(0, size2), size1);
        const what = `${size1} to ${size2}`;
        const [root1, root2] = [rootAt(size1), rootAt(size2)];
        m.verifyConsistency(size1, root1, size2, root2, proof);
        for (const bad of flipped(proof, size1 + size2)) {
          mustRefuse("proof/wrong-root", what, () => m.verifyConsistency(size1, root1, size2, root2, bad));
        }
        mustRefuse("proof/wrong-root", what, () => m.verifyConsistency(size1, flip(root1, size2), size2, root2, proof));
        mustRefuse("proof/wrong-root", what, () => m.verifyConsistency(size1, root1, size2, flip(root2, size1), proof));
        mustRefuse("proof/length", what, () => m.verifyConsistency(size1, root1, size2, root2, [...proof, root1]));
        if (proof.length > 0) {
          mustRefuse("proof/length", what, () => m.verifyConsistency(size1, root1, size2, root2, proof.slice(0, -1)));
        }
      }
    }
  });

  it("bounds everything first", () => {
    const proof = m.consistencyProof(leaves.slice(0, 7), 3);
    const check = (size1: number, size2: number, list: readonly Uint8Array[] = proof, root1: Uint8Array = rootAt(3)) =>
      m.verifyConsistency(size1, root1, size2, rootAt(7), list);
    check(3, 7);
    expect(() => check(8, 7)).toThrow(refused("proof/order"));
    expect(() => check(0, 7, [])).toThrow(refused("proof/empty-tree"));
    expect(() => check(0, 0, [], m.EMPTY_ROOT)).toThrow(refused("proof/empty-tree"));
    for (const size of [-1, 0.5, NaN, 2 ** 53]) {
      expect(() => check(size, 7)).toThrow(refused("proof/size"));
      expect(() => check(3, size)).toThrow(refused("proof/size"));
    }
    for (const length of [0, 31, 33]) {
      expect(() => check(3, 7, proof.with(1, new Uint8Array(length)))).toThrow(refused("proof/hash"));
      expect(() => check(3, 7, proof, new Uint8Array(length))).toThrow(refused("proof/hash"));
    }
    expect(() => check(3, 7, Array<Uint8Array>(1_000_000).fill(leafAt(0)))).toThrow(refused("proof/length"));
    expect(() => m.consistencyProof(leaves, 0)).toThrow(refused("proof/empty-tree"));
    expect(() => m.consistencyProof(leaves, LARGEST + 1)).toThrow(refused("proof/order"));
  });
});
