import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { parseTlogProof } from "@spur/verifier/tlog/proof";
import { CliError, toldOf } from "../errors.ts";
import { openLog, type LogReader } from "../fetch-log.ts";
import type { Io } from "../io.ts";
import { isObject } from "../json.ts";
import type { GivenReceipt } from "./receipts.ts";

/** Of a folder with checkpoint files, so many are read, each up to this length. */
const MAX_FILES = 1_000;
const MAX_FILE = 1_048_576;

/** A checkpoint as somebody shows it. */
export interface Shown {
  readonly where: string;
  readonly text: string;
  /** Where tiles may lie beside it. */
  readonly reader?: LogReader;
}

/** An address at which a log's checkpoint is shown: the log itself, a mirror, a witness, another vantage point. */
export class Place {
  readonly address: string;
  readonly #io: Io;
  readonly #timeoutMs: number;
  #reader: LogReader | undefined;

  constructor(io: Io, address: string, timeoutMs: number) {
    this.address = address;
    this.#io = io;
    this.#timeoutMs = timeoutMs;
  }

  get reader(): LogReader | undefined {
    return this.#reader;
  }

  /** What is shown there now. A witness shows a log below the hash of its origin (C2SP tlog-witness). Throws what `openLog` throws. */
  async show(origin?: string): Promise<Shown> {
    this.#reader ??= await this.#open(origin);
    return { where: this.address, text: await this.#reader.checkpoint(), reader: this.#reader };
  }

  async #open(origin: string | undefined): Promise<LogReader> {
    const options = { timeoutMs: this.#timeoutMs };
    try {
      return await openLog(this.#io, this.address, options);
    } catch (error) {
      if (origin === undefined || !NOT_HERE.includes(toldOf(error).code)) throw error;
      const below = `${this.address.replace(/\/+$/, "")}/${toHex(sha256(utf8(origin)))}`;
      return openLog(this.#io, below, options).catch((cause: unknown) => {
        throw NOT_HERE.includes(toldOf(cause).code) ? error : cause;
      });
    }
  }
}

const NOT_HERE = ["log/no-checkpoint", "log/status"];

export interface Gossip {
  readonly checkpoints: readonly Shown[];
  readonly receipts: readonly GivenReceipt[];
}

/**
 * What others have put into a folder: signed notes, the checkpoints inside evidence and proof files, and receipts. What is none of these is
 * passed over: the folder is where its owner puts what he is sent. Throws `monitor/gossip`.
 */
export async function gossipIn(io: Io, folder: string): Promise<Gossip> {
  const path = resolve(io.cwd, folder);
  const names = await readdir(path).catch((cause: unknown) => {
    throw new CliError("monitor/gossip", `${folder} cannot be read`, {
      hint: "name a folder with checkpoint files",
      cause,
    });
  });
  const [checkpoints, receipts]: [Shown[], GivenReceipt[]] = [[], []];
  for (const name of names.sort().slice(0, MAX_FILES)) {
    const file = join(path, name);
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true || found.size > MAX_FILE) continue;
    const given = givenIn(await readFile(file, "utf8"));
    if (typeof given === "string") checkpoints.push({ where: `the file ${name}`, text: given });
    else if (given !== undefined) receipts.push(given);
  }
  return { checkpoints, receipts };
}

/** What monitors saw that keep their memory beside this one: of one log at another address, perhaps. */
export async function seenBeside(folder: string): Promise<readonly Shown[]> {
  const names = await readdir(join(folder, "..")).catch((): string[] => []);
  const shown: Shown[] = [];
  for (const name of names.sort().slice(0, MAX_FILES)) {
    const file = join(folder, "..", name, "checkpoint");
    const found = name === basename(folder) ? undefined : await stat(file).catch(() => undefined);
    if (found?.isFile() === true && found.size <= MAX_FILE)
      shown.push({ where: "another monitor here", text: await readFile(file, "utf8") });
  }
  return shown;
}

/** A checkpoint or a receipt, wherever it stands in a file. Nothing of it is believed. */
function givenIn(text: string): string | GivenReceipt | undefined {
  try {
    if (text.startsWith("c2sp.org/tlog-proof@")) return parseTlogProof(text).checkpoint;
    if (!text.startsWith("{")) return text;
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return undefined;
    const { checkpoint, note, vkey } = value;
    if (typeof note === "string" && typeof vkey === "string") return { note, vkey };
    return typeof checkpoint === "string" ? checkpoint : undefined;
  } catch {
    return undefined;
  }
}
