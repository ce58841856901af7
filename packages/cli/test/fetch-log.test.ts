import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { concatBytes, equalBytes, utf8 } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { leafHash, rootOf } from "@spur/verifier/tlog/merkle";
import { formatBundle, subtreeRoot, type Tile } from "@spur/verifier/tlog/tile";
import { describeVectors } from "../../verifier/test/vectors-dir.ts";
import { openLog } from "../src/fetch-log.ts";
import type { Io } from "../src/io.ts";
import { readAhead } from "../src/read-ahead.ts";
import { createTreeCheck } from "../src/tree-check.ts";
import { serve, type Handler } from "./serve.ts";

const io: Io = {
  stdout: { write: () => true },
  stderr: { write: () => true },
  env: {},
  cwd: process.cwd(),
  isTty: false,
  now: () => Date.now(),
};
const folder = mkdtempSync(join(tmpdir(), "spur-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HASH = new Uint8Array(32).fill(7);
const NOTE = `example.com/log\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n— example.com/log AAAAAAAAAAA=\n`;

describe("reading a log", () => {
  let close: () => Promise<void> = async () => {};
  afterEach(() => close());
  async function lying(files: Record<string, string | Uint8Array | Handler>) {
    const all: typeof files = { "/checkpoint": NOTE, ...files };
    const server = await serve((request, response, body) => {
      const found = all[request.url ?? ""];
      if (typeof found === "function") found(request, response, body);
      else if (found === undefined) response.writeHead(404).end("no");
      else response.writeHead(200).end(found);
    });
    close = () => server.close();
    return openLog(io, server.url, { timeoutMs: 500 });
  }

  it("takes a full tile where the partial is gone, and cuts it", async () => {
    const log = await lying({ "/tile/0/000": new Uint8Array(8192).fill(9) });
    expect(await log.tile({ level: 0, index: 0, width: 3 })).toEqual(new Uint8Array(96).fill(9));
  });
  it("refuses a truncated tile, a partial tile of another width, and a full one that is not full", async () => {
    const log = await lying({
      "/tile/0/000.p/3": new Uint8Array(95),
      "/tile/0/000.p/4": new Uint8Array(96),
      "/tile/0/001": new Uint8Array(8191),
    });
    await expect(log.tile({ level: 0, index: 0, width: 3 })).rejects.toMatchObject({ code: "tile/hashes" });
    await expect(log.tile({ level: 0, index: 0, width: 4 })).rejects.toMatchObject({ code: "tile/hashes" });
    await expect(log.tile({ level: 0, index: 1, width: 256 })).rejects.toMatchObject({ code: "tile/hashes" });
  });
  it("stops reading an answer that is longer than a tile can be", async () => {
    let sent = 0;
    const log = await lying({
      "/tile/0/000.p/1": (_, response) => {
        response.writeHead(200);
        const more = () => {
          while (!response.destroyed && response.write(new Uint8Array(65_536))) sent += 65_536;
        };
        response.on("drain", more);
        response.on("error", () => {});
        more();
      },
    });
    await expect(log.tile({ level: 0, index: 0, width: 1 })).rejects.toMatchObject({ code: "http/too-large" });
    expect(sent).toBeLessThan(50_000_000);
  });
  it("does not wait for ever, neither for an answer nor for its end", async () => {
    const log = await lying({
      "/tile/0/000.p/1": () => {},
      "/tile/0/000.p/2": (_, response) => void response.writeHead(200).write("begun"),
    });
    await expect(log.tile({ level: 0, index: 0, width: 1 })).rejects.toMatchObject({ code: "http/timeout" });
    await expect(log.tile({ level: 0, index: 0, width: 2 })).rejects.toMatchObject({ code: "http/timeout" });
  });
  it("says what is missing, and knows what is withheld", async () => {
    const log = await lying({ "/tile/entries/000.p/1": (_, response) => void response.writeHead(451).end() });
    await expect(log.tile({ level: 0, index: 0, width: 1 })).rejects.toMatchObject({ code: "log/missing" });
    expect(await log.bundle({ index: 0, width: 1 })).toBeUndefined();
  });
  it("tries again where the server was busy or the connection broke", async () => {
    let asked = 0;
    const log = await lying({
      "/tile/0/000.p/1": (request, response) => {
        asked++;
        if (asked === 1) response.writeHead(503).end();
        else if (asked === 2) request.socket.destroy();
        else response.writeHead(200).end(HASH);
      },
    });
    expect(await log.tile({ level: 0, index: 0, width: 1 })).toEqual(HASH);
  });
  it("refuses bundles that are cut, too long, or of another number of entries", async () => {
    const two = formatBundle([utf8("one"), utf8("two")]);
    const log = await lying({
      "/tile/entries/000.p/2": two.subarray(0, -1),
      "/tile/entries/000.p/1": two,
      "/tile/entries/000.p/3": two,
      "/tile/entries/001.p/2": gzipSync(two),
    });
    for (const width of [1, 2, 3])
      await expect(log.bundle({ index: 0, width })).rejects.toMatchObject({ code: "tile/bundle" });
    expect(await log.bundle({ index: 1, width: 2 })).toHaveLength(2); // compressed, as a mirror may keep it
  });
  it("finds the log under /log, in a folder, behind file://; and says where it looked", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/log/checkpoint") response.writeHead(200).end(NOTE);
      else response.writeHead(200).end("<html>a page</html>");
    });
    close = () => server.close();
    expect((await openLog(io, `${server.url}/`, { timeoutMs: 500 })).where).toBe(`${server.url}/log`);
    mkdirSync(join(folder, "log"), { recursive: true });
    writeFileSync(join(folder, "log", "checkpoint"), NOTE);
    for (const place of [folder, pathToFileURL(folder).href, join(folder, "log")]) {
      expect(await (await openLog(io, place, { timeoutMs: 500 })).checkpoint()).toBe(NOTE);
    }
    await expect(openLog(io, join(folder, "nowhere"), { timeoutMs: 500 })).rejects.toMatchObject({
      code: "log/no-checkpoint",
    });
    await expect(openLog(io, "gopher://example.com", { timeoutMs: 500 })).rejects.toMatchObject({
      code: "http/address",
    });
  });
  it("reads no device and no overlong file", async () => {
    const at = join(folder, "bad");
    mkdirSync(join(at, "tile/0/000.p"), { recursive: true });
    writeFileSync(join(at, "checkpoint"), NOTE);
    writeFileSync(join(at, "tile/0/000.p/1"), new Uint8Array(9000));
    mkdirSync(join(at, "tile/0/000.p/2"));
    const log = await openLog(io, at, { timeoutMs: 500 });
    await expect(log.tile({ level: 0, index: 0, width: 1 })).rejects.toMatchObject({ code: "http/too-large" });
    await expect(log.tile({ level: 0, index: 0, width: 2 })).rejects.toMatchObject({ code: "log/status" });
  });
});

describe("building the tree again", () => {
  /** The tiles of a log of `leaves`, made independently of what is tested: straight from the definition. */
  function tileOf(leaves: readonly Uint8Array[], { level, index, width }: Tile): Uint8Array {
    const span = 256 ** level;
    const hashes = Array.from({ length: width }, (_, i) => {
      const from = (index * 256 + i) * span;
      return subtreeRoot(leaves.slice(from, from + span));
    });
    return concatBytes(...hashes);
  }
  async function build(size: number, watched: readonly number[], spoil?: Tile) {
    const entries = Array.from({ length: size }, (_, i) => utf8(`entry ${i}`));
    const leaves = entries.map(leafHash);
    const read = (tile: Tile) => {
      const bytes = tileOf(leaves, tile);
      if (tile.level === spoil?.level && tile.index === spoil.index) bytes[0] = (bytes[0] ?? 0) ^ 1;
      return bytes;
    };
    const tree = createTreeCheck(async (tile) => Promise.resolve(read(tile)), watched);
    for (let at = 0, i = 0; at < size; at += 256, i++) {
      const bundle = entries.slice(at, at + 256);
      await tree.add(bundle, read({ level: 0, index: i, width: bundle.length }));
    }
    await tree.end();
    return { tree, leaves };
  }
  it.each([1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 66_000])("%i entries", async (size) => {
    const watched = [1, size, Math.ceil(size / 2), Math.max(1, size - 1), Math.min(size, 256), Math.min(size, 300)];
    const { tree, leaves } = await build(size, watched);
    expect(tree.wrong).toEqual([]);
    for (const at of watched) expect(equalBytes(tree.rootAt(at) ?? HASH, rootOf(leaves.slice(0, at)))).toBe(true);
    const levels = [1, 256, 65_536].filter((span) => size >= span);
    expect(tree.tiles).toBe(levels.reduce((sum, span) => sum + Math.ceil(Math.floor(size / span) / 256), 0));
  });
  it.each([
    [{ level: 0, index: 1, width: 256 }, "tile/0/001"],
    [{ level: 0, index: 257, width: 208 }, "tile/0/257.p/208"],
    [{ level: 1, index: 0, width: 256 }, "tile/1/000"],
    [{ level: 1, index: 1, width: 1 }, "tile/1/001.p/1"],
    [{ level: 2, index: 0, width: 1 }, "tile/2/000.p/1"],
  ])("names the wrong tile %j", async (tile, path) => {
    expect((await build(66_000, [], tile)).tree.wrong).toEqual([path]);
  });
});

describe("reading ahead", () => {
  it("keeps the order, and no more than it may under way", async () => {
    let open = 0;
    let most = 0;
    const got: number[] = [];
    const read = async (i: number) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, (i * 7) % 5));
      open--;
      return i;
    };
    for await (const i of readAhead(50, 8, read)) got.push(i);
    expect(got).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(most).toBe(8);
  });
  it("ends with the first error", async () => {
    const read = async (i: number) => (i === 3 ? Promise.reject(new Error("third")) : Promise.resolve(i));
    const all = async () => {
      const got: number[] = [];
      for await (const i of readAhead(9, 4, read)) got.push(i);
      return got;
    };
    await expect(all()).rejects.toThrow("third");
  });
});

describeVectors("tessera-log", (dir) => {
  it("reads and rebuilds every size of a log that another implementation wrote", async () => {
    for (let size = 1; size <= 15; size++) {
      const at = join(folder, `tessera-${size}`);
      const log = await openLog(io, placeAt(at, readFileSync(join(dir, `checkpoint.${size}`), "utf8"), dir), {
        timeoutMs: 500,
      });
      const checkpoint = parseCheckpoint(parseNote(await log.checkpoint()).text);
      const tree = createTreeCheck(log.tile, [checkpoint.size]);
      const width = checkpoint.size;
      await tree.add(await log.bundle({ index: 0, width }), await log.tile({ level: 0, index: 0, width }));
      await tree.end();
      expect(tree.wrong).toEqual([]);
      expect(Buffer.from(tree.rootAt(size) ?? HASH).toString("base64")).toBe(
        Buffer.from(checkpoint.root).toString("base64"),
      );
    }
  });
  /** The log as it stood at one checkpoint: its own checkpoint, and the partial tile and bundle of that size. */
  function placeAt(at: string, checkpoint: string, from: string): string {
    const size = parseCheckpoint(parseNote(checkpoint).text).size;
    for (const path of [`tile/0/000.p/${size}`, `tile/entries/000.p/${size}`]) {
      mkdirSync(dirname(join(at, path)), { recursive: true });
      writeFileSync(join(at, path), readFileSync(join(from, path)));
    }
    writeFileSync(join(at, "checkpoint"), checkpoint);
    return at;
  }
});
