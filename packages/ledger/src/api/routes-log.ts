import { hash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { parseVkey } from "@spur/verifier/note/note";
import { SpurError } from "../errors.ts";
import { acceptsGzip, hasTag } from "./conditions.ts";
import type { ApiContext } from "./context.ts";
import { FIRST_BYTES, LogFiles, placeOf, type Content, type Place } from "./log-files.ts";
import { PackedBundles } from "./packed-bundles.ts";

/** Of a path that names nothing: told back, but not at any length. */
const MAX_TOLD = 80;
/** Shorter bundles, of an entry or two, gain nothing. */
const MIN_PACKED_BYTES = 512;
/** Longer ones go as they are, piece by piece: compressed, each reader would keep one in memory. */
const MAX_PACKED_BYTES = 2 * FIRST_BYTES;

/** The published log (C2SP tlog-tiles), for anybody: no key, every origin. */
export function logRoutes(app: FastifyInstance, context: ApiContext): void {
  const files = new LogFiles(context.logFolder);
  const packed = new PackedBundles();
  // What is behind the path of a tile never changes while the log is this log.
  const logTag = `W/"${parseVkey(context.ledger.thread.info.vkey).keyId.toString(16)}"`;

  app.get("/log/checkpoint", async (request, reply) => {
    reply.header("access-control-allow-origin", "*");
    const bytes = await files.checkpoint();
    if (bytes === undefined) throw new SpurError("log/not-published", "nothing is published yet", { status: 404 });
    const tag = `"${hash("sha256", bytes, "hex").slice(0, 32)}"`;
    reply.headers({ "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache", etag: tag });
    return sendOr304(request, reply, tag, { body: bytes });
  });

  app.get<{ Params: { "*": string } }>("/log/tile/*", async (request, reply) => {
    // On refusals too: a page elsewhere that looks for a tile must be able to read that it is not there.
    reply.header("access-control-allow-origin", "*");
    const path = `tile/${request.params["*"]}`;
    const place = placeOf(path);
    if (place === undefined) throw noTile(path);
    const takes = place.of === "entries" && acceptsGzip(request.headers["accept-encoding"]);
    const answer = await answerOf(path, place, takes);
    if (answer === undefined) throw noTile(path);
    reply.headers({
      "content-type": "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
      etag: logTag,
      ...(place.of === "entries" ? { vary: "accept-encoding" } : {}),
    });
    return sendOr304(request, reply, logTag, answer);
  });

  async function answerOf(path: string, place: Place, takesGzip: boolean): Promise<Answer | undefined> {
    const ready = takesGzip ? packed.kept(path) : undefined;
    if (ready !== undefined) return { body: ready, encoding: "gzip" };
    const content = await files.content(place);
    if (content === undefined) return undefined;
    const { length, first } = content;
    if (takesGzip && length >= MIN_PACKED_BYTES && length <= MAX_PACKED_BYTES) {
      const body = await packed.pack(path, () => whole(content));
      if (body !== undefined) return { body, encoding: "gzip" };
    }
    return { body: length > first.length ? content : first };
  }
}

/** What is sent: at once, or piece by piece. */
interface Answer {
  readonly body: Buffer | Content;
  readonly encoding?: "gzip";
}

/** Answers 304 to who has it already, and to HEAD without a body. */
function sendOr304(
  request: FastifyRequest,
  reply: FastifyReply,
  tag: string,
  { body, encoding }: Answer,
): FastifyReply {
  if (hasTag(request.headers["if-none-match"], tag)) return reply.code(304).send();
  if (encoding !== undefined) reply.header("content-encoding", encoding);
  if (Buffer.isBuffer(body)) return reply.send(body);
  const pieces = request.method === "HEAD" ? [] : piecesOf(body);
  return reply
    .header("content-length", body.length)
    .send(Readable.from(pieces, { objectMode: false, highWaterMark: 1 }));
}

/** As the reader takes them. An error cuts the connection: he has been told how many bytes must come. */
async function* piecesOf({ first, length, at }: Content): AsyncGenerator<Buffer> {
  for (let piece = first, sent = 0; ; piece = await at(sent)) {
    yield piece;
    sent += piece.length;
    if (sent >= length) return;
  }
}

async function whole(content: Content): Promise<Buffer> {
  if (content.first.length === content.length) return content.first;
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(content)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const noTile = (path: string): SpurError =>
  new SpurError("log/no-tile", path.slice(0, MAX_TOLD), {
    status: 404,
    hint: "Tiles are named as in C2SP tlog-tiles; there are those of the published checkpoints.",
  });
