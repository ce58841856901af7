// Tessera's hammer reads our running ledger while it appends and publishes, and holds every checkpoint to the one before.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { unsealedDrafts } from "../../bench/ledger-in-process.ts";
import { cleanUp, startTestLedger, type TestLedger } from "../support/ledger.ts";
import { holds, run, type Suite } from "./peer.ts";
import { tesseraProgram, VERSION } from "./tessera-programs.ts";

const START = 3_000;
/** Readers, and what all of them together may ask for in a second. Apart: those who go along the log would use up what is for both. */
const RANDOM = { random: 12, full: 0, reads: 1_500 };
const FULL = { random: 0, full: 4, reads: 4_000 };
/** The ledger appends so many at a time, and ten times a second: in twenty seconds twice four times what was there. */
const AT_ONCE = 60;
const EVERY_MS = 100;
const SECONDS = 20;
const GROWTH = (AT_ONCE * SECONDS * 1000) / EVERY_MS;
const MAX_SECONDS = 90;

export const tesseraHammer: Suite = {
  name: "hammer",
  about: "Tessera's hammer reads our running ledger, at random and from the start, while it appends and publishes",
  async run(say) {
    const hammer = await tesseraProgram("internal/hammer");
    try {
      const spur = await startTestLedger({ publishEvery: 0.5 });
      const writer = await appending(spur);
      try {
        const read = (readers: typeof RANDOM): Promise<Hammered> =>
          hammered(hammer, `${spur.url}/log`, spur.ledger.vkey, readers, GROWTH);
        const [random, full] = await Promise.all([read(RANDOM), read(FULL)]);
        for (const one of [random, full]) {
          holds(`hammer ends well: ${one.told}`, one.exit === 0);
          holds(`hammer met no error:\n${one.complaints.slice(0, 5).join("\n")}`, one.complaints.length === 0);
          holds(`it saw the log grow: ${one.updates} checkpoints`, one.updates >= 10);
          holds(`readers went along with it: up to ${one.last}`, one.last >= START + GROWTH / 2);
        }
        holds(`it read at random: ${random.bundles} bundles`, random.bundles >= 100 * SECONDS);
        holds(`it read from the start: ${full.reads} entries`, full.reads >= FULL.full * (START + GROWTH / 2));
        const told = `${random.bundles} bundles at random, ${full.reads} entries in order out of ${full.bundles}, under ${random.updates} checkpoints in ${random.seconds} s of a log that grew by ${GROWTH}: no error`;
        say(told);
        return `hammer ${VERSION}: ${told}; ${await whatItNotices(hammer, spur, say)}`;
      } finally {
        await writer.stop();
      }
    } finally {
      await cleanUp();
    }
  },
};

/** Entries that come without end, as fast as the clock says. */
async function appending(spur: TestLedger): Promise<{ stop(): Promise<void> }> {
  const { records } = (await spur.good("POST", "/spur/v1/records", {
    body: { drafts: [{ predicateType: "spur:training-run/v1", predicate: { datasets: [], code: "0".repeat(64), config: "0".repeat(64), steps: 1, seed: 1 }, slots: {} }] },
  })) as { records: { rec: string }[] }; // prettier-ignore
  const runRec = records[0]?.rec ?? "";
  await spur.ledger.ledger.record(unsealedDrafts(runRec, START));
  await spur.ledger.publish();
  const ended = new AbortController();
  const work = (async () => {
    while (!ended.signal.aborted) {
      await Promise.all([spur.ledger.ledger.record(unsealedDrafts(runRec, AT_ONCE)), wait(EVERY_MS)]);
    }
  })();
  return {
    stop() {
      ended.abort();
      return work;
    },
  };
}

interface Hammered {
  readonly exit: number;
  /** Lines that warn, complain or give up. */
  readonly complaints: readonly string[];
  readonly updates: number;
  readonly reads: number;
  /** Reads that hammer did not have already. */
  readonly bundles: number;
  /** The largest index asked for. */
  readonly last: number;
  readonly seconds: number;
  readonly told: string;
}

/** Hammer reads until the log has grown by so much; it ends with 1 if that takes too long. */
async function hammered(
  program: string,
  url: string,
  vkey: string,
  { random, full, reads }: typeof RANDOM,
  growth: number,
): Promise<Hammered> {
  const before = performance.now();
  const { exit, text } = await run(
    program,
    [
      `--log_url=${url}/`, `--log_public_key=${vkey}`, "--show_ui=false", "--num_writers=0", `--num_readers_random=${random}`, `--num_readers_full=${full}`,
      `--max_read_ops=${reads}`, `--leaf_write_goal=${growth}`, `--max_runtime=${MAX_SECONDS}s`, "--http_timeout=10s", "--v=2",
    ],
    { timeoutMs: (MAX_SECONDS + 15) * 1000 },
  ); // prettier-ignore
  const lines = text.split("\n");
  const asked = lines.flatMap((line) => /LeafReader getting (\d+)/.exec(line)?.[1] ?? []);
  const complaints = lines.filter((line) => /^[WEF]\d{4} /.test(line));
  return {
    exit,
    complaints,
    updates: lines.filter((line) => line.includes("Updated checkpoint from")).length,
    reads: asked.length,
    bundles: asked.length - lines.filter((line) => line.includes("Using cached result")).length,
    last: asked.reduce((most, one) => Math.max(most, Number(one)), 0),
    seconds: Math.round((performance.now() - before) / 1000),
    told: lines.filter((line) => !/LeafReader|cached result|Checkpoint size/.test(line)).slice(-5).join("\n"),
  }; // prettier-ignore
}

/** That it found no error says something only if it finds those that are there. */
async function whatItNotices(hammer: string, spur: TestLedger, say: (text: string) => void): Promise<string> {
  const goal = (AT_ONCE * 3000) / EVERY_MS;
  const without = await lying(spur.url, (path) => (path.startsWith("/log/tile/entries/") ? "missing" : undefined));
  const missing = await hammered(hammer, `${without.url}/log`, spur.ledger.vkey, RANDOM, goal).finally(() =>
    without.close(),
  );
  holds(`it complains of missing bundles: ${missing.told}`, missing.complaints.some((line) => line.includes("failed to fetch bundle"))); // prettier-ignore
  const flipped = await lying(spur.url, (path) => (path.startsWith("/log/tile/0/") ? "flipped" : undefined));
  const forked = await hammered(hammer, `${flipped.url}/log`, spur.ledger.vkey, RANDOM, goal).finally(() =>
    flipped.close(),
  );
  holds(`it gives up on a log that contradicts itself: ${forked.told}`, forked.exit !== 0 && forked.complaints.length > 0); // prettier-ignore
  const noticed = `it complains of missing bundles (${missing.complaints.length} lines), and of flipped hashes (exit ${forked.exit})`;
  say(noticed);
  return noticed;
}

/** The ledger behind a server that lies about some paths. */
async function lying(
  target: string,
  how: (path: string) => "missing" | "flipped" | undefined,
): Promise<{ url: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    const lie = how(request.url ?? "/");
    void (async () => {
      const answer = await fetch(target + (request.url ?? "/"), { headers: { "accept-encoding": "identity" } });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (lie === "flipped") bytes[40] = (bytes[40] ?? 0) ^ 1;
      response.writeHead(lie === "missing" ? 404 : answer.status).end(lie === "missing" ? "" : bytes);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
