import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { toHex } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { parseCheckpoint } from "../src/note/checkpoint.ts";
import { openNote, parseNote, parseVkey } from "../src/note/note.ts";
import { leafHash, rootOf, verifyConsistency, verifyInclusion } from "../src/tlog/merkle.ts";
import { createProver } from "../src/tlog/prover.ts";
import {
  formatBundle,
  formatBundlePath,
  formatTilePath,
  parseBundle,
  parseHashTile,
  subtreeRoot,
  tileWidth,
} from "../src/tlog/tile.ts";
import { describeVectors } from "./vectors-dir.ts";

/** Made by transparency-dev/merkle. */
describeVectors("merkle", (dir) => {
  interface Inclusion {
    readonly leafIdx: number;
    readonly treeSize: number;
    readonly root: string;
    readonly leafHash: string;
    readonly proof: readonly string[] | null;
    readonly wantErr: boolean;
  }
  interface Consistency {
    readonly size1: number;
    readonly size2: number;
    readonly root1: string;
    readonly root2: string;
    readonly proof: readonly string[] | null;
    readonly wantErr: boolean;
  }
  const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
  const load = <T>(folder: string) =>
    readdirSync(join(dir, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".json"))
      .map((name) => ({ name, ...(JSON.parse(readFileSync(join(dir, folder, name), "utf8")) as T) }));

  function accepts(check: () => void): boolean {
    try {
      check();
      return true;
    } catch (error) {
      if (error instanceof VerifyError) return false;
      throw error;
    }
  }

  const inclusion = load<Inclusion>("inclusion");
  const consistency = load<Consistency>("consistency");

  it("are many, good and bad", () => {
    expect(inclusion.length + consistency.length).toBeGreaterThan(150);
    expect(inclusion.filter((v) => !v.wantErr).length).toBeGreaterThan(3);
    expect(consistency.filter((v) => !v.wantErr).length).toBeGreaterThan(3);
  });

  it.each(inclusion)("inclusion $name", (v) => {
    const proof = (v.proof ?? []).map(bytes);
    expect(accepts(() => verifyInclusion(bytes(v.leafHash), v.leafIdx, v.treeSize, proof, bytes(v.root)))).toBe(
      !v.wantErr,
    );
  });

  it.each(consistency)("consistency $name", (v) => {
    const proof = (v.proof ?? []).map(bytes);
    expect(accepts(() => verifyConsistency(v.size1, bytes(v.root1), v.size2, bytes(v.root2), proof))).toBe(!v.wantErr);
  });
});

/** Made by transparency-dev/tessera. The key stands in the table of the folder above. */
describeVectors("tessera-log", (dir) => {
  const vkey = /example\.com\/log\/testdata\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+/.exec(
    readFileSync(join(dir, "../README.md"), "utf8"),
  )?.[0];
  const key = parseVkey(vkey ?? "");
  const read = (path: string) => new Uint8Array(readFileSync(join(dir, path)));
  const checkpoints = Array.from({ length: 16 }, (_, size) => {
    const note = parseNote(readFileSync(join(dir, `checkpoint.${size}`), "utf8"));
    return { opened: openNote(note, [key]), checkpoint: parseCheckpoint(note.text) };
  });

  it("checkpoints of every size are signed", () => {
    for (const [size, { opened, checkpoint }] of checkpoints.entries()) {
      expect(checkpoint).toMatchObject({ origin: key.name, size, extensions: [] });
      expect(opened).toMatchObject({ verified: [{ key }], invalid: [], unknown: [] });
    }
  });

  it("entries, tiles and roots agree at every size", () => {
    for (let width = 1; width <= 15; width++) {
      const bundle = read(formatBundlePath({ index: 0, width }));
      const entries = parseBundle(bundle, width);
      expect(formatBundle(entries)).toEqual(bundle);
      const leaves = entries.map(leafHash);
      expect(parseHashTile(read(formatTilePath({ level: 0, index: 0, width })), width).map(toHex)).toEqual(
        leaves.map(toHex),
      );
      expect(toHex(rootOf(leaves))).toBe(toHex(checkpoints[width]?.checkpoint.root ?? new Uint8Array(0)));
    }
  });

  it("proofs from the tiles lead to the signed roots", async () => {
    const prover = createProver(15, (tile) => Promise.resolve(read(formatTilePath(tile))));
    const leaves = parseBundle(read(formatBundlePath({ index: 0, width: 15 })), 15).map(leafHash);
    for (const { checkpoint: large } of checkpoints.slice(1)) {
      for (const [index, leaf] of leaves.slice(0, large.size).entries()) {
        verifyInclusion(leaf, index, large.size, await prover.inclusion(index, large.size), large.root);
      }
      for (const { checkpoint: small } of checkpoints.slice(1, large.size + 1)) {
        verifyConsistency(
          small.size,
          small.root,
          large.size,
          large.root,
          await prover.consistency(small.size, large.size),
        );
      }
    }
  });
});

/** Made by FiloSottile/sunlight: two witnesses, and a mirror of 300 entries with true tiles and invented bundles. */
describeVectors("witnessed-mirror", (dir) => {
  const log = "000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706";
  const keyFrom = (file: string) => {
    const { verifier_keys: keys } = JSON.parse(readFileSync(join(dir, file), "utf8")) as { verifier_keys: string[] };
    return parseVkey(keys[0] ?? "");
  };
  const cases = [
    ["a/witness.v0.json", `a/${log}/checkpoint`, 1],
    ["b/witness.v0.json", "b/88ad7a28caeb0b2aa890fdf0304c2fcaf59fca2ee140134ff8c1300bac493482/checkpoint", 0],
    ["a/mirror/mirror.v0.json", `a/mirror/${log}/checkpoint`, 0],
  ] as const;

  it.each(cases)("%s cosigned %s", (keyFile, path, unknown) => {
    const key = keyFrom(keyFile);
    expect(key.type).toBe(4);
    const note = parseNote(readFileSync(join(dir, path), "utf8"));
    const opened = openNote(note, [key]);
    expect(opened).toMatchObject({ verified: [{ key, timestamp: 1767139200 }], invalid: [] });
    expect(opened.unknown.length).toBe(unknown);
    expect(parseCheckpoint(note.text).size).toBe(300);
    expect(openNote({ ...note, text: note.text.replace("\n300\n", "\n301\n") }, [key])).toMatchObject({
      verified: [],
      invalid: [{ key }],
    });
  });

  describe("the mirror", () => {
    const read = (path: string) => new Uint8Array(readFileSync(join(dir, "a/mirror", log, path)));
    const checkpoint = parseCheckpoint(parseNote(Buffer.from(read("checkpoint")).toString()).text);

    it("has tiles that hash to its signed root", () => {
      const leaves = [...parseHashTile(read("tile/0/000"), 256), ...parseHashTile(read("tile/0/001.p/44"), 44)];
      expect(toHex(rootOf(leaves))).toBe(toHex(checkpoint.root));
      expect(toHex(subtreeRoot(leaves.slice(0, 256)))).toBe(toHex(read("tile/1/000.p/1")));
    });

    it("has no true bundles, zipped or not: they are refused, not misread", () => {
      for (const [index, width] of [0, 1].map((n) => [n, tileWidth(0, n, checkpoint.size)] as const)) {
        const zipped = read(formatBundlePath({ index, width }));
        for (const bundle of [zipped, new Uint8Array(gunzipSync(zipped))]) {
          expect(() => parseBundle(bundle, width)).toThrow(VerifyError);
        }
      }
    });

    it("proves every entry from its tiles", async () => {
      const prover = createProver(checkpoint.size, (tile) => Promise.resolve(read(formatTilePath(tile))));
      expect(toHex(await prover.root())).toBe(toHex(checkpoint.root));
      for (let index = 0; index < checkpoint.size; index += 7) {
        verifyInclusion(
          await prover.node(0, index),
          index,
          checkpoint.size,
          await prover.inclusion(index),
          checkpoint.root,
        );
        const size = index + 1;
        verifyConsistency(
          size,
          await prover.root(size),
          checkpoint.size,
          checkpoint.root,
          await prover.consistency(size),
        );
      }
    });
  });
});
