import { say, sayIfKnown, type Lang } from "../i18n/lang.ts";

/**
 * What stands in a box beside the entry's index: the public part of its predicate in a few words. The verifier's schema has held a
 * predicate of a file against its type; what comes from a server may still be anything, so nothing is assumed here.
 */
export function noteOf(lang: Lang, kind: string, predicate: { readonly [name: string]: unknown }): string | undefined {
  const word = (name: string): string | undefined => {
    const value = predicate[name];
    return typeof value === "string" ? sayIfKnown(lang, `word.${value}`) : undefined;
  };
  const number = (name: string, key: "word.step" | "word.steps" | "word.rows" | "word.version"): string | undefined => {
    const value = predicate[name];
    return typeof value === "number" ? say(lang, key, { n: value }) : undefined;
  };
  switch (kind) {
    case "output":
      return word("outcome");
    case "decision":
      return join(lang, word("verdict"), word("actor"));
    case "deployment":
      return word("check");
    case "policy":
      return number("version", "word.version");
    case "checkpoint":
      return number("step", "word.step");
    case "training-run":
      return number("steps", "word.steps");
    case "dataset":
      return number("rows", "word.rows");
    case "data-run":
      return number("rowsOut", "word.rows");
    case "source":
      return word("kind");
    case "removal":
      return word("state");
    case "replay":
      return word("result");
    case "model":
      return typeof predicate["format"] === "string" ? predicate["format"].slice(0, 24) : undefined;
    default:
      return undefined;
  }
}

function join(lang: Lang, ...words: readonly (string | undefined)[]): string | undefined {
  const known = words.filter((word) => word !== undefined);
  // Chinese puts the actor first and needs no space.
  const text = lang === "zh" ? known.reverse().join("") : known.join(" ");
  return text === "" ? undefined : text;
}
