// Our checkpoints, cosigned by three witnesses of three authors: our own server, transparency-dev's omniwitness, and torchwood's litewitness.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { concatBytes, toBase64 } from "@spur/verifier/bytes";
import { formatVkey, parseVkey, TYPE_COSIGNATURE_V1 } from "@spur/verifier/note/note";
import { EMPTY_ROOT } from "@spur/verifier/tlog/merkle";
import { signingKey } from "@spur/ledger/log/signing-key";
import { addLogs } from "@spur/witness/manage";
import { startWitness } from "@spur/witness/serve";
import { clientOf, MemoryLog } from "../../packages/ledger/test/witness-support.ts";
import { root } from "../imports.ts";
import { cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "../support/ledger.ts";
import { ask } from "../support/story.ts";
import { startUpstream } from "../support/upstream.ts";
import { cacheFolder, good, holds, lastLine, need, run, Skip, type Suite } from "./peer.ts";

const ORIGIN = "peers.invalid/witnessed";
const CLI = join(root, "packages", "cli", "bin", "spur.js");

export const witness: Suite = {
  name: "witness",
  about: "three witnesses of three authors cosign our checkpoints: ours, omniwitness, litewitness",
  async run(say) {
    const omniwitness = await buildOmniwitness();
    const litewitness = await buildLitewitness();
    const folder = temporaryFolder();
    const base = temporaryFolder();
    const upstream = await startUpstream();
    const peers: RunningPeer[] = [];
    try {
      const first = await startTestLedger({ folder: base, origin: ORIGIN });
      const { key: operatorKey } = first;
      const { vkey } = first.ledger;
      await first.ledger.close();
      const memory = new MemoryLog(1_000, "peers.invalid/memory");
      const logs = [
        { origin: ORIGIN, vkey },
        { origin: memory.signer.name, vkey: memory.signer.vkey },
      ];
      peers.push(await startOurs(folder, logs));
      peers.push(await startOmniwitness(omniwitness, folder, logs));
      peers.push(await startLitewitness(litewitness, folder, logs));
      for (const peer of peers) await speaksTo(peer, memory);
      say("each takes a growing log, and its answers to a fork and to an older copy are understood");
      const policy = join(folder, "witnesses.policy");
      writeFileSync(policy, policyText(vkey, peers));
      const start = (): Promise<TestLedger> =>
        startTestLedger({ folder: base, origin: ORIGIN, operatorKey, witnessPolicy: policy, upstream: upstream.url });
      const seen = [await evidenceOf(await start(), policy, peers), await withoutOne(await start(), peers)];
      for (const one of seen) say(one);
      const copy = temporaryFolder();
      for (const name of ["data", "data-keys"]) cpSync(join(base, name), join(copy, name), { recursive: true });
      const grown = await start();
      await grown.good("POST", "/spur/v1/registers/close");
      await grown.good("POST", "/spur/v1/publish");
      await grown.ledger.close();
      const stopped = await startTestLedger({ folder: copy, operatorKey, witnessPolicy: policy }).then(
        () => "nothing",
        (error: unknown) => String(error),
      );
      holds(`an older copy of both folders does not start: ${stopped}`, stopped.includes("log/rolled-back"));
      say(`an older copy of both folders does not start: ${stopped}`);
      return `${seen.join("; ")}; an older copy does not start`;
    } finally {
      for (const peer of peers) await peer.end();
      await upstream.close();
      await cleanUp();
    }
  },
};

function policyText(vkey: string, peers: readonly RunningPeer[]): string {
  const names = peers.map(({ name }) => name).join(" ");
  return [
    `log ${vkey}`,
    ...peers.map((peer) => `witness ${peer.name} ${peer.vkey} ${peer.url}`),
    `group three all ${names}`,
    "quorum three",
    "",
  ].join("\n");
}

/** The client alone, against each: what they do differently must come to the same. */
async function speaksTo(peer: RunningPeer, log: MemoryLog): Promise<void> {
  const client = clientOf(1, [peer]);
  for (const size of [1, 2, 3, 255, 256, 257, 700]) {
    const met = await client.gather(client.begin(log.candidate(size)));
    holds(`${peer.name} cosigns size ${size}: ${JSON.stringify(client.state())}`, met);
  }
  const fork = new MemoryLog(1_000, log.signer.name, (i) => (i < 600 ? `entry ${i}` : `other ${i}`), log.signer);
  const stops = async (what: string, candidate: ReturnType<MemoryLog["candidate"]>, code: string): Promise<void> => {
    const other = clientOf(1, [peer]);
    const error = await other.gather(other.begin(candidate)).then(String, (thrown: unknown) => String(thrown));
    holds(`${peer.name}, ${what}: ${error}`, error.includes(code));
  };
  await stops("another root of the size where it stands", fork.candidate(700), "log/forked");
  await stops("a larger log that does not extend it", fork.candidate(800), "log/forked");
  await stops("an older copy", log.candidate(650), "log/rolled-back");
  const stranger = clientOf(1, [peer]);
  const taken = await stranger.gather(stranger.begin(new MemoryLog(10, "unknown.invalid/log").candidate(10)));
  const failing = stranger.state().witnesses[0]?.failing;
  holds(
    `${peer.name} does not cosign a log that it does not know: ${JSON.stringify(failing)}`,
    !taken && failing !== undefined,
  );
}

/** An answer, its evidence, and what others see of it: the command line under the policy's file, and the page under the four keys. */
async function evidenceOf(spur: TestLedger, policy: string, peers: readonly RunningPeer[]): Promise<string> {
  const folder = cacheFolder("witness");
  const rec = await ask(spur, "Who saw this?", { model: "plain" });
  const file = join(folder, "answer.evidence.json");
  const html = join(folder, "answer.html");
  for (const path of [file, html]) rmSync(path, { force: true });
  const about = ["--open", "request,response", "--url", spur.url, "--key", spur.key];
  await good(process.execPath, [CLI, "evidence", rec, "-o", file, ...about], { cwd: folder });
  await good(process.execPath, [CLI, "evidence", rec, "--html", "-o", html, ...about], { cwd: folder });
  const verified = await good(process.execPath, [CLI, "verify", file, "--trust", policy, "--all"], { cwd: folder });
  const said = "Witnesses that you trust saw this checkpoint (3): your quorum is met.";
  holds(`spur verify shows a quorum of three: ${verified.out}`, verified.out.includes(said));
  for (const { vkey } of peers) {
    const name = parseVkey(vkey).name;
    holds(`spur verify names ${name}: ${verified.out}`, verified.out.includes(name));
  }
  const text = readFileSync(file, "utf8");
  const evidence = JSON.parse(text) as { checkpoint: string };
  const lines = evidence.checkpoint.split("\n").filter((line) => line.startsWith("— "));
  holds(`four signature lines: ${evidence.checkpoint}`, lines.length === 4);
  // Without one of them the quorum is missing; with one of them altered the file is refuted.
  const less = join(folder, "less.evidence.json");
  writeFileSync(less, JSON.stringify({ ...evidence, checkpoint: evidence.checkpoint.replace(`${lines[2]}\n`, "") }));
  const missing = await run(process.execPath, [CLI, "verify", less, "--trust", policy], { cwd: folder });
  holds(`without one it is not verified: ${missing.exit} ${missing.out}`, missing.exit === 2);
  const line = lines[1] as string;
  const altered = `${line.slice(0, -10)}${line.at(-10) === "A" ? "B" : "A"}${line.slice(-9)}`;
  writeFileSync(less, JSON.stringify({ ...evidence, checkpoint: evidence.checkpoint.replace(line, altered) }));
  const refuted = await run(process.execPath, [CLI, "verify", less, "--trust", policy], { cwd: folder });
  holds(`with an altered one it is refuted: ${refuted.exit} ${refuted.out}`, refuted.exit === 1);
  rmSync(less);
  writeFileSync(join(folder, "witnesses.policy"), readFileSync(policy));
  const page = await shownOnPage(html, [spur.ledger.vkey, ...peers.map(({ vkey }) => vkey)]);
  await spur.ledger.close();
  return `an evidence file carries a quorum of three, as spur verify and ${page} show; without one it is not verified, with an altered one refuted (${file})`;
}

/** The page that verifies, opened from the disk under keys: all witnesses named must have signed. */
async function shownOnPage(html: string, vkeys: readonly string[]): Promise<string> {
  const executablePath = process.env["SPUR_CHROMIUM"] ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) return "(no Chromium for the page)";
  const chrome = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] }); // prettier-ignore
  try {
    const context = await chrome.newContext({ offline: true, locale: "en-US" });
    const page = await context.newPage();
    await page.goto(pathToFileURL(html).href);
    await page.waitForSelector("#sentence");
    await page.evaluate(() => {
      document.querySelectorAll<HTMLDetailsElement>("#trust details").forEach((one) => (one.open = true));
    });
    await page.fill("#trust-text", vkeys.join("\n"));
    await page.click("#trust form button[type=submit]");
    const look = (await page.getAttribute("#verdict > div", "class")) ?? "";
    const text = (await page.textContent("body")) ?? "";
    holds(`the page is green: ${look}`, look.includes("pass"));
    for (const vkey of vkeys.slice(1))
      holds(`the page names ${parseVkey(vkey).name}`, text.includes(parseVkey(vkey).name));
    return "the page";
  } finally {
    await chrome.close();
  }
}

/** One of three is gone: nothing is published and health says who; it comes back, and all is. */
async function withoutOne(spur: TestLedger, peers: readonly RunningPeer[]): Promise<string> {
  const gone = peers[1] as RunningPeer;
  await gone.stop();
  await ask(spur, "And this?", { model: "plain" });
  const refused = await spur.call("POST", "/spur/v1/publish");
  holds(`publishing is refused: ${refused.status} ${refused.text}`, refused.json.code === "log/no-quorum");
  const health = await spur.call("GET", "/health");
  const states = health.json.witnesses.witnesses as { name: string; failing?: { reason: string } }[];
  const failing = states
    .filter((one) => one.failing !== undefined)
    .map((one) => `${one.name} ${one.failing?.reason ?? ""}`);
  holds(`health says who: ${health.text}`, health.status === 503 && failing.join() === `${gone.name} unreachable`);
  await gone.again();
  for (const end = performance.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const published = await spur.call("POST", "/spur/v1/publish");
    if (published.status === 200) break;
    holds(`it is published once ${gone.name} is back: ${published.text}`, performance.now() < end);
  }
  const { size, published } = (await spur.good("GET", "/health")) as { size: number; published: number };
  holds(`all is published: ${published} of ${size}`, size === published);
  await spur.ledger.close();
  return `without ${gone.name} nothing is published, and health says so; with it again, all is`;
}

/** A witness that runs. */
export interface RunningPeer {
  /** Its name in policies. */
  readonly name: string;
  readonly vkey: string;
  readonly url: string;
  stop(): Promise<void>;
  /** Again, with what it had stored. */
  again(): Promise<void>;
  /** For good, with all that it needed. */
  end(): Promise<void>;
}

/** A log that a witness is to know. */
export interface LogKey {
  readonly origin: string;
  readonly vkey: string;
}

const LITEWITNESS = "filippo.io/torchwood/cmd/litewitness@v0.9.0";
const UNREACHABLE = /dial tcp|no such host|connection refused|i\/o timeout|403 Forbidden/;

export async function buildOmniwitness(): Promise<string> {
  const go = need("go", "Go 1.25 or newer");
  const binary = join(cacheFolder("go-omniwitness"), "omniwitness");
  const program = "github.com/transparency-dev/witness/cmd/omniwitness";
  const cwd = join(import.meta.dirname, "go-omniwitness");
  return built(binary, program, await run(go, ["build", "-o", binary, program], { cwd, timeoutMs: 900_000 }));
}

export async function buildLitewitness(): Promise<string> {
  const go = need("go", "Go 1.25 or newer");
  const folder = cacheFolder(`go-${createHash("sha256").update(LITEWITNESS).digest("hex").slice(0, 12)}`);
  const binary = join(folder, "litewitness");
  if (existsSync(binary)) return binary;
  return built(binary, LITEWITNESS, await run(go, ["install", LITEWITNESS], { env: { GOBIN: folder }, timeoutMs: 900_000 })); // prettier-ignore
}

function built(binary: string, program: string, { exit, text }: { exit: number; text: string }): string {
  if (exit !== 0 && UNREACHABLE.test(text)) throw new Skip(`${program} cannot be fetched: ${lastLine(text)}`);
  holds(`${program} builds: ${text.slice(-500)}`, exit === 0);
  return binary;
}

/** Ours, as `spur witness serve` starts it. */
export async function startOurs(folder: string, logs: readonly LogKey[]): Promise<RunningPeer> {
  const [data, keys] = [join(folder, "ours"), join(folder, "ours-keys")];
  addLogs(data, logs);
  let port = 0;
  const start = () =>
    startWitness({
      data, keys, host: "127.0.0.1", port, name: "ours.invalid/witness", now: () => Date.now(),
      onError: (error) => process.stderr.write(`our witness: ${String(error)}\n`),
    }); // prettier-ignore
  let running = await start();
  port = Number(new URL(running.url).port);
  const vkey = running.vkeys.find((one) => parseVkey(one).type === TYPE_COSIGNATURE_V1) ?? "";
  return {
    name: "ours",
    vkey,
    url: running.url,
    stop: () => running.close(),
    async again() {
      running = await start();
    },
    end: () => running.close(),
  };
}

export async function startOmniwitness(binary: string, folder: string, logs: readonly LogKey[]): Promise<RunningPeer> {
  const name = "omni.invalid/witness";
  // Its key file is a signed-note private key of type 1; what it signs with that is a cosignature.
  const seed = randomBytes(32);
  const own = signingKey(name, seed);
  const secret = join(folder, "omni.key");
  const id = own.keyId.toString(16).padStart(8, "0");
  writeFileSync(secret, `PRIVATE+KEY+${name}+${id}+${toBase64(concatBytes(Uint8Array.of(1), seed))}\n`, {
    mode: 0o600,
  });
  const yaml = join(folder, "omni.yaml");
  const entries = logs.map(
    ({ origin, vkey }) => `  - Origin: ${origin}\n    PublicKey: ${vkey}\n    URL: http://127.0.0.1:1/\n`,
  );
  writeFileSync(yaml, `Logs:\n${entries.join("")}`);
  const port = await freePort();
  const args = [
    `--listen=127.0.0.1:${port}`, "--metrics_listen=", `--private_key_path=${secret}`, `--db_file=${join(folder, "omni.db")}`,
    `--additional_logs=${yaml}`,
  ]; // prettier-ignore
  const vkey = formatVkey({ name, type: TYPE_COSIGNATURE_V1, publicKey: own.publicKey });
  return program("omni", vkey, port, () => spawn(binary, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] }));
}

/**
 * It keeps its key in an ssh-agent. Its tool `witnessctl`, which adds logs, needs a module that not every proxy has: the two rows that it
 * would write are written here.
 */
export async function startLitewitness(binary: string, folder: string, logs: readonly LogKey[]): Promise<RunningPeer> {
  const name = "lite.invalid/witness";
  for (const tool of ["ssh-agent", "ssh-add", "ssh-keygen"]) need(tool, "OpenSSH");
  // A path of a socket holds 107 bytes at most.
  const agentFolder = mkdtempSync(join(tmpdir(), "spur-agent-"));
  const socket = join(agentFolder, "s");
  const secret = join(folder, "lite.key");
  await good("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", secret]);
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await until("the ssh-agent listens", () => Promise.resolve(existsSync(socket)));
  await good("ssh-add", ["-q", secret], { env: { SSH_AUTH_SOCK: socket } });
  const fingerprint = (await good("ssh-keygen", ["-l", "-E", "sha256", "-f", secret])).out.split(" ")[1] ?? "";
  const openssh = (await good("ssh-keygen", ["-y", "-f", secret])).out.split(" ")[1] ?? "";
  const publicKey = new Uint8Array(Buffer.from(openssh, "base64").subarray(-32));
  const vkey = formatVkey({ name, type: TYPE_COSIGNATURE_V1, publicKey });
  const path = join(folder, "lite.db");
  const port = await freePort();
  const args = ["-db", path, "-name", name, "-key", fingerprint, "-ssh-agent", socket, "-listen", `127.0.0.1:${port}`];
  const peer = await program("lite", vkey, port, () =>
    spawn(binary, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] }),
  );
  const database = new DatabaseSync(path, { timeout: 5_000 });
  for (const { origin, vkey: log } of logs) {
    database.prepare("insert into log values (?, 0, ?)").run(origin, toBase64(EMPTY_ROOT));
    database.prepare("insert into key values (?, ?)").run(origin, log);
  }
  database.close();
  return {
    ...peer,
    async end() {
      await peer.end();
      agent.kill();
      rmSync(agentFolder, { recursive: true, force: true });
    },
  };
}

/** A program that listens; `again` starts it on the same port. */
async function program(name: string, vkey: string, port: number, start: () => ChildProcess): Promise<RunningPeer> {
  let child: ChildProcess | undefined;
  let said = "";
  const url = `http://127.0.0.1:${port}`;
  const again = async (): Promise<void> => {
    child = start();
    child.stderr?.on("data", (bytes: Buffer) => (said = (said + bytes.toString("utf8")).slice(-2_000)));
    const ended = new Promise<never>((_, reject) => child?.once("exit", (code) => reject(new Error(`${name} ended with ${code}: ${said}`)))); // prettier-ignore
    ended.catch(() => undefined);
    const answers = async (): Promise<boolean> => (await fetch(`${url}/`).catch(() => undefined)) !== undefined;
    await Promise.race([ended, until(`${name} answers`, answers)]);
  };
  await again();
  const stop = async (): Promise<void> => {
    const one = child;
    child = undefined;
    if (one === undefined || one.exitCode !== null) return;
    const ended = new Promise((resolve) => one.once("exit", resolve));
    one.kill("SIGKILL");
    await ended;
  };
  return { name, vkey, url, again, stop, end: stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(what: string, holdsNow: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end;) {
    if (await holdsNow()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 20 s: ${what}`);
}
