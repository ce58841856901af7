// Loaded before a driver, in each of its threads: makes its randomness repeatable, so that the names of its files are the same in every run.
import { createHash, type BinaryLike } from "node:crypto";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { threadId } from "node:worker_threads";

const crypto = createRequire(import.meta.url)("node:crypto") as {
  randomBytes: (size: number, done?: unknown) => unknown;
};
const real = crypto.randomBytes;
let nth = 0;
crypto.randomBytes = (size, done) => {
  if (done !== undefined) return real(size, done);
  const from = `${process.env["SPUR_SEED"] ?? ""} ${threadId} ${nth++}` satisfies BinaryLike;
  return createHash("shake256", { outputLength: size }).update(from).digest();
};
syncBuiltinESMExports();
