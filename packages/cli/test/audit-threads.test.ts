// Threads may only make an audit faster: whatever is served, the report is the same as without them.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { createLog } from "../../verifier/test/make-log.ts";
import { auditLog } from "../src/audit-log.ts";
import { openBundles, threadsFor } from "../src/audit-workers.ts";
import type { Io } from "../src/io.ts";
import { openLog } from "../src/fetch-log.ts";
import { loadTrust } from "../src/trust-store.ts";
import { placeLog } from "./place-log.ts";
import { serve } from "./serve.ts";
import { openTerminal } from "./terminal.ts";

const THREADS = 2;
const log = createLog({ witnesses: 0 });
log.addKeys();
while (log.entries.length < 1420) {
  if (log.entries.length % 97 === 0) log.close();
  else log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: log.entries.length } });
}

const terminal = openTerminal();
afterAll(() => terminal.close());
const mirror = join(terminal.folder, "mirror");
beforeEach(() => {
  rmSync(mirror, { recursive: true, force: true });
  placeLog(mirror, log);
});
const io: Io = {
  stdout: { write: () => true },
  stderr: { write: () => true },
  env: { HOME: terminal.folder, XDG_CONFIG_HOME: terminal.folder, XDG_STATE_HOME: join(terminal.folder, "state") },
  cwd: terminal.folder,
  isTty: false,
  now: () => 0,
};

async function audit(place: string, threads: number) {
  const trust = await loadTrust(io, [log.key.vkey]);
  return auditLog(io, place, { trust, timeoutMs: 5000, progress: { at: () => {}, end: () => {} }, threads });
}

/** The report with threads, after it was seen to be the one without. */
async function same(place = mirror) {
  const alone = await audit(place, 0);
  const together = await audit(place, THREADS);
  expect({
    ...together,
    seen: undefined,
    findings: together.findings.filter(({ code }) => code !== "audit/seen"),
  }).toEqual({
    ...alone,
    seen: undefined,
    findings: alone.findings.filter(({ code }) => code !== "audit/seen"),
  });
  return together;
}

function change(path: string, edit: (bytes: Buffer) => Uint8Array | string): void {
  writeFileSync(join(mirror, path), edit(readFileSync(join(mirror, path))));
}
function flip(path: string, at: number): void {
  change(path, (bytes) => bytes.fill((bytes[at] ?? 0) ^ 1, at, at + 1));
}

describe("an audit with threads", () => {
  it("of a good log, from a folder and over HTTP, before and after it has grown", async () => {
    rmSync(join(terminal.folder, "state"), { recursive: true, force: true });
    placeLog(mirror, log, 600);
    expect((await audit(mirror, THREADS)).exit).toBe(0);
    placeLog(mirror, log);
    const grown = await audit(mirror, THREADS);
    expect([grown.exit, grown.seen]).toEqual([0, 600]);
    expect(grown.findings.map(({ code }) => code)).toContain("audit/seen");
    const server = await serve((request, response) => {
      const file = join(mirror, request.url ?? "");
      if (existsSync(file)) response.writeHead(200).end(readFileSync(file));
      else response.writeHead(404).end();
    });
    expect((await same(server.url)).exit).toBe(0);
    await server.close();
    expect((await same()).registers["policies"]?.entries).toBeGreaterThan(1300);
  });

  it.each([
    ["an entry", () => flip("tile/entries/003", 40), "audit/root-refuted"],
    ["the last entry", () => flip("tile/entries/005.p/140", 900), "audit/root-refuted"],
    ["a tile", () => flip("tile/0/004", 31), "audit/tile"],
    ["an upper tile", () => flip("tile/1/000.p/5", 159), "audit/tile"],
    ["an entry that leaves JSON", () => change("tile/entries/004", (bytes) => bytes.fill(0xff, 2, 3)), "entry/refuted"],
    ["a bundle that is cut", () => change("tile/entries/004", (bytes) => bytes.subarray(0, -9)), "tile/bundle"],
    ["a file that is too large", () => change("tile/0/003", () => new Uint8Array(9000)), "http/too-large"],
    ["a tile that is gone", () => rmSync(join(mirror, "tile/0/002")), "log/missing"],
    ["all that is gone", () => rmSync(join(mirror, "tile"), { recursive: true }), "log/missing"],
  ])("of a log with a change in %s", async (_, spoil, code) => {
    spoil();
    const report = await same();
    expect(report.exit).not.toBe(0);
    expect(report.findings.map((one) => one.code)).toContain(code);
  });

  it("of a log that withholds a bundle", async () => {
    const server = await serve((request, response) => {
      const file = join(mirror, request.url ?? "");
      if (request.url === "/tile/entries/004") response.writeHead(451).end();
      else if (existsSync(file)) response.writeHead(200).end(readFileSync(file));
      else response.writeHead(404).end();
    });
    const report = await same(server.url);
    await server.close();
    expect(report.withheld).toBe(256);
  });

  it("ends with an error, and does not hang, when a thread does", async () => {
    const source = openBundles(await openLog(io, mirror, { timeoutMs: 1000 }), THREADS);
    const wanted = { index: 0, width: 256, leaves: false };
    expect((await source.read([wanted])).digests).toHaveLength(1);
    // A width that no bundle has is no answer of the log: it is a fault of ours.
    const { error } = await source.read([{ ...wanted, width: 257 }]);
    expect(error).toMatchObject({ code: "tile/path" });
    await source.close();
    await expect(source.read([wanted])).rejects.toThrow("ended");
  });

  it("is not tried where a log is short", () => {
    expect(threadsFor(3)).toBe(0);
    expect(threadsFor(100_000)).toBeLessThanOrEqual(4);
  });
});
