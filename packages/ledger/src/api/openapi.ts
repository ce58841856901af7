import { PREDICATES } from "@spur/verifier/statement/predicates";
import { QUESTIONS } from "@spur/verifier/evidence/report";
import { SCOPES, type Scope } from "./access.ts";
import { COMPONENTS } from "./openapi-schemas.ts";

/** One route as people and programs read it. A test compares this table with the routes that the sources register. */
interface Route {
  readonly method: "get" | "post" | "put" | "delete";
  /** With `{name}` for what varies. */
  readonly path: string;
  readonly does: string;
  /** The scope that its key needs; "any" = a key, whatever its scopes; absent = no key. */
  readonly key?: Scope | "any";
  readonly query?: { readonly [name: string]: object };
  /** Media type → schema. */
  readonly body?: { readonly [mediaType: string]: object };
  /** Status → what comes. */
  readonly answers: { readonly [status: number]: Answer };
}

interface Answer {
  readonly means: string;
  readonly content?: { readonly [mediaType: string]: object };
  readonly headers?: { readonly [name: string]: object };
}

const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });
const json = (means: string, schema: object): Answer => ({ means, content: { "application/json": schema } });
const bytes = (means: string): Answer => ({ means, content: { "application/octet-stream": {} } });
const takes = (schema: object): { readonly [mediaType: string]: object } => ({ "application/json": schema });
const whole = (description: string): object => ({ type: "integer", minimum: 0, description });
const ANY_JSON = { type: "object", additionalProperties: true };
const RECORD_ID = { "x-spur-record": { description: "the record of this answer", schema: ref("Rec") } };
/** Media types of statements made elsewhere, carried as the bytes received. */
const FOREIGN = { "application/vnd.in-toto+json": ANY_JSON, "application/vnd.in-toto.dsse+json": ANY_JSON };

const ROUTES: readonly Route[] = [
  // The log, for everybody.
  { method: "get", path: "/log/checkpoint", does: "The signed checkpoint (C2SP tlog-checkpoint).", answers: { 200: { means: "a signed note", content: { "text/plain": { type: "string" } } } } },
  { method: "get", path: "/log/tile/{level}/{index}", does: "Hashes of one tile (C2SP tlog-tiles); a partial tile as `{index}.p/{width}`.", answers: { 200: bytes("32 bytes for each hash") } },
  { method: "get", path: "/log/tile/entries/{index}", does: "Entries of one bundle, each after its length in two bytes; a partial bundle as `{index}.p/{width}`.", answers: { 200: bytes("length-prefixed entries") } },
  { method: "get", path: "/spur/v1/head", does: "What the log is, and how far it has grown.", answers: { 200: json("the head", ref("Head")) } },
  { method: "get", path: "/spur/v1/questions", does: "The nine questions, as the verifier answers them from the newest records.", answers: { 200: json("nine answers", { type: "array", items: ref("Answer"), minItems: 9, maxItems: 9 }) } },
  // Records.
  { method: "get", path: "/spur/v1/records", does: "Published records, the newest first.", query: { limit: whole("1 to 500, 50 if left out"), before: whole("only below this index"), type: ref("PredicateType") }, answers: { 200: json("records", ref("RecordList")) } },
  { method: "post", path: "/spur/v1/records", does: "Records drafts in one transaction, or a statement from elsewhere as the bytes received.", key: "write", body: { ...takes(ref("NewRecords")), ...FOREIGN }, answers: { 201: json("durable", ref("Recorded")) } },
  { method: "post", path: "/spur/v1/records:batch", does: "Records many lines, each by itself and in their order; a line is a draft, a DSSE envelope or bytes. What is answered is durable; a refused line is told, the others go on.", key: "write", query: { answer: { enum: ["records", "progress"], description: "a line for each record, or how many are durable and which were refused" } }, body: { "application/x-ndjson": { type: "string" } }, answers: { 200: { means: "one line for each, the last with `done`", content: { "application/x-ndjson": { type: "string" } } } } },
  { method: "get", path: "/spur/v1/records/{rec}", does: "State and entry of a record; to its own key also before it is published.", answers: { 200: json("the record", ref("Record")) } },
  { method: "get", path: "/spur/v1/records/{rec}/trace", does: "What the record goes back to, and what speaks of it.", answers: { 200: json("entries and edges", ref("Trace")) } },
  { method: "get", path: "/spur/v1/records/{rec}/evidence", does: "Evidence of the record. Slots are opened for the key that wrote it or one with scope open, and that is recorded first.", query: { ask: { enum: [...QUESTIONS, "lineage"] }, open: { type: "string", description: "names of slots, with commas between" } }, answers: { 200: json("spur-evidence/v1", ref("Evidence")) } },
  { method: "get", path: "/spur/v1/records/{rec}/receipt", does: "Our signed word to the caller of an answer, with the openings of request and response.", key: "write", answers: { 200: json("spur-receipt-file/v1", ref("ReceiptFile")) } },
  { method: "post", path: "/spur/v1/records/{rec}/open", does: "Opens slots for the key that wrote the record or one with scope open; recorded first.", key: "any", body: takes(ref("OpenRequest")), answers: { 200: json("contents", ref("Opened")) } },
  { method: "post", path: "/spur/v1/removals", does: "Removes the content of records: ordered, published, destroyed, completed.", key: "remove", body: takes(ref("RemovalRequest")), answers: { 200: json("what became of each", { anyOf: [ref("Removal"), ref("Removals")] }) } },
  { method: "put", path: "/spur/v1/payloads", does: "Keeps a public payload of up to 256 MiB by its digest.", key: "write", body: { "application/octet-stream": {} }, answers: { 200: json("its digests", ref("Payload")) } },
  { method: "get", path: "/spur/v1/payloads/{sha256}", does: "A public payload.", answers: { 200: bytes("as it was put") } },
  // The ledger as a whole.
  { method: "post", path: "/spur/v1/publish", does: "Publishes now what is committed.", key: "write", answers: { 200: json("published", ref("Published")) } },
  { method: "post", path: "/spur/v1/registers/close", does: "Records the last number of every register, so that evidence can show that nothing is missing.", key: "write", answers: { 200: json("the closing", ref("Place")) } },
  { method: "post", path: "/spur/v1/custody", does: "The custody audit: is all content held as committed, or lawfully gone? Recorded first.", key: "open", answers: { 200: json("spur-custody/v1", ref("CustodyReport")) } },
  { method: "post", path: "/spur/v1/backup", does: "Copies data, without its root key, to a folder of the ledger's machine.", key: "admin", body: takes(ref("BackupRequest")), answers: { 200: json("the copy", ref("Backup")) } },
  { method: "get", path: "/spur/v1/keys", does: "Access keys, never the keys themselves.", key: "admin", answers: { 200: json("keys", ref("KeyList")) } },
  { method: "post", path: "/spur/v1/keys", does: "Makes an access key and shows it once.", key: "admin", body: takes(ref("NewKey")), answers: { 201: json("the key", ref("MadeKey")) } },
  { method: "delete", path: "/spur/v1/keys/{id}", does: "Revokes an access key at once.", key: "admin", answers: { 204: { means: "revoked" } } },
  { method: "get", path: "/spur/v1/openapi.json", does: "This description.", answers: { 200: json("OpenAPI 3.1", ANY_JSON) } },
  // The gateway; errors have OpenAI's shape.
  { method: "post", path: "/v1/chat/completions", does: "OpenAI's chat completions, forwarded byte for byte and recorded before the answer ends.", key: "write", body: takes(ref("ChatRequest")), answers: { 200: { means: "the upstream's answer", headers: RECORD_ID, content: { "application/json": ANY_JSON, "text/event-stream": { type: "string" } } } } },
  { method: "get", path: "/v1/models", does: "Models that are served.", key: "any", answers: { 200: json("OpenAI's list", ref("ModelList")) } },
  { method: "get", path: "/v1/models/{model}", does: "One model that is served.", key: "any", answers: { 200: json("OpenAI's object", ref("Model")) } },
  // For people and machines that watch.
  { method: "get", path: "/health", does: "Whether the ledger answers, and how far it has published.", answers: { 200: json("well", ref("Health")), 503: json("nothing can be published at present", ref("Health")) } },
  { method: "get", path: "/metrics", does: "Numbers in Prometheus' text format.", answers: { 200: { means: "metrics", content: { "text/plain": { type: "string" } } } } },
  { method: "get", path: "/", does: "The page: head, questions, newest records.", answers: { 200: { means: "a page", content: { "text/html": { type: "string" } } } } },
  { method: "get", path: "/verify.html", does: "The verifier as one file that asks nobody.", answers: { 200: { means: "a page", content: { "text/html": { type: "string" } } } } },
]; // prettier-ignore

/** Every route, described for people and programs (OpenAPI 3.1). */
export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method] = operationOf(route);
  return {
    openapi: "3.1.0",
    info: {
      title: "Spur",
      version,
      summary: "A system of record for AI",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { ...COMPONENTS, PredicateType: { enum: [...PREDICATES.keys()] } },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: `an access key spur_…, with scopes of ${SCOPES.join(", ")}`,
        },
        header: { type: "apiKey", in: "header", name: "x-api-key", description: "the same key" },
      },
    },
  };
}

function operationOf({ path, does, key, query, body, answers }: Route): object {
  const error = path.startsWith("/v1/")
    ? { description: "an error in OpenAI's shape", content: { "application/json": { schema: ref("OpenAiError") } } }
    : {
        description: "problem details (RFC 9457)",
        content: { "application/problem+json": { schema: ref("Problem") } },
      };
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: name === "rec" ? ref("Rec") : { type: "string" },
  }));
  const inQuery = Object.entries(query ?? {}).map(([name, schema]) => ({ name, in: "query", schema }));
  const parameters = [...inPath, ...inQuery];
  const scopes = key === undefined || key === "any" ? [] : [key];
  return {
    summary: does,
    ...(key === undefined ? {} : { security: [{ bearer: scopes }, { header: scopes }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { means, content, headers }]: [string, Answer]) => [
          status,
          {
            description: means,
            ...(headers === undefined ? {} : { headers }),
            ...(content === undefined ? {} : { content: contentOf(content) }),
          },
        ]),
      ),
      default: error,
    },
  };
}

function contentOf(content: { readonly [mediaType: string]: object }): object {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
}
