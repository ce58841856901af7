// Every durable step that the ledger takes, made visible: before and after each file write, sync, rename and unlink, and each commit of
// SQLite. A test looks at the folders there (what a kill at that moment leaves), or makes the step fail.
import type * as Fs from "node:fs";
import type * as FsPromises from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";

export interface Step {
  /** Counts the steps from 0. */
  readonly at: number;
  readonly what: "write" | "sync" | "rename" | "unlink" | "commit" | "checkpoint";
  readonly path: string;
  readonly when: "before" | "after";
}

/** What a test wants to do at each step; it may throw in place of the step, or after it. */
let listener: ((step: Step) => void) | undefined;
let count = 0;

export function listen(on: ((step: Step) => void) | undefined): void {
  listener = on;
  count = 0;
}

function pass<T>(what: Step["what"], path: string, work: () => T): T {
  const on = listener;
  if (on === undefined) return work();
  tell({ at: count++, what, path, when: "before" }, on);
  const result = work();
  tell({ at: count++, what, path, when: "after" }, on);
  return result;
}

async function passAsync<T>(what: Step["what"], path: string, work: () => Promise<T>): Promise<T> {
  const on = listener;
  if (on === undefined) return work();
  tell({ at: count++, what, path, when: "before" }, on);
  const result = await work();
  if (listener === on) tell({ at: count++, what, path, when: "after" }, on);
  return result;
}

/** The listener's own reading and copying are no steps. */
function tell(step: Step, on: (step: Step) => void): void {
  listener = undefined;
  try {
    on(step);
  } finally {
    listener = on;
  }
}

/** An error as a disk gives it. */
export function diskError(code: "EIO" | "ENOSPC", what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code, syscall: what, errno: -5 });
}

/** For `vi.mock("node:fs")`. */
export function watchedFs(fs: typeof Fs): typeof Fs {
  const paths = new Map<number, string>();
  const watched = {
    ...fs,
    openSync: (path: string, ...rest: never[]) => {
      const fd = fs.openSync(path, ...(rest as [never]));
      paths.set(fd, path);
      return fd;
    },
    writeSync: (fd: number, ...rest: never[]) =>
      pass("write", paths.get(fd) ?? "", () => (fs.writeSync as (...all: unknown[]) => number)(fd, ...rest)),
    fsyncSync: (fd: number) => {
      pass("sync", paths.get(fd) ?? "", () => {
        fs.fsyncSync(fd);
      });
    },
    fsync: (fd: number, done: (error: Error | null) => void) => {
      passAsync("sync", paths.get(fd) ?? "", () => promisify(fs.fsync)(fd)).then(() => {
        done(null);
      }, done);
    },
    renameSync: (from: string, to: string) => {
      pass("rename", to, () => {
        fs.renameSync(from, to);
      });
    },
    unlinkSync: (path: string) => {
      pass("unlink", path, () => {
        fs.unlinkSync(path);
      });
    },
  };
  return { ...watched, default: watched } as unknown as typeof Fs;
}

/** For `vi.mock("node:fs/promises")`. */
export function watchedFsPromises(fs: typeof FsPromises): typeof FsPromises {
  const watched = {
    ...fs,
    open: async (path: string, ...rest: never[]) => {
      const handle = await fs.open(path, ...(rest as [never]));
      const { writeFile, sync } = handle;
      handle.writeFile = (...all) => passAsync("write", path, () => writeFile.apply(handle, all));
      handle.sync = () => passAsync("sync", path, () => sync.call(handle));
      return handle;
    },
    rename: (from: string, to: string) => passAsync("rename", to, () => fs.rename(from, to)),
    rm: (path: string, options?: Fs.RmOptions) => passAsync("unlink", path, () => fs.rm(path, options)),
    unlink: (path: string) => passAsync("unlink", path, () => fs.unlink(path)),
  };
  return { ...watched, default: watched } as unknown as typeof FsPromises;
}

/** Watches commits and checkpoints of SQLite, on every connection of this process. */
export function watchSqlite(): void {
  const { exec, prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (sql.trim() !== "commit") {
      exec.call(this, sql);
      return;
    }
    pass("commit", "", () => {
      exec.call(this, sql);
    });
  };
  DatabaseSync.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql);
    if (!sql.includes("wal_checkpoint")) return statement;
    const get = statement.get.bind(statement);
    statement.get = (...all: never[]) => pass("checkpoint", "", () => get(...all));
    return statement;
  };
}
