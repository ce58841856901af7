// The published log as strangers read it over HTTP (C2SP tlog-tiles): what is served, what never is, and how.
import { existsSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { concatBytes, toHex } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote, parseVkey } from "@spur/verifier/note/note";
import { createProver } from "@spur/verifier/tlog/prover";
import { leafHash, rootOf, verifyConsistency, verifyInclusion } from "@spur/verifier/tlog/merkle";
import { formatBundle, formatBundlePath, formatTilePath, parseBundle, tileWidth } from "@spur/verifier/tlog/tile";
import { cleanUp, startTestLedger, type TestLedger } from "../../../test/support/ledger.ts";
import { publishedLog } from "../src/api/gather.ts";
import { ask, codeOf, type Got } from "./log-serving-support.ts";
import { plainDraft } from "./log-support.ts";

const SIZES = [2, 3, 10, 255, 256, 257, 300, 511, 512, 520, 769];
const IMMUTABLE = "public, max-age=31536000, immutable";
const PROBLEM = "application/problem+json; charset=utf-8";

async function record(spur: TestLedger, count: number): Promise<void> {
  if (count > 0) await spur.ledger.ledger.record(Array.from({ length: count }, () => plainDraft()));
}

/** Every file of a tree, computed from its entries alone. */
function filesOf(entries: readonly Uint8Array[]): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let hashes: Uint8Array[] = entries.map(leafHash);
  for (let level = 0; hashes.length > 0; level++) {
    const above: Uint8Array[] = [];
    for (let index = 0; index * 256 < hashes.length; index++) {
      const some = hashes.slice(index * 256, index * 256 + 256);
      files.set(formatTilePath({ level, index, width: some.length }), concatBytes(...some));
      if (some.length === 256) above.push(rootOf(some));
      if (level > 0) continue;
      const bundle = formatBundle(entries.slice(index * 256, index * 256 + 256));
      files.set(formatBundlePath({ index, width: some.length }), bundle);
    }
    hashes = above;
  }
  return files;
}

const sizeIn = (checkpoint: Buffer): number => parseCheckpoint(parseNote(checkpoint.toString()).text).size;

let spur: TestLedger;
/** Of each published size, in order. */
const checkpoints: Buffer[] = [];
let entries: Uint8Array[] = [];
const get = (path: string, headers?: Record<string, string>, method?: string): Promise<Got> =>
  ask(spur.url, path, headers, method);

beforeAll(async () => {
  spur = await startTestLedger();
  expect((await get("/log/checkpoint")).status).toBe(404);
  let size = 2; // its own keys
  for (const wanted of SIZES) {
    await record(spur, wanted - size);
    size = wanted;
    await spur.ledger.publish();
    checkpoints.push((await get("/log/checkpoint")).body);
  }
  entries = await Promise.all(Array.from({ length: size }, (_, i) => spur.ledger.ledger.entryBytes(i)));
});

afterAll(async () => {
  await cleanUp();
});

describe("what is served", () => {
  it("is every tile and bundle of every published size, for ever, though partial files are gone when full ones are there", async () => {
    expect(checkpoints.map(sizeIn)).toEqual(SIZES);
    expect(existsSync(join(spur.data, "log", "tile", "0", "000.p"))).toBe(false);
    for (const size of SIZES) {
      const files = filesOf(entries.slice(0, size));
      for (const [path, bytes] of files) {
        const plain = await get(`/log/${path}`);
        const packed = await get(`/log/${path}`, { "accept-encoding": "gzip" });
        expect([path, plain.status, packed.status]).toEqual([path, 200, 200]);
        expect(plain.body.equals(bytes), path).toBe(true);
        const unpacked = packed.headers["content-encoding"] === "gzip" ? gunzipSync(packed.body) : packed.body;
        expect(unpacked.equals(bytes), path).toBe(true);
      }
    }
  });

  it("bears immutable cache headers on tiles and none on the checkpoint, for pages of every origin", async () => {
    const tile = await get("/log/tile/0/000");
    expect(tile.headers).toMatchObject({
      "content-type": "application/octet-stream",
      "cache-control": IMMUTABLE,
      "content-length": "8192",
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
    });
    expect(tile.headers["vary"]).toBeUndefined();
    const bundle = await get("/log/tile/entries/000");
    expect(bundle.headers).toMatchObject({
      "content-type": "application/octet-stream",
      "cache-control": IMMUTABLE,
      vary: "accept-encoding",
    });
    const checkpoint = await get("/log/checkpoint");
    expect(checkpoint.headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-cache",
      "access-control-allow-origin": "*",
    });
    const missing = await get("/log/tile/0/999");
    expect(missing.headers).toMatchObject({ "cache-control": "no-store", "access-control-allow-origin": "*" });
  });

  it("is gzip for bundles where the reader takes it, and only there", async () => {
    const path = "/log/tile/entries/001";
    for (const header of ["gzip", "GZIP", "deflate, gzip;q=0.5", "*", "br;q=1, *;q=0.1"]) {
      const got = await get(path, { "accept-encoding": header });
      expect([header, got.headers["content-encoding"]]).toEqual([header, "gzip"]);
      expect(got.headers["content-length"]).toBe(String(got.body.length));
      expect(got.body.length).toBeLessThan((await get(path)).body.length / 3);
    }
    for (const header of ["identity", "gzip;q=0", "br, zstd", "*;q=0", "gzip; q=0.0", "*, gzip;q=0"]) {
      const got = await get(path, { "accept-encoding": header });
      expect([header, got.headers["content-encoding"]]).toEqual([header, undefined]);
    }
    const hashes = await get("/log/tile/0/000", { "accept-encoding": "gzip" });
    expect(hashes.headers["content-encoding"]).toBeUndefined();
  });

  it("answers HEAD as GET, without a body", async () => {
    for (const path of ["/log/checkpoint", "/log/tile/0/001", "/log/tile/entries/000", "/log/tile/entries/003.p/1"]) {
      for (const coding of ["gzip", "identity"]) {
        const headers = { "accept-encoding": coding };
        const [got, head] = [await get(path, headers), await get(path, headers, "HEAD")];
        const shown = ({ headers: { date: _, ...rest } }: Got): IncomingHttpHeaders => rest;
        expect([path, head.status, head.body.length, shown(head)]).toEqual([path, 200, 0, shown(got)]);
      }
    }
    expect((await get("/log/tile/0/999", {}, "HEAD")).status).toBe(404);
  });

  it("answers 304 to who has it, and never for what is not there", async () => {
    const { keyId } = parseVkey(spur.ledger.vkey);
    for (const path of ["/log/tile/0/001", "/log/tile/entries/001", "/log/checkpoint"]) {
      for (const coding of ["gzip", "identity"]) {
        const { headers } = await get(path, { "accept-encoding": coding });
        const tag = headers.etag as string;
        if (path !== "/log/checkpoint") expect(tag).toBe(`W/"${keyId.toString(16)}"`);
        for (const wanted of [tag, `"other", ${tag}`, "*", tag.startsWith("W/") ? tag.slice(2) : `W/${tag}`]) {
          const again = await get(path, { "accept-encoding": coding, "if-none-match": wanted });
          expect([path, again.status, again.body.length, again.headers.etag]).toEqual([path, 304, 0, tag]);
        }
        expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200);
      }
    }
    expect((await get("/log/tile/0/003", { "if-none-match": "*" })).status).toBe(404);
    expect((await get("/log/tile/0/003", { "if-none-match": `W/"${keyId.toString(16)}"` })).status).toBe(404);
  });

  it("gives proofs to who has the folder of the log alone", async () => {
    const log = await publishedLog(join(spur.data, "log"));
    const { size, root } = parseCheckpoint(parseNote((checkpoints.at(-1) as Buffer).toString()).text);
    expect([log?.size, log && toHex(log.root)]).toEqual([size, toHex(root)]);
    // And over HTTP, for every published size at once: each with the partial tiles of its own size.
    for (const [i, checkpoint] of checkpoints.entries()) {
      const { size: before, root: rootBefore } = parseCheckpoint(parseNote(checkpoint.toString()).text);
      const served = createProver(before, async (tile) => (await get(`/log/${formatTilePath(tile)}`)).body);
      const index = before - 1 - i;
      if (index >= 0)
        verifyInclusion(
          leafHash(entries[index] as Uint8Array),
          index,
          before,
          await served.inclusion(index),
          rootBefore,
        );
      const proof = (await log?.prover.consistency(before)) ?? [];
      verifyConsistency(before, rootBefore, size, root, proof);
    }
  });
});

describe("what is never served", () => {
  it.each([
    "0/0", "0/00", "0/0000", "0/0_0", "0/-01", "0/+01", "0/1e2", "00/000", "01/000", "64/000", "63/000", "99/000", "-1/000", "x/000",
    "0/x000/000", "0/000/000", "0/x000/x000", "0/x001/000", "0/X001/000", "0/x00/000", "0/x0001/000", "0/x999/x999/x999/999",
    "0/x999/x999/x999/x999/x999/x999/x999/999", "0/000.p/0", "0/000.p/00", "0/000.p/01", "0/000.p/256", "0/000.p/257", "0/000.p/-1",
    "0/000.p/1.0", "0/000.p/1/", "0/000.p/", "0/000.p", "0/000.q/1", "0/000.P/1", "0/000/", "0/", "0", "", "/0/000", "0//000",
    "../checkpoint", "0/../0/000", "./0/000", "%2e%2e/checkpoint", "%2e%2e%2fcheckpoint", "..%2fcheckpoint", "..%5ccheckpoint",
    "0%2f..%2f..%2f..%2fledger.sqlite", "0/000%00", "0/000%20", "0/000%0a", "0/%ef%bc%90%ef%bc%90%ef%bc%90", "0/000;x", "0/000.gz", "0/000.tmp",
    "entries", "entries/", "entries/0", "entries/000.p/0", "entries/000.p/256", "entries/../0/000", "entries/000.p/1/x", "Entries/000",
    "data/000", "4/000", "2/000", "2/000.p/1", "1/000", "1/000.p/4", "0/003", "0/003.p/2", "entries/003", "entries/003.p/2", "0/x001/x000/000",
    `0/${"x000/".repeat(40)}000`, `0/${"9".repeat(400)}`,
  ])("nothing at tile/%s", async (path) => {
    for (const method of ["GET", "HEAD"]) {
      const got = await get(`/log/tile/${path}`, {}, method);
      expect([got.status, got.headers["content-type"]]).toEqual([404, PROBLEM]);
      if (method === "HEAD") continue;
      expect(codeOf(got)).toBe("log/no-tile");
      expect(got.body.length).toBeLessThan(800);
      expect((await get(`/log/tile/${path}`)).body.equals(got.body)).toBe(true);
    }
  }); // prettier-ignore

  it("is refused with 400 or 404 and the same words each time, where no route takes it", async () => {
    for (const path of ["/log", "/log/", "/log//tile/0/000", "//log/tile/0/000", "/LOG/tile/0/000", "/log/../log/tile", "/log/checkpoint/", "/log/checkpoint.tmp", "/log/tile/0/%zz", "/log/tile/%", `/log/tile/${"9".repeat(2000)}`]) {
      const got = await get(path);
      expect([path, [400, 404, 414].includes(got.status)]).toEqual([path, true]);
      expect((await get(path)).body.equals(got.body)).toBe(true);
    }
    expect((await get("/log/tile/0/000", {}, "POST")).status).toBe(404);
    expect((await get("/log/tile/0/000", {}, "DELETE")).status).toBe(404);
  }); // prettier-ignore

  it("is a file of unpublished entries, though it lies there, or anything that tells of it", async () => {
    const other = await startTestLedger();
    const asked = (path: string): Promise<Got> => ask(other.url, `/log/${path}`);
    await record(other, 8);
    await other.ledger.publish(); // 10
    await record(other, 500);
    while (!existsSync(join(other.data, "log", "tile", "entries", "000")))
      await new Promise((resolve) => setTimeout(resolve, 5));
    // A later publication that broke off after it had written its partial tiles.
    for (const [path, width] of [["0/000", 20], ["entries/000", 20]] as const)
      writeFileSync(join(other.data, "log", "tile", `${path}.p`, String(width)), Buffer.alloc(32 * width)); // prettier-ignore
    const absent = ["0/000", "entries/000", "1/000.p/1", "0/001.p/254"];
    for (const width of [1, 9, 11, 19, 20, 255]) absent.push(`0/000.p/${width}`, `entries/000.p/${width}`);
    for (const path of absent) expect([path, (await asked(`tile/${path}`)).status]).toEqual([path, 404]);
    for (const path of ["0/000.p/10", "entries/000.p/10"])
      expect([path, (await asked(`tile/${path}`)).status]).toEqual([path, 200]);
    await other.ledger.publish(); // 510
    // The outgrown one first: nobody has told the reader of files yet that the full one is published.
    for (const path of ["0/000.p/10", "entries/000.p/10", "0/000", "entries/000", "1/000.p/1", "0/001.p/254"])
      expect([path, (await asked(`tile/${path}`)).status]).toEqual([path, 200]);
    await other.ledger.close();
  });

  it("is more than the checkpoint covers, at any moment of a publication", async () => {
    const other = await startTestLedger();
    let published = true;
    let found = 0;
    const probe = async (): Promise<void> => {
      while (published) {
        const before = sizeIn((await ask(other.url, "/log/checkpoint")).body);
        // What the checkpoint covers is there at once; what is ahead of it only if a later checkpoint came meanwhile.
        const last = Math.floor((before - 1) / 256);
        const width = tileWidth(0, last, before);
        const there = await ask(other.url, `/log/${formatBundlePath({ index: last, width })}`);
        if (there.status !== 200 || parseBundle(there.body, width).length !== width)
          throw new Error(`${width} entries of bundle ${last} at size ${before}: ${there.status}`);
        const ahead = before + 1 + Math.floor(Math.random() * 60);
        const index = Math.floor((ahead - 1) / 256);
        const paths = [formatTilePath, formatBundlePath].map((format) =>
          format({ level: 0, index, width: tileWidth(0, index, ahead) }),
        );
        const got = await Promise.all(paths.map((path) => ask(other.url, `/log/${path}`)));
        const after = sizeIn((await ask(other.url, "/log/checkpoint")).body);
        const early = got.filter(({ status }) => status === 200).length;
        if (early > 0 && after < ahead) throw new Error(`${ahead} entries shown, and the checkpoint says ${after}`);
        found += early;
      }
    };
    await other.ledger.publish();
    const probes = Promise.all(Array.from({ length: 8 }, probe)).finally(() => (published = false));
    for (let i = 0; i < 40 && published; i++) {
      await record(other, 1 + ((i * 7) % 40));
      await other.ledger.publish();
    }
    published = false;
    await probes;
    expect(found).toBeGreaterThan(0); // the probes did meet publications
    await other.ledger.close();
  });
});
