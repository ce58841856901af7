import { existsSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "@spur/verifier/bytes";
import { formatBundlePath, formatTilePath, parseBundle, tileWidth } from "@spur/verifier/tlog/tile";
import {
  allFiles,
  appendAll,
  auditFolder,
  copyPair,
  filesHolding,
  grow,
  newPair,
  openCore,
  removeFolders,
  sealedDraft,
} from "./log-support.ts";

afterAll(removeFolders);

/** Tiles and bundles that a reader of the published checkpoint asks for, exactly as C2SP tlog-tiles names them. */
function partialsOf(size: number): string[] {
  const paths: string[] = [];
  for (let level = 0; 256 ** level <= size; level++) {
    const index = Math.floor(size / 256 ** (level + 1));
    const width = tileWidth(level, index, size);
    if (width === 0) continue;
    paths.push(formatTilePath({ level, index, width }));
    if (level === 0) paths.push(formatBundlePath({ index, width }));
  }
  return paths;
}

describe("publication", () => {
  it("keeps the partial tiles of the published checkpoint until the next one, though their full tiles are written", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const folder = join(pair.data, "log");
    grow(core, 300);
    await core.publication.publish();
    grow(core, 250);
    while (!existsSync(join(folder, formatTilePath({ level: 0, index: 1, width: 256 }))))
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const path of partialsOf(300)) expect([path, existsSync(join(folder, path))]).toEqual([path, true]);
    expect(auditFolder(pair.data, core.info.vkey).size).toBe(300);
    await core.publication.publish();
    expect(existsSync(join(folder, `${formatTilePath({ level: 0, index: 1, width: 256 })}.p`))).toBe(false);
    expect(existsSync(join(folder, `${formatBundlePath({ index: 1, width: 256 })}.p`))).toBe(false);
    for (const path of partialsOf(550)) expect([path, existsSync(join(folder, path))]).toEqual([path, true]);
    await core.close();
  });

  it("is one checkpoint for one size, never smaller, whatever is asked at once", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    const path = join(pair.data, "log", "checkpoint");
    const seen = new Map<number, string>();
    let last = 0;
    for (let i = 0; i < 30; i++) {
      grow(core, 1 + (i % 40));
      const published = core.publication.publish();
      grow(core, i % 7); // commits go on while files are written
      const { size, checkpoint } = await published;
      const text = readFileSync(path, "utf8");
      if (checkpoint !== undefined) expect(Buffer.from(checkpoint).toString()).toBe(text);
      expect(size).toBeGreaterThanOrEqual(last);
      expect(seen.get(size) ?? text).toBe(text);
      seen.set(size, text);
      last = size;
      expect(auditFolder(pair.data, core.info.vkey).size).toBe(size);
    }
    const before = readFileSync(path, "utf8");
    await core.publication.publish();
    await core.publication.publish();
    expect(core.size).toBeGreaterThan(last - 1);
    await core.close();
    const again = await openCore(pair);
    await again.publication.publish();
    expect(again.head().published).toBe(again.size);
    expect(before.length).toBeGreaterThan(0);
    await again.close();
  });

  it("signs a size a second time with the same root only: a checkpoint that was lost comes back as it was", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    grow(core, 10);
    await core.publication.publish();
    await core.close();
    const left = copyPair(pair);
    const path = join(left.data, "log", "checkpoint");
    const text = readFileSync(path, "utf8");
    unlinkSync(path);
    const again = await openCore(left);
    await again.publication.publish();
    expect(readFileSync(path, "utf8")).toBe(text);
    await again.close();
  });

  it("shows no sealed content: neither text nor key in any file of the log", async () => {
    const pair = newPair();
    const core = await openCore(pair);
    appendAll(core, [sealedDraft([utf8("nobody outside may read this sentence")])]);
    await core.publication.publish();
    expect(filesHolding([utf8("nobody outside may read this sentence")], join(pair.data, "log"))).toEqual([]);
    expect(allFiles(join(pair.data, "log")).length).toBeGreaterThan(2);
    const bundle = readFileSync(join(pair.data, "log", formatBundlePath({ index: 0, width: 1 })));
    expect(parseBundle(bundle, 1)).toHaveLength(1);
    await core.close();
  });
});
