import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { Following, liveOf, tracesOf, type Recording } from "./recording.ts";
import { readTrace, unreturned, type Call } from "./trace.ts";

/**
 * A kill may come between what a call does and its return. What such calls of the last process did is read from the real folders, and added
 * to its trace: the next process finds it in the page cache.
 */
export function settle(recording: Recording): void {
  const traces = tracesOf(recording);
  const last = traces.at(-1) as string;
  const open = unreturned(last);
  if (open.length === 0) return;
  const following = new Following(recording);
  for (const trace of traces) {
    following.disk.newProcess();
    for (const moment of readTrace(trace)) following.follow(moment);
  }
  const live = liveOf(recording);
  for (const { call, text } of open) {
    const result = done(call, (fd) => following.disk.pathOf(fd), live);
    if (result !== undefined) appendFileSync(last, `${text}) = ${result}\n`);
  }
}

/** The result that a call would have returned, by what can be seen of it; undefined if it did nothing. */
function done({ name, args }: Call, pathOf: (fd: number) => string | undefined, live: string): number | undefined {
  const inside = (path: unknown): path is Buffer => path instanceof Buffer && path.toString().startsWith(`${live}/`);
  const path = pathOf(Number(args[0]));
  switch (name) {
    case "write":
    case "pwrite64": {
      if (path === undefined || !existsSync(path)) return undefined;
      const [real, bytes] = [readFileSync(path), args[1] as Buffer];
      // `write` is only used on files that are written from their beginning to their end.
      const at = name === "write" ? Math.max(0, real.length - bytes.length) : Number(args[3]);
      let count = 0;
      while (count < bytes.length && real[at + count] === bytes[count]) count++;
      return count === 0 ? undefined : count;
    }
    case "ftruncate":
      return path !== undefined && existsSync(path) && statSync(path).size === Number(args[1]) ? 0 : undefined;
    case "rename":
      return inside(args[0]) && !existsSync(args[0]) ? 0 : undefined;
    case "unlink":
    case "rmdir":
      return inside(args[0]) && !existsSync(args[0]) ? 0 : undefined;
    case "mkdir":
      return inside(args[0]) && existsSync(args[0]) ? 0 : undefined;
    case "openat":
      return inside(args[1]) && String(args[2]).includes("O_CREAT") && existsSync(args[1]) ? 1_000_000 : undefined;
    default:
      return undefined;
  }
}
