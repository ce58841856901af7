/** Every route of `/spur/v1`, described for people and programs (OpenAPI 3.1). */
export function openApi(version: string): object {
  return {
    openapi: "3.1.0",
    info: { title: "Spur", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths: Object.fromEntries(
      ROUTES.map(({ path, method, summary, scope }) => [
        path,
        {
          [method]: {
            summary,
            ...(scope === undefined ? {} : { security: [{ accessKey: [scope] }] }),
            responses: { "200": { description: "as said in docs/api.md" }, default: { description: "RFC 9457 problem details" } },
          },
        },
      ]),
    ),
    components: { securitySchemes: { accessKey: { type: "http", scheme: "bearer", description: "a key spur_…" } } },
  };
}

const ROUTES: readonly { path: string; method: string; summary: string; scope?: string }[] = [];
