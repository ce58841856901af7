import { ENGLISH } from "@spur/verifier/evidence/sentences";
import { CHECKS, QUESTIONS } from "@spur/verifier/evidence/report";
import { describe, expect, it } from "vitest";
import { de } from "../src/i18n/de.ts";
import { en } from "../src/i18n/en.ts";
import { homeDe } from "../src/i18n/home-de.ts";
import { homeEn } from "../src/i18n/home-en.ts";
import { homeZh } from "../src/i18n/home-zh.ts";
import { columnOf, fillIn, pickLang, say, sayIfKnown, useWords } from "../src/i18n/lang.ts";
import { sentenceOf, useSentences } from "../src/i18n/sentence.ts";
import { sentencesDe } from "../src/i18n/sentences-de.ts";
import { sentencesZh } from "../src/i18n/sentences-zh.ts";
import { zh } from "../src/i18n/zh.ts";

const placeholders = (text: string): string[] => (text.match(/\{[^}]*\}/g) ?? []).sort();
const tables = [
  ["German sentences", ENGLISH, sentencesDe, /[äöüß„]|\b(der|die|das|den|dem|nicht|kein|ist|sind|ein)[a-z]*\b/i],
  ["Chinese sentences", ENGLISH, sentencesZh, /[\u4e00-\u9fff]/],
  ["German words", { ...en, ...homeEn }, { ...de, ...homeDe }, undefined],
  ["Chinese words", { ...en, ...homeEn }, { ...zh, ...homeZh }, undefined],
] as const;

describe.each(tables)("%s", (_, english: Record<string, string>, words: Record<string, string>, look) => {
  it("has every code and no other", () => {
    expect(Object.keys(words).sort()).toEqual(Object.keys(english).sort());
  });
  it("shows the same values", () => {
    for (const [code, text] of Object.entries(english)) {
      expect(placeholders(words[code] ?? ""), code).toEqual(placeholders(text));
    }
  });
  it("has one line for each", () => {
    expect(Object.values(words).filter((text) => text.includes("\n"))).toEqual([]);
    expect(columnOf(english, words).split("\n")).toHaveLength(Object.keys(english).length);
  });
  it("is in that language", () => {
    if (look === undefined) return;
    for (const [code, text] of Object.entries(words)) {
      if (text.length > 30) expect(text, code).toMatch(look);
      expect(text === english[code] && text.length > 12, `${code} is left in English`).toBe(false);
    }
  });
});

describe("the page's words", () => {
  const english = { ...en, ...homeEn };
  useWords(Object.keys(english).join("\n"), {
    en: columnOf(english),
    zh: columnOf(english, { ...zh, ...homeZh }),
    de: columnOf(english, { ...de, ...homeDe }),
  });
  useSentences(columnOf(ENGLISH, sentencesZh), columnOf(ENGLISH, sentencesDe));

  it.each([...CHECKS.map((name) => `check.${name}`), ...QUESTIONS.map((ask) => `ask.${ask}`), "ask.lineage"])(
    "name %s",
    (key) => {
      for (const lang of ["en", "zh", "de"] as const) expect(sayIfKnown(lang, key), key).toBeDefined();
    },
  );
  it("fill in values once: a value that looks like a placeholder stays text", () => {
    expect(fillIn("{a} and {b}", { a: "{b}", b: "x" }, "en")).toBe("{b} and x");
    expect(say("de", "coverage.register", { name: "outputs", to: 12_345 })).toBe("Register „outputs“, 1 bis 12.345");
  });
  it("fit the reader's wishes", () => {
    expect(pickLang(["fr-CH", "zh-TW", "de"])).toBe("zh");
    expect(pickLang(["de-AT"])).toBe("de");
    expect(pickLang([])).toBe("en");
  });
  it("translate a finding by its code, with the words inside it", () => {
    const values = { decision: 17, index: 16, verdict: "released", actor: "rule", version: 1 };
    const finding = { code: "q5/decision", values, sentence: "English" };
    expect(sentenceOf("de", finding)).toBe(
      "Eintrag 17 entscheidet über die Antwort in Eintrag 16: freigegeben von einer Regel, Richtlinie in Fassung 1.",
    );
    expect(sentenceOf("zh", finding)).toContain("由规则放行");
    expect(sentenceOf("de", { ...finding, code: "of a later version" })).toBe("English");
    expect(sentenceOf("de", { ...finding, values: { ...values, signer: "unknown" } })).toContain(
      "Unterzeichner unbekannt",
    );
    expect(sentenceOf("de", { ...finding, values: { ...values, signer: "unknown" } }, true)).not.toContain("unbekannt");
  });
});
