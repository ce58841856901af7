import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DemoError } from "./errors.ts";

const TEXT_FILE = /\.(md|markdown|txt|text|rst|adoc|org)$/i;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;

export type CorpusFile = { readonly name: string; readonly bytes: Uint8Array };

/**
 * The file at `path`, or the text files of the folder there and below, hidden ones left out; sorted by name, so that a corpus is the same
 * list on every file system. Symbolic links are not followed.
 * @throws DemoError `corpus/unreadable`, `corpus/empty`, `corpus/too-large` (64 MiB in all)
 */
export function readCorpus(path: string): CorpusFile[] {
  let total = 0;
  const read = (file: string, name: string): CorpusFile => {
    total += statSync(file).size;
    if (total > MAX_TOTAL_BYTES) throw new DemoError("corpus/too-large", `over ${MAX_TOTAL_BYTES} bytes at ${name}`);
    return { name, bytes: new Uint8Array(readFileSync(file)) };
  };
  try {
    if (!statSync(path).isDirectory()) return [read(path, path.split(/[\\/]/).at(-1)!)];
    const files = filesBelow(path, "").map((name) => read(join(path, name), name));
    if (files.length === 0) throw new DemoError("corpus/empty", `no text file (.md, .txt, .rst, …) in ${path}`);
    return files;
  } catch (error) {
    if (error instanceof DemoError) throw error;
    throw new DemoError("corpus/unreadable", `${path}: ${(error as Error).message}`);
  }
}

/** Documents that are mostly tables: cells are no sentences. */
const TABLES = /^docs\/(errors|formats|api)\.md$/;

/** The project's own documents under `root`: the READMEs, ARCHITECTURE.md and docs/, as far as they are there. */
export function readOwnDocuments(root: string): CorpusFile[] {
  const names = readdirSync(root, { withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && /^(README(\.[a-z]+)?|ARCHITECTURE|SECURITY|CONTRIBUTING)\.md$/.test(entry.name),
    )
    .map((entry) => entry.name);
  const docs = statSync(join(root, "docs"), { throwIfNoEntry: false })?.isDirectory()
    ? filesBelow(join(root, "docs"), "docs/")
    : [];
  const files = [...names.sort(byCodeUnits), ...docs.filter((name) => name.endsWith(".md") && !TABLES.test(name))];
  if (files.length === 0) throw new DemoError("corpus/empty", `no documents under ${root}`);
  return files.map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(root, name))) }));
}

function filesBelow(folder: string, prefix: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith(".") && entry.name !== "node_modules")
    .sort((a, b) => byCodeUnits(a.name, b.name))
    .flatMap((entry) => {
      if (entry.isDirectory()) return filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`);
      return entry.isFile() && TEXT_FILE.test(entry.name) ? [prefix + entry.name] : [];
    });
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
