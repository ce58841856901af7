import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance, FastifyReply } from "fastify";
import { parseBundlePath, parseTilePath, tileWidth } from "@spur/verifier/tlog/tile";
import { VerifyError } from "@spur/verifier/errors";
import { SpurError } from "../errors.ts";
import type { ApiContext } from "./context.ts";

/** The published log (C2SP tlog-tiles), for anybody: no key, every origin. */
export function logRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get("/log/checkpoint", async (_request, reply) => {
    const bytes = await fileOr(join(context.logFolder, "checkpoint"));
    if (bytes === undefined) throw new SpurError("log/not-published", "nothing is published yet", { status: 404 });
    return reply
      .header("content-type", "text/plain; charset=utf-8")
      .header("cache-control", "no-cache, max-age=1")
      .header("access-control-allow-origin", "*")
      .send(bytes);
  });

  app.get<{ Params: { "*": string } }>("/log/tile/*", async (request, reply) => {
    const path = `tile/${request.params["*"]}`;
    const { published } = await context.ledger.thread.call("head");
    const wanted = placeOf(path);
    // Files of unpublished entries may lie there already: nothing beyond the published size is served.
    if (wanted === undefined || tileWidth(wanted.level, wanted.index, published) < wanted.width) throw noTile(path);
    const bytes = await fileOr(join(context.logFolder, path));
    if (bytes === undefined) throw noTile(path); // a partial tile may have given way to its full one
    return immutable(reply, bytes);
  });
}

/** Level, index and width of a tile or bundle; the path is re-encoded and compared, so nothing else can be named by it. */
function placeOf(path: string): { level: number; index: number; width: number } | undefined {
  try {
    return path.startsWith("tile/entries/") ? { level: 0, ...parseBundlePath(path) } : parseTilePath(path);
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}

const noTile = (path: string): SpurError => new SpurError("log/no-tile", path, { status: 404 });

function immutable(reply: FastifyReply, bytes: Buffer): FastifyReply {
  return reply
    .header("content-type", "application/octet-stream")
    .header("cache-control", "public, max-age=31536000, immutable")
    .header("access-control-allow-origin", "*")
    .send(bytes);
}

async function fileOr(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
