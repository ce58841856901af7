import type { Command } from "commander";
import { toHex } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { openClient, type Client, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { isObject, list, number, object, text, type JsonObject } from "../json.ts";
import { loadOptional } from "../optional.ts";
import { startProgress } from "../progress.ts";
import { resolveRef } from "../ref.ts";
import { print, printJson, typed } from "../text.ts";

const MAX_PAYLOAD_MIB = 1024;

/** Computes a segment of a run again. The demo model's trainer has one; it is given bytes whose digests were checked, and judges nothing. */
interface ReplayModule {
  replayRun(segment: {
    readonly dataset: Uint8Array;
    readonly from: { readonly step: number; readonly weights: Uint8Array; readonly state: Uint8Array };
    readonly untilStep: number;
    readonly onStep: (step: number) => void;
  }): Promise<{ readonly weights: Uint8Array; readonly state: Uint8Array; readonly environment: string }>;
}

interface Options extends ServerOptions {
  readonly from?: string;
  readonly record: boolean;
  readonly json?: true;
}

/** A checkpoint as the log has it. */
interface Stored {
  readonly rec: string;
  readonly index: number;
  readonly step: number;
  readonly weights: string;
  readonly state: string;
}

export function addReplay(program: Command, context: Context): void {
  const command = program
    .command("replay")
    .summary("compute a part of a training run again and compare the weights")
    .description(
      "Takes two checkpoints of a recorded run, trains from the first to the second with the recorded data, and compares the digest of\n" +
        "the weights. The result goes on record, also if it differs. For runs of the demo model's trainer.\n" +
        'REF is a run, or a model, checkpoint or answer that comes from one; "last" is the newest run.',
    )
    .argument("[ref]", "record id, log index, or last", "last")
    .option("--from <step>", "start at the checkpoint of this step (default: the last but one)")
    .option("--no-record", "compare only, put nothing on record");
  withExamples(
    withJson(withServer(command)),
    typed("replay", "last"),
    typed("replay", "last", "--from", "0", "--no-record"),
  );
  command.action(async (ref: string, options: Options) => {
    const { replayRun } = await loadOptional<ReplayModule>("@spur/demo/replay", "replay");
    const client = openClient(context.io, options);
    const run = await findRun(client, await resolveRef(client, ref, "spur:training-run/v1"));
    const [from, to] = segmentOf(run.checkpoints, options.from);

    const fetched = startProgress(context.io, "reading");
    const [dataset, weights, state] = [
      await payload(client, run.dataset, fetched),
      await payload(client, from.weights, fetched),
      await payload(client, from.state, fetched),
    ];
    fetched.end();
    const bar = startProgress(context.io, `training step ${from.step} to ${to.step}`);
    const again = await replayRun({
      dataset,
      from: { step: from.step, weights, state },
      untilStep: to.step,
      onStep: (step) => bar.at(step - from.step, to.step - from.step),
    });
    bar.end();
    const recomputed = toHex(sha256(again.weights));
    const same = recomputed === to.weights && toHex(sha256(again.state)) === to.state;
    const rec = options.record
      ? await record(client, run.rec, from, to, recomputed, same, again.environment)
      : undefined;
    tell(context, options, { from, to, recomputed, same, ...(rec === undefined ? {} : { rec }) }, client.words);
    context.finish(same ? 0 : 1);
  });
}

async function findRun(
  client: Client,
  rec: string,
): Promise<{ rec: string; dataset: string; checkpoints: readonly Stored[] }> {
  const entries = list(await client.get(`/spur/v1/records/${rec}/trace`), "entries");
  const run = entries.find((entry) => entry["type"] === "spur:training-run/v1");
  if (run === undefined)
    throw new CliError("cli/no-record", `${rec} comes from no recorded run`, { hint: typed("trace", rec) });
  const runRec = text(run, "rec");
  const own = entries.filter((entry) => entry["type"] === "spur:checkpoint/v1" && referenced(entry, "run") === runRec);
  const checkpoints: Stored[] = [];
  for (const entry of own) {
    const predicate = object(entry["predicate"], "predicate");
    checkpoints.push({
      rec: text(entry, "rec"),
      index: number(entry, "index"),
      step: number(predicate, "step"),
      state: text(predicate, "state"),
      weights: await digestOf(client, text(entry, "rec")),
    });
  }
  const datasets = object(run["predicate"], "predicate")["datasets"];
  const [dataset] = Array.isArray(datasets) ? datasets.filter(isObject) : [];
  if (dataset === undefined)
    throw new CliError("cli/no-record", "the run names no dataset", {
      hint: "only runs with recorded data can be repeated",
    });
  return {
    rec: runRec,
    dataset: await digestOf(client, text(dataset, "rec")),
    checkpoints: checkpoints.sort((a, b) => a.step - b.step || a.index - b.index),
  };
}

function referenced(entry: JsonObject, role: string): unknown {
  const predicate = entry["predicate"];
  const target = isObject(predicate) ? predicate[role] : undefined;
  return isObject(target) ? target["rec"] : undefined;
}

/** The plain SHA-256 of a record's subject. */
async function digestOf(client: Client, rec: string): Promise<string> {
  const record = await client.get(`/spur/v1/records/${rec}`);
  const [subject] = list(object(object(record["entry"], "entry")["statement"], "statement"), "subject");
  return text(object(subject?.["digest"], "digest"), "sha256");
}

function segmentOf(checkpoints: readonly Stored[], fromStep: string | undefined): readonly [Stored, Stored] {
  const steps = checkpoints.map((one) => one.step).join(", ");
  const from = fromStep === undefined ? checkpoints.at(-2) : checkpoints.find((one) => String(one.step) === fromStep);
  const to =
    from === undefined
      ? undefined
      : checkpoints.filter((one) => one.step > from.step).at(fromStep === undefined ? -1 : 0);
  if (from === undefined || to === undefined) {
    throw new CliError("cli/no-record", "a replay needs two recorded checkpoints of one run", {
      hint: steps === "" ? "this run recorded none" : `recorded steps: ${steps}; start with --from STEP`,
    });
  }
  return [from, to];
}

async function payload(client: Client, digest: string, progress: { at(done: number): void }): Promise<Uint8Array> {
  const bytes = await client.bytes(`/spur/v1/payloads/${digest}`, MAX_PAYLOAD_MIB);
  // The ledger gives out bytes; what they are is said by the log.
  if (toHex(sha256(bytes)) !== digest) {
    throw new CliError("replay/payload", `the payload served as ${digest} is another`, {
      hint: "the ledger's store is damaged: npx spur audit --custody",
    });
  }
  progress.at(bytes.length);
  return bytes;
}

async function record(
  client: Client,
  run: string,
  from: Stored,
  to: Stored,
  recomputed: string,
  same: boolean,
  environment: string,
): Promise<string> {
  const { answer } = await client.post("/spur/v1/records", {
    drafts: [
      {
        predicateType: "spur:replay/v1",
        predicate: {
          run: { rec: run },
          from: { rec: from.rec },
          to: { rec: to.rec },
          recomputed,
          result: same ? "same" : "different",
        },
        slots: { environment },
      },
    ],
  });
  const [one] = list(answer, "records");
  return text(one ?? {}, "rec");
}

function tell(
  { io, style }: Context,
  options: Options,
  result: { from: Stored; to: Stored; recomputed: string; same: boolean; rec?: string },
  words: readonly string[],
): void {
  const { from, to, recomputed, same, rec } = result;
  if (options.json) {
    printJson(io, {
      from: from.rec,
      to: to.rec,
      steps: [from.step, to.step],
      recorded: to.weights,
      recomputed,
      same,
      ...(rec === undefined ? {} : { record: rec }),
    });
    return;
  }
  const verdict = same ? style.good("✓ SAME") : style.bad("✗ DIFFERENT");
  print(
    io,
    `${verdict}  steps ${from.step} to ${to.step}, computed again, give ${same ? "the recorded weights, bit for bit" : "other weights than recorded"}.`,
  );
  print(io, `  recorded    ${to.weights}`, `  recomputed  ${recomputed}`);
  if (rec !== undefined) {
    print(io, "On record. As a file that anybody can verify:");
    print(
      io,
      `  ${typed("evidence", rec, "--ask", "Q8", "-o", "replay.evidence.json", ...words)}`,
      `  ${typed("verify", "replay.evidence.json")}`,
    );
  }
}
