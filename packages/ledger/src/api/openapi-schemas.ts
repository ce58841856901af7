import { QUESTIONS } from "@spur/verifier/evidence/report";
import { SCOPES } from "./access.ts";
import { BASES } from "./removals.ts";

// Bodies and answers of the routes in openapi.ts. Members without "?" are always there.

const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });
const text = { type: "string" };
const flag = { type: "boolean" };
const whole = { type: "integer", minimum: 0 };
const hex32 = { type: "string", pattern: "^[0-9a-f]{64}$" };
const base64 = { type: "string", contentEncoding: "base64" };
const free = { type: "object", additionalProperties: true };
const list = (items: object): object => ({ type: "array", items });
const oneOf = (...words: readonly string[]): object => ({ enum: words });

/** An object; a name that ends in "?" may be absent. */
function object(members: { readonly [name: string]: object }, description?: string): object {
  const names = Object.keys(members);
  return {
    type: "object",
    ...(description === undefined ? {} : { description }),
    properties: Object.fromEntries(names.map((name) => [name.replace("?", ""), members[name]])),
    required: names.filter((name) => !name.endsWith("?")),
  };
}

const row = {
  index: whole,
  rec: ref("Rec"),
  type: text,
  register: text,
  seq: { type: "integer", minimum: 1 },
  at: { type: "string", description: "the hour, like 2026-11-22T04Z" },
  evidence: oneOf("observed", "reported", "imported"),
};

/** By name, for `#/components/schemas/`. */
export const COMPONENTS: { readonly [name: string]: object } = {
  Rec: { type: "string", pattern: "^[0-9a-f]{32}$", description: "a record id: 128 random bits" },
  Problem: object({
    type: text,
    title: text,
    status: whole,
    detail: text,
    code: { type: "string", description: "stable; see docs/errors.md" },
    "hint?": text,
  }),
  OpenAiError: object({
    error: object({
      message: text,
      type: text,
      param: { type: ["string", "null"] },
      code: { type: ["string", "null"] },
    }),
  }),
  Head: object({
    origin: text,
    vkey: text,
    receiptsVkey: text,
    size: whole,
    root: base64,
    demo: flag,
    version: text,
    contentDays: whole,
    published: { anyOf: [object({ size: whole, checkpoint: text }), { type: "null" }] },
    "witnesses?": ref("Witnesses"),
  }),
  Health: object({
    status: { enum: ["ok", "failing"] },
    size: whole,
    published: whole,
    "witnesses?": ref("Witnesses"),
  }),
  Witnesses: object(
    {
      quorum: { enum: ["met", "not-met", "none"] },
      "detectOnly?": flag,
      "waiting?": object({ size: whole, sinceMs: whole }),
      witnesses: list(
        object({
          name: text,
          key: text,
          "own?": flag,
          "size?": whole,
          "atMs?": whole,
          "failing?": object({ reason: text, sinceMs: whole, "detail?": text }),
          "url?": text,
        }),
      ),
    },
    "where a policy of witnesses is set; addresses and details only with a key",
  ),
  Published: object({ size: whole, "checkpoint?": text }),
  Place: object({ rec: ref("Rec"), index: whole }),

  Draft: object(
    {
      "rec?": ref("Rec"),
      predicateType: ref("PredicateType"),
      predicate: { ...free, description: 'the public part; a reference is written {"rec": "…"}' },
      "slots?": {
        type: "object",
        description: "what is sealed, by the slot's name",
        additionalProperties: { anyOf: [text, object({ base64 })] },
      },
      "digests?": object({ "sha256?": hex32, "spurRowsV1?": hex32 }, "only for what is meant to be matched in public"),
      "contentDays?": { type: "integer", minimum: 1, maximum: 36_500 },
    },
    "One record from elsewhere. What the ledger alone may say (output, decision, removal, key, …) is refused.",
  ),
  NewRecords: {
    anyOf: [
      object({ drafts: { type: "array", items: ref("Draft"), minItems: 1, maxItems: 1000 } }),
      object({ "rec?": ref("Rec"), bytes: base64 }, "any bytes, sealed"),
      object({ "rec?": ref("Rec"), dsse: free, "publish?": flag }, "an envelope: sealed, or public with `publish`"),
    ],
  },
  Recorded: object({
    records: list(
      object({
        rec: ref("Rec"),
        index: whole,
        leafHash: base64,
        "commitment?": base64,
        "known?": { const: true, description: "this very record was there already" },
      }),
    ),
  }),
  RecordList: object({ records: list(object({ ...row, "removed?": oneOf("ordered", "completed", "failed") })) }),
  Record: object({
    rec: ref("Rec"),
    state: oneOf("pending", "interrupted", "committed", "removal-ordered", "removed"),
    "index?": whole,
    "published?": flag,
    "content?": { const: "lost-by-restore" },
    "entry?": { ...free, description: "spur-entry/v1, see docs/formats.md" },
  }),
  Trace: object({
    entries: list(object({ ...row, predicate: free, opened: list(free) })),
    edges: list(object({ from: whole, to: whole, role: text })),
  }),
  Evidence: {
    ...free,
    properties: { format: { const: "spur-evidence/v1" } },
    required: ["format"],
    description: "see docs/formats.md",
  },
  ReceiptFile: {
    ...free,
    properties: { format: { const: "spur-receipt-file/v1" }, note: text, opened: list(free), vkey: text },
    required: ["format", "note", "opened"],
    description: "see docs/formats.md",
  },
  OpenRequest: object({ slots: { type: "array", items: text, minItems: 1, maxItems: 16 }, "reason?": text }),
  Opened: object({ opened: list(object({ name: text, "base64?": base64, "absent?": { const: true } })) }),

  RemovalRequest: object({
    "rec?": ref("Rec"),
    "recs?": { type: "array", items: ref("Rec"), minItems: 1, maxItems: 1000 },
    basis: oneOf(...BASES),
    "reason?": { type: "string", maxLength: 4000, description: "sealed" },
    "request?": { type: "string", maxLength: 4000, description: "sealed" },
  }),
  Removal: object({
    target: ref("Rec"),
    order: ref("Place"),
    state: oneOf("completed", "failed"),
    completed: ref("Place"),
    "voidsBackupsBefore?": { type: "string", format: "date-time" },
  }),
  Removals: object({ removals: list(ref("Removal")), voidsBackupsBefore: { type: "string", format: "date-time" } }),
  Payload: object({ sha256: hex32, bytes: whole, rows: whole, rowsRoot: hex32 }),
  CustodyReport: object({
    format: { const: "spur-custody/v1" },
    verdict: oneOf("pass", "fail", "not-checked"),
    exit: { enum: [0, 1, 2] },
    sentence: text,
    size: whole,
    counts: { type: "object", additionalProperties: whole },
    findings: list(
      object({ verdict: oneOf("fail", "not-checked"), code: text, index: whole, rec: ref("Rec"), sentence: text }),
    ),
  }),
  BackupRequest: object({ to: { type: "string", minLength: 1, maxLength: 4096 } }),
  Backup: object({ to: text, size: whole, note: text }),

  NewKey: object({
    "label?": { type: "string", maxLength: 200 },
    scopes: { type: "array", items: oneOf(...SCOPES), minItems: 1 },
  }),
  MadeKey: object({ id: text, key: { type: "string", description: "shown this once" } }),
  KeyList: object({
    keys: list(
      object({ id: text, label: text, scopes: text, createdMs: whole, revokedMs: { type: ["integer", "null"] } }),
    ),
  }),
  Answer: object({
    ask: oneOf(...QUESTIONS),
    state: oneOf("refuted", "proven", "recorded", "not-checked", "not-recorded"),
    code: text,
    values: free,
    sentence: text,
    coverage: free,
    findings: list(whole),
    trace: list(whole),
  }),

  ChatRequest: {
    ...free,
    properties: { model: text },
    required: ["model"],
    description: "OpenAI's; of its members only `model` is looked at",
  },
  Model: { ...free, properties: { id: text }, required: ["id"] },
  ModelList: object({ object: { const: "list" }, data: list(ref("Model")) }),
};
