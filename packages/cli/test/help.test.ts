import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTerminal, type Terminal } from "./terminal.ts";

let terminal: Terminal;
beforeAll(() => (terminal = openTerminal()));
afterAll(() => terminal.close());

const COMMANDS =
  "up demo ask trace evidence verify trust audit remove replay backup recover key witness monitor completion".split(
    " ",
  );
const NESTED = [
  "trust add",
  "trust list",
  "trust remove",
  "trust show",
  "key create",
  "key list",
  "key revoke",
  "witness serve",
  "witness add-log",
  "witness list",
  "witness mirror",
];

describe("help", () => {
  it("lists every command, without arguments too", async () => {
    const { exit, out } = await terminal.spur("");
    expect(exit).toBe(0);
    for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^  ${command} `, "m"));
    expect((await terminal.spur("--help")).out).toBe(out);
    expect((await terminal.spur("--version")).out).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
  });
  it.each([...COMMANDS, ...NESTED])("%s --help has examples that parse", async (command) => {
    const { exit, out } = await terminal.spur(`${command} --help`);
    expect(exit).toBe(0);
    const examples = out.split("\nExamples:\n")[1]?.trim().split("\n") ?? [];
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      const line = /npx spur ([^)>]*)/.exec(example)?.[1]?.trim() ?? "";
      expect(line.startsWith(command)).toBe(true);
      const flags = line.replace(/'[^']*'/g, "x").match(/(?<= )--?[a-z][a-z-]*/g) ?? [];
      const shown = [out, (await terminal.spur(`${line.split(" -")[0] ?? ""} --help`)).out].join("\n");
      for (const flag of flags) expect(shown, line).toMatch(new RegExp(`^  (-[a-z], )?${flag}[ ,]`, "m"));
    }
  });
  it.each(["--json"])("every command that answers knows %s", async (option) => {
    for (const command of [
      ...COMMANDS.filter((one) => !["trust", "key", "witness", "completion"].includes(one)),
      ...NESTED,
    ]) {
      expect((await terminal.spur(`${command} --help`)).out, command).toContain(option);
    }
  });
});

describe("misuse", () => {
  it.each([
    ["verifi x", "unknown command 'verifi' (Did you mean verify?) [cli/option]\n  → npx spur --help"],
    ["verify", "missing required argument 'file' [cli/option]\n  → npx spur verify --help"],
    ["verify x --trsut y", "unknown option '--trsut' (Did you mean --trust?) [cli/option]\n  → npx spur verify --help"],
    ["trust", "this command has subcommands [cli/option]\n  → npx spur trust --help"],
    ["completion tcsh", "one of bash, zsh, fish"],
    ["up --port 99999", "--port 99999 [cli/option]"],
    ["up --content forever", "none, or a number of days"],
    ["trace last extra", "too many arguments"],
  ])("%s", async (line, says) => {
    expect(await terminal.spur(line)).toMatchObject({ exit: 2, out: "", err: expect.stringContaining(says) as string });
  });
});

describe("completion", () => {
  const has = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;
  it.skipIf(!has("bash"))("in bash offers commands, subcommands and options", async () => {
    const { out } = await terminal.spur("completion bash");
    const offers = (...words: string[]) => {
      const list = words.map((word) => `'${word}'`).join(" ");
      const script = `${out}\nCOMP_WORDS=(${list}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _spur; echo "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim();
    };
    expect(offers("spur", "ver")).toBe("verify");
    expect(offers("spur", "trust", "")).toBe("add list remove show --help");
    expect(offers("spur", "trust", "add", "--y")).toBe("--yes");
    expect(offers("spur", "evidence", "last", "--ht")).toBe("--html");
    expect(offers("spur", "verify", "--trust", "x", "--js")).toBe("--json");
  });
  it.each(["bash", "zsh", "fish"])("for %s parses", async (shell) => {
    const { exit, out } = await terminal.spur(`completion ${shell}`);
    expect(exit).toBe(0);
    expect(out).toContain("evidence");
    if (has(shell)) execFileSync(shell, ["-n"], { input: out });
  });
});

describe("the program itself", () => {
  const bin = join(import.meta.dirname, "../bin/spur.js");
  it("starts, and hands its exit code on", () => {
    const ran = spawnSync(process.execPath, [bin, "verify", "nowhere.json"], { encoding: "utf8" });
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([
      2,
      "",
      expect.stringContaining("there is no file nowhere.json [cli/file]"),
    ]);
  });
  it("ends quietly when its reader goes away", () => {
    const ran = spawnSync("sh", ["-c", `"${process.execPath}" "${bin}" --help | head -n 1`], { encoding: "utf8" });
    expect([ran.stdout.split("\n").length, ran.stderr]).toEqual([2, ""]);
  });
});
