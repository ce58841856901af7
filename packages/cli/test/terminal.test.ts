import { beforeEach, describe, expect, it } from "vitest";
import type { Io } from "../src/io.ts";
import { loadOptional } from "../src/optional.ts";
import { startProgress } from "../src/progress.ts";
import { clean, styleOf, typed } from "../src/text.ts";

let now = 0;
let shown = "";
const io = (isTty: boolean, env = {}): Io => ({
  stdout: { write: () => true },
  stderr: { write: (text) => (shown += text) },
  env,
  cwd: "/",
  isTty,
  now: () => now,
});
beforeEach(() => {
  now = 0;
  shown = "";
});

describe("progress", () => {
  it("shows itself after a second, ten times a second, and leaves nothing behind", () => {
    const bar = startProgress(io(true), "reading");
    for (now = 0; now <= 1200; now += 10) bar.at(now, 2400);
    bar.end();
    const lines = shown.split("\r\u001b[K");
    expect(lines[1]).toMatch(/^reading \[█+░+\] 41 % · 2 s left$/);
    expect(lines).toHaveLength(1 + 3 + 1);
    expect(lines.at(-1)).toBe("");
  });
  it("is silent within a second, and where nobody looks", () => {
    const quick = startProgress(io(true), "reading");
    for (now = 0; now < 1000; now += 10) quick.at(now, 2400);
    quick.end();
    const unseen = startProgress(io(false), "reading");
    for (now = 0; now < 9000; now += 10) unseen.at(now);
    unseen.end();
    expect(shown).toBe("");
  });
});

describe("colours", () => {
  it.each([
    [true, {}, true],
    [true, { NO_COLOR: "" }, true],
    [true, { NO_COLOR: "1" }, false],
    [true, { TERM: "dumb" }, false],
    [false, {}, false],
  ])("on a terminal: %s, with %j: %s", (isTty, env, coloured) => {
    expect(styleOf(io(isTty, env)).bad("x") !== "x").toBe(coloured);
  });
});

describe("text from outside", () => {
  it("can neither move the cursor nor turn the direction of writing", () => {
    expect(clean("a\u001b[2Kb\u009bc\u202ed\u2066e\rf\u0000")).toBe(
      "a\\u001b[2Kb\\u009bc\\u202ed\\u2066e\\u000df\\u0000",
    );
    expect(clean("line\n\tand 中文 – äöü 👍")).toBe("line\n\tand 中文 – äöü 👍");
  });
  it("in a printed command stays one word", () => {
    expect(typed("ask", "it's; rm -rf $HOME")).toBe(`npx spur ask 'it'\\''s; rm -rf $HOME'`);
  });
});

describe("what only an operator has installed", () => {
  it("is named where it is missing", async () => {
    await expect(loadOptional("@spur/not-there/main", "up")).rejects.toMatchObject({
      code: "cli/not-installed",
      detail: "`spur up` needs the package @spur/not-there, which is not installed here",
    });
  });
  it("says which Node it wants", async () => {
    for (const old of ["20.19.0", "22.18.0", "24.11.9"]) {
      await expect(loadOptional("@spur/not-there/main", "up", old)).rejects.toMatchObject({
        code: "cli/old-node",
        detail: `\`spur up\` needs Node 24.12 or newer; this is ${old}`,
      });
    }
  });
  it("fails as it fails where it is there and broken", async () => {
    await expect(loadOptional("data:text/javascript,throw new Error('broken inside')", "up")).rejects.toThrow(
      "broken inside",
    );
  });
});
