// How a workspace becomes a package that a stranger installs: built JavaScript with types, `exports` pointing at it.
// In the repository `exports` names the TypeScript sources, since Node strips types there; it strips none under node_modules.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** The workspaces that are published, in the order they need one another. */
export const PUBLISHED = ["packages/verifier", "packages/witness", "packages/cli"];

type Manifest = Record<string, unknown> & { name: string; version: string };

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** package.json as a stranger gets it. */
export function publishForm(manifest: Manifest): Manifest {
  const published: Manifest = {
    ...manifest,
    exports: {
      "./*": { types: "./dist/*.d.ts", default: "./dist/*.js" },
      "./package.json": "./package.json",
    },
  };
  delete published["scripts"];
  return published;
}

/** Builds `<folder>/src` into `<folder>/dist`, replacing what stands there only when the compiler had no complaint. */
export function build(folder: string): void {
  const name = folder.slice("packages/".length);
  const scratch = mkdtempSync(join(tmpdir(), "spur-build-"));
  try {
    // The compiler follows imports into the other packages' sources and would write those out too: all goes to a scratch
    // folder shaped like `packages/`, and ours alone is taken from it.
    const args = ["-p", `${folder}/tsconfig.build.json`, "--rootDir", "packages", "--outDir", scratch];
    const tsc = join(root, "node_modules/.bin/tsc");
    const run = spawnSync(tsc, args, { cwd: root, encoding: "utf8", shell: process.platform === "win32" });
    if (run.status !== 0) throw new Error(`tsc ${args.join(" ")}\n${run.stdout}${run.stderr}`);

    const from = join(root, folder, "src");
    const built = join(scratch, name, "src");
    for (const file of readdirSync(from, { recursive: true, withFileTypes: true })) {
      if (!file.isFile() || file.name.endsWith(".ts")) continue;
      const inside = join(file.parentPath, file.name).slice(from.length);
      cpSync(join(from, inside), join(built, inside));
    }
    if (name === "cli") cpSync(buildVerifyHtml(), join(built, "verify.html"));
    const dist = join(root, folder, "dist");
    const fresh = `${dist}.${process.pid}`;
    cpSync(built, fresh, { recursive: true });
    rmSync(dist, { recursive: true, force: true });
    renameSync(fresh, dist);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** verify.html goes with the CLI, which writes evidence and verifier as one file. */
function buildVerifyHtml(): string {
  const run = spawnSync(process.execPath, ["packages/web/src/build.ts"], { cwd: root, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`packages/web/src/build.ts\n${run.stdout}${run.stderr}`);
  return join(root, "packages/web/dist/verify.html");
}

/** Makes the tarball of a built workspace in `into`, from a staged copy: the working tree stays as it is. Returns the file's path. */
export function pack(folder: string, into: string): string {
  const from = join(root, folder);
  const staged = mkdtempSync(join(tmpdir(), "spur-pack-"));
  try {
    for (const name of ["bin", "dist"]) {
      if (existsSync(join(from, name))) cpSync(join(from, name), join(staged, name), { recursive: true });
    }
    copyFileSync(join(root, "LICENSE"), join(staged, "LICENSE"));
    writeManifest(staged, publishForm(readManifest(from)));
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", into];
    const run = spawnSync("npm", args, { cwd: staged, encoding: "utf8", shell: process.platform === "win32" });
    if (run.status !== 0) throw new Error(`npm ${args.join(" ")}\n${run.stdout}${run.stderr}`);
    const manifest = readManifest(staged);
    const file = `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`;
    return join(into, file);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

/** Writes package.json in the repository's own layout. */
export function writeManifest(folder: string, manifest: Manifest): void {
  const temporary = join(folder, `package.json.${process.pid}`);
  writeFileSync(temporary, `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(temporary, join(folder, "package.json"));
}
