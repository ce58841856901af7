import { DemoError } from "./errors.ts";
import { nextBelow, permutation, rngFromSeed } from "./exact-math.ts";
import { isCjk, isLetter } from "./tokenizer.ts";

export type Language = "en" | "de" | "zh" | "other";

/** One sentence, cleaned; `source` is the index of its document in the list given to `prepareCorpus`. */
export type Row = {
  readonly text: string;
  readonly source: number;
  readonly language: Language;
  readonly heldOut: boolean;
};

const MAX_CHARACTERS = 400;
const MIN_CHARACTERS = 12; // what is shorter is a label, not a sentence; CJK says as much in a third of the signs
const LANGUAGES: readonly Language[] = ["en", "de", "zh", "other"];

/**
 * Documents to rows, in the order of documents and sentences. Markdown is stripped to its prose. A sentence that occurs twice is kept once,
 * so that no held-out row is also trained on. Of each language about one row in ten, and at least one of ten, is held out by `seed`.
 * @throws DemoError `corpus/not-utf8`, `corpus/empty`
 */
export function prepareCorpus(files: readonly { name: string; bytes: Uint8Array }[], seed: number): { rows: Row[] } {
  const seen = new Set<string>();
  const rows: Row[] = [];
  files.forEach(({ name, bytes }, source) => {
    for (const text of sentences(decode(name, bytes))) {
      if (seen.has(text)) continue;
      seen.add(text);
      rows.push({ text, source, language: languageOf(name, text), heldOut: false });
    }
  });
  if (rows.length === 0) throw new DemoError("corpus/empty", `no sentence in ${files.length} documents`);
  return { rows: holdOut(rows, seed) };
}

function holdOut(rows: readonly Row[], seed: number): Row[] {
  const held = new Set<number>();
  LANGUAGES.forEach((language, stream) => {
    const own = rows.flatMap((row, i) => (row.language === language ? [i] : []));
    const order = permutation(own.length, rngFromSeed(seed, 100 + stream));
    for (let i = 0; i < Math.floor(own.length / 10); i++) held.add(own[order[i]!]!);
  });
  return rows.map((row, i) => ({ ...row, heldOut: held.has(i) }));
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DemoError("corpus/not-utf8", name);
  }
}

/** Prose of a Markdown or plain text, in sentences. Code blocks, tables' rules, markup and addresses go; words stay. */
function sentences(text: string): string[] {
  const paragraphs: string[] = [];
  let paragraph = "";
  let fenced = false;
  for (const line of text.replace(/<!--[^]*?-->/g, " ").split(/\r\n|\r|\n/)) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced;
    const own = fenced || /^\s*(```|~~~)/.test(line) ? "" : proseOf(line);
    // A heading, a list item, a quote and a row of a table begin anew; an ordinary line goes on with the one before.
    if (own === "" || /^\s*(#|[-*+] |\d+[.)] |>|\|)/.test(line)) {
      paragraphs.push(paragraph);
      paragraph = own;
    } else if (paragraph === "") paragraph = own;
    else paragraph += (isCjk(lastCode(paragraph)) || isCjk(own.codePointAt(0)!) ? "" : " ") + own;
  }
  paragraphs.push(paragraph);
  return paragraphs
    .flatMap((p) => p.split(/(?<=[.!?]["')\]]*) +(?=\S)|(?<=[。！？])(?=.)/u))
    .flatMap(cut)
    .map((s) => s.trim())
    .filter(isSentence);
}

function proseOf(line: string): string {
  return line
    .replace(/^\s*(#+ |[-*+] |\d+[.)] |>+ ?)/, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/<\/?[a-zA-Z][^>]*>/g, "")
    .replace(/^[\s|:=-]+$/, "")
    .replace(/^\s*\||\|\s*$/g, "")
    .replace(/\*\*|__|`/g, "")
    .replace(/[ \t\f\v\u00a0|]+/g, " ")
    .trim();
}

const lastCode = (text: string): number => [...text].at(-1)!.codePointAt(0)!;

/** A row longer than the limit is cut between words. */
function cut(text: string): string[] {
  const out: string[] = [];
  let rest = [...text];
  while (rest.length > MAX_CHARACTERS) {
    const space = rest.lastIndexOf(" ", MAX_CHARACTERS);
    const end = space > MAX_CHARACTERS / 2 ? space : MAX_CHARACTERS;
    out.push(rest.slice(0, end).join(""));
    rest = rest.slice(end);
  }
  return [...out, rest.join("")];
}

function isSentence(text: string): boolean {
  const characters = [...text];
  const cjk = characters.filter((c) => isCjk(c.codePointAt(0)!)).length;
  const letters = characters.filter((c) => isLetter(c.codePointAt(0)!)).length;
  return characters.length + 2 * cjk >= MIN_CHARACTERS && (cjk >= 4 || letters * 2 >= characters.length);
}

/** By script, else by the name of the file (`README.de.md`, `docs/de/…`), else by small words that only one language has. */
function languageOf(name: string, text: string): Language {
  const characters = [...text];
  if (characters.filter((c) => isCjk(c.codePointAt(0)!)).length * 5 >= characters.length) {
    return /[\u3040-\u30ff]/.test(text) ? "other" : "zh"; // kana: Japanese
  }
  const named = /(?:^|[./_-])(en|de|zh)(?:[./_-]|$)/i.exec(name)?.[1]?.toLowerCase();
  if (named === "de" || named === "en") return named;
  const words = text.toLowerCase().split(/[^a-zäöüß]+/);
  const count = (small: ReadonlySet<string>): number => words.filter((word) => small.has(word)).length;
  const en = count(ENGLISH);
  const de = count(GERMAN);
  if (en === 0 && de === 0) return "other";
  return de > en ? "de" : "en";
}

const ENGLISH = new Set(
  "the and of to is that it for with as by are be this from not or which has was no an its what who".split(" "),
);
const GERMAN = new Set(
  "der die das und ist nicht ein eine mit von zu den dem des sich auf wird für im auch kein keine oder wer wie".split(
    " ",
  ),
);

/** The dataset as it is recorded: one row of canonical JSON a line, each line ended by a newline. */
export function datasetBytes(rows: readonly Row[]): Uint8Array {
  const line = ({ heldOut, language, source, text }: Row): string =>
    `${JSON.stringify({ heldOut, language, source, text })}\n`;
  return new TextEncoder().encode(rows.map(line).join(""));
}

/** @throws DemoError `dataset/invalid` for bytes that `datasetBytes` would not have written. */
export function parseDataset(bytes: Uint8Array): Row[] {
  const rows = new TextDecoder("utf-8")
    .decode(bytes)
    .split("\n")
    .slice(0, -1)
    .map((line, i) => {
      try {
        return rowOf(JSON.parse(line));
      } catch {
        throw new DemoError("dataset/invalid", `row ${i}`);
      }
    });
  const again = datasetBytes(rows);
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i]))
    throw new DemoError("dataset/invalid", "not in its one spelling");
  return rows;
}

function rowOf(value: unknown): Row {
  const { heldOut, language, source, text } = value as Record<string, unknown>;
  const known = LANGUAGES.find((l) => l === language);
  if (typeof heldOut !== "boolean" || known === undefined || typeof text !== "string" || typeof source !== "number")
    throw new TypeError();
  return { text, source, language: known, heldOut };
}

/** A beginning of a sentence for the model to go on with, and the row it was taken from. */
export type Prompt = { readonly prompt: string; readonly language: Language; readonly row: number };

/**
 * `perLanguage` prompts for each of English, German and Chinese, as far as the rows have them: the first half of rows that the model was
 * trained on, drawn by `seed`. The halves are what the model is asked to go on with; the other halves are not given to it.
 */
export function choosePrompts(rows: readonly Row[], seed: number, perLanguage: number): Prompt[] {
  const prompts: Prompt[] = [];
  (["en", "de", "zh"] as const).forEach((language, stream) => {
    const long = rows.flatMap((row, i) => {
      const prompt = row.language === language && !row.heldOut ? halfOf(row) : undefined;
      return prompt === undefined ? [] : [{ prompt, language, row: i }];
    });
    // Whole sentences if there are any: headings and cells of tables read badly.
    const whole = long.filter(({ row }) => /[.!?。！？]$/.test(rows[row]!.text));
    const from = whole.length >= perLanguage ? whole : long;
    const rng = rngFromSeed(seed, 200 + stream);
    for (let n = 0; n < perLanguage && from.length > 0; n++)
      prompts.push(...from.splice(nextBelow(rng, from.length), 1));
  });
  return prompts;
}

/** The first half of a row: of its words, or of its characters where words aren't spaced. Absent if the row is short. */
function halfOf({ text, language }: Row): string | undefined {
  if (language !== "zh") {
    const words = text.split(" ");
    return words.length < 8 ? undefined : words.slice(0, Math.ceil(words.length / 2)).join(" ");
  }
  const characters = [...text];
  let half = Math.ceil(characters.length / 2);
  // Not within a word or number of another script.
  while (half < characters.length && /^[\x21-\x7e]{2}$/.test(characters.slice(half - 1, half + 1).join(""))) half += 1;
  return characters.length < 16 || half > characters.length - 4 ? undefined : characters.slice(0, half).join("");
}
