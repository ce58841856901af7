import { ENGLISH, sentence, type SentenceCode, type Templates } from "@spur/verifier/evidence/sentences";
import { sayIfKnown, type Lang, type Values } from "./lang.ts";

/** What the verifier hands out with every finding, answer and report. */
export interface Coded {
  readonly code: string;
  readonly values: Values;
  /** English, complete. */
  readonly sentence: string;
}

const TABLES: { [lang in Lang]: Templates } = { en: ENGLISH, zh: ENGLISH, de: ENGLISH };

/** The verifier's sentences in the other languages, as `columnOf` has them. Called once, before anything is drawn. */
export function useSentences(zh: string, de: string): void {
  const table = (column: string): Templates => {
    const lines = column.split("\n");
    return Object.fromEntries(Object.keys(ENGLISH).map((code, i) => [code, lines[i] ?? code]));
  };
  TABLES.zh = table(zh);
  TABLES.de = table(de);
}

/**
 * The sentence in the reader's language; the English one that came with it if this page does not know the code. That a signer is unknown
 * is said once, at the top and in the heading of the list, and not again after each sentence (`brief`).
 */
export function sentenceOf(lang: Lang, coded: Coded, brief = false): string {
  const table = TABLES[lang];
  if (!Object.hasOwn(table, coded.code) || (lang === "en" && !brief)) return coded.sentence;
  const values: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(coded.values)) {
    if (brief && name === "signer") continue;
    values[name] = typeof value === "string" && lang !== "en" ? (wordFor(lang, name, value) ?? value) : value;
  }
  return sentence(coded.code as SentenceCode, values, table);
}

/** What a reference points to, where the member that holds it is called otherwise. */
const TARGETS: { readonly [role: string]: string | undefined } = {
  datasets: "dataset",
  sources: "source",
  inputs: "source",
  run: "training-run",
  parent: "checkpoint",
  base: "model",
  from: "checkpoint",
  to: "checkpoint",
  order: "removal",
};

/** Names of ours that stand as values; everything else is shown as it came. */
function wordFor(lang: Lang, name: string, value: string): string | undefined {
  if (name === "name") return sayIfKnown(lang, `slot.${value}`) ?? sayIfKnown(lang, `check.${value}`);
  if (name === "role") return sayIfKnown(lang, `type.${TARGETS[value] ?? value}`);
  if (name === "ask" && value === "lineage") return sayIfKnown(lang, "trace.title");
  return undefined;
}
