// Undoes prepack.ts.
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const folder = process.cwd();
const kept = join(folder, "package.json.kept");
if (existsSync(kept)) renameSync(kept, join(folder, "package.json"));
rmSync(join(folder, "LICENSE"), { force: true });
