import { resolve } from "node:path";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { toBase64 } from "@spur/verifier/bytes";
import { EMPTY_ROOT } from "@spur/verifier/tlog/merkle";
import { parseEntry } from "@spur/verifier/statement/entry";
import { custody, fileOf } from "../custody.ts";
import { SpurError } from "../errors.ts";
import { newRec } from "../record.ts";
import { SCOPES, type AccessKey } from "./access.ts";
import type { ApiContext } from "./context.ts";
import { publishedLog } from "./gather.ts";
import { getPayload, putPayload } from "./payloads.ts";
import type { createQuestions } from "./questions.ts";
import { closeRegisters } from "./registers.ts";
import { parseBasis, removeContents } from "./removals.ts";
import { shownWitnesses } from "./witnesses.ts";
import { checked, json } from "./bodies.ts";

const MAX_PAYLOAD = 256 * 1024 * 1024;

/** What the operator and his tools ask of the ledger as a whole. */
export function adminRoutes(
  app: FastifyInstance,
  context: ApiContext,
  questions: ReturnType<typeof createQuestions>,
): void {
  const { ledger, projector, config } = context;

  app.get("/spur/v1/head", async (request) => {
    const head = await ledger.thread.call("head");
    const { origin, vkey, receiptsVkey } = ledger.thread.info;
    const log = await publishedLog(context.logFolder);
    const { published } = head;
    // A stranger learns of entries when a checkpoint covers them, not the moment they come.
    const insider = context.keys.authenticate(request.headers) !== undefined;
    const size = insider ? head.size : (log?.size ?? 0);
    const root = insider ? toBase64(head.root) : toBase64(log?.root ?? EMPTY_ROOT);
    return {
      origin, vkey, receiptsVkey, size, root, demo: config.demo, version: context.version, contentDays: config.contentDays,
      published: log === undefined ? null : { size: published, checkpoint: log.checkpoint },
      ...(head.witnesses === undefined ? {} : { witnesses: shownWitnesses(head.witnesses, insider) }),
    }; // prettier-ignore
  });

  app.post("/spur/v1/publish", async (request) => {
    context.require(request.headers, "write");
    const { size } = await context.publish();
    const log = await publishedLog(context.logFolder);
    return { size, ...(log === undefined ? {} : { checkpoint: log.checkpoint }) };
  });

  app.put("/spur/v1/payloads", { bodyLimit: MAX_PAYLOAD }, async (request) => {
    context.require(request.headers, "write");
    const body = request.body as Buffer | undefined;
    return putPayload(config.data, body ?? Buffer.alloc(0));
  });

  app.get<{ Params: { sha256: string } }>("/spur/v1/payloads/:sha256", async (request, reply) => {
    const bytes = await getPayload(config.data, request.params.sha256);
    if (bytes === undefined) throw new SpurError("payload/unknown", request.params.sha256, { status: 404 });
    return reply
      .header("content-type", "application/octet-stream")
      .header("cache-control", "public, max-age=31536000, immutable")
      .send(bytes);
  });

  app.post("/spur/v1/removals", async (request) => {
    const key = context.require(request.headers, "remove");
    const schema = z.strictObject({
      rec: z.string().optional(), recs: z.array(z.string()).min(1).max(1000).optional(), basis: z.string(),
      reason: z.string().max(4000).optional(), request: z.string().max(4000).optional(),
    }); // prettier-ignore
    const body = checked(schema, json(request));
    const recs = body.recs ?? (body.rec === undefined ? [] : [body.rec]);
    if (recs.length === 0) throw new SpurError("http/body", "rec or recs is missing", { status: 422 });
    for (const rec of recs) await demandRemovable(context, rec, key);
    const results = await removeContents(ledger, {
      recs, basis: parseBasis(body.basis), who: `${key.id} ${key.label}`,
      ...(body.reason === undefined ? {} : { reason: body.reason }), ...(body.request === undefined ? {} : { request: body.request }),
    }); // prettier-ignore
    const voids = new Date(context.now()).toISOString();
    return recs.length === 1
      ? { ...results[0], voidsBackupsBefore: voids }
      : { removals: results, voidsBackupsBefore: voids };
  });

  app.post("/spur/v1/registers/close", async (request) => {
    context.require(request.headers, "write");
    const { rec, index } = await closeRegisters(ledger);
    return { rec, index };
  });

  app.post("/spur/v1/custody", async (request) => {
    const key = context.require(request.headers, "open");
    const { size } = await ledger.thread.call("head");
    await ledger.record([accessForAudit(key.id, key.label)]);
    return custody({
      size,
      entries: (from, count) => ledger.thread.call("read", from, Math.min(count, size - from)),
      payloads: (from, limit) => ledger.thread.call("custodyPage", from, limit),
      file: (name) => fileOf(config.data, name),
    });
  });

  app.post("/spur/v1/backup", async (request) => {
    context.require(request.headers, "admin");
    const { to } = checked(z.strictObject({ to: z.string().min(1).max(4096) }), json(request));
    return context.backup(resolve(to));
  });

  app.get("/spur/v1/keys", async (request) => {
    context.require(request.headers, "admin");
    return { keys: await context.keys.list() };
  });

  app.post("/spur/v1/keys", async (request, reply) => {
    context.require(request.headers, "admin");
    const body = checked(
      z.strictObject({ label: z.string().max(200).default(""), scopes: z.array(z.enum(SCOPES)).min(1) }),
      json(request),
    );
    return reply.code(201).send(await context.keys.create(body.label, body.scopes));
  });

  app.delete<{ Params: { id: string } }>("/spur/v1/keys/:id", async (request, reply) => {
    context.require(request.headers, "admin");
    await context.keys.revoke(request.params.id);
    return reply.code(204).send();
  });

  app.get("/spur/v1/questions", () => questions());

  app.get("/health", async (request, reply) => {
    const { size, published, failed, witnesses } = await ledger.thread.call("head");
    const insider = context.keys.authenticate(request.headers) !== undefined;
    const shown = {
      size: insider ? size : published,
      published,
      ...(witnesses === undefined ? {} : { witnesses: shownWitnesses(witnesses, insider) }),
    };
    if (failed === undefined) return { status: "ok", ...shown };
    return reply.code(503).send({ status: "failing", ...shown });
  });

  app.get("/metrics", async (request, reply) => {
    const { size: all, published } = await ledger.thread.call("head");
    const size = context.keys.authenticate(request.headers) === undefined ? published : all;
    const counts = await projector.query("counts", size);
    const lines = [
      "# HELP spur_log_entries Entries committed to the log.",
      "# TYPE spur_log_entries counter",
      `spur_log_entries ${size}`,
      "# HELP spur_log_published Entries under the published checkpoint.",
      "# TYPE spur_log_published gauge",
      `spur_log_published ${published}`,
      "# HELP spur_entries Entries by predicate type.",
      "# TYPE spur_entries counter",
      ...counts.map(({ type, n }) => `spur_entries{type="${type}"} ${n}`),
      "# HELP process_resident_memory_bytes Resident memory.",
      "# TYPE process_resident_memory_bytes gauge",
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    ];
    return reply.header("content-type", "text/plain; version=0.0.4; charset=utf-8").send(`${lines.join("\n")}\n`);
  });
}

function accessForAudit(id: string, label: string) {
  return {
    rec: newRec(),
    predicateType: "spur:access/v1",
    predicate: { purpose: "audit" },
    slots: [Buffer.from("all"), Buffer.from("custody audit"), Buffer.from(JSON.stringify({ key: id, label }))],
    evidence: "observed",
    retention: "people",
    owner: "",
  } as const;
}

/** Contents may be removed; the sealed who and why of removals, openings and policies only by the operator, since they answer for him. */
async function demandRemovable(context: ApiContext, rec: string, key: AccessKey): Promise<void> {
  const place = await context.ledger.thread.call("locate", rec);
  if (place === undefined) return; // told by the order itself: unknown, or still being answered
  const entry = parseEntry(await context.ledger.entryBytes(place.index));
  if (entry.commitment === undefined) {
    throw new SpurError("removal/no-content", `${rec} is a ${entry.reg} entry without sealed content`, {
      status: 422,
      hint: "Nothing was removed, and no backup is void.",
    });
  }
  if (["people", "system", "service"].includes(entry.retention) && !key.scopes.has("admin")) {
    throw new SpurError("access/scope", `removing the content of ${entry.reg} needs a key with scope admin`, {
      status: 403,
    });
  }
}
