import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { useSha256 } from "@spur/verifier/hash";
import { parseEntry } from "@spur/verifier/statement/entry";
import { AccessKeys } from "./api/access.ts";
import type { ApiContext } from "./api/context.ts";
import { createQuestions } from "./api/questions.ts";
import { closeRegisters, closingIsDue } from "./api/registers.ts";
import { removeDue, resumeRemovals } from "./api/removals.ts";
import { createServer } from "./api/server.ts";
import { backupRunning } from "./backup.ts";
import { contentDaysOf, resolveConfig, type ConfigSource, type LedgerConfig } from "./config.ts";
import { deploymentOf, policyInForce, recordOwnKeys, type DeploymentWanted } from "./deployments.ts";
import { SpurError } from "./errors.ts";
import { discover } from "./gateway/discover.ts";
import { registerGateway } from "./gateway/routes.ts";
import { probeUpstream, type ServedModel } from "./gateway/upstream.ts";
import { LedgerThread } from "./ledger-thread.ts";
import { nativeSha256 } from "./native-sha256.ts";
import { Projector } from "./projections/projector.ts";
import { Ledger, newRec } from "./record.ts";
import { writeDurable } from "./storage/durable-file.ts";

export const VERSION = "0.1.0";
const HOUR_MS = 3_600_000;

/** A ledger that answers. */
export interface RunningLedger {
  readonly url: string;
  readonly origin: string;
  readonly vkey: string;
  readonly receiptsVkey: string;
  /** At the first start only: shown once. It also lies in the keys folder, for commands of the same user. */
  readonly operatorKey?: string;
  /** What its operator should read. */
  readonly notices: readonly string[];
  readonly config: LedgerConfig;
  readonly ledger: Ledger;
  /** Puts a model behind the gateway, its deployment on record first. */
  serve(model: ServeModel): Promise<void>;
  publish(): Promise<{ size: number }>;
  close(): Promise<void>;
}

export interface ServeModel extends Omit<DeploymentWanted, "upstream"> {
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly listed?: { readonly id: string };
}

export interface StartOptions extends ConfigSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Called when the ledger can no longer promise anything; by default the process ends with 70. */
  readonly onFatal?: (error: SpurError) => void;
  /** The time of day, in milliseconds since 1970; by default the system's. */
  readonly now?: () => number;
}

/** Recovers, starts and serves; rejects with the reason (and does nothing) where the ledger must not run. */
export async function startLedger(options: StartOptions): Promise<RunningLedger> {
  const { env, cwd, onFatal, now = () => Date.now(), ...source } = options;
  const config = resolveConfig(source, env, cwd);
  useSha256(nativeSha256);
  const logger = pino({ level: config.logLevel, base: null }, pino.destination({ dest: 2, sync: false }));
  const fatal =
    onFatal ??
    ((error: SpurError): void => {
      logger.fatal({ code: error.code }, `${error.message}; the process ends, callers retry with the same rec`);
      setTimeout(() => process.exit(70), 100); // lets the 503 answers leave
    });
  const { data, keys, origin, publishEveryMs } = config;
  const thread = await LedgerThread.start({ data, keys, origin, publishEveryMs }, fatal);
  const timers: NodeJS.Timeout[] = [];
  try {
    const ledger = new Ledger(thread, { data, now, lastAtMs: await lastAtMs(thread) });
    const projector = new Projector(join(data, "projections.sqlite"), (from, count) =>
      thread.call("read", from, count),
    );
    const notices: string[] = [];
    if ((await thread.call("head")).size === 0) await recordOwnKeys(ledger);
    const access = await AccessKeys.load(thread, now);
    const operatorKey = await firstKey(access, thread, keys);
    const interrupted = await ledger.endInterrupted();
    if (interrupted > 0)
      notices.push(`${interrupted} answers were cut short by the last stop; they are on record as interrupted`);
    const entryAt = async (index: number) => parseEntry(await ledger.entryBytes(index));
    const resumed = await resumeRemovals(ledger, entryAt);
    if (resumed > 0) notices.push(`${resumed} removals that the last stop interrupted are completed`);
    const logFolder = join(data, "log");
    const publish = () => thread.call("publish");
    const gather = { ledger, projector, folder: logFolder, publish };
    const context: ApiContext = {
      config, ledger, projector, keys: access, logFolder, now, version: VERSION, publish,
      require: (headers, scope) => access.require(headers, scope),
      backup: (to) => backupRunning(thread, data, to),
    }; // prettier-ignore
    const app = createServer(context, createQuestions(gather), logger);
    const served = new Map<string, ServedModel>();
    registerGateway(app, {
      recorder: ledger,
      authenticate: (headers) => access.authenticate(headers),
      upstreams: served,
      nowMs: now,
      newRec,
      logger,
    });
    const serve = async ({ baseUrl, apiKey, listed, ...wanted }: ServeModel): Promise<void> => {
      const policy = await policyInForce(ledger);
      const deployment = await deploymentOf(ledger, { ...wanted, upstream: baseUrl });
      served.set(wanted.modelName, {
        model: wanted.modelName, baseUrl, deployment, policy: policy.rec, policyVersion: policy.version,
        contentDays: wanted.contentDays, keepNothing: wanted.contentDays === 0,
        ...(apiKey === undefined ? {} : { apiKey }), ...(listed === undefined ? {} : { listed }),
      }); // prettier-ignore
    };
    notices.push(...(await connectUpstreams(config, env, serve)));
    const url = await app.listen({ host: config.host, port: config.port }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EADDRINUSE") throw cause;
      throw new SpurError("config/port-taken", `port ${config.port} of ${config.host} is taken`, { hint: "Choose another with --port, or 0 for any free one.", cause }); // prettier-ignore
    });
    const chores = async (atStart: boolean): Promise<void> => {
      await removeDue(ledger, now(), async (index) => (await entryAt(index)).rec);
      // A new log gets its first closing after an hour, not at once.
      if (atStart && (await projector.query("last", "spur:registers/v1")) === undefined) return;
      if (await closingIsDue(ledger, projector, now())) await closeRegisters(ledger);
    };
    let working = Promise.resolve();
    const work = (atStart: boolean): void => {
      working = chores(atStart).catch((error: unknown) => {
        logger.error({ error: (error as Error).message }, "daily work failed; it is tried again in an hour");
      });
    };
    work(true);
    timers.push(
      setInterval(() => {
        work(false);
      }, HOUR_MS).unref(),
    );
    return {
      url: url.replace("[::1]", "localhost"),
      origin: thread.info.origin,
      vkey: thread.info.vkey,
      receiptsVkey: thread.info.receiptsVkey,
      ...(operatorKey === undefined ? {} : { operatorKey }),
      notices,
      config,
      ledger,
      serve,
      publish,
      async close() {
        for (const timer of timers) clearInterval(timer);
        await app.close();
        await working;
        await publish().catch(() => undefined);
        await projector.close();
        await thread.close();
      },
    };
  } catch (error) {
    await thread.close().catch(() => undefined);
    throw error;
  }
}

/** Hours in the log never go back, whatever the clock does between two starts. */
async function lastAtMs(thread: LedgerThread): Promise<number> {
  const { size } = await thread.call("head");
  if (size === 0) return 0;
  const [bytes] = await thread.call("read", size - 1, 1);
  const { at } = parseEntry(bytes as Uint8Array);
  return Date.parse(at.replace("Z", ":00:00Z"));
}

/** The operator's key: made at the first start, shown once, and kept in the keys folder for the same user's commands. */
async function firstKey(access: AccessKeys, thread: LedgerThread, folder: string): Promise<string | undefined> {
  if ((await thread.call("accessKeys")).length > 0) return undefined;
  const { key } = await access.create("operator", ["write", "open", "remove", "admin"]);
  writeDurable(join(folder, "operator.key"), Buffer.from(`${key}\n`), 0o600);
  return key;
}

async function connectUpstreams(
  config: LedgerConfig,
  env: Readonly<Record<string, string | undefined>>,
  serve: (model: ServeModel) => Promise<void>,
): Promise<string[]> {
  const notices: string[] = [];
  for (const upstream of config.upstreams) {
    const apiKey = upstream.keyEnv === undefined ? undefined : env[upstream.keyEnv];
    if (upstream.keyEnv !== undefined && apiKey === undefined) {
      throw new SpurError("config/upstream-key", `${upstream.keyEnv} is not set`, {
        hint: `Set it to the credential of ${upstream.url}.`,
      });
    }
    const { baseUrl, models } = await probeUpstream(upstream.url, apiKey);
    const wanted = upstream.models === undefined ? models : models.filter(({ id }) => upstream.models?.includes(id));
    const contentDays = upstream.content === undefined ? config.contentDays : contentDaysOf(upstream.content);
    const operator = /^https?:\/\/(127\.|localhost|\[::1\])/.test(baseUrl) ? "self" : "third-party";
    for (const listed of wanted) {
      await serve({
        modelName: listed.id,
        baseUrl,
        contentDays,
        operator,
        listed,
        ...(apiKey === undefined ? {} : { apiKey }),
      });
    }
    notices.push(`${upstream.url}: ${wanted.map(({ id }) => id).join(", ") || "no models"}; ${keeps(contentDays)}`);
  }
  if (config.upstreams.length === 0 && config.discover) {
    const found = await discover();
    for (const { name, baseUrl, models } of found) {
      for (const listed of models)
        await serve({ modelName: listed.id, baseUrl, contentDays: config.contentDays, operator: "self", listed });
      notices.push(
        `found ${name} at ${baseUrl}: ${models.map(({ id }) => id).join(", ")}; ${keeps(config.contentDays)}`,
      );
    }
    if (found.length === 0) {
      notices.push(
        "No model server was found on this machine: recording only. Three ways to connect one:",
        "  start Ollama, llama.cpp, vLLM or LM Studio on its usual port, and start Spur again",
        "  npx spur up --upstream http://127.0.0.1:8000/v1",
        "  npx spur up --upstream https://api.deepseek.com --upstream-key-env DEEPSEEK_API_KEY",
      );
    }
  }
  return notices;
}

const keeps = (days: number): string =>
  days === 0 ? "contents are not kept" : `contents are kept ${days} days, then removed, on record`;

/** The package's version as published; the constant and the manifest are compared by a test. */
export function manifestVersion(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}
