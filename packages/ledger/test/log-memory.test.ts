// What a start and a recovery do when a memory is missing or a published file was changed on disk.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { getPayload, putPayload } from "../src/api/payloads.ts";
import { recover } from "../src/restore.ts";
import { auditFolder, codeOf, copyPair, grow, newPair, openCore, removeFolders, type Pair } from "./log-support.ts";

afterAll(removeFolders);

async function published(count: number): Promise<Pair> {
  const pair = newPair();
  const core = await openCore(pair);
  grow(core, count);
  await core.publication.publish();
  await core.close();
  return pair;
}

it("a log that has signed does not start without `seen`, and a backup alone is no way around it", async () => {
  const pair = await published(20);
  const backup = copyPair(pair).data;
  const core = await openCore(pair);
  grow(core, 5);
  await core.publication.publish();
  await core.close();
  rmSync(join(pair.keys, "seen"));
  expect(await codeOf(() => openCore(pair))).toBe("keys/missing");
  rmSync(pair.data, { recursive: true });
  cpSync(backup, pair.data, { recursive: true });
  expect(await codeOf(() => openCore(pair))).toBe("keys/missing");
  expect(await codeOf(() => recover({ ...pair, from: backup }))).toBe("recover/behind");
  expect(existsSync(join(pair.keys, "seen"))).toBe(false);
});

it("partial tiles of the published size are written again where they are gone, and stop the start where they differ", async () => {
  const pair = await published(300);
  const folder = join(pair.data, "log");
  const partials = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.p\/\d+$/.test(name));
  expect(partials.length).toBeGreaterThan(2);
  for (const name of partials) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    rmSync(path);
    const core = await openCore(pair);
    await core.close();
    expect(readFileSync(path).equals(bytes), name).toBe(true);
    const changed = Buffer.from(bytes);
    changed[5] = (changed[5] as number) ^ 1;
    writeFileSync(path, changed);
    expect(await codeOf(() => openCore(pair)), name).toBe("log/tile-differs");
    writeFileSync(path, bytes);
  }
  const core = await openCore(pair);
  expect(auditFolder(pair.data, core.info.vkey).size).toBe(300);
  await core.close();
});

it("a public payload that was changed on disk is not given out", async () => {
  const { data } = newPair();
  const { sha256 } = await putPayload(data, Buffer.from("a\nb\n"));
  expect((await getPayload(data, sha256))?.toString()).toBe("a\nb\n");
  writeFileSync(join(data, "public", sha256.slice(0, 2), sha256), "a\nc\n");
  expect(await codeOf(() => getPayload(data, sha256))).toBe("payload/damaged");
});
