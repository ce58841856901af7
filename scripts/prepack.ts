// npm runs this in a workspace before `npm pack` and `npm publish`: builds it and puts package.json into its published form.
// postpack.ts undoes it; should that never run, the next prepack takes up the kept original first.
import { copyFileSync, existsSync, renameSync } from "node:fs";
import { join, relative } from "node:path";
import { build, publishForm, readManifest, root, writeManifest } from "./package.ts";

const folder = process.cwd();
const kept = join(folder, "package.json.kept");

if (existsSync(kept)) renameSync(kept, join(folder, "package.json"));
build(relative(root, folder).replaceAll("\\", "/"));
copyFileSync(join(folder, "package.json"), kept);
copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
writeManifest(folder, publishForm(readManifest(folder)));
