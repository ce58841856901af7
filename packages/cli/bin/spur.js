#!/usr/bin/env node
// Plain JavaScript for any Node: finds out how `spur` can run here and says clearly when it can't.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { constants, homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const [major, minor] = process.versions.node.split(".").map(Number);
const runsBuilt = major > 20 || (major === 20 && minor >= 19);
// Type stripping without a flag: 22.18 and 24 on (23.6 too, which nobody supports any more).
const runsSources = major >= 24 || (major === 22 && minor >= 18);

const built = new URL("../dist/main.js", import.meta.url);
const source = new URL("../src/main.ts", import.meta.url);
const ownNode = at(`../../../node_modules/.bin/node${process.platform === "win32" ? ".cmd" : ""}`);

if (existsSync(source) && !runsSources && existsSync(ownNode) && process.env.SPUR_REEXEC !== "1") {
  // In the repository with an old Node: its own runtime stands in node_modules. The variable keeps a broken link from looping.
  const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
    shell: process.platform === "win32",
    env: { ...process.env, SPUR_REEXEC: "1" },
  });
  // The terminal's Ctrl-C reaches the child by itself; what a supervisor sends to us alone is passed on.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`spur: could not start ${ownNode}: ${error.message}\n`);
    process.exitCode = 2;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
} else if (existsSync(source) && runsSources) {
  await start(source);
} else if (existsSync(built) && runsBuilt) {
  await start(built);
} else {
  const wanted = existsSync(source) ? "24.12 or newer (`npm ci` in the repository brings one)" : "20.19 or newer";
  process.stderr.write(`spur: this is Node ${process.versions.node}; it needs Node ${wanted}.\n`);
  process.exitCode = 2;
}

/** @param {URL} main the module that exports `run(argv, io)` and `processIo` */
async function start(main) {
  delete process.env.SPUR_REEXEC;
  keepCompiled();
  const { processIo, run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2), processIo(process));
}

/**
 * Keeps the sources as Node has compiled them, types stripped, for the next start: a third of the time, and 50 MB less of memory. In the
 * user's own folder: whoever could write there in his name could also change the sources. The variable is for processes that we start.
 */
function keepCompiled() {
  if (process.env.NODE_COMPILE_CACHE !== undefined || process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return;
  try {
    const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "spur", "compiled");
    process.env.NODE_COMPILE_CACHE = folder;
    module.enableCompileCache?.(folder);
  } catch {
    // a user without a home: every start compiles anew
  }
}
