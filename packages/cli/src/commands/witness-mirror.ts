import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { formatVkey, parseVkey, type VerifierKey } from "@spur/verifier/note/note";
import { formatTilePath, TILE_WIDTH, type Tile } from "@spur/verifier/tlog/tile";
import type { MirrorFolder } from "@spur/witness/mirror/folder";
import { secondsToMs } from "../client.ts";
import { withExamples, withJson, type Context } from "../context.ts";
import { CliError, toldOf } from "../errors.ts";
import { openLog, type LogReader } from "../fetch-log.ts";
import { forkProof, type LogKey } from "../misbehaviour.ts";
import { startProgress } from "../progress.ts";
import { cleanLine, many, print, printJson, typed } from "../text.ts";
import { demandNode, keyText, withData } from "../witness-options.ts";

interface Options {
  readonly vkey: string;
  readonly origin?: string;
  readonly data: string;
  readonly once?: true;
  readonly every?: string;
  readonly timeout?: string;
  readonly json?: true;
}

const EVERY_SECONDS = 60;

/** What the log did wrong, as against what kept us from looking: these end a mirror at once. */
const CAUGHT = ["mirror/forked", "mirror/shrank", "mirror/refuted", "mirror/damaged", "mirror/no-space"];

export function addMirror(witness: Command, context: Context): void {
  const { io, finish } = context;
  const command = withData(
    witness
      .command("mirror")
      .summary("keep a verified copy of a log, that others can read")
      .description(
        "Copies a log (C2SP tlog-tiles) and follows it. Nothing is kept that was not verified: the checkpoint under the key, that it extends " +
          "the last one, each tile and each entry against it. `witness serve` on the same --data shows the copy to others. A log that shrinks or " +
          "forks is refused with exit code 1, and both checkpoints are kept as files.",
      )
      .argument("<url>", "the log: the address under which checkpoint and tile/ lie, or a folder")
      .requiredOption("--vkey <key|file>", "the key that signs its checkpoints"),
  )
    .option("--origin <origin>", "the first line of its checkpoints, where that is not the key's name")
    .option("--once", "copy what is there now, and end")
    .option("--every <seconds>", `follow the log, looking so often (default: ${EVERY_SECONDS})`)
    .option("--timeout <seconds>", "how long one file may take (default: 30)");
  withExamples(
    withJson(command),
    typed("witness", "mirror", "https://example.com/log", "--vkey", "log.vkey", "--once"),
    typed("witness", "mirror", "https://example.com/log", "--vkey", "log.vkey", "--every", "10"),
  );
  command.action(async (url: string, options: Options) => {
    demandNode();
    if (options.once && options.every !== undefined) throw new CliError("cli/option", "either --once or --every");
    const everyMs = everyOf(options.every);
    const key = parseVkey(await keyText(io, options.vkey));
    const origin = options.origin ?? key.name;
    const { originHash } = await import("@spur/witness/store");
    const { mirrorFolder } = await import("@spur/witness/mirror/routes");
    const folder = await import("@spur/witness/mirror/folder");
    const copy = new folder.MirrorFolder(mirrorFolder(resolve(io.cwd, options.data), originHash(origin)));
    try {
      const stop = new AbortController();
      void io.untilStopped?.().then(() => stop.abort());
      let log: LogReader | undefined;
      for (let round = 1; ; round++) {
        try {
          log ??= await openLog(io, url, { timeoutMs: secondsToMs(options.timeout, 30) });
          await oneRound(context, copy, log, { origin, key, signal: stop.signal }, options, round);
        } catch (error) {
          await keepProof(context, error, copy, log, { origin, vkey: formatVkey(key) });
          if (stop.signal.aborted) break;
          // What passes by itself ends only who was told to look once; a lie, and a disk that is full, end everybody.
          const { code, detail } = toldOf(error);
          if (options.once || round === 1 || CAUGHT.includes(code)) throw error;
          io.stderr.write(`spur: ${cleanLine(detail)} [${cleanLine(code)}]; trying again\n`);
        }
        if (options.once || io.untilStopped === undefined) break;
        await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
        if (stop.signal.aborted) break;
      }
      finish(0);
    } finally {
      copy.close();
    }
  });
}

function everyOf(given: string | undefined): number {
  const seconds = given === undefined ? EVERY_SECONDS : Number(given);
  if (seconds > 0 && seconds <= 86_400) return Math.ceil(seconds * 1000);
  throw new CliError("cli/option", `--every ${given}`, { hint: "a number of seconds, like 60" });
}

/** Of two histories, a proof that `spur verify` reads: beside the two checkpoints, for people who have neither the copy nor the log. */
async function keepProof(
  { io }: Context,
  error: unknown,
  copy: MirrorFolder,
  log: LogReader | undefined,
  key: LogKey,
): Promise<void> {
  const { CaughtError } = await import("@spur/witness/mirror/mirror");
  if (!(error instanceof CaughtError) || log === undefined) return;
  const { held, served, files } = error;
  const own = async (tile: Tile): Promise<Uint8Array> => {
    const full = formatTilePath({ ...tile, width: TILE_WIDTH });
    const bytes = (await copy.read(formatTilePath(tile))) ?? (await copy.read(full)) ?? new Uint8Array(0);
    return bytes.subarray(0, tile.width * 32);
  };
  const read = served.size < held.size ? own : (tile: Tile) => log.tile(tile);
  try {
    const proof = await forkProof(key, held.note, served.note, read);
    const file = files[0]?.replace(/\.held$/, ".misbehaviour.json");
    if (proof === undefined || file === undefined) return;
    await writeFile(file, proof);
    io.stderr.write(`spur: a proof of it for others is in ${file}: ${typed("verify", file, "--trust", key.vkey)}\n`);
  } catch {
    // Where no such proof can be made (an origin that is not the key's name, tiles that are not given), the checkpoints are kept all the same.
  }
}

async function oneRound(
  { io }: Context,
  copy: MirrorFolder,
  log: LogReader,
  of: { origin: string; key: VerifierKey; signal: AbortSignal },
  options: Options,
  round: number,
): Promise<void> {
  const { mirrorOnce } = await import("@spur/witness/mirror/mirror");
  const bar = startProgress(io, "copying");
  let done;
  try {
    done = await mirrorOnce(copy, log, { ...of, progress: (n, all) => bar.at(n, all) });
  } finally {
    bar.end();
  }
  if (done.size === done.from && round > 1) return;
  if (options.json) {
    // Of a copy that follows its log: one line each, so that each can be read by itself.
    const result = { ...done, folder: copy.folder };
    if (options.once) printJson(io, result);
    else io.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const more = done.size - done.from;
  print(
    io,
    `${cleanLine(done.origin)}: ${many(done.size, "entry", "entries")}${more > 0 ? `, ${more.toLocaleString("en-US")} of them new` : ", nothing new"}.`,
  );
  if (done.withheld > 0)
    print(io, `  ${many(done.withheld, "bundle")} withheld by law: their hashes are copied, their entries are not.`);
  if (round === 1) print(io, `  in ${copy.folder}`);
}
