// What somebody types who holds a file and knows whom he trusts.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { edited, makeStory } from "../../verifier/test/make-log.ts";
import { embedEvidence } from "../src/html.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

const story = makeStory({ witnesses: 0 });
const { log, output, decision, policy, deployment } = story;
const closing = log.close();
const registers = [policy, output, decision, deployment].map(({ index }) => index);
const good = log.evidenceFile({
  ask: "Q5",
  entries: [...registers, closing.index],
  registers: [closing.index],
  open: [
    [output.index, 0],
    [output.index, 1],
  ],
});
const other = makeStory({ seed: "other", origin: "other.example/log", witnesses: 0 });

let terminal: Terminal;
const put = (name: string, bytes: string | Uint8Array) => writeFileSync(join(terminal.folder, name), bytes);
beforeAll(() => {
  terminal = openTerminal();
  put("answer.evidence.json", good);
  put("trust.json", log.trustText());
  put("log.vkey", `${log.key.vkey}\n`);
  put("policy.txt", `log ${log.key.vkey}\nquorum none\n`);
  put("receipt.json", log.receipt(output.index));
  put("answer.html", embedEvidence("<!doctype html><!--spur-evidence--><script>1</script>", good));
});
afterAll(() => terminal.close());

describe("a good file", () => {
  it.each(["trust.json", "log.vkey", "policy.txt", log.key.vkey])("is verified under --trust %s", async (trust) => {
    const { exit, out, err } = await terminal.spur(`verify answer.evidence.json --trust ${trust}`);
    expect([exit, err]).toEqual([0, ""]);
    const [verdict, about] = out.split("\n");
    expect(verdict).toBe(
      `✓ VERIFIED  Entry ${output.index} of ${log.origin} is genuine: the answer was let through by a rule under policy version 1; up to entry ${closing.index} there is no later decision and no removal.`,
    );
    expect(about).toBe(`  answer.evidence.json · ${log.origin} · log of ${log.entries.length} entries`);
    for (const title of ["Answers", "Checked", "Not checked", "Opened", "Coverage"])
      expect(out).toContain(`\n\n${title}\n`);
    expect(out).toContain(`    request: {"messages":[{"role":"user","content":"你好"}]}\n`);
    expect(out).toContain("register decisions, 1..1");
  });
  it("is consistent with itself where nobody is trusted, and that is no success", async () => {
    const { exit, out } = await terminal.spur("verify answer.evidence.json");
    expect(exit).toBe(2);
    expect(out).toMatch(/^\? NOT CHECKED {2}This file is consistent with itself; its signer is unknown to you/);
    expect(out).toContain("\nConsistent with itself, whoever signed it\n");
    expect(out).toContain(
      `      to check it, if this is the key that its owner publishes: npx spur trust add ${log.key.vkey}\n`,
    );
    expect(out).not.toContain("✓");
  });
  it("is no better under a key of another log, or of the same name", async () => {
    expect((await terminal.spur(`verify answer.evidence.json --trust ${other.log.key.vkey}`)).exit).toBe(2);
    const twin = makeStory({ seed: "twin", witnesses: 0 }).log;
    expect(twin.origin).toBe(log.origin);
    expect((await terminal.spur(`verify answer.evidence.json --trust ${twin.key.vkey}`)).exit).toBe(2);
  });
  it("is verified under the user's own trust, without a word on the command line", async () => {
    const own = openTerminal();
    writeFileSync(join(own.folder, "answer.evidence.json"), good);
    expect((await own.spur("verify answer.evidence.json")).exit).toBe(2);
    expect((await own.spur(`trust add ${log.key.vkey}`)).exit).toBe(0);
    expect((await own.spur("verify answer.evidence.json")).exit).toBe(0);
    expect((await own.spur(`trust remove ${log.origin}`)).exit).toBe(0);
    expect((await own.spur("verify answer.evidence.json")).exit).toBe(2);
    own.close();
  });
  it("is verified under two keys after one --trust", async () => {
    const trust = `--trust ${log.key.vkey} ${log.receipts.vkey}`;
    expect((await terminal.spur(`verify receipt.json answer.evidence.json ${trust}`)).exit).toBe(0);
    expect((await terminal.spur(`verify ${trust}`)).err).toContain("which file?");
  });
  it("may be named after --trust, too", async () => {
    expect((await terminal.spur("verify --trust trust.json answer.evidence.json")).exit).toBe(0);
  });
  it("gives the verifier's report as JSON", async () => {
    const { exit, out } = await terminal.spur("verify answer.evidence.json --trust trust.json --json");
    expect(JSON.parse(out)).toMatchObject({
      format: "spur-report/v1",
      verdict: "pass",
      exit,
      signer: "trusted",
      origin: log.origin,
    });
  });
  it("is found inside a page", async () => {
    expect((await terminal.spur("verify answer.html --trust trust.json")).out).toContain("✓ VERIFIED");
  });
  it("can be read from a pipe", async () => {
    execFileSync("mkfifo", [join(terminal.folder, "pipe")]);
    // From another process: here, the writer would wait for a reader that waits for him.
    const writer = spawn("cp", [join(terminal.folder, "answer.evidence.json"), join(terminal.folder, "pipe")]);
    expect((await terminal.spur("verify pipe --trust trust.json")).exit).toBe(0);
    writer.kill();
  });
  it("with --all lists every finding", async () => {
    const short = (await terminal.spur("verify answer.evidence.json --trust trust.json")).out;
    const long = (await terminal.spur("verify answer.evidence.json --trust trust.json --all")).out;
    expect(short).toContain("inclusion: 5 times, each as it should be (--all lists them)");
    expect(long).toContain(`inclusion: Entry ${output.index} stands in the log`);
  });
});

type Loose = Parameters<Parameters<typeof edited>[1]>[0];

describe("a file that was tampered with", () => {
  it.each([
    ["a byte of an entry", (json: Loose) => (json.entries[1].entry = flip(json.entries[1].entry))],
    ["a proof", (json: Loose) => (json.entries[1].proof[0] = flip(json.entries[1].proof[0]))],
    ["an opened text", (json: Loose) => (json.opened[0].value = Buffer.from('{"messages":[]}').toString("base64"))],
    [
      "the checkpoint",
      (json: Loose) =>
        (json.checkpoint = json.checkpoint.replace(`\n${log.entries.length}\n`, `\n${log.entries.length + 1}\n`)),
    ],
    ["the key it names", (json: Loose) => (json.log.vkey = other.log.key.vkey)],
  ])("in %s is refuted", async (_, change) => {
    put("bad.json", edited(good, change));
    const { exit, out } = await terminal.spur("verify bad.json --trust trust.json");
    expect(exit).toBe(1);
    expect(out).toMatch(/^✗ REFUTED {2}Do not rely on this file/);
    expect(out).toContain("\n\nRefuted\n  ✗ ");
  });
  it("so that a terminal would show a verdict of its own, shows none", async () => {
    const name = `x\u001b[2K\u001b[32m✓ VERIFIED`;
    put(
      "forged.json",
      edited(good, (json) => (json.log.origin = name)),
    );
    const { exit, out } = await terminal.spur("verify forged.json --trust trust.json", { tty: true });
    expect(exit).toBe(1);
    expect(out).not.toContain("\u001b[2K");
  });
  it("in a page with two pieces of evidence, or none, is not looked at", async () => {
    const page = new TextDecoder().decode(embedEvidence("<!--spur-evidence-->", good));
    put("two.html", page + page);
    put("none.html", "<html><h1>VERIFIED</h1></html>");
    expect(await terminal.spur("verify two.html")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("the page holds 2 evidence [cli/no-evidence]") as string,
    });
    expect((await terminal.spur("verify none.html")).exit).toBe(2);
  });
});

function flip(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  return bytes.toString("base64");
}

describe("a receipt", () => {
  it("alone says who promised what; with evidence, that it was kept", async () => {
    const trust = `--trust ${log.key.vkey} --trust ${log.receipts.vkey}`;
    const alone = await terminal.spur(`verify receipt.json ${trust}`);
    const both = await terminal.spur(`verify receipt.json answer.evidence.json ${trust}`);
    expect(alone.out).toContain("is signed by");
    expect(alone.out).not.toContain("exactly what the receipt promised");
    expect(both.exit).toBe(0);
    expect(both.out).toContain(`The log holds at entry ${output.index} exactly what the receipt promised.`);
  });
  it("that the log contradicts is refuted, and the evidence beside it is not", async () => {
    // The same place in a log of the same name and keys, with another answer there.
    const twin = makeStory({ witnesses: 0 }).log;
    const lie = twin.add({
      type: "spur:output/v1",
      predicate: { deployment: deployment.ref, outcome: "complete" },
      slots: { response: "other" },
    });
    const truth = log.add({
      type: "spur:output/v1",
      predicate: { deployment: deployment.ref, outcome: "complete" },
      slots: { response: "one" },
    });
    const promised = makeStory({ witnesses: 0 });
    const promise = promised.log.add({
      type: "spur:output/v1",
      predicate: { deployment: deployment.ref, outcome: "complete" },
      slots: { response: "promised" },
    });
    expect([lie.index, truth.index]).toEqual([promise.index, promise.index + 1]);
    put("promise.json", promised.log.receipt(promise.index));
    put("lie.json", twin.evidenceFile({ entries: [lie.index] }));
    const { exit, out } = await terminal.spur(
      `verify promise.json lie.json --trust ${log.key.vkey} --trust ${log.receipts.vkey} --json`,
    );
    const [first, second] = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(exit).toBe(1);
    expect(first).toMatchObject({ name: "promise.json", exit: 1 });
    expect(first.findings.map((one: { code: string }) => one.code)).toContain("receipt/contradicts");
    expect(second).toMatchObject({ name: "lie.json" });
    expect(second.exit).not.toBe(1);
  });
});

describe("what is no evidence", () => {
  it.each([
    ["nowhere.json", "there is no file nowhere.json [cli/file]"],
    [
      "folder",
      "folder is a folder [cli/file]\n  → name the files in it; a whole log is checked by: npx spur audit folder",
    ],
    ["empty.json", "empty.json is empty [cli/file]"],
    ["huge.json", "104857600 bytes; evidence has at most 64 MiB"],
  ])("%s", async (name, says) => {
    mkdirSync(join(terminal.folder, "folder"), { recursive: true });
    put("empty.json", "");
    put("huge.json", "");
    truncateSync(join(terminal.folder, "huge.json"), 100 * 1024 * 1024);
    expect(await terminal.spur(`verify ${name}`)).toMatchObject({
      exit: 2,
      out: "",
      err: expect.stringContaining(says) as string,
    });
  });
  it.each([
    ["garbage", Buffer.from("\u0000\u0001garbage")],
    ["cut in the middle", good.subarray(0, good.length >> 1)],
    ["with a byte behind it", Buffer.concat([good, Buffer.from("\n")])],
    ["deep", "[".repeat(100_000)],
  ])("%s is refuted", async (_, bytes) => {
    put("odd.json", bytes);
    const { exit, out } = await terminal.spur("verify odd.json --trust trust.json");
    expect([exit, out.slice(0, 9)]).toEqual([1, "✗ REFUTED"]);
  });
  it("of a later version is not checked", async () => {
    put("later.json", '{"format":"spur-evidence/v9"}');
    expect((await terminal.spur("verify later.json --trust trust.json")).exit).toBe(2);
  });
  it.skipIf(process.getuid?.() === 0)("that may not be read", async () => {
    put("secret.json", good);
    chmodSync(join(terminal.folder, "secret.json"), 0);
    expect((await terminal.spur("verify secret.json")).err).toContain("may not be read by you");
  });
  it("beside good files keeps nobody from their verdict", async () => {
    const { exit, out } = await terminal.spur("verify nowhere.json answer.evidence.json --trust trust.json");
    expect(exit).toBe(2);
    expect(out).toContain("? NOT CHECKED  there is no file nowhere.json");
    expect(out).toContain("✓ VERIFIED");
  });
});

describe("--trust", () => {
  it.each([
    ["nowhere.json", "no key, and no file of that name is there"],
    ["example.com/log+00000000+AAAA", "no whole key"],
    ["answer.evidence.json", "answer.evidence.json cannot be used: trust/version"],
    ["trust.json --trust log.vkey", "one trust file, or any number of keys"],
    ["folder", "is no file"],
  ])("%s", async (trust, says) => {
    expect(await terminal.spur(`verify answer.evidence.json --trust ${trust}`)).toMatchObject({
      exit: 2,
      err: expect.stringContaining(says) as string,
    });
  });
  it("that demands more than the file can show ends in 2", async () => {
    put("strict.json", log.trustText({ require: ["witnesses"] }));
    const { exit, out } = await terminal.spur("verify answer.evidence.json --trust strict.json");
    expect(exit).toBe(2);
    expect(out).toMatch(/^\? NOT CHECKED/);
  });
});
