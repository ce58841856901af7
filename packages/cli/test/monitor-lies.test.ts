// What a liar can serve in place of a checkpoint, and below a good one.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { concatBytes } from "@spur/verifier/bytes";
import { useSha256 } from "@spur/verifier/hash";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote } from "@spur/verifier/note/note";
import { createLog, makeSigner, type MadeLog } from "../../verifier/test/make-log.ts";
import { cleanUp, longLog, openStand, openWatch, type Stand, type Watch } from "./monitor-stand.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

const long = longLog(900);
let stand: Stand;
let watch: Watch | undefined;
beforeEach(async () => {
  stand = await openStand();
});
afterEach(async () => {
  watch?.close();
  watch = undefined;
  await stand.close();
});
afterAll(cleanUp);

async function open(log: MadeLog | string = long, more: Parameters<typeof openWatch>[2] = {}, place = stand.url) {
  return (watch = await openWatch(place, log, more));
}

describe("a log that shows a good checkpoint and lies about what it covers", () => {
  const whole = (path: string, from: string, change: (bytes: Buffer) => Uint8Array) => {
    return (asked: string, response: Parameters<Stand["lie"]>[1]) =>
      asked === path && !!response.writeHead(200).end(change(readFileSync(join(from, path.replace(/^log\//, "")))));
  };
  const flip = (at: number) => (bytes: Buffer) => (bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at), bytes);
  const TILES = ["log/tile/0/002", "log/tile/0/003.p/132", "log/tile/1/000.p/3"];
  const BUNDLES = ["log/tile/entries/002", "log/tile/entries/003.p/132"];
  type Change = [string, (path: string) => Stand["lie"], string, 1 | 2];
  const at = () => stand.folder;
  const changes: Change[] = [
    ["is missing", (path) => (asked, response) => asked.startsWith(path.replace(/\.p.*/, "")) && !!response.writeHead(404).end(), "monitor/missing", 1],
    ["has one bit changed", (path) => whole(path, at(), flip(40)), "monitor/tile", 1],
    ["is cut", (path) => whole(path, at(), (bytes) => bytes.subarray(0, -32)), "monitor/tile", 1],
    ["is too long", (path) => whole(path, at(), (bytes) => concatBytes(bytes, bytes)), "monitor/tile", 1],
    ["never ends", (path) => (asked, response) => asked === path && !!endless(response), "monitor/tile", 1],
    ["is a bomb", (path) => (asked, response) => asked === path && !!response.writeHead(200, { "content-encoding": "gzip" }).end(BOMB), "monitor/tile", 1],
    ["hangs", (path) => (asked) => asked === path, "monitor/unreachable", 2],
    ["drips", (path) => (asked, response) => asked === path && !!drip(response), "monitor/unreachable", 2],
    ["breaks off", (path) => (asked, response, request) => asked === path && (response.writeHead(200, { "content-length": 9000 }).write("x"), request.socket.destroy(), true), "monitor/unreachable", 2],
    ["fails", (path) => (asked, response) => asked === path && !!response.writeHead(500).end(), "monitor/unreachable", 2],
  ]; // prettier-ignore
  // How a file is served does not depend on which one it is: a few are enough.
  const cases = changes.flatMap((change, i) => {
    const some = change[3] === 2 ? [TILES[0], BUNDLES[1]].slice(i % 2, (i % 2) + 1) : [TILES[i % 3], BUNDLES[i % 2]];
    return (i < 2 ? [...TILES, ...BUNDLES] : some).map((path = "") => [path, ...change] as const);
  });

  it.each(cases)("%s %s", async (path, _, lie, code, exit) => {
    stand.show(long, 600);
    const one = await open(long, { timeoutMs: exit === 2 ? 400 : 2_000, reread: 0 });
    expect((await one.round()).exit).toBe(0);
    stand.show(long, 900);
    stand.lie = lie(path);
    const seen = await one.round();
    // A bundle whose entries can be told apart, but are not those that were signed, is another lie than one that can't be read.
    const expected =
      code === "monitor/tile" && path.includes("entries") ? /^monitor\/(tile|entry)$/ : new RegExp(`^${code}$`);
    expect(seen.raised).toEqual([expect.stringMatching(expected)]);
    expect(seen.exit).toBe(exit);
    // The log is bound by what it signed; good is only what was read. Nothing of the lie is in the memory.
    expect(seen.end.good).toBe(600);
    expect(seen.end.followed).toBeLessThan(900);
    // As long as it lasts, it is told once.
    await one.again();
    if (exit === 1) expect(await one.round()).toMatchObject({ exit, raised: [], cleared: [] });
    stand.lie = () => false;
    expect(await one.round()).toMatchObject({ exit: 0, cleared: seen.raised, end: { good: 900, followed: 900 } });
  });

  it("about old entries is found when they are read again, and cleared when they are back", async () => {
    stand.show(long);
    const one = await open(long, { reread: 2 });
    await one.round();
    stand.lie = (path, response) => path === "log/tile/entries/001" && !!response.writeHead(404).end();
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/missing"] });
    await one.again();
    expect(await one.round()).toMatchObject({ exit: 1, raised: [], cleared: [] });
    stand.lie = () => false;
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/missing"] });
  });

  it("and withholds entries without a word", async () => {
    stand.show(long, 600);
    const one = await open();
    await one.round();
    stand.show(long, 900);
    stand.lie = (path, response) => path === "log/tile/entries/003.p/132" && !!response.writeHead(451).end();
    const seen = await one.round();
    expect(seen.exit).toBe(1);
    expect(new Set(seen.raised)).toEqual(new Set(["audit/withheld-silently", "audit/more"]));
    expect(seen.end).toMatchObject({ withheld: 132, followed: 900, good: 600 });
    await one.again();
    expect((await one.round()).exit).toBe(1);
  });
});

const BOMB = gzipSync(new Uint8Array(200_000_000), { level: 9 });

function endless(response: Parameters<Stand["lie"]>[1]): boolean {
  response.writeHead(200);
  response.on("error", () => {});
  const more = () => {
    while (!response.destroyed && response.write(new Uint8Array(1 << 20)));
  };
  response.on("drain", more);
  more();
  return true;
}

function drip(response: Parameters<Stand["lie"]>[1]): boolean {
  response.writeHead(200);
  const timer = setInterval(() => response.write("x"), 20);
  response.on("close", () => clearInterval(timer));
  response.on("error", () => {});
  return true;
}

describe("a checkpoint", () => {
  const signed = (text: string, key = long.key) => formatNote(text, [key.sign(text)]);
  const root = Buffer.alloc(32, 7).toString("base64");
  const stranger = makeSigner(long.origin, "stranger");
  const broken = () =>
    long.checkpoint(700).replace(/(— \S+ \S{20})(.)/, (_, head: string, c: string) => head + (c === "A" ? "B" : "A"));
  const cases: [string, () => string | Uint8Array, string, 1 | 2][] = [
    ["signed by a key that is not trusted", () => long.checkpoint(700, [stranger]), "monitor/untrusted-key", 1],
    ["whose signature does not hold", broken, "monitor/signature", 1],
    ["of another log", () => createLog({ origin: "elsewhere.example" }).checkpoint(0), "monitor/other-log", 1],
    ["of size 2^53", () => signed(`${long.origin}\n9007199254740992\n${root}\n`), "monitor/checkpoint", 1],
    ["of size -1", () => signed(`${long.origin}\n-1\n${root}\n`), "monitor/checkpoint", 1],
    ["of size 1e3", () => signed(`${long.origin}\n1e3\n${root}\n`), "monitor/checkpoint", 1],
    ["of size 0 with the root of something", () => signed(`${long.origin}\n0\n${root}\n`), "monitor/checkpoint", 1],
    ["of size 2^53-1, of which there are no tiles", () => signed(formatCheckpoint({ origin: long.origin, size: Number.MAX_SAFE_INTEGER, root: Buffer.alloc(32, 7) })), "monitor/missing", 1],
    ["that is a page", () => "<html>sign in to the network</html>", "monitor/checkpoint", 2],
    ["that is nothing", () => "", "monitor/checkpoint", 2],
    ["with bytes that are no text", () => Buffer.from([0xff, 0xfe, 0, 1]), "monitor/checkpoint", 2],
    ["of 2 MB", () => "x".repeat(2_000_000), "monitor/unreachable", 2],
    ["with 100 signatures", () => `${long.checkpoint(700)}${long.checkpoint(700).split("\n\n")[1]?.repeat(99) ?? ""}`, "monitor/checkpoint", 2],
  ]; // prettier-ignore

  it.each(cases)("%s is not followed, and does not spoil what is known", async (_, note, code, exit) => {
    stand.show(long, 600);
    const one = await open();
    await one.round();
    stand.lie = (path, response) => path === "log/checkpoint" && !!response.end(note());
    const seen = await one.round();
    expect(seen).toMatchObject({ exit, raised: [code], end: { size: 600, followed: 600, good: 600 } });
    if (exit === 1) await one.again();
    expect(await one.round()).toMatchObject({ exit, raised: [] });
    stand.lie = () => false;
    stand.show(long, 700);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: [code], end: { good: 700 } });
  });

  it("of a stranger, at the first sight, is nothing to follow", async () => {
    const log = longLog(3, { seed: "stranger", origin: "stranger.example" });
    stand.show(log);
    const one = await open();
    await expect(one.round()).rejects.toMatchObject({ code: "cli/trust" });
  });

  it("that a mirror shows under another key does not accuse the log", async () => {
    stand.show(long, 600);
    const mirror = await openStand();
    mirror.show(long, 600, long.checkpoint(600, [stranger]));
    const one = await open(long, { also: [mirror.url] });
    expect(await one.round()).toMatchObject({ exit: 2, raised: ["monitor/untrusted-key"], end: { good: 600 } });
    await mirror.close();
    expect(await one.round()).toMatchObject({ exit: 2, raised: ["monitor/unreachable"] });
  });

  it("without the quorum that you want is followed, and not good", async () => {
    const log = createLog({ witnesses: 2 });
    log.addKeys();
    log.close();
    stand.show(log);
    const one = await open(log.trustText());
    expect((await one.round()).exit).toBe(0);
    log.close();
    stand.show(log, 4, log.checkpoint(4, [log.key, ...log.witnesses.slice(0, 1)]));
    expect(await one.round()).toMatchObject({
      exit: 1,
      raised: ["monitor/quorum"],
      end: { size: 4, followed: 4, good: 3 },
    });
    stand.show(log, 4);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/quorum"], end: { good: 4 } });
    // Of the same tree, the better one stays.
    stand.show(log, 4, log.checkpoint(4, [log.key]));
    expect(await one.round()).toMatchObject({ exit: 1, end: { good: 4 } });
    const forged = log
      .checkpoint(4)
      .replace(/(— witness\S+ \S{40})(.)/, (_, head: string, c: string) => head + (c === "A" ? "B" : "A"));
    stand.show(log, 4, forged);
    expect(await one.round()).toMatchObject({
      exit: 1,
      raised: ["monitor/signature", "monitor/quorum"],
      end: { good: 4 },
    });
    stand.show(log, 4);
    expect((await one.round()).exit).toBe(0);
  });

  it("that can't be read does not end what was wrong before", async () => {
    stand.show(long, 600);
    const one = await open();
    await one.round();
    stand.checkpoint = long.checkpoint(500);
    expect((await one.round()).raised).toEqual(["monitor/shrank"]);
    stand.checkpoint = "<html>";
    expect(await one.round()).toMatchObject({ exit: 1, raised: ["monitor/checkpoint"], cleared: [] });
    stand.checkpoint = undefined;
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/shrank", "monitor/checkpoint"] });
  });

  it("without witnesses where you require some, and do not say how many, is not checked", async () => {
    stand.show(long, 600);
    const policy = `log ${long.key.vkey}\nquorum none\n`;
    const one = await open(JSON.stringify({ format: "spur-trust/v1", policy, require: ["witnesses"] }));
    const seen = await one.round();
    expect(seen).toMatchObject({ exit: 2, raised: ["monitor/quorum"] });
    expect(seen.end.good).toBeUndefined();
  });

  it("that nobody serves is not looked at: 2, and not fine", async () => {
    const one = await open();
    expect(await one.round()).toMatchObject({ exit: 2, raised: ["monitor/unreachable"], end: { followed: 0 } });
    stand.show(long, 600);
    expect(await one.round()).toMatchObject({ exit: 0, cleared: ["monitor/unreachable"] });
    await stand.close();
    expect(await one.round()).toMatchObject({ exit: 2, end: { good: 600 } });
  });
});
