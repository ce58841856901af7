// `spur witness …` as somebody types it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseVkey } from "@spur/verifier/note/note";
import { openTerminal, type Terminal } from "../../cli/test/terminal.ts";
import { demandNode } from "../../cli/src/witness-options.ts";
import { killChildren, startChild } from "./child.ts";
import { TestLog } from "./log.ts";
import { serveFolder, type Served } from "./place.ts";
import { cleanUp, post, temporaryFolder } from "./running.ts";

let terminal: Terminal;
let served: Served;
const log = new TestLog("cli.test/log");

beforeAll(async () => {
  terminal = openTerminal();
  const folder = join(temporaryFolder(), "log");
  log.place(folder, 700);
  served = await serveFolder(folder);
});
afterAll(async () => {
  terminal.close();
  await served.close();
  await killChildren();
  await cleanUp();
});

describe("spur witness", () => {
  it("add-log, list: a log by its key, by a file, by a list", async () => {
    expect(await terminal.spur("witness list")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("[witness/none]"),
    });
    expect(await terminal.spur(`witness add-log ${log.vkey} --url https://cli.test/log`)).toMatchObject({
      exit: 0,
      out: "cli.test/log is witnessed.\n",
    });
    writeFileSync(join(terminal.folder, "log.vkey"), `${log.vkey}\n`);
    expect((await terminal.spur("witness add-log log.vkey")).out).toContain("it was before");
    writeFileSync(
      join(terminal.folder, "list.txt"),
      `logs/v0\nvkey ${new TestLog("cli.test/second").vkey}\nqpd 24\ncontact x\n`,
    );
    expect((await terminal.spur("witness add-log --list list.txt --json")).out).toContain('"cli.test/second"');
    expect(await terminal.spur("witness list")).toMatchObject({
      exit: 0,
      out: "cli.test/log  nothing cosigned yet\ncli.test/second  nothing cosigned yet\n",
    });
    const listed = JSON.parse((await terminal.spur("witness list --json")).out) as { logs: object[] };
    expect(listed.logs).toMatchObject([
      { url: "https://cli.test/log", conflicts: [] },
      { perDay: 24, contact: "x" },
    ]);
  });

  it.each([
    ["witness", "this command has subcommands [cli/option]\n  → npx spur witness --help"],
    ["witness add-log", "either a key or --list [cli/option]"],
    ["witness add-log a+b+c --list x", "either a key or --list [cli/option]"],
    ["witness add-log nonsense+00000000+AAAA", "[note/vkey]"],
    ["witness add-log nowhere.vkey", "[cli/file]"],
    ["witness add-log --list list.txt --origin x", "[cli/option]"],
    ["witness add-log 'a+00000000+AAAA' --origin ''", "[note/vkey]"],
    ["witness serve --listen nowhere", "--listen nowhere [cli/option]"],
    ["witness serve --listen 127.0.0.1:99999", "[cli/option]"],
    ["witness serve --name 'a b'", "[witness/name]"],
    ["witness mirror http://127.0.0.1:9", "required option '--vkey <key|file>' not specified [cli/option]"],
    ["witness mirror http://127.0.0.1:9 --vkey log.vkey --once", "[http/unreachable]"],
    ["witness mirror http://127.0.0.1:9 --vkey log.vkey --once --every 5", "[cli/option]"],
    ["witness mirror http://127.0.0.1:9 --vkey log.vkey --every never", "--every never [cli/option]"],
  ])("%s: says what is wrong, exit 2", async (line, says) => {
    expect(await terminal.spur(line)).toMatchObject({ exit: 2, err: expect.stringContaining(says) as string });
  });

  it("serve: answers, is told to stop, and has everything on disk", async () => {
    const data = join(terminal.folder, "serving");
    const child = await startChild(data);
    if (child === undefined) throw new Error("it did not start");
    expect(child.vkeys.map((vkey) => parseVkey(vkey).name)).toEqual(child.vkeys.map(() => "witness.test/child"));
    expect((await terminal.spur(`witness add-log ${log.vkey} --data serving`)).exit).toBe(0);
    expect((await post(child.url, log.request(0, 30))).status).toBe(200);
    expect(await terminal.spur("witness serve --data serving --listen 127.0.0.1:0")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("[data/locked]"),
    });
    child.kill("SIGTERM");
    expect(await child.ended).toBe(0);
    expect((await terminal.spur("witness list --data serving")).out).toMatch(
      /^cli\.test\/log {2}30 entries at 20[0-9T:-]+Z\n$/,
    );
    // One that nobody can stop starts, says who it is, and ends.
    const shown = await terminal.spur("witness serve --data serving --listen 127.0.0.1:0");
    expect(shown).toMatchObject({ exit: 0, out: expect.stringContaining("name  witness.test/child") });
    expect(shown.out).toContain(child.vkeys[0]);
  });

  it("list: exit 1 where a log signed what can't both be true", async () => {
    const child = await startChild(join(terminal.folder, "caught"));
    if (child === undefined) throw new Error("it did not start");
    await terminal.spur(`witness add-log ${log.vkey} --data caught`);
    await post(child.url, log.request(0, 30));
    expect((await post(child.url, new TestLog(log.origin, { fork: "!" }).request(30, 30))).status).toBe(422);
    child.kill("SIGTERM");
    await child.ended;
    const listed = await terminal.spur("witness list --data caught --proofs proofs");
    expect(listed).toMatchObject({ exit: 1, out: expect.stringContaining("at size 30") as string });
    // The command that it prints convicts the log, for whoever knows its key.
    const [verify = ""] = /verify .*$/m.exec(listed.out) ?? [];
    expect(await terminal.spur(verify)).toMatchObject({ exit: 1 });
    expect(await terminal.spur(verify.split(" --trust")[0] ?? "")).toMatchObject({ exit: 2 });
  });

  it("mirror: 0 copied, 1 refuted, 2 could not", async () => {
    const line = `witness mirror ${served.url} --vkey log.vkey --once --data copies`;
    const first = await terminal.spur(line);
    expect(first).toMatchObject({
      exit: 0,
      out: expect.stringContaining("cli.test/log: 700 entries, 700 of them new.\n"),
    });
    expect((await terminal.spur(line)).out).toContain("nothing new");
    const { folder } = JSON.parse((await terminal.spur(`${line} --json`)).out) as { folder: string };
    expect(readFileSync(join(folder, "checkpoint"), "utf8")).toBe(log.note(700));
    writeFileSync(join(served.folder, "checkpoint"), new TestLog(log.origin, { fork: "!" }).note(700));
    const forked = await terminal.spur(line);
    expect(forked).toMatchObject({ exit: 1, err: expect.stringContaining("[mirror/forked]") as string });
    const [verify = ""] = /verify .*$/m.exec(forked.err) ?? [];
    expect(await terminal.spur(verify)).toMatchObject({ exit: 1 });
    expect(JSON.parse((await terminal.spur(`${line} --json`)).out)).toMatchObject({
      exit: 1,
      error: { code: "mirror/forked" },
    });
    writeFileSync(join(served.folder, "checkpoint"), "nonsense");
    expect((await terminal.spur(line)).exit).toBe(2);
    // Two sizes: the tiles of the larger one show that it does not begin with the smaller one.
    new TestLog(log.origin, { fork: "!", forkAt: 650 }).place(served.folder, 900);
    const grown = await terminal.spur(line);
    expect(grown).toMatchObject({ exit: 1, err: expect.stringContaining("[mirror/forked]") as string });
    expect(await terminal.spur(/verify .*$/m.exec(grown.err)?.[0] ?? "")).toMatchObject({ exit: 1 });
    new TestLog(log.origin, { fork: "!", forkAt: 650 }).place(served.folder, 660);
    const less = await terminal.spur(line);
    expect(await terminal.spur(/verify .*$/m.exec(less.err)?.[0] ?? "")).toMatchObject({ exit: 1 });
    log.place(served.folder, 700);
  });

  it("needs a Node that has a database", () => {
    expect(() => demandNode("22.15.0")).toThrow(/Node 22\.16 or newer/);
    for (const good of ["22.16.0", "24.0.0", "26.10.0"]) expect(() => demandNode(good)).not.toThrow();
  });
});
