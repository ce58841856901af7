// A log on a real server, that can be made to lie, and a copy of it.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseVkey } from "@spur/verifier/note/note";
import { openLog } from "../../cli/src/fetch-log.ts";
import type { Io } from "../../cli/src/io.ts";
import { MirrorFolder } from "../src/mirror/folder.ts";
import { mirrorOnce, type Mirrored } from "../src/mirror/mirror.ts";
import type { TestLog } from "./log.ts";

/** Answers in place of the file; false leaves it to the file. */
export type Lie = (path: string, response: ServerResponse, request: IncomingMessage) => boolean;

export interface Served {
  readonly url: string;
  readonly folder: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  lie: Lie | undefined;
  close(): Promise<void>;
}

export async function serveFolder(folder: string): Promise<Served> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").slice(1);
    asked.push(path);
    if (served.lie?.(path, response, request) === true) return;
    const file = join(folder, path);
    if (existsSync(file) && statSync(file).isFile()) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const served: Served = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    folder,
    asked,
    lie: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return served;
}

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: {},
  cwd: "/",
  isTty: false,
  now: () => Date.now(),
};

/** One round of a copy, as the command makes it. */
export async function mirrorRound(
  log: TestLog,
  url: string,
  into: string,
  { timeoutMs = 10_000, ...more }: { timeoutMs?: number; progress?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<Mirrored> {
  const copy = new MirrorFolder(into);
  try {
    const source = await openLog(io, url, { timeoutMs });
    return await mirrorOnce(copy, source, { origin: log.origin, key: parseVkey(log.vkey), ...more });
  } finally {
    copy.close();
  }
}
