import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { fromHex, toBase64, toHex } from "@spur/verifier/bytes";
import { parseEnvelope } from "@spur/verifier/statement/dsse";
import type { Json, JsonObject } from "@spur/verifier/statement/canonical";
import { FOREIGN_TYPES } from "@spur/verifier/statement/predicates/foreign";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { canonicalBytes } from "@spur/verifier/statement/canonical";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { formatReceiptFile } from "@spur/verifier/evidence/receipt";
import { parseEntry, type Retention } from "@spur/verifier/statement/entry";
import { QUESTIONS, type Ask } from "@spur/verifier/evidence/report";
import type { Draft, Recorded } from "../draft.ts";
import { SpurError } from "../errors.ts";
import { newRec } from "../record.ts";
import type { AccessKey } from "./access.ts";
import type { ApiContext } from "./context.ts";
import { gatherEvidence, openingsOf } from "./gather.ts";
import { openRecorded, placeFor, slotNumbers, unknown } from "./open.ts";
import { parseStrictJson } from "./strict-json.ts";
import { demandWritable } from "./writable.ts";

const REC = z.string().regex(/^[0-9a-f]{32}$/);
const HEX32 = z.string().regex(/^[0-9a-f]{64}$/);
const DRAFT = z.strictObject({
  rec: REC.optional(),
  predicateType: z.string().max(200),
  predicate: z.record(z.string(), z.unknown()),
  slots: z.record(z.string(), z.union([z.string(), z.strictObject({ base64: z.base64() })])).optional(),
  digests: z.strictObject({ sha256: HEX32.optional(), spurRowsV1: HEX32.optional() }).optional(),
  contentDays: z.number().int().min(1).max(36_500).optional(),
});
const BODY = z.union([
  z.strictObject({ drafts: z.array(DRAFT).min(1).max(1000) }),
  z.strictObject({ rec: REC.optional(), bytes: z.base64() }),
  z.strictObject({ rec: REC.optional(), dsse: z.record(z.string(), z.unknown()), publish: z.boolean().optional() }),
]);

// What only the ledger itself may say: an API key cannot write decisions, keys or removals in its name.
const LEDGER_ONLY = new Set(["output", "decision", "access", "removal", "policy", "key", "registers", "alert", "successor", "deployment"].map((name) => `spur:${name}/v1`)); // prettier-ignore
const RETENTION: Record<string, Retention> = { source: "data", dataset: "data", "data-run": "data", foreign: "data" };
const MAX_BODY = 64 * 1024 * 1024;

/** Records: writing statements from elsewhere, and everything about one record. */
export function recordRoutes(app: FastifyInstance, context: ApiContext): void {
  const { ledger, projector } = context;

  app.post("/spur/v1/records", { bodyLimit: MAX_BODY }, async (request, reply) => {
    const key = context.require(request.headers, "write");
    const drafts = rawStatement(request, key) ?? draftsOf(parseBody(request), key);
    await demandWritable(ledger, drafts);
    const recorded = await ledger.record(drafts);
    return reply.code(201).send({ records: recorded.map(wireRecorded) });
  });

  app.get<{ Querystring: { limit?: Repeated; before?: Repeated; type?: Repeated } }>(
    "/spur/v1/records",
    async (request) => {
      const limit = bounded(request.query.limit, 50, 1, 500);
      const published = (await ledger.thread.call("head")).published;
      const before = Math.min(
        published,
        bounded(request.query.before, Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER),
      );
      const rows = await projector.query("list", limit, before, single(request.query.type));
      return {
        records: rows.map(({ predicate: _predicate, removed, ...row }) => ({
          ...row,
          ...(removed === null ? {} : { removed }),
        })),
      };
    },
  );

  app.get<{ Params: { rec: string } }>("/spur/v1/records/:rec", async (request) => {
    const { rec } = request.params;
    const key = context.keys.authenticate(request.headers);
    const owner = ledger.pendingOwner(rec);
    if (owner !== undefined) {
      if (key?.id !== owner) throw unknown(rec);
      return { rec, state: "pending" };
    }
    const place = await ledger.thread.call("locate", rec);
    const { published } = await ledger.thread.call("head");
    if (place === undefined || (place.index >= published && key?.id !== place.owner)) throw unknown(rec);
    const bytes = await ledger.entryBytes(place.index);
    const entry = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      statement?: { predicate?: { outcome?: string } };
    };
    const interrupted = entry.statement?.predicate?.outcome === "interrupted";
    const state =
      place.removal === undefined
        ? interrupted
          ? "interrupted"
          : "committed"
        : place.removal === "completed"
          ? "removed"
          : "removal-ordered";
    return {
      rec,
      state,
      index: place.index,
      published: place.index < published,
      ...(place.lost === true ? { content: "lost-by-restore" } : {}),
      entry,
    };
  });

  app.get<{ Params: { rec: string } }>("/spur/v1/records/:rec/trace", async (request) => {
    const row = await visibleRow(context, request.params.rec, request);
    // A stranger sees of the story what the checkpoint covers.
    const insider = context.keys.authenticate(request.headers) !== undefined;
    const { published } = await ledger.thread.call("head");
    const { entries, edges } = await projector.query("trace", row.index, insider ? Number.MAX_SAFE_INTEGER : published);
    return {
      entries: entries.map((entry) => ({ ...entry, predicate: JSON.parse(entry.predicate) as unknown, opened: [] })),
      edges,
    };
  });

  app.get<{ Params: { rec: string }; Querystring: { ask?: Repeated; open?: Repeated } }>(
    "/spur/v1/records/:rec/evidence",
    async (request, reply) => {
      const { rec } = request.params;
      const row = await visibleRow(context, rec, request);
      const ask = askOf(
        single(request.query.ask) ??
          (row.type === "spur:output/v1" ? "Q5" : row.type === "spur:training-run/v1" ? "Q8" : "lineage"),
      );
      const names = (single(request.query.open) ?? "").split(",").filter((name) => name !== "");
      let opened: ReturnType<typeof openingsOf> = [];
      if (names.length > 0) {
        const key = context.keys.authenticate(request.headers);
        if (key === undefined)
          throw new SpurError(
            "access/unauthenticated",
            "opening content needs the key that wrote the record, or scope open",
            { status: 401 },
          );
        await placeFor(ledger, rec, key);
        const slots = slotNumbers(row.type, names);
        opened = openingsOf(await openRecorded(ledger, rec, key, "evidence", "evidence file"), slots);
      }
      const bytes = await gatherEvidence(
        { ledger, projector, folder: context.logFolder, publish: () => context.publish() },
        row,
        ask,
        opened,
        context.keys.authenticate(request.headers) !== undefined,
      );
      return reply
        .header("content-type", "application/json")
        .header("content-disposition", `attachment; filename="${rec.slice(0, 8)}.evidence.json"`)
        .header("cache-control", "no-store")
        .send(Buffer.from(bytes));
    },
  );

  app.get<{ Params: { rec: string } }>("/spur/v1/records/:rec/receipt", async (request, reply) => {
    const { rec } = request.params;
    const key = context.require(request.headers, "write");
    const place = await ledger.thread.call("locate", rec);
    if (place?.owner !== key.id) throw unknown(rec);
    if (place.removal !== undefined) throw new SpurError("record/removed", rec, { status: 410 });
    const bytes = await ledger.entryBytes(place.index);
    const entry = parseEntry(bytes);
    if (entry.predicateType !== "spur:output/v1" || entry.commitment === undefined)
      throw new SpurError("receipt/none", "receipts are given for outputs", { status: 404 });
    const content = await ledger.openInside(rec).catch((error: unknown) => {
      // `content: none`: the same word before and after a restart.
      throw error instanceof SpurError && error.code === "record/no-content"
        ? new SpurError("receipt/expired", rec, { status: 410 })
        : error;
    });
    const opened = openingsOf(content, [0, 1]);
    const note = await ledger.receiptNote(rec, place.index, leafHash(bytes), entry.commitment);
    const file = formatReceiptFile({ note, vkey: ledger.thread.info.receiptsVkey, opened });
    return reply.header("content-type", "application/json").header("cache-control", "no-store").send(Buffer.from(file));
  });

  app.post<{ Params: { rec: string } }>("/spur/v1/records/:rec/open", async (request) => {
    const { rec } = request.params;
    const key = context.keys.authenticate(request.headers);
    if (key === undefined) throw new SpurError("access/unauthenticated", "no valid access key", { status: 401 });
    const { slots, reason } = checked(
      z.strictObject({ slots: z.array(z.string()).min(1).max(16), reason: z.string().max(2000).default("") }),
      json(request),
    );
    await placeFor(ledger, rec, key);
    const row = await projector.query("byRec", rec);
    if (row === undefined) throw unknown(rec);
    const numbers = slotNumbers(row.type, slots);
    const opened = await openRecorded(ledger, rec, key, "open", reason);
    return {
      opened: numbers.map((slot, i) => {
        const value = opened.slots[slot];
        return { name: slots[i], ...(value === undefined ? { absent: true } : { base64: toBase64(value) }) };
      }),
    };
  });
}

/** An entry that this caller may know of: published, or his own. */
async function visibleRow(context: ApiContext, rec: string, request: FastifyRequest) {
  const row = await context.projector.query("byRec", rec);
  if (row === undefined) throw unknown(rec);
  const { published } = await context.ledger.thread.call("head");
  if (row.index >= published) {
    const key = context.keys.authenticate(request.headers);
    const place = await context.ledger.thread.call("locate", rec);
    if (key === undefined || (place?.owner !== key.id && !key.scopes.has("open"))) throw unknown(rec);
  }
  return row;
}

function draftsOf(body: z.infer<typeof BODY>, key: AccessKey): Draft[] {
  if ("drafts" in body) return body.drafts.map((draft) => draftOf(draft, key));
  const common = { rec: body.rec ?? newRec(), evidence: "reported", retention: "data", owner: key.id } as const;
  if ("dsse" in body) {
    const envelope = parseEnvelope(body.dsse as Json);
    if (body.publish === true) return [{ ...common, predicateType: "", predicate: {}, dsse: envelope }];
    return [foreignDraft(common, "dsse", canonicalBytes(body.dsse as Json), innerType(envelope.payload))];
  }
  return [foreignDraft(common, "other", Buffer.from(body.bytes, "base64"), undefined)];
}

// A statement or envelope sent under its own media type is carried as the bytes received, sealed.
function rawStatement(request: FastifyRequest, key: AccessKey): Draft[] | undefined {
  const type = (request.headers["content-type"] ?? "").split(";")[0];
  const form =
    type === "application/vnd.in-toto+json"
      ? "statement"
      : type === "application/vnd.in-toto.dsse+json"
        ? "dsse"
        : undefined;
  if (form === undefined) return undefined;
  const bytes = request.body as Buffer;
  const common = { rec: newRec(), evidence: "reported", retention: "data", owner: key.id } as const;
  return [foreignDraft(common, form, bytes, innerType(bytes))];
}

function foreignDraft(
  common: Pick<Draft, "rec" | "evidence" | "retention" | "owner">,
  form: string,
  bytes: Uint8Array,
  type: string | undefined,
): Draft {
  const known = FOREIGN_TYPES.find((one) => one === type);
  return {
    ...common,
    predicateType: "spur:foreign/v1",
    predicate: { form, predicateType: known ?? "other", bytes: bytes.length },
    slots: [bytes],
  };
}

function innerType(payload: Uint8Array): string | undefined {
  try {
    return typeOf(JSON.parse(Buffer.from(payload).toString("utf8")) as Record<string, unknown>);
  } catch {
    return undefined; // not JSON: carried all the same, as "other"
  }
}

const typeOf = (statement: Record<string, unknown>): string | undefined =>
  typeof statement["predicateType"] === "string" ? statement["predicateType"] : undefined;

function draftOf(draft: z.infer<typeof DRAFT>, key: AccessKey): Draft {
  const known = PREDICATES.get(draft.predicateType);
  if (known === undefined || LEDGER_ONLY.has(draft.predicateType)) {
    throw new SpurError(
      "record/predicate-type",
      `${JSON.stringify(draft.predicateType)} cannot be recorded through the API`,
      { status: 422 },
    );
  }
  const named = Object.entries(draft.slots ?? {}).map(([name, value]) => {
    const slot = known.slots.indexOf(name);
    if (slot < 0)
      throw new SpurError(
        "record/slots",
        `${draft.predicateType} has no slot "${name}"; it has ${known.slots.join(", ") || "none"}`,
        { status: 422 },
      );
    return [slot, typeof value === "string" ? Buffer.from(value) : Buffer.from(value.base64, "base64")] as const;
  });
  const short = draft.predicateType.slice("spur:".length, -"/v1".length);
  return {
    rec: draft.rec ?? newRec(),
    predicateType: draft.predicateType,
    predicate: draft.predicate as JsonObject,
    ...(known.slots.length === 0
      ? {}
      : { slots: Array.from({ length: known.slots.length }, (_, i) => named.find(([slot]) => slot === i)?.[1]) }),
    ...(draft.digests === undefined ? {} : { digests: digestsOf(draft.digests) }),
    evidence: "reported",
    retention: RETENTION[short] ?? "training",
    owner: key.id,
    ...(draft.contentDays === undefined ? {} : { contentDays: draft.contentDays }),
  };
}

function digestsOf(digests: {
  sha256?: string | undefined;
  spurRowsV1?: string | undefined;
}): NonNullable<Draft["digests"]> {
  return {
    ...(digests.sha256 === undefined ? {} : { sha256: fromHex(digests.sha256) }),
    ...(digests.spurRowsV1 === undefined ? {} : { spurRowsV1: fromHex(digests.spurRowsV1) }),
  };
}

function wireRecorded({ rec, index, leafHash: leaf, commitment, known }: Recorded) {
  return {
    rec,
    index,
    leafHash: toBase64(leaf),
    ...(commitment === undefined ? {} : { commitment: toBase64(commitment) }),
    ...(known === true ? { known } : {}),
  };
}

const parseBody = (request: FastifyRequest): z.infer<typeof BODY> => checked(BODY, json(request));

/** The request's body as JSON that means one thing: duplicate names, big numbers and lone surrogates are refused by name. */
export function json(request: FastifyRequest): unknown {
  return parseStrictJson(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
}

export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new SpurError("http/body", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`, { status: 422, hint: "The shape of every body is in /spur/v1/openapi.json." }); // prettier-ignore
}

/** A query member as it arrives: a list where the caller wrote its name twice. */
type Repeated = string | string[];

function single(given: Repeated | undefined): string | undefined {
  if (Array.isArray(given)) throw new SpurError("http/query", "a name stands twice in the query", { status: 422 });
  return given;
}

function bounded(given: Repeated | undefined, otherwise: number, min: number, max: number): number {
  const text = single(given);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new SpurError("http/query", `a whole number from ${min} to ${max}`, { status: 422 });
  return value;
}

function askOf(given: string): Ask {
  if (given === "lineage" || QUESTIONS.some((one) => one === given)) return given as Ask;
  throw new SpurError("http/query", `ask is lineage or one of ${QUESTIONS.join(", ")}`, { status: 422 });
}

export const sha256Hex = (bytes: Uint8Array): string => toHex(createHash("sha256").update(bytes).digest());
