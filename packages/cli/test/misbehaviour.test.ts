// From two notes and the tiles of a log to a file that convicts it, and what `spur verify` says of the file.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "@spur/verifier/bytes";
import { inclusionProof } from "@spur/verifier/tlog/merkle";
import { formatTlogProof } from "@spur/verifier/tlog/proof";
import { formatTilePath, type Tile } from "@spur/verifier/tlog/tile";
import { createLog, makeStory, type MadeLog } from "../../verifier/test/make-log.ts";
import { forkProof, receiptProof } from "../src/misbehaviour.ts";
import { placeLog } from "./place-log.ts";
import { openTerminal } from "./terminal.ts";

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** The tiles of a log as it stands now, read from files. */
function tilesOf(log: MadeLog, asked: string[] = []): (tile: Tile) => Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "spur-tiles-"));
  folders.push(folder);
  placeLog(folder, log);
  return async (tile) => {
    asked.push(formatTilePath(tile));
    return Promise.resolve(readFileSync(join(folder, formatTilePath(tile))));
  };
}

/** A log of `size` entries under the same keys as every other one here; from entry `from` on it holds what `name` says. */
function history(name: string, size: number, from = 0): MadeLog {
  const log = createLog({ witnesses: 1 });
  for (let i = 0; i < size; i++) log.push(utf8(`${i < from ? "common" : name} ${i}`), String(i).padStart(32, "0"));
  return log;
}

const nobody = async () => Promise.reject(new Error("no tile is needed"));
const keyOf = (log: MadeLog) => ({ origin: log.origin, vkey: log.key.vkey });
const terminal = openTerminal();
afterAll(() => terminal.close());
async function verify(name: string, file: Uint8Array | undefined, more = "") {
  writeFileSync(join(terminal.folder, name), file ?? "");
  return terminal.spur(`verify ${name} ${more}`.trim());
}

describe("two notes of one log", () => {
  it("of one size: no tile is read, and the file convicts under the log's key alone", async () => {
    const [one, other] = [history("one", 7), history("other", 7)];
    // Their witnesses' lines are left out: they prove nothing here.
    const file = await forkProof(keyOf(one), one.checkpoint(), other.checkpoint(), nobody);
    const { exit, out } = await verify("same.misbehaviour.json", file, `--trust ${one.key.vkey}`);
    expect(exit).toBe(1);
    expect(out.split("\n")[0]).toBe(
      `✗ REFUTED  ${one.origin} signed histories that exclude each other (sizes 7, 7), with ${one.key.vkey}: this key equivocated or was stolen.`,
    );
    const unknown = await verify("same.misbehaviour.json", file);
    expect(unknown.exit).toBe(2);
    expect(unknown.out).toContain("? NOT CHECKED");
    const json = await verify("same.misbehaviour.json", file, `--trust ${one.key.vkey} --json`);
    expect(JSON.parse(json.out)).toMatchObject({
      exit: 1,
      verdict: "fail",
      code: "misbehaviour/fork",
      origin: one.origin,
    });
  });

  it.each([
    [1, 2], [1, 300], [5, 9], [8, 9], [255, 256], [256, 257], [256, 700], [300, 700], [511, 512], [512, 700], [699, 700],
  ])("of sizes %i and %i: tiles of the larger tree make the proof, in whichever order they come", async (m, n) => {
    const [one, other] = [history("one", m, m - 1), history("other", n, m - 1)];
    const [older, newer] = [one.checkpoint(), other.checkpoint()];
    const file = await forkProof(keyOf(one), older, newer, tilesOf(other));
    expect(file).toBeDefined();
    expect(await forkProof(keyOf(one), newer, older, tilesOf(other))).toEqual(file);
    const { exit } = await verify("fork.misbehaviour.json", file, `--trust ${one.key.vkey}`);
    expect(exit).toBe(1);
  }); // prettier-ignore

  it("that agree are no proof", async () => {
    const log = history("one", 400);
    for (const size of [0, 1, 128, 399, 400]) {
      expect(await forkProof(keyOf(log), log.checkpoint(size), log.checkpoint(), tilesOf(log))).toBeUndefined();
    }
  });

  it("are no proof with tiles of another tree, and the caller is told so", async () => {
    const [one, other] = [history("one", 200, 100), history("other", 300, 100)];
    const wrong = tilesOf(history("third", 300, 100));
    await expect(forkProof(keyOf(one), one.checkpoint(), other.checkpoint(), wrong)).rejects.toMatchObject({
      code: "misbehaviour/tiles",
    });
  });

  it("that the key has not signed accuse nobody", async () => {
    const [one, other] = [history("one", 7), history("other", 7)];
    const unsigned = other.checkpoint(7, other.witnesses);
    await expect(forkProof(keyOf(one), one.checkpoint(), unsigned, nobody)).rejects.toMatchObject({
      code: "log/signature",
    });
    const stranger = createLog({ seed: "stranger" });
    await expect(forkProof(keyOf(stranger), one.checkpoint(), other.checkpoint(), nobody)).rejects.toMatchObject({
      code: "log/signature",
    });
  });
});

describe("a receipt", () => {
  function twoHistories() {
    const [kept, shown] = [makeStory(), makeStory()];
    const answer = ({ log, deployment }: typeof kept, outcome: string) =>
      log.add({ type: "spur:output/v1", predicate: { deployment: deployment.ref, outcome } });
    const { index } = answer(kept, "complete");
    answer(shown, "partial");
    for (let i = 0; i < 300; i++) shown.log.push(utf8(`more ${i}`), String(i).padStart(32, "0"));
    const file = JSON.parse(new TextDecoder().decode(kept.log.receipt(index))) as { note: string; vkey: string };
    return { log: shown.log, kept: kept.log, index, receipt: { note: file.note, vkey: file.vkey } };
  }

  it("that the log does not keep convicts it, for those who know the log's key alone", async () => {
    const { log, receipt, index } = twoHistories();
    const announced = { index: 1, entry: log.entries[1]?.bytes ?? new Uint8Array() };
    const file = await receiptProof(keyOf(log), receipt, log.checkpoint(), tilesOf(log), announced);
    const { exit, out } = await verify("receipt.misbehaviour.json", file, `--trust ${log.key.vkey}`);
    expect(exit).toBe(1);
    expect(out).toContain(`promised another entry ${index}`);
    // Without the announcement it needs both keys.
    const bare = await receiptProof(keyOf(log), receipt, log.checkpoint(), tilesOf(log));
    expect((await verify("bare.misbehaviour.json", bare, `--trust ${log.key.vkey}`)).exit).toBe(2);
    const both = `--trust ${log.key.vkey} --trust ${log.receipts.vkey}`;
    expect((await verify("bare.misbehaviour.json", bare, both)).exit).toBe(1);
  });

  it("that the log keeps, or does not reach yet, is no proof; a wrong announcement is refused", async () => {
    const { log, kept, receipt, index } = twoHistories();
    expect(await receiptProof(keyOf(kept), receipt, kept.checkpoint(), tilesOf(kept))).toBeUndefined();
    expect(await receiptProof(keyOf(log), receipt, log.checkpoint(index), nobody)).toBeUndefined();
    const wrong = { index: 0, entry: log.entries[0]?.bytes ?? new Uint8Array() };
    await expect(receiptProof(keyOf(log), receipt, log.checkpoint(), tilesOf(log), wrong)).rejects.toMatchObject({
      code: "misbehaviour/key",
    });
  });
});

describe("spur verify", () => {
  const log = history("one", 20);
  const entry = log.entries[3]?.bytes ?? new Uint8Array();
  const hashes = inclusionProof(log.entries.map(({ leaf }) => leaf), 3); // prettier-ignore
  const proof = (extra?: Uint8Array) =>
    utf8(formatTlogProof({ ...(extra && { extra }), index: 3, hashes, checkpoint: log.checkpoint() }));

  it("says that a file which proves nothing convicts nobody, and never that all is well", async () => {
    const { exit, out } = await verify("x.misbehaviour.json", utf8('{"format":"spur-misbehaviour/v1"}'), "");
    expect([exit, out.split("\n")[0]]).toEqual([
      2,
      "? NOT CHECKED  This file convicts nobody (evidence/format: file.hashes: missing).",
    ]);
  });

  it("reads a tlog-proof with its entry, or takes the entry from --entry", async () => {
    const trust = `--trust ${log.key.vkey}`;
    const whole = await verify("a.tlog-proof", proof(entry), trust);
    expect([whole.exit, whole.out.split("\n")[0]]).toEqual([
      0,
      `✓ VERIFIED  The entry at hand is entry 3 of ${log.origin}, in its tree of 20 entries.`,
    ]);
    expect((await verify("b.tlog-proof", proof(), trust)).exit).toBe(2);
    writeFileSync(join(terminal.folder, "entry.bin"), entry);
    writeFileSync(join(terminal.folder, "other.bin"), "other");
    expect((await verify("b.tlog-proof", proof(), `--entry entry.bin ${trust}`)).exit).toBe(0);
    expect((await verify("b.tlog-proof", proof(), `--entry other.bin ${trust}`)).exit).toBe(1);
    // A quorum that the caller demands counts here as everywhere.
    const policy = `log ${log.key.vkey}\nwitness w ${log.witnesses[0]?.vkey ?? ""}\nquorum w\n`;
    writeFileSync(join(terminal.folder, "policy.txt"), policy);
    expect((await verify("a.tlog-proof", proof(entry), "--trust policy.txt")).exit).toBe(0);
    const alone = utf8(formatTlogProof({ extra: entry, index: 3, hashes, checkpoint: log.checkpoint(20, [log.key]) }));
    expect((await verify("c.tlog-proof", alone, "--trust policy.txt")).exit).toBe(2);
  });

  it("refuses --entry where there is no tlog-proof", async () => {
    const { exit, err } = await verify("x.json", utf8("{}"), "--entry entry.bin");
    expect([exit, err]).toEqual([2, expect.stringContaining("[cli/option]")]);
  });
});
