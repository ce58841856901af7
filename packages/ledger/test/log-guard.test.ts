// What must stop a start: older copies, clones, strangers' folders, flipped bits. Nothing is signed, written or deleted then.
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "@spur/verifier/bytes";
import { parseEntry } from "@spur/verifier/statement/entry";
import { formatBundlePath, formatTilePath } from "@spur/verifier/tlog/tile";
import { refuseNetworkFolder } from "../src/storage/lock.ts";
import {
  allFiles, appendAll, auditFolder, codeOf, commitOne, copyPair, grow, newPair, NOW_MS, openCore, plainDraft, ready, removeFolders, removeNow, sealedDraft, type Pair,
} from "./log-support.ts"; // prettier-ignore

afterAll(removeFolders);

/** Code with which an opening ends; nothing below the folders may have changed, but for SQLite's own lock and shared-memory files. */
async function refusal(pair: Pair): Promise<string> {
  const look = (): string[] =>
    allFiles(pair.data, pair.keys)
      .filter(
        ({ path }) =>
          !/-(shm|journal)$|lock\.sqlite$/.test(path) && !(path.endsWith("-wal") && statSync(path).size === 0),
      )
      .map(({ path, bytes }) => `${path} ${bytes.toString("base64")}`);
  const before = look();
  const code = await codeOf(async () => {
    await (await openCore(pair)).close();
  });
  // SQLite's last connection moves its write-ahead log into the database: no entry and no key is lost by that.
  if (code !== "none" && !existsSync(join(pair.data, "ledger.sqlite-wal")))
    expect(look().filter((line) => !line.includes("ledger.sqlite"))).toEqual(
      before.filter((line) => !line.includes("ledger.sqlite")),
    );
  return code;
}

/** A log of some size, published, closed. */
async function made(entries = 300): Promise<Pair> {
  const pair = newPair();
  const core = await openCore(pair);
  commitOne(core, await ready(pair, sealedDraft([utf8("something sealed")])));
  grow(core, entries - 1);
  await core.publication.publish();
  await core.close();
  return pair;
}

async function growAndPublish(pair: Pair, count: number): Promise<void> {
  const core = await openCore(pair);
  grow(core, count);
  await core.publication.publish();
  while (core.publication.prune());
  await core.close();
}

function putBack(from: Pair, to: Pair, which: readonly ("data" | "keys")[]): void {
  for (const one of which) {
    rmSync(to[one], { recursive: true, force: true });
    cpSync(from[one], to[one], { recursive: true });
  }
}

describe("an older copy of the data folder", () => {
  it("10 entries before the last checkpoint stops the start, with the old root key and without; the true folder goes on", async () => {
    const pair = await made();
    const old = copyPair(pair);
    await growAndPublish(pair, 10);
    const truth = copyPair(pair);
    putBack(old, pair, ["data"]);
    expect(await refusal(pair)).toBe("log/rolled-back");
    putBack(truth, pair, ["data", "keys"]);
    const core = await openCore(pair);
    const [target] = grow(core, 1);
    const doomed = sealedDraft([utf8("doomed")]);
    commitOne(core, await ready(pair, doomed));
    await removeNow(core, [doomed.rec]);
    expect(target).toBeDefined();
    await core.close();
    const after = copyPair(pair);
    putBack(old, pair, ["data"]); // its root key is destroyed now: still "an older copy" is what the operator reads
    expect(await refusal(pair)).toBe("log/rolled-back");
    for (const name of readdirSync(old.keys).filter((file) => file.startsWith("root.")))
      cpSync(join(old.keys, name), join(pair.keys, name));
    expect(await refusal(pair)).toBe("log/rolled-back");
    putBack(after, pair, ["data", "keys"]);
    await growAndPublish(pair, 3);
  });

  it("10 entries before the last receipt stops the start, though nothing was published", async () => {
    const pair = await made(20);
    const old = copyPair(pair);
    const core = await openCore(pair);
    grow(core, 10);
    core.publication.signReceipts(["receipt\n"]);
    const newest = copyPair(pair);
    await core.close();
    putBack(old, pair, ["data"]);
    expect(await refusal(pair)).toBe("log/rolled-back");
    expect(await refusal(newest)).toBe("none");
  });

  it("of the database alone is noticed by the files beside it, even where the keys folder has forgotten", async () => {
    const pair = await made(200);
    const old = copyPair(pair);
    await growAndPublish(pair, 100);
    for (const name of readdirSync(pair.data).filter((file) => file.startsWith("ledger.sqlite")))
      unlinkSync(join(pair.data, name));
    cpSync(join(old.data, "ledger.sqlite"), join(pair.data, "ledger.sqlite"));
    cpSync(join(old.keys, "seen"), join(pair.keys, "seen"));
    expect(await refusal(pair)).toBe("log/rolled-back"); // the published checkpoint
    cpSync(join(old.data, "log", "checkpoint"), join(pair.data, "log", "checkpoint"));
    expect(await refusal(pair)).toBe("log/rolled-back"); // a full tile, and a partial one
  });

  it("that went on by itself, beside its own copy of the keys folder, is a fork where the two meet", async () => {
    const pair = await made(20);
    const clone = copyPair(pair); // with both folders: only a witness could tell, see the limits
    await growAndPublish(pair, 10);
    await growAndPublish(clone, 10);
    putBack(clone, pair, ["data"]);
    expect(await refusal(pair)).toBe("log/forked");
    await growAndPublish(clone, 10);
    putBack(clone, pair, ["data"]);
    expect(await refusal(pair)).toBe("log/forked");
  });
});

describe("a clone of a running data folder beside its keys folder", () => {
  it("does not start while the true one runs, nor after it went on", async () => {
    const pair = await made(20);
    const core = await openCore(pair);
    grow(core, 5);
    const clone: Pair = { data: copyPair(pair).data, keys: pair.keys };
    expect(await codeOf(() => openCore(clone))).toBe("data/locked");
    grow(core, 5);
    await core.publication.publish();
    await core.close();
    expect(await refusal(clone)).toBe("log/rolled-back");
    expect(await refusal(pair)).toBe("none");
  });

  it("that is started first makes the other one the older copy", async () => {
    const pair = await made(20);
    const clone: Pair = { data: copyPair(pair).data, keys: pair.keys };
    await growAndPublish(clone, 5);
    expect(await refusal(pair)).toBe("log/rolled-back");
  });
});

describe("folders that do not belong together", () => {
  it("stop the start: keys of another log, no keys at all, an emptied data folder", async () => {
    const pair = await made(20);
    const other = await made(20);
    expect(await refusal({ data: pair.data, keys: other.keys })).toBe("data/not-a-pair");
    expect(await refusal({ data: pair.data, keys: newPair().keys })).toBe("data/not-a-pair");
    const emptied: Pair = { data: newPair().data, keys: pair.keys };
    expect(await refusal(emptied)).toBe("log/rolled-back");
    expect(existsSync(join(emptied.data, "ledger.sqlite"))).toBe(false);
  });

  it("stop the start where only the database is gone or empty, and leave the keys as they are", async () => {
    const pair = await made(20);
    const key = readFileSync(join(pair.keys, "log.key"), "utf8");
    for (const suffix of ["-wal", "-shm"]) rmSync(join(pair.data, `ledger.sqlite${suffix}`), { force: true });
    truncateSync(join(pair.data, "ledger.sqlite"));
    expect(await codeOf(() => openCore(pair))).toBe("log/rolled-back");
    expect(await codeOf(() => openCore(pair))).toBe("log/rolled-back");
    // And where nothing else is in the data folder: an empty database does not make strangers of the keys.
    const bare: Pair = { data: newPair().data, keys: pair.keys };
    mkdirSync(bare.data);
    writeFileSync(join(bare.data, "ledger.sqlite"), "");
    expect(await codeOf(() => openCore(bare))).toBe("log/rolled-back");
    expect(readFileSync(join(pair.keys, "log.key"), "utf8")).toBe(key);
    // Keys gone as well: the files of the old log are no place for a new one.
    expect(await codeOf(() => openCore({ data: pair.data, keys: newPair().keys }))).toBe("log/rolled-back");
  });

  it("of which one is locked leave the other unlocked", async () => {
    const pair = await made(5);
    const core = await openCore(pair);
    const clone: Pair = { data: copyPair(pair).data, keys: pair.keys };
    expect(await codeOf(() => openCore(clone))).toBe("data/locked");
    await core.close();
    expect(await codeOf(async () => (await openCore(clone)).close())).toBe("none");
  });
});

describe("a second process", () => {
  it("is refused by name, and takes over when the first was killed", { timeout: 20_000 }, async () => {
    const pair = await made(20);
    const source = `import { Core } from ${JSON.stringify(new URL("../src/core.ts", import.meta.url).href)};
      await Core.open({ data: ${JSON.stringify(pair.data)}, keys: ${JSON.stringify(pair.keys)}, origin: "x", now: () => performance.now() });
      process.stdout.write("open"); setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(await codeOf(() => openCore(pair))).toBe("data/locked");
    expect(() => execFileSync(process.execPath, ["--input-type=module", "-e", source], { stdio: "pipe" })).toThrow(
      /data\/locked/,
    );
    child.kill("SIGKILL");
    await gone;
    await growAndPublish(pair, 1);
  });
});

describe("network file systems", () => {
  it.each([["NFS", 0x6969], ["SMB", 0x517b], ["SMB2", 0xfe534d42], ["SMB2, as a signed number", 0xfe534d42 | 0], ["CIFS", 0xff534d42], ["Ceph", 0x00c36400], ["9p", 0x01021997]])("%s is refused", async (_, type) => {
    expect(await codeOf(() => { refuseNetworkFolder("/somewhere", type); })).toBe("data/network-folder"); // prettier-ignore
  }); // prettier-ignore
  it.each([["ext4", 0xef53], ["tmpfs", 0x01021994], ["btrfs", 0x9123683e], ["xfs", 0x58465342], ["apfs", 0x1a]])("%s is not", async (_, type) => {
    expect(await codeOf(() => { refuseNetworkFolder("/somewhere", type); })).toBe("none"); // prettier-ignore
  }); // prettier-ignore
});

/** Changes one byte in the middle of a file. */
function flip(path: string, at?: number): void {
  const bytes = readFileSync(path);
  const where = at ?? Math.floor(bytes.length / 2);
  bytes[where] = (bytes[where] as number) ^ 1;
  writeFileSync(path, bytes);
}

/** Rewrites a table's bytes in place, as a rotten disk would that SQLite does not notice. */
function corrupt(pair: Pair, sql: string): void {
  const database = new DatabaseSync(join(pair.data, "ledger.sqlite"));
  database.exec(sql);
  database.close();
}

describe("a flipped bit", () => {
  const tile = (level: number, index: number, width = 256): string => formatTilePath({ level, index, width });
  const bundle = (index: number): string => formatBundlePath({ index, width: 256 });
  const lastRoot = (pair: Pair): string =>
    join(pair.keys, readdirSync(pair.keys).find((name) => name.startsWith("root.")) as string);

  it.each<[string, (pair: Pair) => void, string]>([
    ["the last full tile", (pair) => { flip(join(pair.data, "log", tile(0, 0))); }, "log/damaged"],
    ["the last full bundle", (pair) => { flip(join(pair.data, "log", bundle(0))); }, "log/damaged"],
    ["the published checkpoint's text", (pair) => { flip(join(pair.data, "log", "checkpoint"), 3); }, "log/damaged"],
    ["the published checkpoint's signature", (pair) => { flip(join(pair.data, "log", "checkpoint")); }, "log/damaged"],
    ["an entry still in the database", (pair) => { corrupt(pair, "update entries set bytes = replace(bytes, 'active', 'retired') where idx = 290"); }, "log/damaged"],
    ["the head's root", (pair) => { corrupt(pair, "update head set root = zeroblob(32)"); }, "log/damaged"],
    ["an entry lost from the database", (pair) => { corrupt(pair, "delete from entries where idx = 270"); }, "log/damaged"],
    ["the last entries lost from the database", (pair) => { corrupt(pair, "delete from entries"); }, "log/damaged"],
    ["the root key", (pair) => { const path = lastRoot(pair); writeFileSync(path, readFileSync(path, "utf8").replace(/[0-9a-f](?=\n$)/, (digit) => (digit === "0" ? "1" : "0"))); }, "vault/key-damaged"],
    ["the root key's form", (pair) => { flip(lastRoot(pair), 2); }, "vault/root-missing"],
    ["the root key, missing", (pair) => { unlinkSync(lastRoot(pair)); }, "vault/root-missing"],
    ["the log's key", (pair) => { flip(join(pair.keys, "log.key")); }, "keys/damaged"],
    ["the receipts key, missing", (pair) => { unlinkSync(join(pair.keys, "receipts.key")); }, "keys/missing"],
    ["seen: its size", (pair) => { writeFileSync(join(pair.keys, "seen"), readFileSync(join(pair.keys, "seen"), "utf8").replace("\n300\n", "\n301\n")); }, "log/rolled-back"],
    ["seen: its root", (pair) => { const path = join(pair.keys, "seen"); writeFileSync(path, readFileSync(path, "utf8").replace(/\n.(?=[^\n]*\n$)/, "\nx")); }, "log/forked"],
    ["seen: its form", (pair) => { flip(join(pair.keys, "seen"), 1); }, "keys/damaged"],
    ["SQLite's own header", (pair) => { flip(join(pair.data, "ledger.sqlite"), 3); }, "data/io"],
    ["a wrapped KEK", (pair) => { corrupt(pair, "update keks set wrapped = zeroblob(40)"); }, "vault/key-damaged"],
  ])("in %s is noticed", async (_, spoil, code) => {
    const pair = await made(300);
    if (code === "log/damaged" && String(spoil).includes("log")) await growAndPublish(pair, 0); // rows of the full bundle are pruned
    const copy = copyPair(pair);
    spoil(pair);
    expect(await refusal(pair)).toBe(code);
    putBack(copy, pair, ["data", "keys"]);
    await growAndPublish(pair, 1);
  }); // prettier-ignore

  it("in a payload or its key is noticed when it is opened", async () => {
    const pair = newPair();
    let core = await openCore(pair);
    const draft = sealedDraft([utf8("something sealed")]);
    commitOne(core, await ready(pair, draft));
    await core.close();
    corrupt(pair, "update deks set wrapped = zeroblob(40)");
    core = await openCore(pair);
    expect(await codeOf(() => core.vault.unwrap(draft.rec))).toBe("vault/key-damaged");
    await core.close();
    corrupt(pair, "delete from deks");
    core = await openCore(pair);
    expect(await codeOf(() => core.vault.unwrap(draft.rec))).toBe("vault/key-missing");
    await core.close();
  });
});

describe("recovery", () => {
  it(
    "starts where a crash came between a commit over 65,536 entries and its upper tiles",
    { timeout: 120_000 },
    async () => {
      const pair = newPair();
      let core = await openCore(pair);
      grow(core, 65_500, 8192);
      await core.publication.publish();
      while (core.publication.prune(65_536));
      // The tiles' folder is a file while the last commit is made: nothing can be written any more.
      const kept = join(pair.data, "kept");
      renameSync(join(pair.data, "log", "tile"), kept);
      writeFileSync(join(pair.data, "log", "tile"), "");
      grow(core, 65_536 + 300 - 65_500, 8192);
      expect(await codeOf(() => core.publication.publish())).not.toBe("none");
      expect(await codeOf(() => core.publication.signReceipts(["r\n"]))).toBe("none");
      rmSync(join(pair.data, "log", "tile"));
      renameSync(kept, join(pair.data, "log", "tile"));
      const left = copyPair(pair);
      await core.close();
      core = await openCore(left);
      expect(core.size).toBe(65_836);
      await core.publication.publish();
      const audited = auditFolder(left.data, core.info.vkey);
      expect(audited.size).toBe(65_836);
      await core.close();
    },
  );

  it("writes tiles and bundles again that are gone while their entries are still rows", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    grow(core, 700);
    await core.publication.publish(); // not pruned
    await core.close();
    rmSync(join(pair.data, "log", "tile"), { recursive: true });
    const again = await openCore(pair);
    appendAll(again, [plainDraft()]);
    await again.publication.publish();
    expect(auditFolder(pair.data, again.info.vkey).size).toBe(701);
    await again.close();
  });

  it("keeps the hours from going back when the clock did between two starts", async () => {
    const pair = newPair();
    let core = await openCore(pair);
    appendAll(
      core,
      Array.from({ length: 256 }, () => plainDraft()),
      NOW_MS + 7_200_000,
    );
    await core.publication.publish();
    while (core.publication.prune());
    await core.close();
    for (const clock of [NOW_MS, NOW_MS - 86_400_000, NOW_MS + 10_800_000]) {
      core = await openCore(pair);
      appendAll(core, [plainDraft()], clock);
      await core.publication.publish();
      await core.close();
    }
    const { entries } = auditFolder(pair.data, core.info.vkey);
    expect(entries.slice(-3).map((bytes) => parseEntry(bytes).at)).toEqual([
      "2026-11-22T06Z",
      "2026-11-22T06Z",
      "2026-11-22T07Z",
    ]);
  });

  it("sweeps what crashes left, in both folders, once all checks have passed", async () => {
    const pair = await made(20);
    const litter = [
      join(pair.data, "log", "checkpoint.00000000.tmp"),
      join(pair.keys, "seen.00000000.tmp"),
      join(pair.keys, "root.0123456789abcdef.00000000.tmp"),
    ];
    for (const path of litter) writeFileSync(path, "x");
    const truth = readFileSync(join(pair.keys, "seen"));
    writeFileSync(join(pair.keys, "seen"), truth.toString().replace("\n20\n", "\n21\n"));
    expect(await refusal(pair)).toBe("log/rolled-back");
    expect(litter.map((path) => existsSync(path))).toEqual([true, true, true]);
    writeFileSync(join(pair.keys, "seen"), truth);
    expect(await codeOf(async () => (await openCore(pair)).close())).toBe("none");
    expect(litter.map((path) => existsSync(path))).toEqual([false, false, false]);
  });

  it("collects payload files that no row names after a day, and no others", async () => {
    const pair = newPair();
    let core = await openCore(pair);
    const kept = sealedDraft([new Uint8Array(100_000), new Uint8Array(1_200_000)]);
    const never = sealedDraft([new Uint8Array(100_000), new Uint8Array(1_200_000)]);
    commitOne(core, await ready(pair, kept));
    await ready(pair, never); // and never committed
    await ready(pair, kept); // sealed once more for a retry: other files of the same rec
    await core.close();
    const files = () => allFiles(join(pair.data, "payloads")).map(({ path }) => path);
    expect(files()).toHaveLength(6);
    core = await openCore(pair);
    await core.close();
    expect(files()).toHaveLength(6);
    const yesterday = (Date.now() - 25 * 3_600_000) / 1000;
    for (const path of files()) utimesSync(path, yesterday, yesterday);
    core = await openCore(pair);
    expect(files().every((path) => path.includes(kept.rec))).toBe(true);
    const { file, blobs } = core.vault.unwrap(kept.rec);
    expect(files().sort()).toEqual(
      [file as string, ...Object.values(JSON.parse(blobs as string) as object)]
        .map((path) => join(pair.data, path as string))
        .sort(),
    );
    await core.close();
  });
});
