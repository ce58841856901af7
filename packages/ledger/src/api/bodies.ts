import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { fromHex } from "@spur/verifier/bytes";
import { canonicalBytes, type Json, type JsonObject } from "@spur/verifier/statement/canonical";
import { parseEnvelope } from "@spur/verifier/statement/dsse";
import type { Retention } from "@spur/verifier/statement/entry";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { FOREIGN_TYPES } from "@spur/verifier/statement/predicates/foreign";
import type { Draft } from "../draft.ts";
import { SpurError } from "../errors.ts";
import { newRec } from "../record.ts";
import type { AccessKey } from "./access.ts";
import { parseStrictJson } from "./strict-json.ts";

// What a caller sends to be recorded, and the drafts it means.

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
const BYTES = z.strictObject({ rec: REC.optional(), bytes: z.base64() });
const ENVELOPE = z.strictObject({
  rec: REC.optional(),
  dsse: z.record(z.string(), z.unknown()),
  publish: z.boolean().optional(),
});
const BODY = z.union([z.strictObject({ drafts: z.array(DRAFT).min(1).max(1000) }), BYTES, ENVELOPE]);
const LINE = z.union([DRAFT, BYTES, ENVELOPE]);

// What only the ledger itself may say: an API key cannot write decisions, keys or removals in its name.
const LEDGER_ONLY = new Set(["output", "decision", "access", "removal", "policy", "key", "registers", "alert", "successor", "deployment"].map((name) => `spur:${name}/v1`)); // prettier-ignore
const RETENTION: Record<string, Retention> = { source: "data", dataset: "data", "data-run": "data", foreign: "data" };

/** The drafts of a JSON body: several of ours, one foreign envelope, or any bytes. */
export function draftsOfJson(value: unknown, key: AccessKey): Draft[] {
  return draftsOf(checked(BODY, value), key);
}

/** The draft of one line of a batch: as a JSON body, but a draft of ours stands by itself. */
export function draftOfLine(line: unknown, key: AccessKey): Draft {
  const body = checked(LINE, line);
  return "predicateType" in body ? draftOf(body, key) : (draftsOf(body, key)[0] as Draft);
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
export function rawStatement(request: FastifyRequest, key: AccessKey): Draft[] | undefined {
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
