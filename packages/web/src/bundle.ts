import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as Esbuild from "esbuild";
import { ENGLISH } from "@spur/verifier/evidence/sentences";
import { PLACE } from "./embed.ts";
import { INDEX_TEMPLATE } from "./explorer/template.ts";
import { de } from "./i18n/de.ts";
import { en } from "./i18n/en.ts";
import { homeDe } from "./i18n/home-de.ts";
import { homeEn } from "./i18n/home-en.ts";
import { homeZh } from "./i18n/home-zh.ts";
import { columnOf } from "./i18n/lang.ts";
import { sentencesDe } from "./i18n/sentences-de.ts";
import { sentencesZh } from "./i18n/sentences-zh.ts";
import { zh } from "./i18n/zh.ts";
import { VERIFY_TEMPLATE } from "./verify/template.ts";

/** Most bytes that verify.html may have: it is read over the shoulder of whoever audits it. */
export const MOST_VERIFY_BYTES = 200_000;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface Pages {
  readonly verifyHtml: string;
  readonly indexHtml: string;
}

/** Builds both pages in memory: the same bytes from the same sources, wherever they lie. Needs esbuild. */
export function bundlePages(): Pages {
  const text = JSON.stringify;
  const words = (english: Table, zh: Table, de: Table): string =>
    `useWords(${text(Object.keys(english).join("\n"))},
      { en: ${text(columnOf(english))}, zh: ${text(columnOf(english, zh))}, de: ${text(columnOf(english, de))} });`;
  const sentences = `useSentences(${text(columnOf(ENGLISH, sentencesZh))}, ${text(columnOf(ENGLISH, sentencesDe))});`;
  const script = (folder: string, said: string): string => `import { useWords } from "./i18n/lang.ts";
    import { useSentences } from "./i18n/sentence.ts";
    import { start } from "./${folder}/main.ts";
    ${said} ${sentences} start();`;
  const verifyHtml = page({
    template: VERIFY_TEMPLATE,
    script: script("verify", words(en, zh, de)),
    styles: ["style/base.css", "style/verify.css"],
    connect: [],
  });
  if (verifyHtml.split(PLACE).length !== 2) throw new Error(`verify.html must hold ${PLACE} once`);
  const indexHtml = page({
    template: INDEX_TEMPLATE,
    script: script("explorer", words({ ...en, ...homeEn }, { ...zh, ...homeZh }, { ...de, ...homeDe })),
    styles: ["style/base.css", "style/explorer.css"],
    connect: ["connect-src 'self'"],
  });
  return { verifyHtml, indexHtml };
}

type Table = { readonly [key: string]: string };

interface Parts {
  readonly template: string;
  /** What the page runs: TypeScript that imports from this folder. */
  readonly script: string;
  readonly styles: readonly string[];
  /** Directives of the content policy beyond those of every page. */
  readonly connect: readonly string[];
}

function page(parts: Parts): string {
  // Loaded when needed: an installed package carries built pages and no esbuild.
  const esbuild = createRequire(import.meta.url)("esbuild") as typeof Esbuild;
  const common = { minify: true, legalComments: "none", charset: "utf8", logLevel: "silent" } as const;
  const root = here("..");
  const script = textOf(
    esbuild.buildSync({
      ...common,
      write: false,
      stdin: { contents: parts.script, resolveDir: here("."), loader: "ts" },
      absWorkingDir: root,
      bundle: true,
      format: "iife",
      platform: "browser",
      target: ["es2022", "chrome111", "firefox115", "safari16.4"],
      tsconfigRaw: {},
    }),
  ).trimEnd();
  const minified = esbuild
    .transformSync(parts.styles.map((path) => readFileSync(here(path), "utf8")).join("\n"), {
      ...common,
      loader: "css",
    })
    .code.trimEnd();
  // Custom properties are names like those of the script, which its minifier has shortened.
  const names = [...new Set(minified.match(/--[a-z][a-z-]*(?=:)/g))];
  const style = minified.replace(/--[a-z][a-z-]*/g, (name) => `--${names.indexOf(name).toString(36)}`);
  // Either would end the element early or turn what follows into script (HTML §13.2.5.17 ff.).
  if (/<!--|<\/?script/i.test(script)) throw new Error("the script holds markup of a script");
  if (/<\/style/i.test(style)) throw new Error("the style holds markup of a style");
  const csp = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    ...parts.connect,
    "require-trusted-types-for 'script'",
  ].join("; ");
  const values: { readonly [name: string]: string } = { csp, style, script, icon: ICON, evidence: PLACE };
  return parts.template.replace(/\{\{([a-z]+)\}\}/g, (_, name: string) => values[name] ?? "");
}

/** The mark: a trail of four steps. Inside the page, so that no browser asks a server for it. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='#17352b'/><path d='M6 25h1m5-6h1m5-6h1m5-6h1' stroke='#fff' stroke-width='5' stroke-linecap='round'/></svg>",
)
  // Only what ends an attribute or an address has to be written as %XX.
  .replace(/%(20|2F|3A|3D|27)/g, (code) => decodeURIComponent(code))}`;

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
}

function textOf(result: { readonly outputFiles?: readonly { readonly text: string }[] | undefined }): string {
  const [file] = result.outputFiles ?? [];
  if (file === undefined) throw new Error("esbuild wrote nothing");
  return file.text;
}
