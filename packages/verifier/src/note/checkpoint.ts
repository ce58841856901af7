import { equalBytes, fromBase64, isSafeSize, toBase64 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { EMPTY_ROOT, HASH_BYTES, type Root } from "../tlog/merkle.ts";

/** The text of a C2SP tlog-checkpoint. Who signed it is `openNote`'s part. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Root;
  readonly extensions: readonly string[];
}

/** From the text of a note, with its final newline. Throws `checkpoint/format`, and `checkpoint/empty-root` for size 0 with a root of something. */
export function parseCheckpoint(noteText: string): Checkpoint {
  const bad = (why: string) => new VerifyError("checkpoint/format", why);
  const [origin, sizeLine, rootLine, ...extensions] = noteText.slice(0, -1).split("\n");
  if (origin === undefined || sizeLine === undefined || rootLine === undefined) throw bad("fewer than three lines");
  if (origin === "" || extensions.includes("")) throw bad("empty line");
  const size = Number(sizeLine);
  if (!isSafeSize(size)) throw bad(`size ${sizeLine.slice(0, 40)}`);
  const checkpoint = { origin, size, root: parseRoot(rootLine), extensions };
  // Refuses a missing last newline, and every other way to write a number: 01, +1, 1e3, 0x1.
  if (formatCheckpoint(checkpoint) !== noteText) throw bad("does not re-encode to itself");
  if (size === 0 && !equalBytes(checkpoint.root, EMPTY_ROOT)) throw new VerifyError("checkpoint/empty-root", rootLine);
  return checkpoint;
}

function parseRoot(line: string): Root {
  const root = fromBase64(line, "checkpoint/format");
  if (root.length !== HASH_BYTES) throw new VerifyError("checkpoint/format", `root of ${root.length} bytes`);
  return root as Root;
}

/** Three lines, and a line for each extension: the spec recommends to have none, and we write none. */
export function formatCheckpoint(checkpoint: {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly extensions?: readonly string[];
}): string {
  const { origin, size, root, extensions = [] } = checkpoint;
  return [origin, size, toBase64(root), ...extensions].map((line) => `${line}\n`).join("");
}
