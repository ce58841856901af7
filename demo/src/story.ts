import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { startLedger, type RunningLedger } from "@spur/ledger/main";
import { connect, type Api } from "./api.ts";
import { DemoError } from "./errors.ts";
import { startModel, type ModelProcess } from "./model-process.ts";
import { prepareOnRecord, trainOnRecord } from "./record-training.ts";
import { askAll } from "./story/ask.ts";
import { spurIn, type Spur } from "./story/spur.ts";
import { openStage, type Stage } from "./story/stage.ts";
import { tamperAndBeRefused } from "./story/tamper.ts";
import { corpusFiles, filesFolder, modelFile, operatorKey, SEED, serveModel, writeStanding } from "./up.ts";

export type StoryOptions = {
  /** End after the last step instead of leaving the demo up. */
  readonly exit: boolean;
  readonly corpus?: string;
  readonly data?: string;
  readonly port?: number;
  readonly json: boolean;
};

export type StoryIo = {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly isTty: boolean;
  readonly untilStopped?: () => Promise<void>;
};

const BUDGET_SECONDS = 60;

/** The whole story, each step checked; 0 only if every step did what it says. */
export async function runStory(options: StoryOptions, io: StoryIo): Promise<0 | 1 | 2> {
  const stage = openStage(io.stdout, io.isTty, options.json);
  const spur = spurIn(io.env);
  const data = resolve(io.cwd, options.data ?? "spur-demo");
  const keys = `${data}-keys`;
  const work = filesFolder(data);
  const aside = `${data}.true`;
  if (existsSync(aside)) putBack(data, aside); // a demo that was stopped in the middle of its own rollback
  mkdirSync(work, { recursive: true });
  const scratch = join(work, "scratch");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });

  let ledger: RunningLedger | undefined;
  let model: ModelProcess | undefined;
  const start = async (): Promise<RunningLedger> => {
    const wanted = { data, port: options.port ?? 7787, demo: true, env: {}, cwd: io.cwd, publishEvery: 2 };
    try {
      return await startLedger(wanted);
    } catch (error) {
      if ((error as { code?: string }).code !== "config/port-taken" || options.port !== undefined) throw error;
      stage.fact("port 7787 is taken: another one is used");
      return startLedger({ ...wanted, port: 0 });
    }
  };
  try {
    ledger = await start();
    const running = ledger;
    const api = connect(running.url, operatorKey(keys));
    stage.fact(`Spur's demo records into ${running.origin}, in ${data}`);

    const prepared = await stage.step("Prepare a corpus; record sources, processing, dataset", 3, async () => {
      const found = await prepareOnRecord(api, corpusFiles(options.corpus), SEED);
      stage.fact(
        `${found.sources.length} documents, ${found.rows.length} sentences, ${found.rows.filter((row) => row.heldOut).length} of them held out`,
      );
      stage.fact(`dataset: entry ${found.record.index}, record ${found.record.rec}`);
      return found;
    });

    const trained = await stage.step("Train a small language model; record run, metrics, checkpoints", 20, async () => {
      const found = await trainOnRecord(api, prepared, SEED, ({ step, loss, heldOutLoss }, steps) => {
        stage.progress(
          `step ${step} of ${steps}, loss ${loss.toFixed(2)}${heldOutLoss === undefined ? "" : `, on held-out text ${heldOutLoss.toFixed(2)}`}`,
        );
      });
      const { result } = found;
      stage.fact(
        `${result.parameters} weights, ${result.step} steps, ${found.checkpoints.length} checkpoints, each naming the one before it`,
      );
      stage.fact(
        `loss on held-out text ${result.heldOutLoss?.toFixed(3) ?? "?"} nats a token (guessing evenly: ${result.uniformLoss.toFixed(3)}; by frequency alone: ${result.unigramLoss?.toFixed(3) ?? "?"})`,
      );
      if ((result.heldOutLoss ?? Infinity) < (result.unigramLoss ?? result.uniformLoss))
        stage.fact("✓ better than guessing by frequency on text it has never seen");
      else stage.fact("not better than guessing by frequency on text it has never seen: the corpus is small");
      return found;
    });

    model = await stage.step("Record the model and serve it behind the gateway", 3, async () => {
      const standing = { model: trained.model.rec, sha256: trained.modelSha256 };
      writeStanding(work, trained.result.weights, standing);
      const server = await startModel(modelFile(work));
      await serveModel(running, server, standing);
      stage.holds(
        `the served file is the recorded model (sha256 ${server.sha256.slice(0, 16)}…)`,
        server.sha256 === trained.modelSha256,
      );
      return server;
    });

    const answers = await stage.step("Ask it with the official OpenAI client", 8, () =>
      askAll(stage, running.url, api.key, prepared, SEED),
    );
    const asked = answers[0];
    const toRemove = answers[1];
    if (asked === undefined || toRemove === undefined)
      throw new DemoError("story/failed", "the corpus gave no prompts");

    const files = await stage.step("Receipt, trace, evidence; verify it offline, with the verifier alone", 4, () =>
      prove(stage, spur, api, running, asked.rec, scratch),
    );

    const older = join(scratch, "older-copy");
    await stage.step("Remove one answer's content, lawfully", 6, async () => {
      await api.json("POST", "/spur/v1/backup", { to: older });
      const removal = await api.json<{ state: string; order: { index: number }; completed: { index: number } }>(
        "POST",
        "/spur/v1/removals",
        {
          rec: toRemove.rec,
          basis: "erasure-request",
          reason: "the demo asks for it",
        },
      );
      stage.holds(
        `ordered (entry ${removal.order.index}), published, destroyed, completed (entry ${removal.completed.index})`,
        removal.state === "completed",
      );
      stage.holds(
        "its content is gone: 410",
        (await api.status("POST", `/spur/v1/records/${toRemove.rec}/open`, { slots: ["response"] })) === 410,
      );
      const after = join(scratch, "removed.evidence.json");
      writeFileSync(after, await api.bytes(`/spur/v1/records/${toRemove.rec}/evidence?ask=Q5`));
      const verified = await spur(["verify", after, "--trust", files.trust]);
      stage.holds("the trace of the removed answer still verifies", verified.exit === 0);
    });

    await stage.step("Put an older copy of the data in place of the true one", 6, async () => {
      await running.close();
      await model?.stop();
      await rollBack(stage, spur, { data, keys, older, aside, rec: toRemove.rec, id: toRemove.id });
      ledger = await start();
      model = await startModel(modelFile(work));
      await serveModel(ledger, model, { model: trained.model.rec, sha256: trained.modelSha256 });
      stage.holds(
        "with the true folder back, the log goes on",
        (await connect(ledger.url, api.key).json<{ size: number }>("GET", "/spur/v1/head")).size > 0,
      );
    });
    const again = connect(ledger.url, api.key);

    await stage.step("Change one byte", 4, async () => {
      await again.json("POST", "/spur/v1/publish");
      const backup = join(scratch, "copy");
      await again.json("POST", "/spur/v1/backup", { to: backup });
      await tamperAndBeRefused(stage, spur, {
        evidence: files.evidence,
        trust: files.trust,
        backup,
        keys,
        work: scratch,
        state: join(scratch, "state"),
      });
    });

    await stage.step("Replay the training from a checkpoint", 5, async () => {
      const replayed = await spur(["replay", trained.run.rec, "--url", again.url, "--key", again.key]);
      stage.holds("the same weights, bit for bit, and the replay is on record", replayed.exit === 0);
    });

    const total = stage.times.reduce((sum, { seconds }) => sum + seconds, 0);
    stage.fact(
      `the whole story took ${total.toFixed(1)} s; the budget is ${BUDGET_SECONDS} s${total > BUDGET_SECONDS ? ": this machine was slower, or busy" : ""}`,
    );
    if (options.json)
      io.stdout.write(
        `${JSON.stringify({ ok: true, url: ledger.url, seconds: total, steps: stage.times, evidence: files.evidence, trust: files.trust })}\n`,
      );
    else tell(io, options.exit ? undefined : ledger.url, files);
    if (!options.exit) await io.untilStopped?.();
    return 0;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (options.json) io.stdout.write(`${JSON.stringify({ ok: false, code, message, steps: stage.times })}\n`);
    else io.stderr.write(`\nThe demo stopped: ${message}\n`);
    if (code === undefined) io.stderr.write(`${(error as Error).stack ?? ""}\n`);
    return code === "story/failed" ? 1 : 2;
  } finally {
    await ledger?.close().catch(() => undefined);
    await model?.stop().catch(() => undefined);
    if (existsSync(aside)) putBack(data, aside);
    rmSync(join(scratch, "older-copy"), { recursive: true, force: true });
    rmSync(join(scratch, "copy"), { recursive: true, force: true });
  }
}

function tell(io: StoryIo, url: string | undefined, files: { evidence: string; trust: string }): void {
  const near = (path: string): string => (path.startsWith(`${io.cwd}/`) ? path.slice(io.cwd.length + 1) : path);
  const pages = url === undefined ? "" : `  the page:      ${url}/\n  the verifier:  ${url}/verify.html\n`;
  io.stdout.write(
    `\nEvery step did what it says. Look at it yourself:\n${pages}  npx spur verify ${near(files.evidence)} --trust ${near(files.trust)}\n${url === undefined ? "  npm start      serves the demo again\n" : ""}`,
  );
}

/** Receipt, trace, evidence; then the verifier in a process of its own, with and without trust. */
async function prove(
  stage: Stage,
  spur: Spur,
  api: Api,
  ledger: RunningLedger,
  rec: string,
  scratch: string,
): Promise<{ evidence: string; trust: string }> {
  const receipt = join(scratch, "answer.receipt.json");
  writeFileSync(receipt, await api.bytes(`/spur/v1/records/${rec}/receipt`));
  stage.fact("the caller's receipt: signed, with his own request and answer opened");
  const { entries } = await api.json<{ entries: { type: string; index: number }[] }>(
    "GET",
    `/spur/v1/records/${rec}/trace`,
  );
  const has = (type: string): boolean => entries.some((entry) => entry.type === `spur:${type}/v1`);
  const chain = ["output", "decision", "deployment", "model", "checkpoint", "training-run", "dataset", "source"];
  stage.holds(`the trace: ${chain.join(" → ")}`, chain.every(has));
  const evidence = join(scratch, "answer.evidence.json");
  writeFileSync(evidence, await api.bytes(`/spur/v1/records/${rec}/evidence?ask=lineage&open=request,response`));
  const trust = join(scratch, "trust.json");
  writeFileSync(trust, `${JSON.stringify({ format: "spur-trust/v1", policy: `log ${ledger.vkey}\nquorum none\n` })}\n`);
  const [trusted, untrusted] = await Promise.all([
    spur(["verify", evidence, "--trust", trust]),
    spur(["verify", evidence], { XDG_CONFIG_HOME: join(scratch, "nobody-trusted") }),
  ]);
  stage.fact(trusted.text.trim().split("\n")[0] ?? "");
  stage.holds("verified, under a trust file made from the log's key", trusted.exit === 0);
  stage.holds(
    "without trust: signer unknown, exit 2, never green",
    untrusted.exit === 2 && /signer unknown/i.test(untrusted.text),
  );
  return { evidence, trust };
}

/** An older copy in place of the true folder: it must be noticed, nothing may be deleted, and the removed content must stay gone. */
async function rollBack(
  stage: Stage,
  spur: Spur,
  {
    data,
    keys,
    older,
    aside,
    rec,
    id,
  }: { data: string; keys: string; older: string; aside: string; rec: string; id: string },
): Promise<void> {
  renameSync(data, aside);
  try {
    cpSync(older, data, { recursive: true });
    const before = digestOfFolder(data);
    const keysBefore = digestOfFolder(keys);
    const refused = await startLedger({ data, port: 0, demo: true, env: {}, cwd: data }).then(
      async (started) => {
        await started.close();
        return "it started";
      },
      (error: { code?: string }) => error.code,
    );
    stage.holds("the ledger notices the rollback and stops", refused === "log/rolled-back");
    stage.holds(
      "nothing was changed or deleted",
      digestOfFolder(data) === before && digestOfFolder(keys) === keysBefore,
    );
    const custody = await spur(["audit", "--custody", "--data", data, "--keys", keys]);
    stage.holds(
      "the older copy opens nothing: its root key is gone",
      custody.exit !== 0 && /root-missing/.test(custody.text),
    );
    const found = [...filesOf(data), ...filesOf(keys)].some((file) => readFileSync(file).includes(id));
    stage.holds(
      `the bytes of answer ${rec.slice(0, 8)}… (it called itself ${id}) are in none of its files`,
      id.length > 12 && !found,
    );
  } finally {
    putBack(data, aside);
  }
}

function putBack(data: string, aside: string): void {
  rmSync(data, { recursive: true, force: true });
  renameSync(aside, data);
}

function filesOf(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** Names and bytes of every file but the locks, which a start opens. */
function digestOfFolder(folder: string): string {
  const hash = createHash("sha256");
  for (const file of filesOf(folder).sort()) {
    if (/lock\.sqlite|-shm$|-wal$/.test(file)) continue;
    hash
      .update(file)
      .update("\0")
      .update(createHash("sha256").update(readFileSync(file)).digest());
  }
  return hash.digest("hex");
}
