// `npm run pack [-- FOLDER]`: builds, and writes the tarballs of verifier and cli to FOLDER (default: here).
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { PUBLISHED, build, pack } from "./package.ts";

const into = resolve(process.argv[2] ?? ".");
mkdirSync(into, { recursive: true });
for (const folder of PUBLISHED) {
  build(folder);
  process.stdout.write(`${pack(folder, into)}\n`);
}
