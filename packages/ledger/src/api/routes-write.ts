import type { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { SpurError } from "../errors.ts";
import { takeBatch } from "./batch.ts";
import { draftsOfJson, json, rawStatement } from "./bodies.ts";
import type { ApiContext } from "./context.ts";
import { wireRecorded } from "./wire-recorded.ts";
import { demandWritable } from "./writable.ts";

const MAX_BODY = 64 * 1024 * 1024;

/** Writing records: what statements from elsewhere come in by. */
export function writeRoutes(app: FastifyInstance, context: ApiContext): void {
  const { ledger } = context;

  app.post("/spur/v1/records", { bodyLimit: MAX_BODY }, async (request, reply) => {
    const key = context.require(request.headers, "write");
    const drafts = rawStatement(request, key) ?? draftsOfJson(json(request), key);
    const recorded = await ledger.recordReady(await demandWritable(ledger, drafts));
    return reply.code(201).send({ records: recorded.map(wireRecorded) });
  });

  // The lines are taken as they come; a body of any length is never held whole.
  app.addContentTypeParser(["application/x-ndjson", "application/jsonl"], (_request, payload, done) => {
    done(null, payload);
  });
  app.post<{ Body: Readable; Querystring: { answer?: string } }>(
    "/spur/v1/records::batch",
    { bodyLimit: Number.MAX_SAFE_INTEGER },
    async (request, reply) => {
      const key = context.require(request.headers, "write");
      const { answer = "records" } = request.query;
      if (answer !== "records" && answer !== "progress")
        throw new SpurError("http/query", "answer is records or progress", { status: 422 });
      if (typeof (request.body as Readable | undefined)?.read !== "function") {
        throw new SpurError("http/content-type", "a batch is application/x-ndjson: one JSON object a line", { status: 415 }); // prettier-ignore
      }
      reply.hijack();
      await takeBatch(context.ledger, key, request.body, reply.raw, answer);
    },
  );
}
