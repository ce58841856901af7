// Taking back the keys with which a ledger signs, as its operator types it.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanUp, startTestLedger } from "../../../test/support/ledger.ts";
import { openTerminal, type Ran, type Terminal } from "./terminal.ts";

let terminal: Terminal;
let vkey: string;
let receiptsVkey: string;

beforeAll(async () => {
  terminal = openTerminal();
  const { ledger } = await startTestLedger({
    data: join(terminal.folder, "spur-data"),
    origin: "old.invalid/log",
  });
  ({ vkey, receiptsVkey } = ledger);
  await ledger.publish();
  await ledger.close();
});
afterAll(async () => {
  await cleanUp();
  terminal.close();
});

const spur = (line: string, answer?: string): Promise<Ran> =>
  terminal.spur(line, answer === undefined ? {} : { answer });
const folders = () => readdirSync(terminal.folder).map((name) => name.replace(/-[0-9]{8}T[0-9]{6}/, "")).sort(); // prettier-ignore

describe("key retire", () => {
  it.each([
    ["key retire", "missing required argument"],
    ["key retire root --yes", 'there is no signing key "root"'],
    ["key retire receipts --new-origin a.example/b --yes", "--new-origin goes with"],
    ["key retire log", "nobody is here to be asked"],
    ["key retire log --data ./nothing --yes", "nothing holds no ledger"],
    ["key retire log --yes --new-origin 'two words'", "is no origin"],
    ["key retire log --yes --new-origin old.invalid/log", "is the origin of the log to be retired"],
    ["key retire log --yes --witness-policy none.policy", "none.policy"],
  ])("%s", async (line, says) => {
    expect(await spur(line)).toMatchObject({ exit: 2, err: expect.stringContaining(says) as string });
    expect(folders()).toEqual(["spur-data", "spur-data-keys"]);
  });

  it("asks first, and takes no for an answer", async () => {
    const ran = await spur("key retire log", "no");
    expect([ran.exit, ran.err]).toEqual([2, expect.stringContaining("nothing was changed")]);
    expect(ran.err).toContain("This closes the log for ever");
  });

  it("receipts: a new key, told by name", async () => {
    const { exit, out } = await spur("key retire receipts", "yes");
    expect([exit, out]).toEqual([0, expect.stringContaining(`retired: ${receiptsVkey}`)]);
    expect(out).toMatch(/^Receipts are signed with a new key: old\.invalid\/log\/receipts\+/);
  });

  it("log: closed, with another in its place; every printed command can be typed as it stands", async () => {
    const { exit, out } = await spur("key retire log --compromised --new-origin new.invalid/log --yes");
    expect([exit, out]).toEqual([0, expect.stringMatching(/^old\.invalid\/log is closed, at \d+ entries\. .*compromised\./)]); // prettier-ignore
    expect(out).toContain("new.invalid/log goes on in its place");
    expect(folders()).toEqual(["spur-data", "spur-data-keys", "spur-data.retired", "spur-data.retired-keys"]);
    const printed = [...out.matchAll(/^ {2}npx spur (.+)$/gm)].map(([, line]) => line ?? "");
    expect(printed).toEqual([
      "trust remove old.invalid/log",
      expect.stringMatching(/^up --data \S*\.retired-\w+ --keys \S*-keys --port 7788$/),
      "up",
    ]);
    await spur(`trust add ${vkey}`, "yes");
    expect((await spur(printed[0] ?? "")).exit).toBe(0);
    const origins: string[] = [];
    for (const line of printed.slice(1)) {
      const up = await terminal.spur(`${line} --port 0 --json`, { env: { SPUR_DISCOVER: "false" } });
      expect([up.exit, up.err]).toEqual([0, ""]);
      origins.push((JSON.parse(up.out) as { origin: string }).origin);
    }
    expect(origins).toEqual(["old.invalid/log", "new.invalid/log"]);
  });
});
