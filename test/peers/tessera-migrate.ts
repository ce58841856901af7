// Tessera copies our log by HTTP: migrate builds a log of its own from our entries and must come to our root, mirror takes every file.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { toBase64 } from "@spur/verifier/bytes";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { formatBundlePath, formatTilePath, tileWidth } from "@spur/verifier/tlog/tile";
import { unsealedDrafts } from "../../bench/ledger-in-process.ts";
import { call, cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "../support/ledger.ts";
import { good, holds, run, type Suite } from "./peer.ts";
import { fsck, tesseraProgram, VERSION } from "./tessera-programs.ts";

/** With partial tiles at every level: 3 and 232 of 256; 273 and 112, 1 and 17, 1. */
const SIZES = [1_000, 70_000];
const STEP = 500;
const WORKERS = 8;

interface Programs {
  readonly migrate: string;
  readonly mirror: string;
  readonly fsck: string;
}

export const tesseraMigrate: Suite = {
  name: "migrate",
  about: "Tessera's migrate re-derives our root from our entries, its mirror copies our files, fsck takes both copies",
  async run(say) {
    const programs: Programs = {
      migrate: await tesseraProgram("cmd/experimental/migrate/posix"),
      mirror: await tesseraProgram("cmd/experimental/mirror/posix"),
      fsck: await tesseraProgram("cmd/fsck"),
    };
    try {
      const folder = temporaryFolder();
      const spur = await startTestLedger();
      const key = join(folder, "log.pub");
      writeFileSync(key, `${spur.ledger.vkey}\n`);
      const seen: string[] = [];
      for (const size of SIZES) {
        await growTo(spur, size);
        const copies = join(folder, String(size));
        mkdirSync(copies);
        seen.push(await migrated(programs, spur, size, copies, key), await mirrored(programs, spur, size, copies, key));
        for (const one of seen.slice(-2)) say(one);
      }
      const refused = await refusesChanged(programs, spur, folder);
      say(refused);
      return `Tessera ${VERSION}: ${seen.join("; ")}; ${refused}`;
    } finally {
      await cleanUp();
    }
  },
};

async function growTo(spur: TestLedger, wanted: number): Promise<void> {
  const { ledger } = spur.ledger;
  let { size } = await ledger.thread.call("head");
  const body = { drafts: [{ predicateType: "spur:training-run/v1", predicate: { datasets: [], code: "0".repeat(64), config: "0".repeat(64), steps: 1, seed: 1 }, slots: {} }] }; // prettier-ignore
  const { records } = (await spur.good("POST", "/spur/v1/records", { body })) as { records: { rec: string }[] };
  for (size++; size < wanted; size += STEP)
    await ledger.record(unsealedDrafts(records[0]?.rec ?? "", Math.min(STEP, wanted - size)));
  holds(`published ${wanted}`, (await spur.ledger.publish()).size === wanted);
}

/** The checkpoint that we serve now. */
async function ours(spur: TestLedger): Promise<{ note: string; size: number; root: string }> {
  const { text } = await call(spur.url, "GET", "/log/checkpoint");
  const { size, root } = parseCheckpoint(parseNote(text).text);
  return { note: text, size, root: toBase64(root) };
}

/** A log that Tessera made of our entries: its own root, and, under our checkpoint, every tile of it in its own fsck. */
async function migrated(programs: Programs, spur: TestLedger, size: number, copies: string, key: string) {
  const to = join(copies, "migrated");
  await good(programs.migrate, [`--source_url=${spur.url}/log/`, `--storage_dir=${to}`, `--num_workers=${WORKERS}`], {
    timeoutMs: 120_000,
  });
  const derived = JSON.parse(readFileSync(join(to, ".state", "treeState"), "utf8")) as { size: number; root: string };
  const { note, root } = await ours(spur);
  holds(`Tessera derives our root at ${size}: ${JSON.stringify(derived)}, ours ${root}`, derived.size === size && derived.root === root); // prettier-ignore
  holds("Tessera signed nothing", !existsSync(join(to, "checkpoint")));
  writeFileSync(join(to, "checkpoint"), note);
  const checked = await fsck(programs.fsck, `file://${to}`, key);
  holds(`its tiles are those that we signed: ${checked.text}`, checked.size === size);
  return `migrate derives our root at ${size}`;
}

/** A copy of our files, whole and the same. */
async function mirrored(programs: Programs, spur: TestLedger, size: number, copies: string, key: string) {
  const to = join(copies, "mirrored");
  await good(programs.mirror, [`--source_url=${spur.url}/log/`, `--storage_dir=${to}`, `--num_workers=${WORKERS}`], {
    timeoutMs: 120_000,
  });
  let files = 0;
  const same = (path: string): void => {
    holds(`${path} is the same`, readFileSync(join(to, path)).equals(readFileSync(join(spur.data, "log", path))));
    files++;
  };
  same("checkpoint");
  for (let level = 0; 256 ** level <= size; level++) {
    for (let index = 0; tileWidth(level, index, size) > 0; index++) {
      const width = tileWidth(level, index, size);
      same(formatTilePath({ level, index, width }));
      if (level === 0) same(formatBundlePath({ index, width }));
    }
  }
  const checked = await fsck(programs.fsck, `file://${to}`, key);
  holds(`the mirror is in order: ${checked.text}`, checked.size === size);
  return `mirror copies ${files} files`;
}

/** With one bit of one entry changed on the way, migrate must come to another root, and say so. */
async function refusesChanged({ migrate }: Programs, spur: TestLedger, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url ?? "/";
      const { status, bytes } = await call(spur.url, "GET", path);
      // Inside the first entry of the bundle, so that the bundle can still be read.
      if (path === "/log/tile/entries/100") bytes[100] = (bytes[100] as number) ^ 1;
      response.writeHead(status).end(bytes);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`;
    const to = join(folder, "changed");
    const ran = await run(migrate, [`--source_url=${url}`, `--storage_dir=${to}`, `--num_workers=${WORKERS}`], {
      timeoutMs: 120_000,
    });
    holds(`migrate refuses a changed entry: ${ran.text.slice(-500)}`, ran.exit !== 0 && ran.text.includes("local root hash")); // prettier-ignore
    return "it refuses a changed entry";
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
