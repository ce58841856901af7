import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { formatVkey, TYPE_ED25519 } from "@spur/verifier/note/note";
import { answerJson, serve } from "./serve.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

function newKey(name: string): string {
  const spki = generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" });
  return formatVkey({ name, type: TYPE_ED25519, publicKey: new Uint8Array(spki.subarray(-32)) });
}

const ORIGIN = "example.com/log";
const VKEY = newKey(ORIGIN);
const RECEIPTS = newKey(`${ORIGIN}/receipts`);

let head: Record<string, unknown>;
let url: string;
let close: () => Promise<void>;
let terminal: Terminal;
beforeAll(async () => {
  const server = await serve((_, response) => answerJson(response, 200, head));
  ({ url, close } = server);
});
afterAll(() => close());
beforeEach(() => {
  head = { origin: ORIGIN, vkey: VKEY, receiptsVkey: RECEIPTS, size: 7 };
  terminal = openTerminal();
});
afterEach(() => terminal.close());

const file = () => join(terminal.folder, "config/spur/trust.json");

describe("trust add", () => {
  it("shows what the ledger says of itself, asks, and keeps it", async () => {
    const { exit, out, err } = await terminal.spur(`trust add ${url}`, { answer: "y" });
    expect(exit).toBe(0);
    expect(err).toContain(`key         ${VKEY}\n`);
    expect(err).toMatch(/fingerprint ([0-9a-f]{8} ?){8}\n/);
    expect(out).toBe(`You trust ${ORIGIN} from now on (${file()}).\n`);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await terminal.spur("trust list")).out).toBe(`log      ${VKEY}  ${url}\n`);
    expect(JSON.parse(readFileSync(file(), "utf8"))).toEqual({
      format: "spur-trust/v1",
      policy: `quorum none\nlog ${VKEY} ${url}\n`,
    });
  });
  it("takes no receipts key from a server that repeats a true log key: nobody was shown it", async () => {
    head = { ...head, receiptsVkey: newKey(`${ORIGIN}/receipts`) };
    expect((await terminal.spur(`trust add ${url} --yes`)).exit).toBe(0);
    expect(readFileSync(file(), "utf8")).not.toContain("/receipts");
  });
  it("adds nothing without a yes, and asks nobody who is not there", async () => {
    expect((await terminal.spur(`trust add ${url}`, { answer: "n" })).exit).toBe(2);
    expect((await terminal.spur(`trust add ${url}`)).err).toContain("say --yes");
    expect((await terminal.spur("trust list")).out).toBe(
      "You trust nobody yet. To begin:\n  npx spur trust add http://127.0.0.1:7787\n",
    );
  });
  it("takes a key as it is typed, and a second time changes nothing", async () => {
    expect((await terminal.spur(`trust add ${VKEY}`)).exit).toBe(0);
    expect((await terminal.spur(`trust add ${VKEY} --json`)).exit).toBe(0);
    expect(JSON.parse((await terminal.spur("trust list --json")).out).keys).toHaveLength(1);
    expect((await terminal.spur(`trust add ${RECEIPTS}`)).err).toContain("this is a receipts key");
  });
  it("refuses another key for an origin that is trusted, even with --yes", async () => {
    await terminal.spur(`trust add ${VKEY}`);
    const before = readFileSync(file(), "utf8");
    head = { ...head, vkey: newKey(ORIGIN) };
    const { exit, err } = await terminal.spur(`trust add ${url} --yes`);
    expect([exit, err]).toEqual([2, expect.stringContaining("[trust/changed]")]);
    expect(err).toContain(`npx spur trust remove ${ORIGIN}`);
    expect(readFileSync(file(), "utf8")).toBe(before);
    expect((await terminal.spur(`trust remove ${ORIGIN}`)).exit).toBe(0);
    expect((await terminal.spur(`trust add ${url} --yes`)).exit).toBe(0);
  });
  it("refuses a ledger that shows a key of another log", async () => {
    head = { ...head, origin: "example.org/other" };
    expect((await terminal.spur(`trust add ${url} --yes`)).err).toContain("[trust/name]");
    head = { ...head, origin: ORIGIN, vkey: VKEY.slice(0, -1) };
    expect((await terminal.spur(`trust add ${url} --yes`)).err).toContain("[note/vkey]");
    expect((await terminal.spur("trust add somewhere")).err).toContain("neither an address nor a whole key");
  });
  it("keeps what its owner wrote by hand", async () => {
    mkdirSync(join(terminal.folder, "config/spur"), { recursive: true });
    writeFileSync(
      file(),
      JSON.stringify({
        format: "spur-trust/v1",
        maxAgeHours: 24,
        policy: "# my own\nquorum none",
        require: ["witnesses"],
      }),
    );
    await terminal.spur(`trust add ${VKEY}`);
    expect(JSON.parse(readFileSync(file(), "utf8"))).toEqual({
      format: "spur-trust/v1",
      maxAgeHours: 24,
      policy: `# my own\nquorum none\nlog ${VKEY}\n`,
      require: ["witnesses"],
    });
    await terminal.spur(`trust remove ${ORIGIN}`);
    expect(JSON.parse(readFileSync(file(), "utf8")).policy).toBe("# my own\nquorum none\n");
  });
  it("names the file that it cannot use", async () => {
    mkdirSync(join(terminal.folder, "config/spur"), { recursive: true });
    writeFileSync(file(), `{"format":"spur-trust/v1","policy":"quorum none\\n","policy":"log x"}`);
    const { exit, err } = await terminal.spur("trust list");
    expect([exit, err]).toEqual([2, expect.stringContaining(`${file()} cannot be used: trust/format`)]);
  });
});

describe("trust show and remove", () => {
  it("shows a key with its fingerprint, and the file", async () => {
    await terminal.spur(`trust add ${VKEY}`);
    expect((await terminal.spur(`trust show ${ORIGIN}`)).out).toMatch(
      new RegExp(`^log {9}${ORIGIN}\nkey {9}.*\nfingerprint `),
    );
    expect((await terminal.spur("trust show")).out).toContain(`File: ${file()}\n\nquorum none\nlog ${VKEY}\n`);
    expect((await terminal.spur("trust show example.org")).exit).toBe(2);
    expect((await terminal.spur("trust remove example.org")).err).toContain("npx spur trust list");
    expect((await terminal.spur(`trust remove ${VKEY}`)).out).toBe(`One key of ${VKEY} removed.\n`);
  });
});
