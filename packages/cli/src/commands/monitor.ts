import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { baseUrl, secondsToMs } from "../client.ts";
import { withExamples, withTrust, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import type { Exit, Io } from "../io.ts";
import type { MonitorEvent, RoundEvent } from "../monitor/events.ts";
import { LogMonitor, type MonitorOptions } from "../monitor/monitor.ts";
import { Webhook } from "../monitor/webhook.ts";
import { verdictLine } from "../print-report.ts";
import { cleanLine, many, print, typed, type Style } from "../text.ts";
import { loadTrust } from "../trust-store.ts";

const EVERY_SECONDS = 60;
const LATE_HOURS = 24;
const STALE_MINUTES = 60;
const REREAD_BUNDLES = 16;
const MAX_PLACES = 64;
const AGAIN_MS = 1_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

interface Options {
  readonly every?: string;
  readonly once?: true;
  readonly state?: string;
  readonly trust?: readonly string[];
  readonly also?: readonly string[];
  readonly gossip?: string;
  readonly late?: string;
  readonly stale?: string;
  readonly reread?: string;
  readonly webhook?: string;
  readonly timeout?: string;
  readonly json?: true;
}

export function addMonitor(program: Command, context: Context): void {
  const command = program
    .command("monitor")
    .summary("follow a log from outside, and shout when something is wrong")
    .description(
      "Follows logs: verifies each new checkpoint under your trust, and that it extends all that was seen before, here and elsewhere; reads " +
        "every new entry against it, registers and hours too; and reads old entries again, a few in each round. What it knows is kept on disk, " +
        "so it may be stopped or killed at any time. Two histories of one log become a file that convicts it before anybody.",
    )
    .argument("<url...>", "the logs: their addresses, or folders")
    .option("--once", "look once, and end: 1 where something is wrong, 2 where something could not be looked at")
    .option("--every <seconds>", `look so often (default: ${EVERY_SECONDS})`)
    .option("--state <folder>", "what it remembers (default: $XDG_STATE_HOME/spur/monitor)")
    .option(
      "--also <url>",
      "where else the log is shown: a mirror, a witness, another vantage point; may be given several times",
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .option("--gossip <folder>", "checkpoint, evidence and proof files from others, read in every round")
    .option("--late <hours>", `how late an entry may come under its first checkpoint (default: ${LATE_HOURS})`)
    .option(
      "--stale <minutes>",
      `how long entries may wait for a checkpoint (default: ${STALE_MINUTES}); if given, no log may be silent for longer`,
    )
    .option("--reread <bundles>", `old bundles that are read again in each round (default: ${REREAD_BUNDLES})`)
    .option("--webhook <url>", "where alarms are posted, as JSON")
    .option("--timeout <seconds>", "how long one file may take (default: 30)")
    .option("--json", "print events, one JSON object a line, instead of sentences");
  withExamples(
    withTrust(command),
    typed("monitor", "https://example.com"),
    typed("monitor", "https://example.com", "--once", "--trust", "log.vkey"),
    typed(
      "monitor",
      "https://example.com",
      "--also",
      "https://witness.example.org",
      "--webhook",
      "https://example.net/hook",
    ),
  );
  command.action(async (places: readonly string[], options: Options) => {
    context.finish(await monitor(context, places, options));
  });
}

async function monitor(context: Context, places: readonly string[], options: Options): Promise<Exit> {
  const { io } = context;
  const stop = new AbortController();
  if (options.once && options.every !== undefined) throw new CliError("cli/option", "either --once or --every");
  if (places.length + (options.also?.length ?? 0) > MAX_PLACES)
    throw new CliError("cli/option", `more than ${MAX_PLACES} addresses`, { hint: "start a second monitor" });
  const everyMs = inRange("--every", options.every, EVERY_SECONDS, 86_400) * 1000;
  const trust = await loadTrust(io, options.trust);
  const timeoutMs = secondsToMs(options.timeout, 30);
  const reread = inRange("--reread", options.reread, REREAD_BUNDLES, 100_000, 0);
  const shared: Omit<MonitorOptions, "folder" | "others"> = {
    trust,
    timeoutMs,
    pauseMs: Math.min(AGAIN_MS, timeoutMs),
    also: (options.also ?? []).map((place) => normal(io, place)),
    ...(options.gossip === undefined ? {} : { gossip: options.gossip }),
    lateMs: inRange("--late", options.late, LATE_HOURS, 1_000_000) * HOUR_MS,
    silence: {
      staleMs: inRange("--stale", options.stale, STALE_MINUTES, 10_000_000) * MINUTE_MS,
      always: options.stale !== undefined,
    },
    reread: Math.floor(reread),
    ...(options.webhook === undefined ? {} : { webhook: new Webhook(io, options.webhook) }),
    once: options.once === true,
    tell: options.json
      ? (event) => io.stdout.write(`${JSON.stringify(event)}\n`)
      : teller(context, options.once === true),
    random: Math.random,
  };
  void io.untilStopped?.().then(() => stop.abort());
  const stoppable = { ...io, fetch: stoppableFetch(io.fetch ?? fetch, stop.signal) };
  const monitors: LogMonitor[] = [];
  const open = async (place: string) => {
    const others = () => monitors.map(({ origin }) => origin);
    const one = await LogMonitor.open(stoppable, place, {
      ...shared,
      folder: stateFolder(io, options.state, place),
      others,
    });
    monitors.push(one);
    return one;
  };
  try {
    for (const place of new Set(places.map((one) => normal(io, one)))) await open(place);
    const ended = await Promise.allSettled(
      monitors.map(async (one) => {
        try {
          return await follow(io, one, everyMs, options.once === true, stop.signal);
        } catch (error) {
          stop.abort(); // the others end in order, before their folders are closed
          throw error;
        }
      }),
    );
    const exits = ended.map((one) => {
      if (one.status === "fulfilled") return one.value;
      throw one.reason;
    });
    return exits.includes(1) ? 1 : exits.includes(2) ? 2 : 0;
  } finally {
    for (const one of monitors) one.close();
  }
}

/** Rounds until it is stopped, or one. */
async function follow(io: Io, one: LogMonitor, everyMs: number, once: boolean, signal: AbortSignal): Promise<Exit> {
  for (;;) {
    const startedMs = io.now();
    const exit = await one.round(signal);
    if (once || signal.aborted || io.untilStopped === undefined) return exit;
    await sleep(Math.max(0, startedMs + everyMs - io.now()), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return exit;
  }
}

/** Ctrl-C is not kept waiting by a server that hangs. */
function stoppableFetch(real: typeof fetch, stop: AbortSignal): typeof fetch {
  return (input, init) => {
    const signals = init?.signal instanceof AbortSignal ? [init.signal, stop] : [stop];
    return real(input, { ...init, signal: AbortSignal.any(signals) });
  };
}

/** Each log has a folder of its own, under the hash of its address: an address is no file name. */
function stateFolder(io: Io, given: string | undefined, place: string): string {
  const state = io.env["XDG_STATE_HOME"] || join(io.env["HOME"] ?? homedir(), ".local", "state");
  const base = given === undefined ? join(state, "spur", "monitor") : resolve(io.cwd, given);
  return join(base, toHex(sha256(utf8(place))).slice(0, 32));
}

/** One spelling for one place. Throws `http/address`. */
function normal(io: Io, place: string): string {
  if (/^https?:/i.test(place)) return baseUrl(place);
  return /^file:/i.test(place) ? place : resolve(io.cwd, place);
}

function inRange(name: string, given: string | undefined, otherwise: number, most: number, least = 1e-3): number {
  const value = given === undefined ? otherwise : Number(given);
  if (given?.trim() !== "" && value >= least && value <= most) return value;
  throw new CliError("cli/option", `${name} ${given}`, { hint: `a number up to ${most.toLocaleString("en-US")}` });
}

/** Alarms to stderr, the rest to stdout. */
function teller({ io, style }: Context, once: boolean): (event: MonitorEvent) => void {
  const followed = new Set<string>();
  const errors = { ...io, stdout: io.stderr };
  const size = (n: number) => n.toLocaleString("en-US");
  return (event) => {
    const name = cleanLine(event.origin ?? event.log);
    const when = style.dim(event.at.slice(0, 19).replace("T", " "));
    if (event.event === "alarm" || event.event === "cleared") {
      const mark = event.event === "cleared" ? style.good("✓ no longer:") : signOf(style, event.verdict);
      print(errors, `${when} ${name} ${mark} ${cleanLine(event.sentence)} ${style.dim(`[${event.code}]`)}`);
    } else if (event.event === "followed") {
      print(io, `${when} ${name} ${many(event.more, "entry", "entries")} read, to size ${size(event.size)}`);
    } else if (event.event === "round" && once) {
      print(io, verdictLine(style, event.exit, sentenceOf(event, name)));
      for (const one of event.open) {
        const file = one.file === undefined ? "" : ` → ${one.file}`;
        print(
          io,
          `  ${signOf(style, one.verdict)} since ${one.since.slice(0, 16)}Z: ${cleanLine(one.sentence)}${file}`,
        );
      }
      if (event.alarms > event.open.length) print(io, `  and ${many(event.alarms - event.open.length, "alarm")} more`);
    } else if (event.event === "round" && !followed.has(event.log)) {
      followed.add(event.log);
      print(io, `${when} ${name} ${sentenceOf(event, name)} It is followed from now on; Ctrl-C ends that.`);
    }
  };
}

function signOf(style: Style, verdict: "fail" | "not-checked"): string {
  return verdict === "fail" ? style.bad("✗") : style.unsure("?");
}

function sentenceOf({ exit, followed, size = 0, withheld, unknown, alarms }: RoundEvent, name: string): string {
  const entries = many(followed, "entry", "entries");
  const open = [
    ...(withheld > 0 ? [`${many(withheld, "entry", "entries")} withheld by law`] : []),
    ...(unknown > 0 ? [`${many(unknown, "entry", "entries")} of a kind that this version does not know`] : []),
  ];
  const but = open.length === 0 ? "" : ` Not checked: ${open.join(", ")}.`;
  if (exit === 0) return `All ${entries} of ${name} are in place, and it agrees with all that was seen of it.${but}`;
  if (exit === 1) return `Something is wrong with ${name}: ${many(alarms, "alarm")}.${but}`;
  return `${name} could not be looked at in full: ${entries} of ${size.toLocaleString("en-US")} read.${but}`;
}
