import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundlePages, type Pages } from "./bundle.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url)).replace(/[\\/]$/, "");

/**
 * The pages as the ledger serves them: the built ones, or built in memory (0.3 s) where the sources are newer. An installed package has
 * no sources and no esbuild, and uses what was built.
 */
export function pages(): Pages {
  const built = [at("../dist/verify.html"), at("../dist/index.html")] as const;
  if (built.every((path) => existsSync(path))) {
    const builtAtMs = Math.min(...built.map((path) => statSync(path).mtimeMs));
    if (newest([at("./"), at("../../verifier/src/")]) <= builtAtMs) {
      return { verifyHtml: readFileSync(built[0], "utf8"), indexHtml: readFileSync(built[1], "utf8") };
    }
  }
  return bundlePages();
}

/** When the youngest source was written; 0 where there are none. */
function newest(folders: readonly string[]): number {
  let youngest = 0;
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      // Beside built JavaScript lie declarations, which are no sources.
      if (!entry.isFile() || !/(?<!\.d)\.ts$|\.css$/.test(entry.name)) continue;
      youngest = Math.max(youngest, statSync(`${entry.parentPath}/${entry.name}`).mtimeMs);
    }
  }
  return youngest;
}
