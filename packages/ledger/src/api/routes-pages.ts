import type { FastifyInstance, FastifyReply } from "fastify";
import { openApi } from "./openapi.ts";
import type { ApiContext } from "./context.ts";

/** The pages as the web package builds them. */
interface Pages {
  readonly verifyHtml: string;
  readonly indexHtml: string;
}

/** `/` and `/verify.html`: loaded at the first request, since most callers are programs. */
export function pageRoutes(app: FastifyInstance, context: ApiContext): void {
  let loaded: Promise<Pages> | undefined;
  // By name only: the page's own sources are written against a browser's types.
  const module = "@spur/web/pages";
  const load = (): Promise<Pages> =>
    (loaded ??= (import(module) as Promise<{ pages: () => Pages }>).then(({ pages }) => pages()));

  app.get("/", async (_request, reply) => {
    const { indexHtml } = await load();
    return page(reply).send(indexHtml);
  });
  app.get("/verify.html", async (_request, reply) => {
    const { verifyHtml } = await load();
    return page(reply).send(verifyHtml);
  });
  app.get("/spur/v1/openapi.json", () => openApi(context.version));
}

/** Nobody may put our verdicts into a frame of his own. */
function page(reply: FastifyReply): FastifyReply {
  return reply
    .header("content-type", "text/html; charset=utf-8")
    .header("cache-control", "no-cache")
    .header("x-content-type-options", "nosniff")
    .header("x-frame-options", "DENY")
    .header("content-security-policy", "frame-ancestors 'none'");
}
