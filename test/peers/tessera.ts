// Our log, read by Go: Tessera's fsck over HTTP at every size where tiles change, golang.org/x/mod as oracle of notes and proofs.
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { toBase64 } from "@spur/verifier/bytes";
import { createProver } from "@spur/verifier/tlog/prover";
import { formatTilePath, parseBundle } from "@spur/verifier/tlog/tile";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { LedgerThread } from "@spur/ledger/ledger-thread";
import { Ledger, newRec } from "@spur/ledger/record";
import { cleanUp, startTestLedger, temporaryFolder } from "../support/ledger.ts";
import { cacheFolder, good, holds, lastLine, need, run, Skip, type Suite } from "./peer.ts";
import { fsck, tesseraProgram, VERSION, type Checked } from "./tessera-programs.ts";

const SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 70_000];
const ORIGIN = "peers.invalid/log";

export const tessera: Suite = {
  name: "tessera",
  about: "Tessera's fsck on our log over HTTP, Go's sumdb/note and sumdb/tlog on our checkpoints and proofs",
  async run(say) {
    const go = need("go", "Go 1.24 or newer");
    const program = await tesseraProgram("cmd/fsck");
    const oracle = await goBuild(go);
    const data = join(temporaryFolder(), "data");
    try {
      const logs = await grow(data);
      say(`a log of ${SIZES.join(", ")} entries by real appends`);
      const { vkey } = logs;
      const key = join(data, "..", "log.pub");
      writeFileSync(key, `${vkey}\n`);
      const check = (url: string): Promise<Checked> => fsck(program, url, key);
      const nothing = await served(logs.empty, check);
      holds("with nothing published there is nothing that fsck takes", nothing.failed);
      for (const { size, folder } of logs.copies) {
        const ran = await served(folder, check);
        holds(`fsck at size ${size}: ${ran.text}`, ran.size === size);
      }
      say(`fsck passes at ${logs.copies.length} sizes`);
      // As the ledger itself serves it, to the last size.
      const spur = await startTestLedger({ data });
      const whole = await check(`${spur.url}/log`);
      holds(`fsck on the running ledger: ${whole.text}`, whole.size === SIZES.at(-1));
      await spur.ledger.close();
      const refused = await tamper(logs.copies, check);
      say(`fsck refuses ${refused} changed copies`);
      const proofs = await askOracle(oracle, data, vkey, logs.copies);
      return `fsck ${VERSION} passes at ${logs.copies.length} sizes and on the running ledger, refuses ${refused} changed copies; ${proofs}`;
    } finally {
      await cleanUp();
    }
  },
};

async function goBuild(go: string): Promise<string> {
  const binary = join(cacheFolder("go-oracle"), "peers");
  const ran = await run(go, ["build", "-o", binary, "."], { cwd: join(import.meta.dirname, "go"), timeoutMs: 600_000 });
  if (ran.exit !== 0 && /dial tcp|no such host|connection refused|i\/o timeout/.test(ran.text))
    throw new Skip(`golang.org/x/mod cannot be fetched: ${lastLine(ran.text)}`);
  holds(`the oracle builds: ${ran.text.slice(-500)}`, ran.exit === 0);
  return binary;
}

interface Copy {
  readonly size: number;
  readonly folder: string;
}

/** One log that grows; at every size it is published, and its public files are copied. */
async function grow(data: string): Promise<{ vkey: string; empty: string; copies: Copy[] }> {
  const keys = `${data}-keys`;
  const thread = await LedgerThread.start({ data, keys, origin: ORIGIN, publishEveryMs: 3_600_000 }, (error) => {
    throw error;
  });
  const ledger = new Ledger(thread, { data, now: () => Date.now() });
  const copies: Copy[] = [];
  const empty = join(data, "..", "copy-0");
  mkdirSync(empty);
  await thread.call("publish");
  holds("an empty log is not published", !existsSync(join(data, "log", "checkpoint")));
  let size = 0;
  for (const wanted of SIZES) {
    while (size < wanted) {
      const count = Math.min(1000, wanted - size);
      await ledger.record(Array.from({ length: count }, draft));
      size += count;
    }
    await thread.call("publish");
    const folder = join(data, "..", `copy-${wanted}`);
    cpSync(join(data, "log"), folder, { recursive: true });
    copies.push({ size: wanted, folder });
  }
  const { vkey } = thread.info;
  await thread.close();
  return { vkey, empty, copies };
}

/** An entry that seals nothing, different from all others. */
const draft = () =>
  ({
    rec: newRec(), predicateType: "spur:key/v1", predicate: { purpose: "statements", algorithm: "ed25519", state: "active" },
    digests: { sha256: randomBytes(32) }, evidence: "reported", retention: "system", owner: "",
  }) as const; // prettier-ignore

/** Serves a folder while something looks at it. */
async function served<T>(folder: string, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url ?? "/", "http://x").pathname);
    if (existsSync(path) && statSync(path).isFile()) response.end(readFileSync(path));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** A bit of an entry, of a hash, of an upper tile and of the signature: fsck must say that it failed. How many it refused. */
async function tamper(copies: readonly Copy[], check: (url: string) => Promise<Checked>): Promise<number> {
  let refused = 0;
  for (const [size, path] of [
    [257, "tile/entries/000"],
    [257, "tile/entries/001.p/1"],
    [257, "tile/0/000"],
    [257, "tile/0/001.p/1"],
    [257, "tile/1/000.p/1"],
    [257, "checkpoint"],
    [70_000, "tile/2/000.p/1"],
  ] as const) {
    const from = copies.find((copy) => copy.size === size) as Copy;
    const file = join(from.folder, path);
    const bytes = readFileSync(file);
    const changed = Buffer.from(bytes);
    // In a checkpoint the last letters are the signature; in all else any byte will do.
    const at = path === "checkpoint" ? bytes.length - 20 : Math.floor(bytes.length / 2);
    changed[at] = path === "checkpoint" ? (changed[at] === 65 ? 66 : 65) : (changed[at] as number) ^ 1;
    writeFileSync(file, changed);
    const ran = await served(from.folder, check);
    writeFileSync(file, bytes);
    holds(`fsck refuses a change in ${path}: ${ran.text}`, ran.failed);
    refused++;
  }
  return refused;
}

/** Checkpoints of every size, proofs between all pairs of them and for entries at the edges of tiles, all judged by Go. */
async function askOracle(oracle: string, data: string, vkey: string, copies: readonly Copy[]): Promise<string> {
  const proverOf = ({ size, folder }: Copy) =>
    createProver(size, (tile) => Promise.resolve(new Uint8Array(readFileSync(join(folder, formatTilePath(tile))))));
  const inclusion: object[] = [];
  for (const [tree, copy] of copies.entries()) {
    const prover = proverOf(copy);
    const wanted = new Set([
      0,
      1,
      127,
      128,
      254,
      255,
      256,
      257,
      65_535,
      65_536,
      Math.floor(copy.size / 2),
      copy.size - 2,
      copy.size - 1,
    ]);
    for (const index of [...wanted].filter((one) => one >= 0 && one < copy.size)) {
      inclusion.push({
        tree,
        index,
        entry: toBase64(entryAt(copy, index)),
        proof: (await prover.inclusion(index)).map(toBase64),
      });
    }
  }
  const consistency: object[] = [];
  for (const [to, copy] of copies.entries()) {
    const prover = proverOf(copy);
    for (let from = 0; from <= to; from++)
      consistency.push({ from, to, proof: (await prover.consistency((copies[from] as Copy).size)).map(toBase64) });
  }
  const question = {
    vkey,
    checkpoints: copies.map(({ folder }) => readFileSync(join(folder, "checkpoint"), "utf8")),
    inclusion,
    consistency,
    signer: readFileSync(join(`${data}-keys`, "log.key"), "utf8").trim(),
  };
  const ran = await good(oracle, [], { input: JSON.stringify(question) });
  const answer = JSON.parse(ran.out) as {
    checkpoints: number;
    inclusion: number;
    consistency: number;
    refused: number;
    signedByGo: string;
  };
  // The other way round: what Go signs with our key file, our verifier opens.
  holds(
    "a note that Go signed opens here",
    openNote(parseNote(answer.signedByGo), [parseVkey(vkey)]).verified.length === 1,
  );
  // And the oracle can say no.
  const wrong = await run(oracle, [], {
    input: JSON.stringify({ ...question, consistency: [{ from: 0, to: 1, proof: [] }] }),
  });
  holds("the oracle refuses a proof that is missing", wrong.exit === 1);
  rmSync(join(data, "..", "log.pub"), { force: true });
  return `Go verifies ${answer.checkpoints} checkpoints, ${answer.inclusion} inclusion and ${answer.consistency} consistency proofs, and none of ${answer.refused} with a flipped hash`;
}

function entryAt({ size, folder }: Copy, index: number): Uint8Array {
  const bundle = Math.floor(index / 256);
  const width = Math.min(256, size - bundle * 256);
  const stem = join(
    folder,
    "tile",
    "entries",
    bundle < 1000
      ? String(bundle).padStart(3, "0")
      : `x${String(Math.floor(bundle / 1000)).padStart(3, "0")}/${String(bundle % 1000).padStart(3, "0")}`,
  );
  const file = width === 256 ? stem : join(`${stem}.p`, String(width));
  holds(`${file} is there`, existsSync(file) || readdirSync(folder).length === 0);
  return parseBundle(readFileSync(file), width)[index % 256] as Uint8Array;
}
