// The commands as an operator and his callers type them, against a ledger that was started by `spur up`.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerJson, serve } from "./serve.ts";
import { openTerminal, type Ran, type Terminal } from "./terminal.ts";

const BIN = join(import.meta.dirname, "../bin/spur.js");
const SAID = "The trail is kept.";

let terminal: Terminal;
let upstream: Awaited<ReturnType<typeof serve>>;
let ledger: ChildProcess;
let up: { url: string; vkey: string; origin: string; operatorKey: string };
let stopped: Promise<number | null>;

beforeAll(async () => {
  terminal = openTerminal({ SPUR_DATA: "my-data" });
  upstream = await serve((request, response) => {
    if (request.url === "/v1/models")
      return answerJson(response, 200, { object: "list", data: [{ id: "parrot", object: "model" }] });
    const message = { role: "assistant", content: SAID };
    answerJson(response, 200, {
      id: "x",
      object: "chat.completion",
      model: "parrot",
      choices: [{ index: 0, message, finish_reason: "stop" }],
    });
  });
  const args = [BIN, "up", "--port", "0", "--upstream", `${upstream.url}/v1`, "--publish-every", "60", "--json"];
  ledger = spawn(process.execPath, args, {
    cwd: terminal.folder,
    env: { ...process.env, SPUR_DATA: "my-data" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  stopped = new Promise((resolve) => ledger.once("exit", resolve));
  up = await new Promise((resolve, reject) => {
    let text = "";
    ledger.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith("}\n")) resolve(JSON.parse(text) as typeof up);
    });
    void stopped.then((code) => reject(new Error(`up ended with ${code}: ${text}`)));
  });
});
afterAll(async () => {
  ledger.kill("SIGKILL");
  await stopped;
  await upstream.close();
  terminal.close();
});

const spur = (line: string, answer?: string): Promise<Ran> =>
  terminal.spur(line, { env: { SPUR_URL: up.url }, ...(answer === undefined ? {} : { answer }) });

describe("one answer, from the question to the proof", () => {
  let rec = "";
  it("is asked, and every printed command can be typed as it stands", async () => {
    const { exit, out } = await spur("ask 'Is anything kept?'");
    expect([exit, out]).toEqual([0, expect.stringContaining(`${SAID}\n`)]);
    rec = /record ([0-9a-f]{32})/.exec(out)?.[1] ?? "";
    const printed = [...out.matchAll(/^ {2}npx spur (.+)$/gm)].map(([, line]) => line ?? "");
    expect(printed.map((line) => line.split(" ")[0])).toEqual(["evidence", "trust", "verify"]);
    const exits: number[] = [];
    for (const line of printed) exits.push((await spur(line, "yes")).exit);
    expect(exits).toEqual([0, 0, 0]);
  });
  it("is proven to other tools as well: a tlog-proof holds the entry, and verifies under the log's key alone", async () => {
    expect((await spur("evidence last --format tlog-proof -o last.tlog-proof")).exit).toBe(0);
    const text = readFileSync(join(terminal.folder, "last.tlog-proof"), "utf8");
    const [version, extra = "", index = ""] = text.split("\n");
    expect([version, extra.split(" ")[0], index]).toEqual([
      "c2sp.org/tlog-proof@v1",
      "extra",
      expect.stringMatching(/^index \d+$/),
    ]);
    expect(Buffer.from(extra.slice(6), "base64").toString()).toContain(`"rec":"${rec}"`);
    const { exit, out } = await spur(`verify last.tlog-proof --trust ${up.vkey}`);
    expect([exit, out]).toEqual([0, expect.stringContaining(`is entry ${index.slice(6)} of ${up.origin}`)]);
    expect((await spur("evidence last --format tlog-proof --html")).err).toContain("[cli/option]");
    expect((await spur("evidence last --format pdf")).err).toContain("[cli/option]");
  });
  it("is the last one, at once; its trace and its evidence are found by any name", async () => {
    expect((await spur("trace last")).out).toContain(`Trace of ${rec}`);
    const { out } = await spur("trace last --json");
    const { index } = JSON.parse(out).entries.find((entry: { rec: string }) => entry.rec === rec);
    expect((await spur(`trace ${index}`)).out).toContain(`Trace of ${rec}`);
    expect((await spur(`evidence ${rec} --close --open request,response -o whole.json`)).exit).toBe(0);
    const verified = await spur("verify whole.json");
    expect(verified.out).toMatch(/^✓ VERIFIED {2}Entry .* is genuine/);
    expect(verified.out).toContain(SAID);
  });
  it("opens in a page that verifies itself, and can be taken out of it again", async () => {
    expect((await spur("evidence last --html -o page.html")).exit).toBe(0);
    expect((await spur("verify page.html")).out).toMatch(/^✓ VERIFIED/);
    const page = readFileSync(join(terminal.folder, "page.html"), "utf8");
    writeFileSync(
      join(terminal.folder, "bad.html"),
      page.replace(/(id="spur-evidence">.{4000})./, "$1A").replace(/(id="spur-evidence">.{4004})./, "$1B"),
    );
    expect((await spur("verify bad.html")).exit).not.toBe(0);
  });
  it("answers the question that it was made for", async () => {
    expect(await spur("ask Q5")).toMatchObject({ exit: 0, out: expect.stringMatching(/^✓ Q5 proven/) as string });
  });
});

describe("the whole log", () => {
  it("is audited over HTTP and in its folder, and the ledger holds its content", async () => {
    const first = await spur(`audit ${up.url}`);
    expect([first.exit, first.err]).toEqual([0, ""]);
    expect((await spur("audit my-data")).out).toMatch(/It extends the log of size [0-9]+ that you saw before/);
    expect((await spur("audit --custody")).out).toMatch(/^✓ VERIFIED {2}All [0-9]+ sealed records/);
  });
});

describe("keys", () => {
  it("of callers may write, and not open what is another's, nor remove", async () => {
    const made = JSON.parse((await spur("key create --scope write --label app --json")).out);
    expect((await spur("key list")).out).toContain(`${made.id}  write  app\n`);
    expect((await spur(`ask hello --key ${made.key}`)).exit).toBe(0);
    expect((await spur(`evidence last --open response --key ${made.key} -o own.json`)).exit).toBe(0);
    const denied = await spur(`remove last --basis other --now --yes --key ${made.key}`);
    expect([denied.exit, denied.err]).toEqual([2, expect.stringContaining("npx spur key create --scope remove")]);
    expect((await spur(`key revoke ${made.id}`)).exit).toBe(0);
    expect(await spur(`ask hello --key ${made.key}`)).toMatchObject({
      exit: 2,
      err: expect.stringContaining("not known here, or was revoked") as string,
    });
  });
  it("are asked for where they are needed", async () => {
    expect((await spur("remove last --basis other --now --yes --key spur_wrong")).exit).toBe(2);
    expect((await terminal.spur("key list", { env: { SPUR_URL: up.url, SPUR_DATA: "elsewhere" } })).err).toContain(
      "this needs an access key",
    );
  });
});

describe("a removal", () => {
  it("takes the content and leaves the trace", async () => {
    await spur("ask 'Remove me'");
    expect((await spur("evidence last --open response -o before.json")).exit).toBe(0);
    const { exit, out } = await spur("remove last --basis erasure-request --reason 'he asked' --now", "y");
    expect([exit, out]).toEqual([0, expect.stringContaining("the content's key is destroyed")]);
    expect(await spur("evidence last --open response")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("[record/removed]") as string,
    });
    expect((await spur("evidence last -o after.json")).exit).toBe(0);
    expect((await spur("verify after.json")).out).toMatch(/^✓ VERIFIED .*its content was removed since/);
    expect((await spur("verify before.json")).out).toMatch(/^✓ VERIFIED/); // what was given out stays true
    expect((await spur("audit --custody")).exit).toBe(0);
  });
});

describe("backup and stop", () => {
  it("of a running ledger leaves the root key out", async () => {
    expect((await spur("backup --to copy")).exit).toBe(0);
    expect(existsSync(join(terminal.folder, "copy/ledger.sqlite"))).toBe(true);
    expect(spawnSync("find", [join(terminal.folder, "copy"), "-name", "root*"], { encoding: "utf8" }).stdout).toBe("");
    expect((await spur("audit copy")).exit).toBe(0);
  });
  it("refuses a second ledger on the same folder", () => {
    const args = [BIN, "up", "--port", "0", "--data", "my-data"];
    const second = spawnSync(process.execPath, args, {
      cwd: terminal.folder,
      encoding: "utf8",
      env: { ...process.env, SPUR_DISCOVER: "0" },
      timeout: 20_000,
    });
    expect([second.status, second.stderr]).toEqual([2, expect.stringMatching(/spur: .*\n {2}→ /)]);
  });
  it("stops when it is told to, and what it held can be looked at without it", async () => {
    ledger.kill("SIGTERM");
    expect(await stopped).toBe(0);
    expect((await terminal.spur("audit --custody --data my-data")).exit).toBe(0);
    expect((await terminal.spur("backup --to copy2 --data my-data")).exit).toBe(0);
    expect((await terminal.spur("recover --from copy --data my-data --json")).exit).toBe(0);
    expect((await terminal.spur(`audit ${up.url}`)).err).toContain("npx spur up");
  });
});
