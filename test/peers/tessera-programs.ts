// Programs of Tessera, installed by name at one version, and kept between runs.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, holds, lastLine, need, run, Skip } from "./peer.ts";

const MODULE = "github.com/transparency-dev/tessera";
export const VERSION = "v1.0.4";

/** Path of a program of Tessera's, like `cmd/fsck`; throws Skip without Go, or where the module proxy cannot be reached. */
export async function tesseraProgram(path: string): Promise<string> {
  const go = need("go", "Go 1.24 or newer");
  const program = `${MODULE}/${path}@${VERSION}`;
  const folder = cacheFolder(`go-${createHash("sha256").update(program).digest("hex").slice(0, 12)}`);
  const binary = join(folder, path.split("/").at(-1) ?? "");
  if (existsSync(binary)) return binary;
  const ran = await run(go, ["install", program], { env: { GOBIN: folder, GOFLAGS: "-mod=mod" }, timeoutMs: 600_000 });
  if (ran.exit !== 0 && /dial tcp|no such host|proxy|connection refused|i\/o timeout/.test(ran.text))
    throw new Skip(`${program} cannot be fetched: ${lastLine(ran.text)}`);
  holds(`${program} builds: ${ran.text.slice(-500)}`, ran.exit === 0);
  return binary;
}

/** What fsck said, and the size that it found in order. */
export interface Checked {
  readonly text: string;
  readonly failed: boolean;
  readonly size?: number;
}

/** fsck of a log at an address (http or file), under the key in a file. It ends with 0 whatever it found: what it says counts, and it must say the size. */
export async function fsck(program: string, url: string, key: string): Promise<Checked> {
  const args = ["--storage_url", `${url}/`, "--public_key", key, "--ui=false", "--N=8"];
  const { text } = await run(program, args, { timeoutMs: 120_000 });
  const size = /Successfully fsck'd log with size (\d+)/.exec(text)?.[1];
  const failed = text.includes("fsck failed");
  return { text: text.slice(-800), failed, ...(size === undefined || failed ? {} : { size: Number(size) }) };
}
