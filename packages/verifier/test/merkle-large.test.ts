import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { rootFromInclusion, verifyConsistency, verifyInclusion } from "../src/tlog/merkle.ts";
import { consistencyRanges, coverNodes, inclusionRanges } from "../src/tlog/range.ts";
import { formatTilePath, parseTilePath, tileWidth } from "../src/tlog/tile.ts";

/* The slow twin: RFC 9162 §2.1.3.1 and §2.1.4.1 as they are written, recursive, in bigint, on Node's SHA-256. */

type BigRange = [bigint, bigint];

function node(left: Uint8Array, right: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(Uint8Array.of(1)).update(left).update(right).digest());
}

function split(n: bigint): bigint {
  const power = 1n << BigInt(n.toString(2).length - 1);
  return power === n ? power / 2n : power;
}

function twinPath(m: bigint, n: bigint, start = 0n): BigRange[] {
  if (n === 1n) return [];
  const k = split(n);
  return m < k
    ? [...twinPath(m, k, start), [start + k, start + n]]
    : [...twinPath(m - k, n - k, start + k), [start, start + k]];
}

function twinSubproof(m: bigint, n: bigint, whole = true, start = 0n): BigRange[] {
  if (m === n) return whole ? [] : [[start, start + n]];
  const k = split(n);
  return m <= k
    ? [...twinSubproof(m, k, whole, start), [start + k, start + n]]
    : [...twinSubproof(m - k, n - k, false, start + k), [start, start + k]];
}

function twinRoot(leaf: Uint8Array, m: bigint, n: bigint, proof: readonly Uint8Array[]): Uint8Array {
  const last = proof.at(-1);
  if (last === undefined) return leaf;
  const k = split(n);
  const below = proof.slice(0, -1);
  return m < k ? node(twinRoot(leaf, m, k, below), last) : node(last, twinRoot(leaf, m - k, n - k, below));
}

/** Both roots that a proof and, where the proof leaves it out, the hash of the small tree lead to. */
function twinRoots(m: bigint, n: bigint, proof: readonly Uint8Array[], seed: Uint8Array): [Uint8Array, Uint8Array] {
  if (m === n) return [proof[0] ?? seed, proof[0] ?? seed];
  const last = proof.at(-1) ?? seed;
  const below = proof.slice(0, -1);
  const k = split(n);
  if (m <= k) {
    const [small, large] = twinRoots(m, k, below, seed);
    return [small, node(large, last)];
  }
  const [small, large] = twinRoots(m - k, n - k, below, seed);
  return [node(last, small), node(last, large)];
}

const near = [255, 256, 257, 65_536, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 52, 2 ** 53 - 1];
const size = fc
  .oneof(
    fc.tuple(fc.constantFrom(...near), fc.integer({ min: -3, max: 3 })).map(([n, d]) => n + d),
    fc.maxSafeNat(),
    fc.integer({ min: 1, max: 2 ** 33 }),
  )
  .map((n) => Math.min(Math.max(n, 1), Number.MAX_SAFE_INTEGER));
/** m ≤ n, both likely at an edge. */
const pair = fc.tuple(size, size).map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));
const entry = fc
  .tuple(size, size, fc.constantFrom("any", "first", "last"))
  .map(([n, i, which]) => ({ size: n, index: which === "first" ? 0 : which === "last" ? n - 1 : i % n }));

const random = (seed: number, i: number) => new Uint8Array(createHash("sha256").update(`${seed}/${i}`).digest());
const runs = { numRuns: 1500 };
const big = (ranges: readonly (readonly [number, number])[]) => ranges.map(([s, e]) => [BigInt(s), BigInt(e)]);

describe("beside a slow bigint twin", () => {
  it("inclusion proofs hash the same entries", () => {
    fc.assert(
      fc.property(entry, ({ index, size }) => {
        expect(big(inclusionRanges(index, size))).toEqual(twinPath(BigInt(index), BigInt(size)));
      }),
      runs,
    );
  });

  it("consistency proofs hash the same entries", () => {
    fc.assert(
      fc.property(pair, ([m, n]) => {
        expect(big(consistencyRanges(m, n))).toEqual(twinSubproof(BigInt(m), BigInt(n)));
      }),
      runs,
    );
  });

  it("inclusion leads to the same root, and no flipped hash does", () => {
    fc.assert(
      fc.property(entry, fc.nat(), ({ index, size }, seed) => {
        const proof = inclusionRanges(index, size).map((_, i) => random(seed, i));
        const leaf = random(seed, -1);
        const root = twinRoot(leaf, BigInt(index), BigInt(size), proof);
        expect(toHex(rootFromInclusion(leaf, index, size, proof))).toBe(toHex(root));
        verifyInclusion(leaf, index, size, proof, root);
        if (proof.length > 0) {
          const at = seed % proof.length;
          expect(() => verifyInclusion(leaf, index, size, proof.with(at, random(seed, 99)), root)).toThrow(VerifyError);
          expect(() => verifyInclusion(leaf, index, size, proof.toSpliced(at, 1), root)).toThrow(VerifyError);
        }
        expect(() => verifyInclusion(leaf, index, size, [...proof, root], root)).toThrow(VerifyError);
      }),
      runs,
    );
  });

  it("consistency leads to the same roots, and no flipped hash does", () => {
    fc.assert(
      fc.property(pair, fc.nat(), ([m, n], seed) => {
        const proof = consistencyRanges(m, n).map((_, i) => random(seed, i));
        const [root1, root2] = twinRoots(BigInt(m), BigInt(n), proof, random(seed, -1));
        verifyConsistency(m, root1, n, root2, proof);
        if (proof.length > 0) {
          const at = seed % proof.length;
          expect(() => verifyConsistency(m, root1, n, root2, proof.with(at, random(seed, 99)))).toThrow(VerifyError);
          expect(() => verifyConsistency(m, root1, n, root2, proof.toSpliced(at, 1))).toThrow(VerifyError);
        }
        expect(() => verifyConsistency(m, random(seed, 98), n, root2, proof)).toThrow(VerifyError);
        expect(() => verifyConsistency(m, root1, n, random(seed, 98), proof)).toThrow(VerifyError);
        expect(() => verifyConsistency(m, root1, n, root2, [...proof, root1])).toThrow(VerifyError);
      }),
      runs,
    );
  });

  it("complete subtrees cover a range without gap, none of them could be larger", () => {
    fc.assert(
      fc.property(pair, ([start, end]) => {
        let at = BigInt(start);
        for (const { level, index } of coverNodes(start, end)) {
          const span = 1n << BigInt(level);
          expect(BigInt(index) * span).toBe(at);
          expect(at % (span * 2n) === 0n && at + span * 2n <= BigInt(end)).toBe(false);
          at += span;
        }
        expect(at).toBe(BigInt(end));
      }),
      runs,
    );
  });

  it("tiles have the same width, and paths come back", () => {
    fc.assert(
      fc.property(size, size, fc.integer({ min: 0, max: 63 }), (treeSize, index, level) => {
        const hashes = BigInt(treeSize) / 256n ** BigInt(level);
        for (const i of [index, Number(hashes / 256n)]) {
          const rest = hashes - BigInt(i) * 256n;
          const width = Number(rest < 0n ? 0n : rest > 256n ? 256n : rest);
          expect(tileWidth(level, i, treeSize)).toBe(width);
          if (width === 0) continue;
          const tile = { level, index: i, width };
          expect(parseTilePath(formatTilePath(tile))).toEqual(tile);
        }
      }),
      runs,
    );
  });
});
