import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..", process.env["SPUR_VECTORS"] ?? "../shared/vectors");

/** A suite over one folder of other people's vectors. Where they are absent it is skipped and says so. */
export function describeVectors(folder: string, suite: (dir: string) => void): void {
  const dir = join(root, folder);
  describe(`vectors: ${folder}`, () => {
    if (existsSync(dir)) suite(dir);
    else it.skip("skipped: no vectors", () => undefined);
  });
}
