import Fastify, { type FastifyInstance } from "fastify";
import { SpurError } from "../errors.ts";
import type { Scope } from "./access.ts";
import type { ApiContext } from "./context.ts";
import { adminRoutes } from "./routes-admin.ts";
import { logRoutes } from "./routes-log.ts";
import { recordRoutes } from "./routes-records.ts";
import { writeRoutes } from "./routes-write.ts";
import { pageRoutes } from "./routes-pages.ts";
import type { createQuestions } from "./questions.ts";
import { problemOf } from "./problem.ts";

/** What each route that takes a body needs; `POST …/open` asks for itself, since the writer's own key will do. */
const SCOPES: Readonly<Record<string, Scope>> = {
  "POST /spur/v1/records": "write",
  "POST /spur/v1/records::batch": "write",
  "PUT /spur/v1/payloads": "write",
  "POST /spur/v1/publish": "write",
  "POST /spur/v1/registers/close": "write",
  "POST /spur/v1/removals": "remove",
  "POST /spur/v1/custody": "open",
  "POST /spur/v1/backup": "admin",
  "POST /spur/v1/keys": "admin",
  "DELETE /spur/v1/keys/:id": "admin",
};

export interface Logger {
  warn(values: object, message: string): void;
  error(values: object, message: string): void;
}

/** The HTTP server with every route but the gateway's. Diagnostics carry codes and routes, never content. */
export function createServer(
  context: ApiContext,
  questions: ReturnType<typeof createQuestions>,
  logger: Logger,
): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: 1024 * 1024,
    forceCloseConnections: true,
    requestTimeout: 300_000, // a body that comes byte by byte ends some time
    routerOptions: { maxParamLength: 512 },
  });
  // Bodies are read as bytes; each route parses what it takes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
  // Before a byte of a body is read: a stranger makes us hold nothing. Put on the routes that ask for it; the gateway asks for itself.
  app.addHook("onRoute", (route) => {
    const scope = SCOPES[`${String(route.method)} ${route.url}`];
    if (scope === undefined) return;
    route.onRequest = (request, _reply, next) => {
      try {
        context.require(request.headers, scope);
        next();
      } catch (error) {
        next(error as Error);
      }
    };
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500 && !(error instanceof SpurError))
      logger.error({ route: request.routeOptions.url, error: (error as Error).stack }, "a bug");
    else if (problem.status >= 500) logger.warn({ route: request.routeOptions.url, code: problem.code }, "refused");
    void reply
      .code(problem.status)
      .header("content-type", "application/problem+json")
      .header("cache-control", "no-store")
      .send(JSON.stringify(problem));
  });
  app.setNotFoundHandler((request, reply) => {
    const problem = problemOf(
      new SpurError(
        "http/no-route",
        `nothing is at ${request.method} ${(request.url.split("?")[0] ?? "").slice(0, 200)}`,
        {
          status: 404,
          hint: "The routes are listed in /spur/v1/openapi.json; models are at /v1, the log at /log/checkpoint.",
        },
      ),
    );
    void reply.code(404).header("content-type", "application/problem+json").send(JSON.stringify(problem));
  });
  logRoutes(app, context);
  recordRoutes(app, context);
  writeRoutes(app, context);
  adminRoutes(app, context, questions);
  pageRoutes(app, context);
  return app;
}
