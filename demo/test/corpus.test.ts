import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { choosePrompts, datasetBytes, parseDataset, prepareCorpus, type Row } from "../src/corpus.ts";
import { readCorpus, readOwnDocuments } from "../src/read-corpus.ts";
import { FIXTURE_DATASET, FIXTURE_FILES, FIXTURE_ROWS } from "./fixture.ts";

const file = (name: string, text: string) => ({ name, bytes: new TextEncoder().encode(text) });
const texts = (markdown: string, name = "a.md"): string[] =>
  prepareCorpus([file(name, markdown)], 1).rows.map((row) => row.text);

describe("prepareCorpus", () => {
  it("keeps prose and leaves out code, markup and rules of tables", () => {
    const markdown = [
      "# A heading of some words",
      "",
      "The **log** is [append-only](https://example.org/a), and",
      "`verify` reads it. A second sentence stands here! <b>Third one</b> asks: why not?",
      "```",
      "const code = thatIsNoSentence();",
      "```",
      "- a point of a list that goes",
      "  on in a second line",
      "| column one of it | column two of it |",
      "|---|---|",
      "<!-- nobody sees this comment -->",
    ].join("\n");
    expect(texts(markdown)).toEqual([
      "A heading of some words",
      "The log is append-only, and verify reads it.",
      "A second sentence stands here!",
      "Third one asks: why not?",
      "a point of a list that goes on in a second line",
      "column one of it column two of it",
    ]);
  });

  it("joins and cuts Chinese without spaces", () => {
    expect(texts("日志只能追加，\n不能修改。见证人会检查它！\n", "a.txt")).toEqual([
      "日志只能追加，不能修改。",
      "见证人会检查它！",
    ]);
  });

  it("keeps a sentence once, and no row longer than 400 characters", () => {
    expect(texts("The same sentence twice.\n\nThe same sentence twice.")).toHaveLength(1);
    const long = texts(Array.from({ length: 300 }, (_, i) => `word${i}`).join(" "));
    expect(long.length).toBeGreaterThan(3);
    for (const row of long) expect(row.length).toBeLessThanOrEqual(400);
  });

  it.each([
    ["README.md", "The operator keeps the log of it all.", "en"],
    ["README.md", "Der Betreiber führt das Protokoll und nicht der Kunde.", "de"],
    ["README.de.md", "Zeugen unterschreiben Prüfpunkte.", "de"],
    ["docs/de/start.md", "Zeugen unterschreiben Prüfpunkte.", "de"],
    ["README.zh.md", "见证人签署每一个检查点。", "zh"],
    ["README.md", "见证人签署每一个 checkpoint。", "zh"],
    ["README.md", "ログは追記のみ可能である。", "other"],
    ["notes.txt", "Quelques mots français simples.", "other"],
  ])("%s: %s is %s", (name, text, language) => {
    expect(prepareCorpus([file(name, text)], 1).rows[0]?.language).toBe(language);
  });

  it("holds out a tenth of each language, by seed", () => {
    for (const language of ["en", "de", "zh"]) {
      const rows = FIXTURE_ROWS.filter((row) => row.language === language);
      expect(rows.filter((row) => row.heldOut)).toHaveLength(Math.floor(rows.length / 10));
    }
    expect(prepareCorpus(FIXTURE_FILES, 7).rows).toEqual(FIXTURE_ROWS);
    const other = prepareCorpus(FIXTURE_FILES, 8).rows;
    expect(other.map((row) => row.text)).toEqual(FIXTURE_ROWS.map((row) => row.text));
    expect(other).not.toEqual(FIXTURE_ROWS);
  });

  it("names each row's document", () => {
    expect(new Set(FIXTURE_ROWS.map((row) => `${row.source} ${row.language}`))).toEqual(
      new Set(["0 en", "1 de", "2 zh"]),
    );
  });

  it("refuses what isn't UTF-8 and what holds no sentence", () => {
    expect(() => prepareCorpus([{ name: "a", bytes: Uint8Array.of(0x61, 0xff) }], 1)).toThrow("corpus/not-utf8");
    expect(() => prepareCorpus([file("a", "123\n\n---\n")], 1)).toThrow("corpus/empty");
  });
});

describe("dataset", () => {
  it("is one row of JSON a line, and reads back", () => {
    expect(parseDataset(FIXTURE_DATASET)).toEqual(FIXTURE_ROWS);
    const row: Row = { text: 'a "quoted" row\u2028', source: 0, language: "en", heldOut: false };
    expect(new TextDecoder().decode(datasetBytes([row]))).toBe(
      '{"heldOut":false,"language":"en","source":0,"text":"a \\"quoted\\" row\u2028"}\n',
    );
  });

  it.each([
    ["no last newline", '{"heldOut":false,"language":"en","source":0,"text":"a"}'],
    ["another order", '{"language":"en","heldOut":false,"source":0,"text":"a"}\n'],
    ["a missing member", '{"heldOut":false,"language":"en","source":0}\n'],
    ["an unknown member", '{"heldOut":false,"language":"en","source":0,"text":"a","x":1}\n'],
    ["an unknown language", '{"heldOut":false,"language":"xx","source":0,"text":"a"}\n'],
    ["no JSON", "a\n"],
    ["null", "null\n"],
    ["an empty line", "\n"],
  ])("refuses %s", (_, text) => {
    expect(() => parseDataset(new TextEncoder().encode(text))).toThrow("dataset/invalid");
  });
});

describe("choosePrompts", () => {
  it("gives beginnings of trained rows, by seed", () => {
    const prompts = choosePrompts(FIXTURE_ROWS, 3, 2);
    expect(prompts.map((p) => p.language)).toEqual(["en", "en", "de", "de", "zh", "zh"]);
    for (const { prompt, row } of prompts) {
      const { text, heldOut } = FIXTURE_ROWS[row]!;
      expect(text.startsWith(prompt)).toBe(true);
      expect(prompt.length).toBeLessThan(text.length);
      expect(heldOut).toBe(false);
    }
    expect(choosePrompts(FIXTURE_ROWS, 3, 2)).toEqual(prompts);
    expect(choosePrompts(FIXTURE_ROWS, 4, 2)).not.toEqual(prompts);
    expect(new Set(choosePrompts(FIXTURE_ROWS, 3, 50).map((p) => p.row)).size).toBe(150);
  });

  it("prefers whole sentences and cuts between words", () => {
    const row = (text: string, language: Row["language"]): Row => ({ text, language, source: 0, heldOut: false });
    const rows = [
      row("one two three four five six seven eight", "en"),
      row("One two three four five six seven eight.", "en"),
      row("日志的检查点由见证人用 signature 签署并且公布给所有人看。", "zh"),
    ];
    expect(choosePrompts(rows, 1, 1).map((p) => p.prompt)).toEqual([
      "One two three four",
      "日志的检查点由见证人用 signature",
    ]);
  });

  it("gives fewer where a language has fewer", () => {
    const english = FIXTURE_ROWS.filter((row) => row.language === "en").slice(0, 2);
    expect(choosePrompts(english, 1, 5).length).toBeLessThanOrEqual(2);
    expect(choosePrompts([], 1, 5)).toEqual([]);
  });
});

describe("reading files", () => {
  const folder = mkdtempSync(join(tmpdir(), "spur-demo-corpus-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  mkdirSync(join(folder, "docs"));
  for (const name of [
    "README.md",
    "README.zh.md",
    "docs/b.md",
    "docs/a.md",
    "notes.txt",
    "picture.png",
    ".hidden.md",
  ]) {
    writeFileSync(join(folder, name), `${name} is a sentence.`);
  }

  it("lists text files in one order", () => {
    expect(readCorpus(folder).map((f) => f.name)).toEqual([
      "README.md",
      "README.zh.md",
      "docs/a.md",
      "docs/b.md",
      "notes.txt",
    ]);
    expect(readCorpus(join(folder, "notes.txt")).map((f) => f.name)).toEqual(["notes.txt"]);
    expect(readOwnDocuments(folder).map((f) => f.name)).toEqual([
      "README.md",
      "README.zh.md",
      "docs/a.md",
      "docs/b.md",
    ]);
  });

  it("says what it can't read", () => {
    expect(() => readCorpus(join(folder, "nowhere"))).toThrow("corpus/unreadable");
    mkdirSync(join(folder, "empty"));
    expect(() => readCorpus(join(folder, "empty"))).toThrow("corpus/empty");
    expect(() => readOwnDocuments(join(folder, "empty"))).toThrow("corpus/empty");
  });
});
