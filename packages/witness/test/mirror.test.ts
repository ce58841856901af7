// Verified copies: of an honest log that grows, and of logs that lie, shrink, fork, hang and bomb.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { parseBundle } from "@spur/verifier/tlog/tile";
import { makeSigner } from "../../verifier/test/make-log.ts";
import { openTerminal } from "../../cli/test/terminal.ts";
import { originHash } from "../src/store.ts";
import { signed, TestLog } from "./log.ts";
import { mirrorRound, serveFolder, type Lie, type Served } from "./place.ts";
import { cleanUp, startTestWitness, temporaryFolder } from "./running.ts";

/** Forty megabytes of nothing, packed. Made beforehand: it takes longer than some of the lies below have. */
const BOMB = gzipSync(Buffer.alloc(40_000_000));

const open: Served[] = [];
afterAll(async () => {
  for (const one of open) await one.close();
  await cleanUp();
});

/** A log that is served over HTTP at this size, and an empty folder for its copy. */
async function place(
  log: TestLog,
  size: number,
): Promise<{ served: Served; into: string; grow(size: number, other?: TestLog): void }> {
  const folder = join(temporaryFolder(), "log");
  log.place(folder, size);
  const served = await serveFolder(folder);
  open.push(served);
  return {
    served,
    into: join(temporaryFolder(), "copy"),
    grow(to, other = log) {
      if (other !== log) rmSync(folder, { recursive: true });
      other.place(folder, to);
    },
  };
}
const code = (what: string) => expect.objectContaining({ code: what }) as unknown;
const filesOf = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true, encoding: "utf8" })
      .filter((one) => one.isFile() && one.name !== "lock.sqlite")
      .map((one) => join(one.parentPath, one.name))
      .sort()
      .map((file) => [file.slice(folder.length + 1), readFileSync(file, "base64")]),
  );

describe("an honest log", () => {
  it.each([[[0, 1, 2, 255, 256, 257, 511, 512, 700]], [[700]], [[256]], [[70_000]]])(
    "is copied whole at sizes %j",
    async (sizes) => {
      const log = new TestLog("mirror.test/log");
      const { served, into, grow } = await place(log, sizes[0] ?? 0);
      let from = 0;
      for (const size of sizes) {
        grow(size);
        expect(await mirrorRound(log, served.url, into)).toEqual({ origin: log.origin, from, size, withheld: 0 });
        // Exactly the files that the log of this size has; partial ones that are full by now have gone.
        const fresh = join(temporaryFolder(), "fresh");
        log.place(fresh, size);
        const copied = filesOf(into);
        for (const [path, bytes] of filesOf(fresh)) expect(copied.get(path) === bytes, path).toBe(true);
        const extra = [...copied.keys()].filter((path) => !existsSync(join(fresh, path)));
        expect(extra.every((path) => /\.p\//.test(path) && !existsSync(join(into, path.split(".p/")[0] ?? "")))).toBe(
          true,
        );
        from = size;
      }
      const terminal = openTerminal();
      const audit = await terminal.spur(`audit ${into} --trust ${log.vkey} --json`);
      terminal.close();
      // Its entries are none of Spur's, so the audit can't pass; but tiles and root are judged, and it finds no fault in them.
      expect(audit.out).not.toMatch(/"(audit\/tile|audit\/root-refuted|tile\/[a-z]+|log\/missing)"/);
    },
  );

  it("costs nothing to look at again, and only what is new when it has grown", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, 1000);
    await mirrorRound(log, served.url, into);
    served.asked.length = 0;
    await mirrorRound(log, served.url, into);
    expect(served.asked).toEqual(["checkpoint"]);
    grow(1100);
    served.asked.length = 0;
    await mirrorRound(log, served.url, into);
    expect(served.asked.filter((path) => path.startsWith("tile/entries/"))).toEqual([
      "tile/entries/003",
      "tile/entries/004.p/76",
    ]);
  });

  it("keeps cosignatures that come later, and does not lose them again", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 300);
    await mirrorRound(log, served.url, into);
    const cosigned = log.note(300, { signers: [log.signer, makeSigner("w.test", "w", 0x04)] });
    for (const [shown, kept] of [
      [cosigned, cosigned],
      [log.note(300), cosigned],
    ] as const) {
      writeFileSync(join(served.folder, "checkpoint"), shown);
      await mirrorRound(log, served.url, into);
      expect(readFileSync(join(into, "checkpoint"), "utf8")).toBe(kept);
    }
  });

  it("may serve full tiles in place of partial ones, gzip, and below /log", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, 300);
    grow(600);
    rmSync(join(served.folder, "tile/entries/001.p"), { recursive: true });
    rmSync(join(served.folder, "tile/0/001.p"), { recursive: true });
    writeFileSync(join(served.folder, "checkpoint"), log.note(300));
    served.lie = (path, response) => {
      if (!path.startsWith("log/")) return path === "checkpoint" && response.writeHead(404).end() !== undefined;
      const file = join(served.folder, path.slice(4));
      if (!existsSync(file)) return response.writeHead(404).end() !== undefined;
      if (path.includes("entries")) response.setHeader("content-encoding", "gzip").end(gzipSync(readFileSync(file)));
      else response.end(readFileSync(file));
      return true;
    };
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ size: 300 });
    expect(parseBundle(readFileSync(join(into, "tile/entries/001.p/44")), 44)).toHaveLength(44);
  });

  it("may withhold a bundle by law: its leaves are copied, and whoever asks is told", async () => {
    const log = new TestLog("mirror.test/withheld");
    const { served } = await place(log, 600);
    served.lie = (path, response) => path === "tile/entries/001" && response.writeHead(451).end() !== undefined;
    const witness = await startTestWitness();
    const hash = originHash(log.origin);
    expect(await mirrorRound(log, served.url, join(witness.data, "mirror", hash))).toMatchObject({
      size: 600,
      withheld: 1,
    });
    expect((await witness.get(`/mirror/${hash}/tile/entries/001`)).status).toBe(451);
    expect((await witness.get(`/mirror/${hash}/tile/0/001`)).status).toBe(200);
  });

  it("is read by other tools from the witness that serves the copy", async () => {
    const log = new TestLog("mirror.test/served");
    const { served } = await place(log, 1000);
    const witness = await startTestWitness();
    const hash = originHash(log.origin);
    await mirrorRound(log, served.url, join(witness.data, "mirror", hash));
    const again = join(temporaryFolder(), "second copy");
    expect(await mirrorRound(log, `${witness.url}/mirror/${hash}`, again)).toMatchObject({ size: 1000 });
    const full = await witness.get(`/mirror/${hash}/tile/entries/000`);
    expect(full.headers.get("cache-control")).toContain("immutable");
    expect(full.headers.get("content-encoding")).toBe("gzip");
    for (const path of [
      "tile/0/000.p/5",
      "tile/0/4",
      "tile/0/x000/004",
      "tile/64/000",
      "checkpoint.tmp",
      "pending",
      "lock.sqlite",
    ])
      expect((await witness.get(`/mirror/${hash}/${path}`)).status).toBe(404);
    expect(await (await witness.get("/")).text()).toContain(`/mirror/${hash}/checkpoint`);
  });
});

describe("a log that breaks its word", () => {
  it.each([
    ["shows another root for the same size", 700, 700, "mirror/forked"],
    ["grows from another history", 700, 900, "mirror/forked"],
    ["shows less, of another history", 700, 600, "mirror/forked"],
    ["forks inside the last tile", 700, 705, "mirror/forked"],
  ])("%s", async (_, size, to, expected) => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, size);
    await mirrorRound(log, served.url, into);
    const before = filesOf(into);
    const other = new TestLog(log.origin, { fork: "!", forkAt: 550 });
    grow(to, other);
    for (let round = 0; round < 2; round++) {
      await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code(expected));
    }
    const conflicts = readdirSync(into)
      .filter((name) => name.startsWith("conflict-"))
      .sort();
    expect(conflicts.map((name) => readFileSync(join(into, name), "utf8"))).toEqual([log.note(size), other.note(to)]);
    for (const name of conflicts) rmSync(join(into, name));
    expect(filesOf(into)).toEqual(before);
  });

  it("goes back to a size that it had", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, 700);
    await mirrorRound(log, served.url, into);
    grow(500);
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/shrank"));
    expect(readFileSync(join(into, "checkpoint"), "utf8")).toBe(log.note(700));
    grow(900);
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ from: 700, size: 900 });
  });

  it("is held to a checkpoint whose entries it never showed", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, 300);
    await mirrorRound(log, served.url, into);
    grow(900);
    served.lie = (path, response) => path === "tile/entries/002" && response.writeHead(503).end() !== undefined;
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("log/status"));
    served.lie = undefined;
    expect(readFileSync(join(into, "checkpoint"), "utf8")).toBe(log.note(300));
    grow(900, new TestLog(log.origin, { fork: "!", forkAt: 800 }));
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/forked"));
    grow(600, log);
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/shrank"));
    grow(900);
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ from: 300, size: 900 });
  });
});

describe("a log that lies", () => {
  const flip = (folder: string, path: string, at = 10): Lie => {
    const bytes = readFileSync(join(folder, path));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return (asked, response) => asked === path && response.end(bytes) !== undefined;
  };

  it.each([
    "tile/0/000",
    "tile/0/002",
    "tile/0/003.p/132",
    "tile/1/000.p/3",
    "tile/entries/000",
    "tile/entries/003.p/132",
  ])("in %s is found out, nothing of it is kept, and the rest comes later", async (path) => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    served.lie = flip(served.folder, path);
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/refuted"));
    expect(existsSync(join(into, "checkpoint"))).toBe(false);
    const honest = filesOf(served.folder);
    for (const [file, bytes] of filesOf(into)) if (file.startsWith("tile/")) expect(honest.get(file)).toBe(bytes);
    served.lie = undefined;
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ from: 0, size: 900 });
  });

  const whole =
    (lie: (response: Parameters<Lie>[1]) => void, at = "tile/entries/001"): Lie =>
    (path, response) => {
      if (path !== at) return false;
      lie(response);
      return true;
    };
  it.each<[string, string, Lie]>([
    ["cuts a bundle", "mirror/refuted", whole((response) => response.end(Buffer.alloc(100)))],
    ["sends nothing", "mirror/refuted", whole((response) => response.end())],
    ["sends a bundle of 100 MB", "http/too-large", whole((response) => response.end(Buffer.alloc(100_000_000)))],
    [
      "sends a bomb of gzip as encoding",
      "http/too-large",
      whole((response) => response.setHeader("content-encoding", "gzip").end(BOMB)),
    ],
    ["sends a bomb of gzip as the file", "mirror/refuted", whole((response) => response.end(BOMB))],
    ["hangs", "http/timeout", whole(() => {})],
    ["drips", "http/timeout", whole((response) => drip(response))],
    [
      "breaks off",
      "http/unreachable",
      whole((response) => response.writeHead(200, { "content-length": "999" }).destroy()),
    ],
    ["has no such file", "log/missing", whole((response) => response.writeHead(404).end())],
    [
      "sends a tile of 100 MB",
      "http/too-large",
      whole((response) => response.end(Buffer.alloc(100_000_000)), "tile/0/000"),
    ],
    ["sends an empty tile", "mirror/refuted", whole((response) => response.end(), "tile/1/000.p/3")],
    [
      "sends its checkpoint as a tile",
      "mirror/refuted",
      whole((response) => response.end("x".repeat(8_192)), "tile/0/000"),
    ],
  ])("%s: %s", async (_, expected, lie) => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    served.lie = lie;
    const before = process.memoryUsage().rss;
    await expect(
      mirrorRound(log, served.url, into, { timeoutMs: expected === "http/timeout" ? 800 : 10_000 }),
    ).rejects.toEqual(code(expected));
    expect(process.memoryUsage().rss - before).toBeLessThan(500_000_000);
    served.lie = undefined;
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ size: 900 });
  });

  it.each<[string, (log: TestLog) => string]>([
    ["of a stranger", (log) => signed(log.text(900), [makeSigner(log.origin, "stranger")])],
    ["of another log", () => new TestLog("mirror.test/other").note(900)],
    ["of another origin under its key", (log) => signed(new TestLog("mirror.test/other").text(900), [log.signer])],
    ["with a forged line besides a true one", (log) => log.note(900) + (log.note(800).split("\n\n")[1] ?? "")],
    ["of 2^53 entries", (log) => signed(log.text(900).replace("\n900\n", "\n9007199254740992\n"), [log.signer])],
  ])("shows a checkpoint %s", async (_, noteOf) => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    writeFileSync(join(served.folder, "checkpoint"), noteOf(log));
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/not-signed"));
    expect([...filesOf(into).keys()]).toEqual([]);
  });

  it("signs another root than its tiles give", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    const other = new TestLog(log.origin, { fork: "!", forkAt: 899 });
    writeFileSync(join(served.folder, "checkpoint"), other.note(900));
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/refuted"));
    expect([...filesOf(into).keys()]).toEqual([]);
  });

  it("claims a size that it has not: 2^53 - 1 entries cost a few requests, and no memory", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    writeFileSync(
      join(served.folder, "checkpoint"),
      signed(log.text(900).replace("\n900\n", "\n9007199254740991\n"), [log.signer]),
    );
    served.lie = (path, response) =>
      /^tile\/[0-9]/.test(path) && response.end(Buffer.alloc(32 * Number(path.split(".p/")[1] ?? 256))) !== undefined;
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/refuted"));
    expect(served.asked.length).toBeLessThan(20);
  });
});

describe("the copy itself", () => {
  it("is refused where somebody has changed it, and nothing is replaced", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into, grow } = await place(log, 700);
    await mirrorRound(log, served.url, into);
    grow(1200);
    for (const path of ["tile/0/002.p/188", "tile/entries/002.p/188", "checkpoint"]) {
      const kept = join(temporaryFolder(), "kept");
      cpSync(into, kept, { recursive: true });
      const bytes = readFileSync(join(into, path));
      bytes[bytes.length - 8] = (bytes[bytes.length - 8] ?? 0) ^ 1;
      writeFileSync(join(into, path), bytes);
      const run = mirrorRound(log, served.url, into);
      // A partial tile below the new size is not needed any more: only what is read is judged.
      if (path === "checkpoint") {
        await expect(run).rejects.toEqual(code("mirror/damaged"));
        expect(readFileSync(join(into, path))).toEqual(bytes);
      } else await run;
      rmSync(into, { recursive: true });
      cpSync(kept, into, { recursive: true });
    }
  });

  it("finds a file damaged that a killed round had left", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    served.lie = (path, response) => path === "tile/entries/003.p/132" && response.writeHead(404).end() !== undefined;
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("log/missing"));
    served.lie = undefined;
    const put = (path: string, bytes: Uint8Array): void => {
      mkdirSync(join(into, path, ".."), { recursive: true });
      writeFileSync(join(into, path), bytes);
    };
    const honest = readFileSync(join(served.folder, "tile/entries/001"));
    const wrong = Buffer.from(honest);
    wrong[10] = (wrong[10] ?? 0) ^ 1;
    put("tile/entries/001", wrong);
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/damaged"));
    expect(readFileSync(join(into, "tile/entries/001"))).toEqual(wrong);
    put("tile/entries/001", honest);
    put("tile/0/000", Buffer.alloc(8_192));
    await expect(mirrorRound(log, served.url, into)).rejects.toEqual(code("mirror/damaged"));
  });

  it("is written by one process at a time", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 900);
    let second: Promise<unknown> | undefined;
    await mirrorRound(log, served.url, into, {
      progress: () => {
        second ??= mirrorRound(log, served.url, into).catch((error: unknown) => error);
      },
    });
    expect(await second).toEqual(code("data/locked"));
  });

  it("ends a round that is told to stop, and goes on there", async () => {
    const log = new TestLog("mirror.test/log");
    const { served, into } = await place(log, 5_000);
    const stop = new AbortController();
    await expect(
      mirrorRound(log, served.url, into, { signal: stop.signal, progress: (done) => done > 2_000 && stop.abort() }),
    ).rejects.toThrow(/abort/i);
    expect(await mirrorRound(log, served.url, into)).toMatchObject({ from: 0, size: 5_000 });
  });
});

function drip(response: Parameters<Lie>[1]): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write("x"), 50);
  response.on("close", () => clearInterval(timer));
}
