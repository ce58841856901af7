// A copy that is killed anywhere: what its checkpoint covers is there and right, and the next round goes on.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { formatBundlePath, formatTilePath, tileWidth } from "@spur/verifier/tlog/tile";
import { originHash } from "../src/store.ts";
import { runSpur, whyNoStrace } from "./child.ts";
import { TestLog } from "./log.ts";
import { serveFolder, type Served } from "./place.ts";
import { cleanUp, temporaryFolder } from "./running.ts";

const SIZES = [4_000, 9_000, 9_700];
const log = new TestLog("mirror.test/crash");
const noStrace = whyNoStrace();
let served: Served;
let folder: string;

beforeAll(async () => {
  folder = join(temporaryFolder(), "log");
  // All sizes lie there; the checkpoint says which one the log is at.
  for (const size of SIZES) log.place(folder, size);
  served = await serveFolder(folder);
});
afterAll(async () => {
  await served.close();
  await cleanUp();
});
const show = (size: number): void => writeFileSync(join(folder, "checkpoint"), log.note(size));

/** Size of the copy; everything below it must be there, whole, byte for byte. */
function judged(copy: string): number {
  if (!existsSync(join(copy, "checkpoint"))) return 0;
  const note = readFileSync(join(copy, "checkpoint"), "utf8");
  const { size } = parseCheckpoint(parseNote(note).text);
  expect(note).toBe(log.note(size));
  const same = (path: string): void =>
    expect(readFileSync(join(copy, path)).equals(readFileSync(join(folder, path))), path).toBe(true);
  for (let level = 0; 256 ** level <= size; level++) {
    for (let index = 0; tileWidth(level, index, size) > 0; index++) {
      const width = tileWidth(level, index, size);
      same(formatTilePath({ level, index, width }));
      if (level === 0) same(formatBundlePath({ index, width }));
    }
  }
  return size;
}

const place = () => {
  const data = join(temporaryFolder(), "data");
  return { data, copy: join(data, "mirror", originHash(log.origin)) };
};
const once = (data: string) => ["witness", "mirror", served.url, "--vkey", log.vkey, "--data", data, "--once"];

/** What was written of a file before it had its name is swept. */
function swept(copy: string): void {
  expect(readdirSync(copy, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(existsSync(join(copy, "pending"))).toBe(false);
}

describe("kill -9", () => {
  it("at any moment of copying and of following", { timeout: 60_000 }, async () => {
    const { data, copy } = place();
    let kills = 0;
    for (const size of SIZES) {
      show(size);
      for (let killAfterMs = 300; ; killAfterMs *= 1.25) {
        const { exit } = await runSpur(once(data), { killAfterMs });
        const reached = judged(copy);
        if (exit === "SIGKILL") kills++;
        if (exit === 0) {
          expect(reached).toBe(size);
          break;
        }
      }
      swept(copy);
    }
    expect(kills).toBeGreaterThan(2);
  });

  it.skipIf(noStrace !== undefined)("at a system call that makes something durable", { timeout: 100_000 }, async () => {
    // Counted in each thread for itself. The folder itself is synced behind `pending`, and behind `checkpoint`.
    const faults: { call: string; when: number; path?: string }[] = [
      { call: "rename", when: 2 },
      { call: "rename", when: 6 },
      { call: "fsync", when: 2 },
      { call: "fsync", when: 6 },
      { call: "fsync", when: 1, path: "" },
      { call: "fsync", when: 2, path: "" },
      { call: "unlink,unlinkat", when: 1, path: "pending" },
    ];
    for (const { call, when, path } of faults) {
      const { data, copy } = place();
      show(4_000);
      const only = path === undefined ? [] : ["-P", join(copy, path)];
      const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${when}`];
      const first = await runSpur(once(data), {
        before: ["strace", "-f", "-qq", ...only, "-o", "/dev/null", ...inject],
      });
      expect(first.exit, `${call} ${when} ${path ?? ""}`).toBe("SIGKILL");
      judged(copy);
      show(9_000);
      expect(await runSpur(once(data))).toMatchObject({ exit: 0 });
      expect(judged(copy)).toBe(9_000);
      swept(copy);
      rmSync(data, { recursive: true });
    }
  });
});
