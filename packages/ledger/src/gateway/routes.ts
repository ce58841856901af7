import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Recorder } from "../draft.ts";
import { Bug, SpurError } from "../errors.ts";
import { readBody } from "./body.ts";
import { exchange, type GatewayLogger } from "./exchange.ts";
import { openAiError, sendError, type OpenAiError } from "./openai-error.ts";
import { Pools, type ModelObject, type UpstreamTable } from "./upstream.ts";

/** What the gateway needs to know of an access key. */
export interface AccessKey {
  readonly id: string;
  readonly scopes: { has(scope: "write"): boolean };
}

/** All that the gateway gets from outside. */
export interface GatewayDeps {
  readonly recorder: Recorder;
  /** The key that the headers present (`Authorization: Bearer` or `x-api-key`); undefined if unknown or revoked. */
  readonly authenticate: (headers: IncomingHttpHeaders) => AccessKey | undefined;
  readonly upstreams: UpstreamTable;
  readonly nowMs: () => number;
  /** 32 hex digits, 128 fresh random bits. */
  readonly newRec: () => string;
  readonly logger: GatewayLogger;
  /** Longest answer, in bytes; 64 MiB unless told. */
  readonly maxAnswerBytes?: number;
}

/** Where the key of a request stands, from the moment it was recognised. */
const KEY = Symbol("access key");
type Keyed = FastifyRequest & { [KEY]?: AccessKey };

/** The longest request that is taken, in bytes. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

/**
 * Puts the OpenAI-compatible gateway under `/v1`: `POST /chat/completions`, `GET /models`, `GET /models/{id}`.
 * Errors there have OpenAI's shape. Closing the app waits until every exchange is on record; the recorder must outlive it.
 */
export function registerGateway(app: FastifyInstance, deps: GatewayDeps): void {
  void app.register(
    (scope, _options, done) => {
      routes(scope, deps);
      done();
    },
    { prefix: "/v1" },
  );
}

function routes(scope: FastifyInstance, deps: GatewayDeps): void {
  const { recorder, upstreams, newRec, logger, maxAnswerBytes } = deps;
  const pools = new Pools();
  const nowMs = (): number => Math.round(deps.nowMs());
  const tools = { recorder, nowMs, logger, ...(maxAnswerBytes === undefined ? {} : { maxAnswerBytes }) };
  let underWay = 0;
  let allOver = (): void => undefined;

  // When the app has closed, every exchange is on record: only then may the recorder close. Whoever is in a hurry ends the
  // clients' connections, and so the exchanges.
  scope.addHook("onClose", async () => {
    await new Promise<void>((resolve) => {
      if (underWay === 0) resolve();
      else allOver = resolve;
    });
    await pools.close();
  });
  scope.decorateRequest(KEY);
  // Before the body is read: a stranger makes us hold no bytes. Revoked and unknown keys get the same answer.
  scope.addHook("onRequest", (request, reply, next) => {
    const key = deps.authenticate(request.headers);
    if (key === undefined) {
      send(reply, openAiError(401, "invalid_api_key", "Incorrect API key provided."));
      return;
    }
    (request as Keyed)[KEY] = key;
    next();
  });
  // Bytes as received, whatever their content type says.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, payload, done) => {
    readBody(payload, MAX_REQUEST_BYTES).then((body) => {
      done(null, body);
    }, done);
  });
  scope.setErrorHandler((error, _request, reply) => {
    send(reply, requestError(error));
  });
  scope.setNotFoundHandler((request, reply) => {
    send(reply, openAiError(404, "unknown_url", `Unknown request URL: ${request.method} ${pathOf(request.url)}.`));
  });

  const answer = async (request: FastifyRequest, raw: ServerResponse, caller: string, head: OutgoingHttpHeaders) => {
    const body = await readBody(request.raw, MAX_REQUEST_BYTES);
    const model = modelOf(body);
    if (typeof model !== "string") return sendError(raw, model, head);
    const served = upstreams.get(model);
    if (served === undefined) return sendError(raw, unknownModel(model), head);
    // The guard: one static policy, "allow all". From here on the request is journaled, and every end of it recorded.
    const { pool, path } = pools.at(served.baseUrl);
    underWay++;
    try {
      await exchange(
        {
          rec: newRec(),
          decisionRec: newRec(),
          caller,
          served,
          pool,
          path: `${path}/chat/completions${queryOf(request.url)}`,
          body,
          headers: request.headers,
          rawHeaders: request.raw.rawHeaders,
          raw,
          head,
        },
        tools,
      );
    } finally {
      underWay--;
      if (underWay === 0) allOver();
    }
  };
  // Taken over as soon as the key is known: the body is ours to read, and Fastify's ways of parsing and replying cost time.
  const takeOver = (request: FastifyRequest, reply: FastifyReply): void => {
    const key = (request as Keyed)[KEY];
    if (key?.scopes.has("write") !== true) {
      const words = "This key may not ask for answers: it needs scope write.";
      send(reply, openAiError(403, "insufficient_permissions", words));
      return;
    }
    const { raw } = reply;
    const head = reply.getHeaders() as OutgoingHttpHeaders;
    reply.hijack();
    answer(request, raw, key.id, head).catch((error: unknown) => {
      if (raw.headersSent) raw.destroy();
      else sendError(raw, requestError(error), head);
    });
  };
  scope.post("/chat/completions", { onRequest: takeOver }, () => {
    throw new Bug("a request that was taken over came back");
  });

  scope.get("/models", (_request, reply) => {
    const data = [...upstreams.keys()].map((model) => modelObject(upstreams, model));
    return reply.send({ object: "list", data });
  });
  // A wildcard: names like "deepseek-ai/DeepSeek-V3" come with their slash encoded or bare.
  scope.get<{ Params: { "*": string } }>("/models/*", (request, reply) => {
    const model = request.params["*"];
    if (!upstreams.has(model)) return send(reply, unknownModel(model));
    return reply.send(modelObject(upstreams, model));
  });
}

/**
 * Looks for the model's name; the error to answer with if there is none. The bytes themselves are never changed, so of two
 * members with that name an upstream reads what it reads; like most readers we take the last.
 */
function modelOf(body: Buffer): string | OpenAiError {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return openAiError(400, "gateway/body-not-json", "The request's body is not JSON.");
  }
  const model = typeof value === "object" && value !== null && "model" in value ? value.model : undefined;
  if (typeof model === "string") return model;
  return openAiError(400, "gateway/model-missing", "You must provide a model parameter.", "model");
}

/** The upstream's own object where it is known; otherwise what clients demand at least. */
function modelObject(upstreams: UpstreamTable, model: string): ModelObject {
  return { ...(upstreams.get(model)?.listed ?? { object: "model", created: 0, owned_by: "upstream" }), id: model };
}

function unknownModel(model: string): OpenAiError {
  return openAiError(
    404,
    "model_not_found",
    `The model \`${model.slice(0, 200)}\` does not exist or is not served here.`,
    "model",
  );
}

/** What went wrong before an exchange began: our own errors, and Fastify's by their status. */
function requestError(error: unknown): OpenAiError {
  if (error instanceof SpurError)
    return openAiError(error.status, error.code, `The request could not be taken: ${error.detail}.`);
  const status = typeof error === "object" && error !== null && "statusCode" in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500)
    return openAiError(status, "gateway/bad-request", "The request could not be read.");
  return openAiError(500, "gateway/internal", "The gateway failed before the request was forwarded.");
}

function send(reply: FastifyReply, error: OpenAiError): FastifyReply {
  return reply
    .code(error.status)
    .header("content-type", "application/json; charset=utf-8")
    .send({ error: error.error });
}

function pathOf(url: string): string {
  return url.split("?", 1)[0] as string;
}

function queryOf(url: string): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at);
}
