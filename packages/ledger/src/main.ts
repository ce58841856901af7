import { join } from "node:path";
import { pino } from "pino";
import { useSha256 } from "@spur/verifier/hash";
import { useMlDsa44 } from "@spur/verifier/note/cosignature";
import { verifyMlDsa44 } from "@spur/verifier/note/ml-dsa";
import { parseEntry, parseOuter } from "@spur/verifier/statement/entry";
import { AccessKeys } from "./api/access.ts";
import type { ApiContext } from "./api/context.ts";
import { createQuestions } from "./api/questions.ts";
import { closeRegisters, closingIsDue } from "./api/registers.ts";
import { removeDue, resumeRemovals } from "./api/removals.ts";
import { createServer } from "./api/server.ts";
import { backupRunning } from "./backup.ts";
import { resolveConfig, type ConfigSource, type LedgerConfig } from "./config.ts";
import { deploymentOf, policyInForce, recordOwnKeys } from "./deployments.ts";
import type { SpurError } from "./errors.ts";
import { registerGateway } from "./gateway/routes.ts";
import type { ServedModel } from "./gateway/upstream.ts";
import { LedgerThread } from "./ledger-thread.ts";
import { nativeSha256 } from "./native-sha256.ts";
import { Projector } from "./projections/projector.ts";
import { Ledger, newRec } from "./record.ts";
import { demandFreePort, findUpstreams, portTaken, type ServeModel } from "./surroundings.ts";
import { writeDurable } from "./storage/durable-file.ts";
import { witnessChanges, witnessNotices } from "./witness/notices.ts";
import { operatorPolicy } from "./witness/policy.ts";

export const VERSION = "0.1.0";
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

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
  useMlDsa44(verifyMlDsa44);
  const logger = pino({ level: config.logLevel, base: null }, pino.destination({ dest: 2, sync: false }));
  const fatal =
    onFatal ??
    ((error: SpurError): void => {
      const advice = error.hint ?? "callers retry with the same rec";
      logger.fatal({ code: error.code }, `${error.message}; the process ends. ${advice}`);
      setTimeout(() => process.exit(70), 100); // lets the 503 answers leave
    });
  const { data, keys, origin, publishEveryMs } = config;
  const witnesses = config.witnesses === undefined ? {} : { witnesses: config.witnesses };
  // What can be wrong outside is found before a log is made or touched.
  if (config.witnesses !== undefined) operatorPolicy(config.witnesses);
  const found = await findUpstreams(config, env);
  await demandFreePort(config);
  const thread = await LedgerThread.start({ data, keys, origin, publishEveryMs, ...witnesses }, fatal);
  const timers: NodeJS.Timeout[] = [];
  const closers: (() => Promise<unknown>)[] = [() => thread.close()]; // the last opened is closed first
  try {
    const ledger = new Ledger(thread, { data, now });
    const projector = new Projector(join(data, "projections.sqlite"), (from, count) =>
      thread.call("readPage", from, count),
    );
    closers.unshift(() => projector.close());
    const notices: string[] = [];
    if ((await thread.call("head")).size === 0) await recordOwnKeys(ledger);
    const access = await AccessKeys.load(thread, now);
    const operatorKey = await firstKey(access, thread, keys);
    const interrupted = await ledger.endInterrupted();
    if (interrupted > 0)
      notices.push(
        `${interrupted === 1 ? "One answer was" : `${interrupted} answers were`} cut short by the last stop: on record as interrupted`,
      );
    const entryAt = async (index: number) => parseEntry(await ledger.entryBytes(index));
    const resumed = await resumeRemovals(ledger, entryAt).catch((error: unknown) => {
      if ((error as SpurError).code !== "log/no-quorum") throw error;
      notices.push("Removals that were ordered wait for witnesses; nobody can read what they are about");
      return 0;
    });
    if (resumed > 0) notices.push(`${resumed} removals that the last stop interrupted are completed`);
    notices.push(...witnessNotices((await thread.call("head")).witnesses));
    const logFolder = join(data, "log");
    const publish = () => thread.call("publish");
    const gather = { ledger, projector, folder: logFolder, publish };
    const context: ApiContext = {
      config, ledger, projector, keys: access, logFolder, now, version: VERSION, publish,
      require: (headers, scope) => access.require(headers, scope),
      backup: (to) => backupRunning(thread, data, to),
    }; // prettier-ignore
    const app = createServer(context, createQuestions(gather), logger);
    closers.unshift(() => app.close());
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
    const { closed, origin: name } = thread.info;
    if (closed === undefined) notices.push(...found.notices);
    else notices.push(`${name} is closed: its key is ${closed}. It can be read and proved; nothing is added to it`);
    // A closed log knows only what was on record: who asks such a model is told why there is no answer.
    for (const model of found.models) {
      await serve(model).catch((error: unknown) => {
        if ((error as SpurError).code !== "log/retired") throw error;
      });
    }
    notices.push(`data in ${data}, keys in ${keys}: back up both, apart from each other`);
    const url = await app.listen({ host: config.host, port: config.port }).catch((cause: unknown) => {
      throw portTaken(config, cause);
    });
    const chores = async (atStart: boolean): Promise<void> => {
      if (closed !== undefined) return;
      await removeDue(ledger, now(), async (index) => parseOuter(await ledger.entryBytes(index)).rec);
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
    const changes = witnessChanges();
    const everyMinute = async (): Promise<void> => {
      for (const { failing, text } of changes((await thread.call("head")).witnesses))
        logger[failing ? "warn" : "info"]({}, text);
      // An order that could not be published, for want of witnesses or of a disk, is carried out as soon as it can be.
      await resumeRemovals(ledger, entryAt);
    };
    timers.push(
      setInterval(() => {
        everyMinute().catch((error: unknown) => {
          logger.warn({ error: (error as Error).message }, "what waits is tried again in a minute");
        });
      }, MINUTE_MS).unref(),
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
    for (const close of closers) await close().catch(() => undefined);
    throw error;
  }
}

/** The operator's key: made at the first start, shown once, and kept in the keys folder for the same user's commands. */
async function firstKey(access: AccessKeys, thread: LedgerThread, folder: string): Promise<string | undefined> {
  if ((await thread.call("accessKeys")).length > 0) return undefined;
  // Kept before it is valid: a crash between the two leaves a file that the next start writes again, never a key that nobody has.
  const { key } = await access.create("operator", ["write", "open", "remove", "admin"], (made) => {
    writeDurable(join(folder, "operator.key"), Buffer.from(`${made}\n`), 0o600);
  });
  return key;
}
