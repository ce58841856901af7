import type { en } from "./en.ts";
import type { homeEn } from "./home-en.ts";

export const LANGUAGES = ["en", "zh", "de"] as const;
export type Lang = (typeof LANGUAGES)[number];
export type Key = keyof typeof en | keyof typeof homeEn;

/** Phrases by key, for each language; {@link useWords} fills it. */
const WORDS: { readonly [lang in Lang]: Map<string, string> } = { en: new Map(), zh: new Map(), de: new Map() };

type Table = { readonly [key: string]: string };

/**
 * The phrases of a language in the order of the English ones, one a line: so each key stands in a page once, and no phrase needs quotes
 * (18 kB of 200). What is not yet translated stays English; a test asks for it.
 */
export function columnOf(english: Table, words: Table = english): string {
  return Object.entries(english)
    .map(([key, phrase]) => words[key] ?? phrase)
    .join("\n");
}

/** What the page can say: keys, and the column of each language. Called once, before anything is drawn. */
export function useWords(keys: string, columns: { readonly [lang in Lang]: string }): void {
  const names = keys.split("\n");
  for (const lang of LANGUAGES) {
    columns[lang].split("\n").forEach((phrase, i) => WORDS[lang].set(names[i] ?? "", phrase));
  }
}

/** Each language by its own name. */
export const NAMES: { readonly [lang in Lang]: string } = { en: "English", zh: "中文", de: "Deutsch" };
/** What `<html lang>` says; Chinese is written in simplified characters. */
export const TAGS: { readonly [lang in Lang]: string } = { en: "en", zh: "zh-Hans", de: "de" };

export type Values = { readonly [name: string]: string | number };

/** The language that fits the reader's wishes best; `wishes` as in navigator.languages. */
export function pickLang(wishes: readonly string[]): Lang {
  for (const wish of wishes) {
    const found = LANGUAGES.find((lang) => wish.toLowerCase().split("-")[0] === lang);
    if (found !== undefined) return found;
  }
  return "en";
}

/** A phrase of the page. */
export function say(lang: Lang, key: Key, values: Values = {}): string {
  return fillIn(WORDS[lang].get(key) ?? key, values, lang);
}

/** As {@link say} for a name that comes from data: `undefined` if the page has no word for it. */
export function sayIfKnown(lang: Lang, key: string, values: Values = {}): string | undefined {
  const phrase = WORDS[lang].get(key);
  return phrase === undefined ? undefined : fillIn(phrase, values, lang);
}

/** Puts values in place of `{name}`. Values are hostile: the result is shown as text and never filled in again. */
export function fillIn(template: string, values: Values, lang: Lang): string {
  return template.replace(/\{([A-Za-z0-9_]+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return whole;
    return typeof value === "number" ? count(value, lang) : value;
  });
}

/** A number as the language writes it. Years and versions never reach five digits; entry indexes do and are easier to read so. */
export function count(value: number, lang: Lang): string {
  return new Intl.NumberFormat(TAGS[lang], { useGrouping: value >= 10_000 }).format(value);
}
