// A whole log from outside: as it was published, and as a liar would serve it.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { concatBytes } from "@spur/verifier/bytes";
import { createLog, makeStory, type MadeLog } from "../../verifier/test/make-log.ts";
import { seenFile } from "../src/seen.ts";
import { placeLog } from "./place-log.ts";
import { serve } from "./serve.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** A log of more than one tile: 600 closings of nothing, cheap to make. */
function longLog(entries: number, options: Parameters<typeof createLog>[0] = {}): MadeLog {
  const log = createLog({ witnesses: 0, ...options });
  log.addKeys();
  while (log.entries.length < entries) log.close();
  return log;
}

const long = longLog(600);
const story = makeStory({ witnesses: 0 }).log;
let terminal: Terminal;
let mirror: string;
beforeEach(() => {
  terminal = openTerminal();
  mirror = join(terminal.folder, "mirror");
});
afterEach(() => terminal.close());
const io = () =>
  ({ env: { XDG_STATE_HOME: join(terminal.folder, "state") } }) as unknown as Parameters<typeof seenFile>[0];
const audit = (log: MadeLog, more = "") => terminal.spur(`audit mirror --trust ${log.key.vkey} ${more}`);
function spoil(path: string, at: number): void {
  const bytes = readFileSync(join(mirror, path));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(join(mirror, path), bytes);
}

describe("a good log", () => {
  it("of every shape is in place", async () => {
    for (const size of [2, 255, 256, 257, 511, 512, 513, 600]) {
      rmSync(mirror, { recursive: true, force: true });
      placeLog(mirror, long, size);
      const { exit, out, err } = await audit(long);
      expect([size, exit, err]).toEqual([size, 0, ""]);
      expect(out).toMatch(
        new RegExp(
          `^✓ VERIFIED  All ${size} entries of ${long.origin} are in place, and give the root that was signed.\n`,
        ),
      );
    }
    expect((await audit(long)).out).toContain("It extends the log of size 600 that you saw before.");
  });
  it("with all kinds of records is in place; and the same over HTTP", async () => {
    placeLog(mirror, story);
    expect(await audit(story)).toMatchObject({ exit: 0, out: expect.stringContaining("outputs 1 · ") as string });
    const server = await serve((request, response) => {
      const file = join(mirror, (request.url ?? "").replace(/^\/log\//, ""));
      if (!(request.url ?? "").startsWith("/log/") || !existsSync(file)) response.writeHead(404).end();
      else response.writeHead(200).end(readFileSync(file));
    });
    const { exit, out } = await terminal.spur(`audit ${server.url} --trust ${story.key.vkey} --json`);
    await server.close();
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      format: "spur-audit/v1",
      where: `${server.url}/log`,
      size: story.entries.length,
      signer: "trusted",
      exit: 0,
      seen: story.entries.length,
    });
  });
  it("is only consistent with itself where its signer is unknown, and is not remembered", async () => {
    placeLog(mirror, story);
    const { exit, out } = await terminal.spur("audit mirror");
    expect(exit).toBe(2);
    expect(out).toMatch(/^\? NOT CHECKED .*are consistent with themselves; the signer is unknown to you/);
    expect(out).not.toContain("✓");
    expect(existsSync(join(terminal.folder, "state"))).toBe(false);
  });
  it("without partial tiles that full ones have replaced", async () => {
    placeLog(mirror, long, 300);
    placeLog(mirror, long, 512);
    writeFileSync(join(mirror, "checkpoint"), long.checkpoint(300));
    for (const path of ["tile/0/001.p", "tile/entries/001.p"]) rmSync(join(mirror, path), { recursive: true });
    expect((await audit(long)).exit).toBe(0);
  });
  it("whose quorum of witnesses is demanded and missing is not checked", async () => {
    const witnessed = makeStory({ witnesses: 2 }).log;
    placeLog(
      mirror,
      witnessed,
      witnessed.entries.length,
      witnessed.checkpoint(witnessed.entries.length, [witnessed.key]),
    );
    writeFileSync(join(terminal.folder, "trust.json"), witnessed.trustText());
    expect((await terminal.spur("audit mirror --trust trust.json")).exit).toBe(2);
    placeLog(mirror, witnessed);
    const { exit, out } = await terminal.spur("audit mirror --trust trust.json");
    expect(exit).toBe(0);
    for (const { name } of witnessed.witnesses)
      expect(out).toMatch(new RegExp(`signature line: The witness ${name} saw this checkpoint at 20[0-9T:-]+Z`));
  });
});

describe("one changed byte", () => {
  beforeEach(() => placeLog(mirror, long));
  it.each([
    ["tile/entries/000", 40],
    ["tile/entries/002.p/88", 900],
    ["tile/0/000", 8191],
    ["tile/0/001", 0],
    ["tile/0/002.p/88", 31],
    ["tile/1/000.p/2", 5],
  ])("in %s is refuted", async (path, at) => {
    spoil(path, at);
    const { exit, out } = await audit(long, "--json");
    expect(exit).toBe(1);
    const failed = JSON.parse(out).findings.filter((one: { verdict: string }) => one.verdict === "fail");
    expect(failed.length).toBeGreaterThan(0);
    if (!path.includes("entries"))
      expect(failed.map((one: { sentence: string }) => one.sentence).join()).toContain(path);
    expect(existsSync(seenFile(io(), long.origin))).toBe(false);
  });
  it("in every byte of the checkpoint never passes", async () => {
    const original = readFileSync(join(mirror, "checkpoint"));
    for (let at = 0; at < original.length; at += 7) {
      const bytes = Buffer.from(original);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(join(mirror, "checkpoint"), bytes);
      expect((await audit(long)).exit, `byte ${at}`).not.toBe(0);
    }
  });
});

describe("a lying or broken server", () => {
  beforeEach(() => placeLog(mirror, long));
  it.each([
    ["a truncated tile", "tile/0/001", (bytes: Buffer) => bytes.subarray(0, 8160), 1],
    ["a partial tile of another width", "tile/0/002.p/88", (bytes: Buffer) => bytes.subarray(32), 1],
    ["a bundle with an entry too few", "tile/entries/000", (bytes: Buffer) => bytes.subarray(0, -100), 1],
    [
      "a bundle with an entry too many",
      "tile/entries/002.p/88",
      (bytes: Buffer) => concatBytes(bytes, new Uint8Array(2)),
      1,
    ],
    ["a file longer than any can be", "tile/0/000", () => new Uint8Array(10_000), 2],
    ["nothing in place of a tile", "tile/0/001", undefined, 2],
    ["nothing in place of a bundle", "tile/entries/001", undefined, 2],
    ["nothing in place of an upper tile", "tile/1/000.p/2", undefined, 2],
  ])("%s", async (_, path, change, exit) => {
    const file = join(mirror, path);
    if (change === undefined) rmSync(file);
    else writeFileSync(file, change(readFileSync(file)));
    const ran = await audit(long);
    expect(ran.exit).toBe(exit);
    expect(ran.out).not.toContain("✓ VERIFIED");
    expect(ran.out).toContain(path.replace(/^tile\/entries\//, "tile/entries/"));
  });
  it("a hanging one is given up", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/checkpoint") response.writeHead(200).end(readFileSync(join(mirror, "checkpoint")));
    });
    const ran = await terminal.spur(`audit ${server.url} --trust ${long.key.vkey} --timeout 0.3`);
    await server.close();
    expect([ran.exit, ran.out]).toEqual([2, expect.stringContaining("did not answer in full within 0.3 s")]);
  });
  it("one that claims more entries than there are is not believed", async () => {
    writeFileSync(join(mirror, "checkpoint"), longLog(601).checkpoint(601));
    expect((await audit(long)).exit).toBe(2);
  });
  it("a gap in a register is refuted, whatever root was signed over it", async () => {
    const bad = longLog(300);
    for (const seq of [1, 7]) {
      bad.add({
        type: "spur:policy/v1",
        predicate: { kind: "output", version: 1 },
        change: (entry) => (entry["seq"] = seq),
      });
    }
    placeLog(mirror, bad);
    const { exit, out } = await audit(bad);
    expect([exit, out]).toEqual([1, expect.stringContaining("The register policies contradicts itself")]);
  });
  it("a key in entry 0 that is not the signer's is refuted", async () => {
    const stranger = createLog({ witnesses: 0, seed: "stranger" });
    stranger.addKeys();
    const signed = stranger.checkpoint(2, [long.key]);
    rmSync(mirror, { recursive: true });
    placeLog(mirror, stranger, 2, signed);
    const { exit, out } = await audit(long);
    expect([exit, out]).toEqual([1, expect.stringContaining("Entry 0 announces another key")]);
  });
  it("withheld bytes are told, and refuted where no removal says so", async () => {
    const server = await serve((request, response) => {
      const file = join(mirror, request.url ?? "");
      if (request.url === "/tile/entries/001") response.writeHead(451).end();
      else if (!existsSync(file)) response.writeHead(404).end();
      else response.writeHead(200).end(readFileSync(file));
    });
    const ran = await terminal.spur(`audit ${server.url} --trust ${long.key.vkey}`);
    await server.close();
    expect([ran.exit, ran.out]).toEqual([1, expect.stringContaining("is withheld, and no removal in the log says so")]);
    expect(ran.out).toContain("The entries give exactly the root that was signed");
  });
});

describe("what was seen last time", () => {
  it("shows a log that went back", async () => {
    placeLog(mirror, long, 600);
    expect((await audit(long)).exit).toBe(0);
    rmSync(mirror, { recursive: true });
    placeLog(mirror, long, 500);
    const { exit, out } = await audit(long);
    expect(exit).toBe(1);
    expect(out).toContain("You have seen this log with 600 entries; now it shows 500: it went back.");
    // Two heads of one history convict nobody: only this memory knows that the larger one came first.
    expect(out).toContain("Both signed checkpoints are kept");
    expect(existsSync(`${seenFile(io(), long.origin)}.misbehaviour.json`)).toBe(false);
    expect(readFileSync(`${seenFile(io(), long.origin)}.conflict`, "utf8")).toBe(long.checkpoint(500));
    expect(readFileSync(seenFile(io(), long.origin), "utf8")).toBe(long.checkpoint(600));
  });
  it.each([400, 300])("shows a log whose past was changed, at the same size or a larger one (%i)", async (before) => {
    const one = longLog(before);
    const other = createLog({ witnesses: 0 });
    other.addKeys();
    other.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 } });
    while (other.entries.length < 400) other.close();
    expect(other.key.vkey).toBe(one.key.vkey);
    placeLog(mirror, one);
    expect((await audit(one)).exit).toBe(0);
    rmSync(mirror, { recursive: true });
    placeLog(mirror, other);
    const { exit, out } = await audit(one);
    expect([exit, out]).toEqual([1, expect.stringContaining(`not the one that you saw before at size ${before}`)]);
    // The proof lies beside the memory, and a stranger who knows the log's key convicts it with the command as printed.
    const file = `${seenFile(io(), one.origin)}.misbehaviour.json`;
    expect(out).toContain(`${file} proves it to anybody.`);
    const printed = / {2}npx spur (verify .+)$/m.exec(out)?.[1] ?? "";
    expect(printed).toContain(file);
    expect(await terminal.spur(printed)).toMatchObject({
      exit: 1,
      out: expect.stringContaining("signed histories that exclude each other") as string,
    });
    expect(JSON.parse((await audit(one, "--json")).out)).toMatchObject({ misbehaviour: { file, vkey: one.key.vkey } });
  });
  it("that was damaged is not passed over", async () => {
    placeLog(mirror, long);
    await audit(long);
    writeFileSync(seenFile(io(), long.origin), "nonsense");
    expect(await audit(long)).toMatchObject({ exit: 2, err: expect.stringContaining("[audit/seen]") as string });
  });
  it("lies under a name that the log cannot choose", async () => {
    const sly = longLog(3, { origin: "../../../evil" });
    placeLog(mirror, sly);
    expect((await audit(sly)).exit).toBe(0);
    expect(readdirSync(join(terminal.folder, "state/spur/seen"))).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });
});

describe("misuse", () => {
  it.each([
    ["audit", "which log?"],
    ["audit nowhere", "no checkpoint at"],
    ["audit mirror --data x", "belong to --custody"],
    ["audit mirror --timeout never", "--timeout never"],
  ])("%s", async (line, says) => {
    expect(await terminal.spur(line)).toMatchObject({ exit: 2, err: expect.stringContaining(says) as string });
  });
});

describe("--custody", () => {
  it.each([
    ["pass", 0, "✓ VERIFIED"],
    ["fail", 1, "✗ REFUTED"],
    ["not-checked", 2, "? NOT CHECKED"],
  ])("%s ends in %i", async (verdict, exit, shown) => {
    const server = await serve((request, response) => {
      const finding = { verdict, code: "custody/missing", index: 4, rec: "x", sentence: "entry 4: gone" };
      const report = {
        format: "spur-custody/v1",
        verdict,
        sentence: "Well.",
        size: 9,
        counts: { keptNothing: 1 },
        findings: verdict === "pass" ? [] : [finding],
      };
      response
        .writeHead(request.method === "POST" && request.url === "/spur/v1/custody" ? 200 : 404)
        .end(JSON.stringify(report));
    });
    const ran = await terminal.spur(`audit ${server.url} --custody --key spur_x`);
    const json = await terminal.spur(`audit --url ${server.url} --custody --key spur_x --json`);
    await server.close();
    expect([ran.exit, json.exit]).toEqual([exit, exit]);
    expect(ran.out.startsWith(shown)).toBe(true);
    expect(ran.out.includes("entry 4: gone [custody/missing]")).toBe(exit !== 0);
  });
});
