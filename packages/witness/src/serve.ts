import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SpurError } from "./errors.ts";
import { makeFolder } from "./files.ts";
import { DailyAllowance, Refusals } from "./limits.ts";
import { lockFolder } from "./lock.ts";
import { openKeys, writeMemory } from "./memory.ts";
import { mirroredFile, mirroredLogs, mirrorFolder } from "./mirror/routes.ts";
import { witnessPage, type LogShown } from "./page.ts";
import { createWitnessServer, TEXT, type Answer, type Routes } from "./server.ts";
import { Store } from "./store.ts";
import { Witness } from "./witness.ts";

/** How often the keys folder is told how far the data folder is, at most. */
const REMEMBER_MS = 5_000;

const REQUEST_MS = 10_000;

/** Logs on the page; a witness may have tens of thousands. */
const SHOWN = 1_000;

export interface ServeOptions {
  readonly data: string;
  /** Never inside `data`: an older copy of the data must not bring an older memory along. */
  readonly keys: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Of a new witness; a random one below spur.invalid where it is left out. */
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How long a request may take to arrive: ten seconds where it is left out. */
  readonly requestMs?: number;
  /** An error that no client caused. */
  readonly onError: (error: unknown) => void;
}

export interface RunningWitness {
  readonly url: string;
  readonly name: string;
  /** Ed25519 first; ML-DSA-44 where it has one. */
  readonly vkeys: readonly string[];
  readonly logs: number;
  /** Resolves if a write fails in a way that leaves unknown what is on disk: then it signs nothing more, and must be ended. */
  readonly failed: Promise<SpurError>;
  close(): Promise<void>;
}

/**
 * Starts a witness. Nothing is written or signed before both folders are found to belong together. Throws `data/locked`,
 * `data/network-folder`, `data/too-new`, `config/keys-inside-data`, `config/port-taken`, and what `openKeys` throws.
 */
export async function startWitness(options: ServeOptions): Promise<RunningWitness> {
  const { data, keys, now } = options;
  if (`${keys}/`.startsWith(`${data}/`)) {
    throw new SpurError("config/keys-inside-data", `${keys} is inside ${data}`, {
      hint: "Leave --keys out, or name a folder elsewhere.",
    });
  }
  makeFolder(data);
  makeFolder(keys, 0o700);
  const lock = lockFolder(data);
  let store: Store | undefined;
  try {
    store = new Store(data, { create: true });
    const signing = openKeys(
      keys,
      store.meta(),
      options.name,
      () => `witness-${randomBytes(4).toString("hex")}.spur.invalid`,
    );
    let fail: (error: SpurError) => void = () => {};
    const failed = new Promise<SpurError>((resolve) => (fail = resolve));
    const witness = new Witness(store, signing, {
      now,
      allowance: new DailyAllowance(now),
      onFatal: (error) => fail(error),
    });
    const server = createWitnessServer(routesOf(data, store, witness, now), new Refusals(now), {
      requestMs: options.requestMs ?? REQUEST_MS,
      onError: options.onError,
    });
    const remember = rememberer(keys, store, options.onError);
    remember();
    await listen(server, options.host, options.port);
    const timer = setInterval(remember, REMEMBER_MS);
    const opened = store;
    return {
      url: urlOf(server),
      name: signing[0]?.name ?? "",
      vkeys: signing.map(({ vkey }) => vkey),
      logs: store.counts().logs,
      failed,
      async close() {
        clearInterval(timer);
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeIdleConnections();
          setTimeout(() => server.closeAllConnections(), 1_000).unref();
        });
        remember();
        opened.close();
        lock.release();
      },
    };
  } catch (error) {
    store?.close();
    lock.release();
    throw error;
  }
}

/** Tells the keys folder how far the data folder is: what is durable there, so never more than a restored copy of now would have. */
function rememberer(keys: string, store: Store, onError: (error: unknown) => void): () => void {
  let told = -1;
  return () => {
    try {
      const meta = store.meta();
      if (meta.commits === told) return;
      writeMemory(keys, meta);
      told = meta.commits;
    } catch (error) {
      onError(error);
    }
  };
}

function routesOf(data: string, store: Store, witness: Witness, now: () => number): Routes {
  let made: { atMs: number; answer: Answer } | undefined;
  /** Made anew once a second at most, however often it is asked for. */
  const page = (): Answer => {
    if (made === undefined || Math.abs(now() - made.atMs) > 1_000) {
      const { logs } = store.counts();
      made = { atMs: now(), answer: html(witnessPage(witness.keys, shownLogs(data, store), logs, store.conflicts())) };
    }
    return made.answer;
  };
  return {
    addCheckpoint: (body) => witness.addCheckpoint(body),
    async read(path, gzip) {
      const [, hash = "", file = ""] = /^\/([0-9a-f]{64})\/(.+)$/.exec(path) ?? [];
      if (file === "checkpoint") {
        const body = store.stateByHash(hash)?.note;
        return body === undefined ? undefined : text(200, body);
      }
      // Another prefix than the witness's own: its checkpoint and a copy's are of different sizes at times (C2SP tlog-mirror demands it).
      const [, copied = "", below = ""] = /^\/mirror\/([0-9a-f]{64})\/(.+)$/.exec(path) ?? [];
      if (copied !== "") return mirroredFile(mirrorFolder(data, copied), below, gzip);
      if (path === "/health") return health(store, witness);
      if (path === "/vkeys") return text(200, witness.keys.map(({ vkey }) => `${vkey}\n`).join(""));
      return path === "/" ? page() : undefined;
    },
  };
}

/** The first logs by name, and every copy that is kept here. */
function shownLogs(data: string, store: Store): LogShown[] {
  const mirrored = new Map(mirroredLogs(data).map((one) => [one.origin, one.size]));
  const known = store.logs(SHOWN);
  const only = [...mirrored.keys()].filter((origin) => !known.some((log) => log.origin === origin));
  return [...known, ...only.map((origin) => ({ origin, keys: [] }))].map((log) => {
    const state = store.state(log.origin);
    const copy = mirrored.get(log.origin);
    return { log, ...(state === undefined ? {} : { state }), ...(copy === undefined ? {} : { mirrored: copy }) };
  });
}

function health(store: Store, { keys, signs }: Witness): Answer {
  const { logs, conflicts } = store.counts();
  const vkeys = keys.map(({ vkey }) => vkey);
  const body = {
    status: signs ? "ok" : "stopped",
    name: keys[0]?.name,
    vkeys,
    logs,
    cosigned: store.meta().commits,
    conflicts,
  };
  return {
    status: signs ? 200 : 503,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: `${JSON.stringify(body)}\n`,
  };
}

function text(status: number, body: string): Answer {
  return { status, headers: { "content-type": TEXT, "cache-control": "no-cache, max-age=1" }, body };
}

function html(body: string): Answer {
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy":
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-cache, max-age=1",
  };
  return { status: 200, headers, body };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EADDRINUSE") reject(cause);
      else {
        reject(
          new SpurError("config/port-taken", `somebody listens on ${host}:${port} already`, {
            hint: "Choose another with --listen, or port 0 for any free one.",
            cause,
          }),
        );
      }
    });
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
