import { execFile, spawn } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Bench } from "./bench.ts";
import { alternate, atLeast, judge, measured, percentile, told } from "./figures.ts";
import { startProcess } from "./process.ts";

const TESSERA = "github.com/transparency-dev/tessera/cmd/conformance/posix@v1.0.4";
const IN_FLIGHT = 512;
const SECONDS = 8;
const LINES = 500;

const run = promisify(execFile);

interface Loaded {
  readonly perSecond: number;
  readonly entries: number;
  readonly failed: number;
  readonly why: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const log: Bench = {
  name: "log",
  about:
    `entries of 1 KiB over HTTP, each unlike all others, ${IN_FLIGHT} in flight, against Tessera's POSIX conformance server ` +
    "on the same disk, fsync on in both; acknowledged when the index is durable, in both; load generator in Go on the same cores",
  async run({ runs, folder, noDurability, say }) {
    const tools = await goTools(folder);
    if (typeof tools === "string") return [told(`not measured: ${tools}`, measured("runs", [0]))];
    const tessera = await startTessera(tools.tessera, join(folder, "tessera"));
    const data = join(folder, "spur", "data");
    mkdirSync(join(folder, "spur"));
    const spur = await startProcess("spur", ["up", "--json", "--port", "0", "--data", data, "--origin", "bench.spur.invalid/log"], { cwd: folder }); // prettier-ignore
    const url = String(spur.ready["url"]);
    const key = String(spur.ready["operatorKey"]);
    const load = async (...args: readonly string[]): Promise<Loaded> => {
      const { stdout } = await run(tools.load, args);
      const loaded = JSON.parse(stdout) as Loaded;
      if (loaded.failed > 0) throw new Error(`${loaded.failed} posts failed: ${loaded.why}`);
      return loaded;
    };
    const single = ["-in-flight", String(IN_FLIGHT), "-seconds", String(SECONDS)];
    const batch = ["-in-flight", "4", "-lines", String(LINES), "-seconds", String(SECONDS), "-key", key, "-url", `${url}/spur/v1/records:batch?answer=progress`]; // prettier-ignore
    const ours = ["-url", `${url}/spur/v1/records`, "-key", key];
    const theirs = ["-url", `${tessera.url}/add`, "-kind", "raw"];
    try {
      say("warming up");
      for (const kind of ["sealed", "published"]) {
        await load(...single, ...ours, "-kind", kind);
        await load(...batch, "-kind", kind);
      }
      await load(...single, ...theirs);
      const p99: Record<"ours" | "sealed" | "tessera", number[]> = { ours: [], sealed: [], tessera: [] };
      const rate = async (of: keyof typeof p99, loading: Promise<Loaded>): Promise<number> => {
        const { perSecond, p99Ms } = await loading;
        p99[of].push(p99Ms);
        return perSecond;
      };
      say("in turn");
      const rates = await alternate(runs, {
        ours: () => rate("ours", load(...single, ...ours, "-kind", "published")),
        tessera: () => rate("tessera", load(...single, ...theirs)),
        sealed: () => rate("sealed", load(...single, ...ours, "-kind", "sealed")),
        batches: async () => (await load(...batch, "-kind", "published")).perSecond,
        sealedBatches: async () => (await load(...batch, "-kind", "sealed")).perSecond,
      });
      const against = { name: "Tessera", ...measured("/s", rates.tessera) };
      const refuse = noDurability === undefined ? {} : { refuse: noDurability };
      const theirP99 = { name: "Tessera, p99", ...measured("ms", p99.tessera) };
      const noWorse = { words: "≤ Tessera's", limit: (ms: number) => ms, better: "lower" } as const;
      return [
        judge("one entry a request, in the log as it is", measured("/s", rates.ours), atLeast(1, "Tessera"), against, refuse), // prettier-ignore
        judge("the same, p99", measured("ms", p99.ours), noWorse, theirP99, refuse),
        judge("one entry a request, sealed", measured("/s", rates.sealed), atLeast(1, "Tessera"), against, { ...refuse, note: "Tessera seals nothing" }), // prettier-ignore
        told("the same, p99", measured("ms", p99.sealed), `p50 of the last run ${percentile(p99.sealed, 0.5).toFixed(0)} ms`), // prettier-ignore
        judge(`batches of ${LINES}, in the log as they are`, measured("/s", rates.batches), atLeast(5, "Tessera"), against, refuse), // prettier-ignore
        judge(`batches of ${LINES}, sealed`, measured("/s", rates.sealedBatches), atLeast(5, "Tessera"), against, { ...refuse, note: "Tessera seals nothing" }), // prettier-ignore
      ];
    } finally {
      await spur.stop();
      await tessera.stop();
    }
  },
};

/** Paths of both programs, or why there are none. */
async function goTools(folder: string): Promise<{ load: string; tessera: string } | string> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const load = join(bin, "load");
  try {
    await run("go", ["build", "-o", load, "."], { cwd: fileURLToPath(new URL("./go", import.meta.url)) });
    await run("go", ["install", TESSERA], { env: { ...process.env, GOBIN: bin, GOFLAGS: "-mod=mod" } });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "no go" : message.slice(-300);
  }
  return { load, tessera: join(bin, "posix") };
}

async function startTessera(program: string, folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  mkdirSync(folder);
  const port = await freePort();
  const secret = join(folder, "key");
  writeFileSync(secret, newKey("bench.invalid/tessera"));
  const child = spawn(program, [`--storage_dir=${join(folder, "log")}`, `--listen=127.0.0.1:${port}`, `--private_key=${secret}`], { stdio: "ignore" }); // prettier-ignore
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    const there = await fetch(`${url}/checkpoint`).then(({ status }) => status < 500, () => false); // prettier-ignore
    if (there || existsSync(join(folder, "log", "checkpoint"))) break;
    if (i > 100 || child.exitCode !== null) throw new Error("Tessera's server does not start");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => {
          resolve();
        });
        child.kill("SIGKILL");
      }),
  };
}

/** A signing key as Go's sumdb/note writes it. */
function newKey(name: string): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d = "", x = "" } = privateKey.export({ format: "jwk" });
  const typed = (key: string): Buffer => Buffer.concat([Buffer.of(1), Buffer.from(key, "base64url")]);
  const id = createHash("sha256").update(`${name}\n`).update(typed(x)).digest("hex").slice(0, 8);
  return `PRIVATE+KEY+${name}+${id}+${typed(d).toString("base64")}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
