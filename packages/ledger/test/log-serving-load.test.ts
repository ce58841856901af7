// The published log under a thousand readers, slow ones among them, and with the longest bundles there can be.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseBundle } from "@spur/verifier/tlog/tile";
import { cleanUp, startTestLedger, type TestLedger } from "../../../test/support/ledger.ts";
import { newRec } from "../src/record.ts";
import { ask, codeOf } from "./log-serving-support.ts";

const COUNT = 276;
let long: TestLedger;
const bundles: Buffer[] = [];

beforeAll(async () => {
  long = await startTestLedger();
  const envelope = (): Parameters<typeof long.ledger.ledger.record>[0][number] => ({
    rec: newRec(), predicateType: "spur:foreign/v1", predicate: {}, evidence: "reported", retention: "data", owner: "",
    dsse: { payload: randomBytes(47_000), payloadType: "application/x", signatures: [{ keyid: "", sig: new Uint8Array(64) }] },
  }); // prettier-ignore
  for (let i = 0; i < COUNT; i += 12) {
    await long.ledger.ledger.record(Array.from({ length: 12 }, envelope));
    if (i === 132) await long.ledger.publish(); // 146
  }
  await long.ledger.publish();
  bundles.push(readFileSync(join(long.data, "log", "tile", "entries", "000")));
  bundles.push(readFileSync(join(long.data, "log", "tile", "entries", "001.p", String(COUNT + 2 - 256))));
});

afterAll(cleanUp);

it("serves bundles of many megabytes whole, in part and as HEAD", async () => {
  const [full, partial] = bundles as [Buffer, Buffer];
  expect(full.length).toBeGreaterThan(15_000_000);
  for (const coding of ["gzip", "identity"]) {
    const headers = { "accept-encoding": coding };
    const got = await ask(long.url, "/log/tile/entries/000", headers);
    expect([got.body.equals(full), got.headers["content-length"]]).toEqual([true, String(full.length)]);
    expect((await ask(long.url, `/log/tile/entries/001.p/${COUNT - 254}`, headers)).body.equals(partial)).toBe(true);
    const outgrown = await ask(long.url, "/log/tile/entries/000.p/146", headers);
    expect(parseBundle(outgrown.body, 146).length).toBe(146);
    expect(outgrown.body.equals(full.subarray(0, outgrown.body.length))).toBe(true);
    const head = await ask(long.url, "/log/tile/entries/000", headers, "HEAD");
    expect([head.body.length, head.headers["content-length"]]).toEqual([0, String(full.length)]);
  }
});

it("keeps neither files open nor bundles in memory for readers that stand still, and serves the others", async () => {
  const { hostname, port } = new URL(long.url);
  const path = "/log/tile/entries/000";
  const memory = (): number => process.memoryUsage().arrayBuffers;
  const before = memory();
  const slow = await Promise.all(
    Array.from(
      { length: 60 },
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          const sent = httpRequest({ hostname, port, path, agent: false }, (response) => {
            response.pause();
            resolve(response);
          });
          sent.on("error", reject);
          sent.end();
        }),
    ),
  );
  // Until the buffers of all connections are full, and nobody reads any more.
  do await new Promise((resolve) => setTimeout(resolve, 200));
  while (openInLog(long.data) > 0);
  // Whole, they would come to 900 MB.
  expect(memory() - before).toBeLessThan(100e6);
  expect((await ask(long.url, path)).body.equals(bundles[0] as Buffer)).toBe(true);
  for (const one of slow) one.destroy();
});

it("answers a thousand readers at once, each with what he asked for, and opens few files at a time", async () => {
  const [full, partial] = bundles as [Buffer, Buffer];
  const hashes = readFileSync(join(long.data, "log", "tile", "0", "000"));
  const tail = `tile/entries/001.p/${COUNT - 254}`;
  const wanted: [string, Buffer][] = [["tile/0/000", hashes], ["tile/0/000.p/146", hashes.subarray(0, 146 * 32)], [tail, partial]]; // prettier-ignore
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, openInLog(long.data))), 40);
  const readers = Array.from({ length: 1000 }, async (_, i) => {
    const [path, bytes] = i % 250 === 0 ? (["tile/entries/000", full] as const) : (wanted[i % 20 === 1 ? 2 : i % 2] as [string, Buffer]); // prettier-ignore
    const { status, body } = await ask(long.url, `/log/${path}`, { "accept-encoding": i % 3 === 0 ? "gzip" : "identity" }); // prettier-ignore
    return status === 200 && body.equals(bytes);
  });
  const right = await Promise.all(readers);
  clearInterval(watch);
  expect(right.filter((one) => !one)).toEqual([]);
  expect(most).toBeLessThanOrEqual(16);
  if (process.platform === "linux") expect(most).toBeGreaterThan(0);
});

it("cuts the connection where a bundle breaks off, and says so where a file is not what it must be", async () => {
  const folder = join(long.data, "log", "tile");
  const path = join(folder, "entries", "000");
  const original = readFileSync(path);
  const { hostname, port } = new URL(long.url);
  const broken = await new Promise<string>((resolve, reject) => {
    const sent = httpRequest({ hostname, port, path: "/log/tile/entries/000", agent: false }, (response) => {
      rmSync(path);
      response.resume();
      response.on("error", (error) => {
        resolve(error.message);
      });
      response.on("end", () => {
        resolve("ended as if it were whole");
      });
    });
    sent.on("error", reject);
    sent.end();
  });
  expect(broken).toBe("aborted");
  expect(codeOf(await ask(long.url, "/log/tile/entries/000.p/146"))).toBe("log/damaged");
  writeFileSync(path, original.subarray(0, 5_000_000));
  const cut = await ask(long.url, "/log/tile/entries/000.p/146");
  expect([cut.status, codeOf(cut), cut.headers["cache-control"]]).toEqual([503, "log/damaged", "no-store"]);
  writeFileSync(path, original);
  expect((await ask(long.url, "/log/tile/entries/000.p/146")).status).toBe(200);
  const tile = join(folder, "0", "000");
  const hashes = readFileSync(tile);
  writeFileSync(tile, hashes.subarray(0, 8000));
  expect(codeOf(await ask(long.url, "/log/tile/0/000"))).toBe("log/damaged");
  writeFileSync(tile, hashes);
  const checkpoint = join(long.data, "log", "checkpoint");
  const note = readFileSync(checkpoint);
  writeFileSync(checkpoint, "nothing\n");
  expect(codeOf(await ask(long.url, "/log/checkpoint"))).toBe("log/damaged");
  writeFileSync(checkpoint, note);
  expect((await ask(long.url, "/log/checkpoint")).body.equals(note)).toBe(true);
});

/** Files below the log's folder that this process, ledger and test, has open. */
function openInLog(data: string): number {
  if (process.platform !== "linux") return 0;
  const log = join(data, "log") + "/";
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(log);
    } catch {
      return false;
    }
  }).length;
}
