// The sqlite3 command line, built by others, on the data folder that a kill -9 in mid-work leaves behind.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, cpSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { root } from "../imports.ts";
import { call, cleanUp, startTestLedger, temporaryFolder } from "../support/ledger.ts";
import { startUpstream } from "../support/upstream.ts";
import { holds, need, run, type Suite } from "./peer.ts";

const KILLS = 4;
const CLI = join(root, "packages", "cli", "bin", "spur.js");

export const sqlite: Suite = {
  name: "sqlite",
  about: "the sqlite3 command line checks the data folder after kill -9",
  async run(say) {
    const sqlite3 = need("sqlite3", "the command line of SQLite");
    const version = (await run(sqlite3, ["--version"])).out.split(" ")[0] ?? "";
    const folder = temporaryFolder();
    const data = join(folder, "data");
    const upstream = await startUpstream();
    let key = "";
    let acknowledged: string[] = [];
    let checked = 0;
    try {
      for (let kill = 1; kill <= KILLS; kill++) {
        const started = await start(data, upstream.url);
        key = started.operatorKey ?? key;
        acknowledged = [...acknowledged, ...(await loadAndKill(started, key))];
        const copy = join(folder, `killed-${kill}`);
        cpSync(data, copy, { recursive: true });
        for (const name of databases(copy)) {
          const ran = await run(sqlite3, [join(copy, name), "pragma integrity_check; pragma foreign_key_check;"]);
          holds(
            `integrity_check of ${name} after kill ${kill}: ${ran.text.slice(0, 500)}`,
            ran.exit === 0 && ran.out.trim() === "ok",
          );
          checked++;
        }
      }
      holds(`there was work to interrupt (${acknowledged.length} answers)`, acknowledged.length > 20);
      say(`SQLite ${version}: ${checked} databases after ${KILLS} kills are whole`);
      // It must be able to say no: a page of the copy is overwritten.
      const copy = join(folder, `killed-${KILLS}`);
      const file = join(copy, "ledger.sqlite");
      await run(sqlite3, [file, "pragma wal_checkpoint(truncate);"]);
      damage(file, Number((await run(sqlite3, [file, "pragma page_size;"])).out));
      const damaged = await run(sqlite3, [file, "pragma integrity_check;"]);
      holds("a damaged page is noticed", damaged.out.trim() !== "ok");
      // And what was acknowledged is there.
      const spur = await startTestLedger({ folder, operatorKey: key });
      for (const rec of acknowledged) {
        const { json } = await spur.call("GET", `/spur/v1/records/${rec}`);
        holds(
          `acknowledged ${rec} is on record (${JSON.stringify(json).slice(0, 200)})`,
          (json as { state?: string }).state === "committed",
        );
      }
      return `integrity_check passes on ${checked} databases after ${KILLS} kills; all ${acknowledged.length} acknowledged answers are on record`;
    } finally {
      await cleanUp();
      await upstream.close();
    }
  },
};

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly operatorKey?: string;
}

/** `spur up` in a process of its own. */
async function start(data: string, upstream: string): Promise<Started> {
  const args = [CLI, "up", "--data", data, "--port", "0", "--upstream", upstream, "--publish-every", "1", "--json"];
  const child = spawn(process.execPath, args, { cwd: join(data, ".."), stdio: ["ignore", "pipe", "inherit"] });
  // A start that does not end is a finding, too.
  const patience = setTimeout(() => child.kill("SIGKILL"), 30_000);
  return new Promise<Started>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString("utf8");
      try {
        const { url, operatorKey } = JSON.parse(text) as { url: string; operatorKey?: string };
        resolve({ child, url, ...(operatorKey === undefined ? {} : { operatorKey }) });
      } catch {
        return; // not whole yet
      }
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`spur up ended with ${code}: ${text}`));
    });
  }).finally(() => {
    clearTimeout(patience);
  });
}

/** Asks without a pause and kills in the middle; the recs of the answers that came. */
async function loadAndKill({ child, url }: Started, key: string): Promise<string[]> {
  const recs: string[] = [];
  let dead = false;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const body = { model: "plain", messages: [{ role: "user", content: "x".repeat(3000) }] };
  const ask = async (): Promise<void> => {
    while (!dead) {
      const answer = await call(url, "POST", "/v1/chat/completions", { key, body }).catch(() => undefined);
      const rec = answer?.headers.get("x-spur-record");
      if (answer?.status === 200 && typeof rec === "string") recs.push(rec);
    }
  };
  const asking = Array.from({ length: 8 }, ask);
  await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 600));
  child.kill("SIGKILL");
  await gone;
  dead = true;
  await Promise.all(asking);
  return recs;
}

const databases = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".sqlite"));

/** The head of the second page is another. */
function damage(file: string, pageBytes: number): void {
  const handle = openSync(file, "r+");
  const head = Buffer.alloc(64);
  readSync(handle, head, 0, 64, pageBytes);
  writeSync(
    handle,
    head.map((byte) => byte ^ 0xff),
    0,
    64,
    pageBytes,
  );
  closeSync(handle);
}
