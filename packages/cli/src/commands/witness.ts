import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { LogState } from "@spur/witness/manage";
import { withExamples, withJson, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { forkProof } from "../misbehaviour.ts";
import { cleanLine, many, print, printJson, typed, type Style } from "../text.ts";
import { demandNode, keyText, withData } from "../witness-options.ts";
import { addMirror } from "./witness-mirror.ts";

const LISTEN = "127.0.0.1:7790";

interface ServeOptions {
  readonly data: string;
  readonly keys?: string;
  readonly listen: string;
  readonly name?: string;
  readonly json?: true;
}

interface AddOptions {
  readonly data: string;
  readonly origin?: string;
  readonly url?: string;
  readonly list?: string;
  readonly json?: true;
}

export function addWitness(program: Command, context: Context): void {
  const witness = program
    .command("witness")
    .summary("stand beside a log: cosign that it only grows, or keep a copy of it")
    .description(
      "An independent witness (C2SP tlog-witness) for any number of logs, of Spur and of others. It signs that a log only grew since it " +
        "looked last. Whoever trusts it needs no word of the log's operator for that. It holds no content, and never connects to anybody.",
    );
  withExamples(
    witness,
    typed("witness", "serve", "--name", "example.org/witness"),
    typed("witness", "add-log", "example.com/spur+1fc2f85c+AaStkHcVd9Clqq4lL1PgUn1q2xQ4QJGPBOnMd7y5Pt9E"),
    typed("witness", "list"),
    typed("witness", "mirror", "https://example.com/log", "--vkey", "log.vkey", "--once"),
  );
  addServe(witness, context);
  addAddLog(witness, context);
  addList(witness, context);
  addMirror(witness, context);
}

function addServe(witness: Command, { io, style, finish }: Context): void {
  const command = withData(
    witness
      .command("serve")
      .description(
        "Starts the witness. At the first start it makes its key, and prints the part of it that others need.",
      ),
  )
    .option("--keys <folder>", "its signing keys, never inside the data (default: beside it, with -keys)")
    .option("--listen <host:port>", "where it answers; put TLS in front of it for the world", LISTEN)
    .option("--name <name>", "of a new witness: a URL without its scheme that you own, like example.org/witness");
  withExamples(
    withJson(command),
    typed("witness", "serve"),
    typed("witness", "serve", "--name", "example.org/witness", "--listen", "127.0.0.1:7790"),
  );
  command.action(async (options: ServeOptions) => {
    demandNode();
    const { startWitness } = await import("@spur/witness/serve");
    const running = await startWitness({
      data: resolve(io.cwd, options.data),
      keys: resolve(io.cwd, options.keys ?? `${options.data.replace(/[/\\]+$/, "")}-keys`),
      ...addressOf(options.listen),
      ...(options.name === undefined ? {} : { name: options.name }),
      now: io.now,
      onError: (error) => io.stderr.write(`spur: ${cleanLine(String(error))}\n`),
    });
    if (options.json) printJson(io, { url: running.url, name: running.name, vkeys: running.vkeys, logs: running.logs });
    else {
      print(io, `${style.bold("A witness")} at ${style.bold(running.url)}`, `  name  ${cleanLine(running.name)}`);
      print(io, `  key   ${cleanLine(running.vkeys[0] ?? "")}`);
      if (running.vkeys.length > 1)
        print(io, `        and one of ML-DSA-44, too long to be shown here: ${running.url}/vkeys`);
      print(io, `  logs  ${running.logs.toLocaleString("en-US")}`);
      if (running.logs === 0)
        print(io, "", "Add one, in another terminal:", `  ${typed("witness", "add-log", "VKEY")}`);
      print(io, "Ctrl-C stops it.");
    }
    const failed = await Promise.race([running.failed, io.untilStopped?.()]);
    await running.close();
    if (failed !== undefined) throw failed;
    if (!options.json) print(io, "Stopped. Everything cosigned is on disk.");
    finish(0);
  });
}

/** `HOST:PORT`, `[v6]:PORT` or `:PORT`. Throws `cli/option`. */
function addressOf(listen: string): { host: string; port: number } {
  const [, v6, name, digits = ""] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]*)):([0-9]{1,5})$/.exec(listen) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65_535) {
    throw new CliError("cli/option", `--listen ${listen}`, { hint: `like ${LISTEN}; port 0 takes a free one` });
  }
  return { host: v6 ?? (name === undefined || name === "" ? "127.0.0.1" : name), port };
}

function addAddLog(witness: Command, { io, finish }: Context): void {
  const command = withData(
    witness
      .command("add-log")
      .summary("witness a log, from now on")
      .description(
        "Adds a log by its key, or a further key to a log. A running witness sees it at once. Many at once are read from a list of " +
          "witness-network.org (its format is called logs/v0): all of them or none.",
      )
      .argument("[vkey]", "the log's verifier key, as its operator publishes it"),
  )
    .option("--origin <origin>", "the first line of its checkpoints, where that is not the key's name")
    .option("--url <url>", "where it can be read; shown on the witness's page")
    .option("--list <file>", "a list in the format logs/v0");
  withExamples(
    withJson(command),
    typed("witness", "add-log", "example.com/spur+1fc2f85c+AaStkHcVd9Clqq4lL1PgUn1q2xQ4QJGPBOnMd7y5Pt9E"),
    typed("witness", "add-log", "--list", "logs.txt"),
  );
  command.action(async (vkey: string | undefined, options: AddOptions) => {
    demandNode();
    const { listedLog, parseLogList } = await import("@spur/witness/log-list");
    if ((vkey === undefined) === (options.list === undefined)) {
      throw new CliError("cli/option", "either a key or --list", { hint: typed("witness", "add-log", "--help") });
    }
    const { origin, url } = options;
    if (options.list !== undefined && (origin !== undefined || url !== undefined))
      throw new CliError("cli/option", "--origin and --url belong to one log, not to a list");
    const given = { ...(origin === undefined ? {} : { origin }), ...(url === undefined ? {} : { url }) };
    const logs =
      vkey === undefined
        ? parseLogList(await readFile(resolve(io.cwd, options.list ?? ""), "utf8"))
        : [listedLog(await keyText(io, vkey), given)];
    const { addLogs } = await import("@spur/witness/manage");
    const result = addLogs(resolve(io.cwd, options.data), logs);
    if (options.json) printJson(io, result);
    else {
      const [only] = logs;
      if (logs.length === 1 && only !== undefined) {
        print(io, `${cleanLine(only.origin)} is witnessed${result.added.length === 0 ? "; it was before" : ""}.`);
      } else print(io, `${many(result.added.length, "log")} added, ${result.updated.length} known before.`);
    }
    finish(0);
  });
}

function addList(witness: Command, { io, style, finish }: Context): void {
  const command = withData(
    witness
      .command("list")
      .description(
        "Lists the logs: what was cosigned last, and which of them signed two things that can't both be true (exit code 1).",
      ),
  ).option("--proofs <folder>", "write a proof of each of those there, for others: `spur verify` reads it");
  withExamples(
    withJson(command),
    typed("witness", "list"),
    typed("witness", "list", "--json"),
    typed("witness", "list", "--proofs", "./proofs"),
  );
  command.action(async ({ data, proofs, json }: { data: string; proofs?: string; json?: true }) => {
    demandNode();
    const { listLogs } = await import("@spur/witness/manage");
    const listed = listLogs(resolve(io.cwd, data));
    const written = proofs === undefined ? [] : await writeProofs(resolve(io.cwd, proofs), listed.logs);
    if (json) printJson(io, proofs === undefined ? listed : { ...listed, proofs: written });
    else {
      for (const log of listed.logs) print(io, ...linesOf(log, style));
      for (const { origin, size } of listed.mirrors)
        print(io, `${cleanLine(origin)}  copied here: ${many(size, "entry", "entries")}`);
      if (listed.logs.length + listed.mirrors.length === 0) print(io, "No logs.");
      for (const { file, vkey } of written) print(io, `  ${typed("verify", file, "--trust", vkey)}`);
    }
    finish(listed.logs.some(({ conflicts }) => conflicts.length > 0) ? 1 : 0);
  });
}

function linesOf({ origin, size, cosignedS, conflicts }: LogState, style: Style): string[] {
  const at = cosignedS === undefined ? "" : ` at ${new Date(cosignedS * 1000).toISOString().slice(0, 19)}Z`;
  const state = size === undefined ? "nothing cosigned yet" : `${many(size, "entry", "entries")}${at}`;
  const sizes = conflicts.map((one) => one.size.toLocaleString("en-US")).join(", ");
  const caught = `  ${style.bad("✗")} signed what can't both be true, at size ${sizes}; for others: ${typed("witness", "list", "--proofs", "./proofs")}`;
  return [`${cleanLine(origin)}  ${state}`, ...(conflicts.length > 0 ? [caught] : [])];
}

/** Both notes of a pair are of one size: nothing but they is needed to convict the log by them. */
async function writeProofs(folder: string, logs: readonly LogState[]): Promise<{ file: string; vkey: string }[]> {
  const written: { file: string; vkey: string }[] = [];
  const noTiles = () => Promise.reject(new CliError("misbehaviour/tiles", "no tiles are kept here"));
  for (const { origin, hash, vkeys, conflicts } of logs) {
    for (const [i, { size, note, held }] of conflicts.entries()) {
      for (const vkey of vkeys) {
        // A key that signed only one of the two convicts nobody; nor does one note alone (size 0 with the root of something).
        const proof = await forkProof({ origin, vkey }, held, note, noTiles).catch(() => undefined);
        if (proof === undefined) continue;
        const file = join(folder, `${hash.slice(0, 16)}-${size}-${i}.misbehaviour.json`);
        await mkdir(folder, { recursive: true });
        await writeFile(file, proof);
        written.push({ file, vkey });
        break;
      }
    }
  }
  return written;
}
