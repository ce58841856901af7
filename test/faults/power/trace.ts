import { readFileSync } from "node:fs";

/** One system call of one thread. `result` is there once it has returned. */
export interface Call {
  readonly name: string;
  /** Texts as bytes, all else as strace writes it. */
  readonly args: readonly (string | Buffer)[];
  result?: number;
  /** Why it failed: "EIO". */
  error?: string;
}

/** Where a call begins, and where it has returned: between the two, other threads do something. */
export interface Moment {
  readonly when: "begin" | "end";
  readonly call: Call;
}

/** The calls by which a process changes files, makes that durable, or tells somebody something. */
export const RECORDED = [
  "openat", "close", "write", "pwrite64", "writev", "pwritev", "pwritev2", "fsync", "fdatasync", "rename", "renameat", "renameat2",
  "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "ftruncate", "truncate", "fallocate", "link", "linkat", "symlink", "symlinkat",
  "copy_file_range", "sendfile", "syncfs", "sync", "dup", "dup2", "dup3",
] as const; // prettier-ignore

/** Options of strace that write what {@link readTrace} reads: every text whole, in hex. Under --seccomp-bpf it is quicker, but sends no signal. */
export const straceInto = (file: string): string[] => [
  "-f", "-qq", "--seccomp-bpf", "-xx", "-s", "16777216", "-e", "signal=none", "-e", `trace=${RECORDED.join(",")}`, "-o", file,
]; // prettier-ignore

/** A line of a trace: the whole of a call, its beginning, or its end. */
interface Line {
  readonly thread: string;
  readonly call: Call;
  readonly kind: "whole" | "begin" | "end";
  /** Up to where the arguments end. */
  readonly text: string;
}

function* readLines(file: string): Generator<Line> {
  const bytes = readFileSync(file);
  const open = new Map<string, Call>();
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.toString("latin1", at, end);
    at = end + 1;
    const space = line.indexOf(" ");
    const thread = line.slice(0, space);
    const text = line.slice(space).trimStart();
    if (text.startsWith("<... ")) {
      const call = open.get(thread);
      open.delete(thread);
      if (call === undefined) continue;
      finish(call, text);
      yield { thread, call, kind: "end", text: "" };
      continue;
    }
    const paren = text.indexOf("(");
    if (paren <= 0 || !/^[a-z]/.test(text)) continue; // signals and exits
    const unfinished = text.endsWith(UNFINISHED);
    const close = unfinished ? text.length - UNFINISHED.length : endOfArgs(text);
    const call: Call = { name: text.slice(0, paren), args: parseArgs(text.slice(paren + 1, close)) };
    if (unfinished) open.set(thread, call);
    else finish(call, text.slice(close));
    yield { thread, call, kind: unfinished ? "begin" : "whole", text: `${thread} ${text.slice(0, close)}` };
  }
}

/** The moments of a trace in the order in which strace saw them. */
export function* readTrace(file: string): Generator<Moment> {
  for (const { call, kind } of readLines(file)) {
    if (kind !== "end") yield { when: "begin", call };
    if (kind !== "begin") yield { when: "end", call };
  }
}

/** Calls that had begun when their process was killed, and did not return; each with its text up to where the arguments end. */
export function unreturned(file: string): { readonly call: Call; readonly text: string }[] {
  const open = new Map<string, Line>();
  for (const line of readLines(file)) {
    if (line.kind !== "end") open.set(line.thread, line);
    if (line.kind !== "begin" && line.call.result !== undefined) open.delete(line.thread);
  }
  return [...open.values()];
}

const UNFINISHED = " <unfinished ...>";

/** `close(30)      = 0`: where the bracket is. */
function endOfArgs(text: string): number {
  let at = text.lastIndexOf(" = ");
  while (text[at] === " ") at--;
  return at; // of the bracket
}

function finish(call: Call, text: string): void {
  const match = /^ = (-?\d+|\?)(?: (E[A-Z0-9]+))?/.exec(text.slice(text.lastIndexOf(" = ")));
  if (match === null || match[1] === "?") return; // it never returned
  call.result = Number(match[1]);
  if (match[2] !== undefined) call.error = match[2];
}

/** Texts hold neither quotes nor commas, since they are in hex. Of a list of buffers all texts are joined. */
function parseArgs(text: string): (string | Buffer)[] {
  const args: (string | Buffer)[] = [];
  for (let at = 0; at < text.length;) {
    if (text[at] === '"') {
      const close = text.indexOf('"', at + 1);
      args.push(bytesOf(text.slice(at + 1, close)));
      if (text.startsWith("...", close + 1)) throw new Error("strace cut a text: the recording is not whole");
      at = close + 1;
    } else if (text[at] === "[") {
      const close = text.indexOf("]", at);
      args.push(Buffer.concat([...text.slice(at, close).matchAll(/"([^"]*)"/g)].map(([, one]) => bytesOf(one as string)))); // prettier-ignore
      at = close + 1;
    } else {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      args.push(text.slice(at, end).trim());
      at = end;
    }
    while (text[at] === "," || text[at] === " ") at++;
  }
  return args;
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll("\\x", ""), "hex");
