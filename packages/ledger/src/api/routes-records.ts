import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { toBase64, toHex } from "@spur/verifier/bytes";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { formatReceiptFile } from "@spur/verifier/evidence/receipt";
import { parseEntry } from "@spur/verifier/statement/entry";
import { QUESTIONS, type Ask } from "@spur/verifier/evidence/report";
import { SpurError } from "../errors.ts";
import type { EntryRow } from "../projections/fold.ts";
import { checked, json } from "./bodies.ts";
import type { ApiContext } from "./context.ts";
import { gatherEvidence, openingsOf } from "./gather.ts";
import { openRecorded, placeFor, slotNumbers, unknown } from "./open.ts";

/** Everything about one record; writing is in routes-write.ts. */
export function recordRoutes(app: FastifyInstance, context: ApiContext): void {
  const { ledger, projector } = context;

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
      const ask = askOf(single(request.query.ask) ?? (await askFor(context, row)));
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
    const { note, vkey } = await ledger.receiptNote(rec, place.index, leafHash(bytes), entry.commitment);
    const file = formatReceiptFile({ note, vkey, opened });
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

/** What a record of this type is for, where a question is about it; the lineage of all others. */
const ASKS: { readonly [type: string]: Ask } = {
  "spur:output/v1": "Q5",
  "spur:decision/v1": "Q5",
  "spur:training-run/v1": "Q8",
  "spur:training-log/v1": "Q8",
  "spur:checkpoint/v1": "Q8",
  "spur:replay/v1": "Q8",
};

/** Of a removal, that of what was removed. */
async function askFor({ projector }: ApiContext, { type, predicate }: EntryRow): Promise<Ask> {
  if (type !== "spur:removal/v1") return ASKS[type] ?? "lineage";
  const { target } = JSON.parse(predicate) as { target: { index: number } };
  return ASKS[(await projector.query("byIndex", target.index))?.type ?? ""] ?? "lineage";
}

export const sha256Hex = (bytes: Uint8Array): string => toHex(createHash("sha256").update(bytes).digest());
