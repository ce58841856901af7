// Every step by which a ledger changes its disk, made visible in this thread of a real process: files, folders, SQLite. Whoever watches can
// look at the folders there, end the process, or make the step fail before it was done or after.
import { DatabaseSync } from "node:sqlite";
import { createRequire, syncBuiltinESMExports } from "node:module";
import type * as Fs from "node:fs";
import type { FileHandle } from "node:fs/promises";

export interface Step {
  readonly what: "open" | "write" | "sync" | "close" | "rename" | "unlink" | "mkdir" | "begin" | "commit" | "checkpoint" | "request";
  /** Of a file, a folder or a database. */
  readonly path: string;
  readonly when: "before" | "after";
} // prettier-ignore

/** Called around each step; what it throws is what the ledger gets to see. */
export type Watcher = (step: Step) => void;

let watcher: Watcher | undefined;

/** One watcher at a time; none to stop. Its own doings are no steps. */
export function watch(on: Watcher | undefined): void {
  watcher = on;
}

function tell(step: Step): void {
  const on = watcher;
  if (on === undefined) return;
  watcher = undefined;
  try {
    on(step);
  } finally {
    watcher ??= on;
  }
}

/** A step that something else than a disk takes: a request to a witness. */
export async function passing<T>(what: Step["what"], path: string, work: () => Promise<T>): Promise<T> {
  tell({ what, path, when: "before" });
  const done = await work();
  tell({ what, path, when: "after" });
  return done;
}

function pass<T>(what: Step["what"], path: string, work: () => T): T {
  tell({ what, path, when: "before" });
  const done = work();
  tell({ what, path, when: "after" });
  return done;
}

/** An error as the system gives it. */
export function systemError(code: "EIO" | "ENOSPC", syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall, errno: code === "EIO" ? -5 : -28 });
}

const writes = (flags: unknown): boolean => typeof flags === "string" && /[wax+]/.test(flags);

/** Puts itself before `node:fs`, `node:fs/promises` and `node:sqlite` of this thread, for good. Imports that were made before see it too. */
export function installSteps(): void {
  const require = createRequire(import.meta.url);
  const fs = require("node:fs") as typeof Fs;
  watchFiles(fs);
  watchHandles(fs);
  watchDatabases();
  syncBuiltinESMExports();
}

type Any = (...all: unknown[]) => unknown;

function watchFiles(fs: typeof Fs): void {
  const real = { ...fs };
  const paths = new Map<unknown, string>();
  const written = new Set<unknown>();
  const replace = (name: keyof typeof Fs, by: Any): void => void Object.assign(fs, { [name]: by });
  replace("openSync", (path, flags, ...rest) => {
    const open = (): number => (real.openSync as Any)(path, flags, ...rest) as number;
    if (!writes(flags)) {
      const fd = open();
      paths.set(fd, String(path));
      return fd;
    }
    return pass("open", String(path), () => {
      const fd = open();
      paths.set(fd, String(path));
      written.add(fd);
      return fd;
    });
  });
  const onFd = (name: "writeSync" | "fsyncSync" | "closeSync", what: Step["what"]): void => {
    replace(name, (fd, ...rest) => {
      const path = paths.get(fd);
      const work = (): unknown => (real[name] as Any)(fd, ...rest);
      if (path === undefined) return work(); // not opened here
      if (name !== "closeSync") return pass(what, path, work);
      paths.delete(fd);
      return written.delete(fd) ? pass(what, path, work) : work();
    });
  };
  onFd("writeSync", "write");
  onFd("fsyncSync", "sync");
  onFd("closeSync", "close");
  replace("fsync", (fd, done) => {
    const path = paths.get(fd) ?? "";
    try {
      tell({ what: "sync", path, when: "before" });
    } catch (error) {
      process.nextTick(done as Any, error);
      return;
    }
    real.fsync(fd as number, (error) => {
      let told: unknown = error;
      try {
        if (error === null) tell({ what: "sync", path, when: "after" });
      } catch (thrown) {
        told = thrown;
      }
      (done as Any)(told);
    });
  });
  replace("renameSync", (from, to) => pass("rename", String(to), () => (real.renameSync as Any)(from, to)));
  replace("unlinkSync", (path) => pass("unlink", String(path), () => (real.unlinkSync as Any)(path)));
  replace("mkdirSync", (path, options) => pass("mkdir", String(path), () => (real.mkdirSync as Any)(path, options)));
}

function watchHandles(fs: typeof Fs): void {
  const real = { ...fs.promises };
  const watchHandle = (handle: FileHandle, path: string, flags: string): FileHandle => {
    const { writeFile, sync, close } = handle;
    handle.writeFile = (...all) => passing("write", path, () => writeFile.apply(handle, all));
    handle.sync = () => passing("sync", path, () => sync.call(handle));
    if (writes(flags)) handle.close = () => passing("close", path, () => close.call(handle));
    return handle;
  };
  Object.assign(fs.promises, {
    open: async (path: string, flags: string, ...rest: never[]) => {
      const open = async (): Promise<FileHandle> => watchHandle(await real.open(path, flags, ...rest), path, flags);
      return writes(flags) ? passing("open", path, open) : open();
    },
    rename: (from: string, to: string) => passing("rename", to, () => real.rename(from, to)),
    unlink: (path: string) => passing("unlink", path, () => real.unlink(path)),
    rm: (path: string, options?: Fs.RmOptions) => passing("unlink", path, () => real.rm(path, options)),
    mkdir: (path: string, options?: Fs.MakeDirectoryOptions) => passing("mkdir", path, () => real.mkdir(path, options)),
  });
}

function watchDatabases(): void {
  const { exec, prepare } = DatabaseSync.prototype;
  const at = (database: DatabaseSync): string => database.location() ?? "";
  DatabaseSync.prototype.exec = function (sql) {
    const what = /\bcommit\b/.test(sql) ? "commit" : sql === "begin immediate" ? "begin" : undefined;
    if (what === undefined) exec.call(this, sql);
    else pass(what, at(this), () => { exec.call(this, sql); }); // prettier-ignore
  };
  DatabaseSync.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql);
    if (!sql.includes("wal_checkpoint")) return statement;
    const get = statement.get.bind(statement);
    statement.get = (...all: never[]) => pass("checkpoint", at(this), () => get(...all));
    return statement;
  };
}
