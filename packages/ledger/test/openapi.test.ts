// The description of the API is true: every route that the sources register is described, every described one is there, and
// what a running ledger answers has the described shape.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openApi } from "../src/api/openapi.ts";
import { startLedger, type RunningLedger } from "../src/main.ts";

interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly items?: Schema;
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}
interface Operation {
  readonly security?: readonly { readonly bearer?: readonly string[] }[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: {
    readonly [status: string]: { readonly content?: { readonly [type: string]: { readonly schema: Schema } } };
  };
}
interface Document {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
  readonly components: { readonly schemas: { readonly [name: string]: Schema } };
}

const described = openApi("0.0.0") as Document;
const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** What is wrong with a value, by a JSON Schema; members that no schema names are wrong too, so that nothing is left undescribed. */
function wrongWith(value: unknown, schema: Schema, at = "$"): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace("#/components/schemas/", "");
    const found = described.components.schemas[name];
    return found === undefined ? [`${at}: no schema ${name}`] : wrongWith(value, found, at);
  }
  if (schema.anyOf !== undefined) {
    const tries = schema.anyOf.map((one) => wrongWith(value, one, at));
    return tries.some((one) => one.length === 0) ? [] : (tries[0] ?? []);
  }
  if ("const" in schema && value !== schema.const) return [`${at}: ${JSON.stringify(value)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${at}: ${JSON.stringify(value)} is not of its list`];
  const type =
    value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  if (schema.type !== undefined && ![schema.type].flat().includes(type)) return [`${at}: ${type}`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    return [`${at}: ${String(value)}`];
  if (schema.minimum !== undefined && Number(value) < schema.minimum) return [`${at}: below ${schema.minimum}`];
  if (Array.isArray(value)) return value.flatMap((item, i) => wrongWith(item, schema.items ?? {}, `${at}[${i}]`));
  if (typeof value !== "object" || value === null) return [];
  const missing = (schema.required ?? []).filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`);
  const members = Object.entries(value).flatMap(([name, member]) => {
    const known = schema.properties?.[name] ?? schema.additionalProperties;
    if (known === undefined || known === false) return [`${at}.${name} is not described`];
    return known === true ? [] : wrongWith(member, known, `${at}.${name}`);
  });
  return [...missing, ...members];
}

/** `app.get<…>("/path", …)` in a room's sources, as "get /path". */
function registered(folder: string, prefix: string): string[] {
  const at = new URL(`../src/${folder}/`, import.meta.url);
  return readdirSync(at)
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [
      ...readFileSync(new URL(file, at), "utf8").matchAll(
        /\b(?:app|scope)\.(get|post|put|delete|patch|route|all)(?:<[^(]*>)?\(\s*"([^"]+)"/g,
      ),
    ])
    .map(([, method = "", path = ""]) => `${method} ${prefix}${path}`);
}

describe("the description", () => {
  const routes = [...registered("api", ""), ...registered("gateway", "/v1")];
  // "*" may be more than one part of a path, ":name" is one.
  const matches = (route: string, method: string, path: string): boolean => {
    const form = route.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+").replace(/\*/g, ".+");
    return new RegExp(`^${form}$`).test(`${method} ${path}`);
  };

  it("finds the routes in the sources", () => {
    expect(routes).toContain("post /spur/v1/records");
    expect(routes).toContain("post /v1/chat/completions");
    expect(routes.length).toBeGreaterThan(25);
  });

  it("describes every route that is registered", () => {
    expect(routes.filter((route) => !operations.some(({ method, path }) => matches(route, method, path)))).toEqual([]);
  });

  it("describes no route that is not", () => {
    const missing = operations.filter(({ method, path }) => !routes.some((route) => matches(route, method, path)));
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it("refers only to schemas that are there, and has none that nobody uses", () => {
    const text = JSON.stringify(described);
    const used = new Set([...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name));
    expect(used).toEqual(new Set(Object.keys(described.components.schemas)));
  });

  it("names every parameter of a path", () => {
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((one) => one.in === "path").map(({ name }) => name);
      expect(inPath, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });
});

describe("a running ledger", () => {
  let folder: string;
  let upstream: Server;
  let ledger: RunningLedger;
  let rec: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "spur-openapi-"));
    upstream = createServer((request, response) => {
      response.setHeader("content-type", "application/json");
      const answer = {
        id: "x",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "yes" } }],
      };
      response.end(
        JSON.stringify(
          request.url === "/v1/models" ? { object: "list", data: [{ id: "m", object: "model" }] } : answer,
        ),
      );
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
    ledger = await startLedger({ env: {}, cwd: folder, port: 0, upstream: url, logLevel: "silent" });
  });

  afterAll(async () => {
    await ledger.close();
    await new Promise((resolve) => upstream.close(resolve));
    rmSync(folder, { recursive: true });
  });

  /** Sends a request of a described operation and holds the answer against its description. */
  async function ask(
    method: string,
    path: string,
    options: { as?: string; body?: unknown; key?: boolean; status?: number } = {},
  ): Promise<Response> {
    const operation = described.paths[options.as ?? path.replace(/\?.*/, "")]?.[method] as Operation;
    expect(operation, `${method} ${path} is not described`).toBeDefined();
    const response = await fetch(ledger.url + path, {
      method,
      headers: options.key === false ? {} : { authorization: `Bearer ${ledger.operatorKey}` },
      ...(options.body === undefined
        ? {}
        : { body: options.body instanceof Uint8Array ? options.body : JSON.stringify(options.body) }),
    });
    const copy = response.clone();
    if (options.status !== undefined) expect(response.status, await response.clone().text()).toBe(options.status);
    const content = (operation.responses[String(response.status)] ?? operation.responses["default"])?.content;
    const type = (response.headers.get("content-type") ?? "").split(";")[0] ?? "";
    if (content === undefined) expect(await response.text()).toBe("");
    else {
      expect(Object.keys(content), `${method} ${path} answers ${response.status}`).toContain(type);
      if (type.includes("json"))
        expect(wrongWith(await response.json(), content[type]?.schema ?? {}), `${method} ${path}`).toEqual([]);
    }
    return copy;
  }

  it("answers every described path, and asks for a key exactly where it is said", async () => {
    for (const { path, method, operation } of operations) {
      const filled = path.replace("{rec}", "0".repeat(32)).replace(/\{\w+\}/g, "x");
      const response = await fetch(ledger.url + filled, { method });
      const text = await response.text();
      expect(text, `${method} ${filled}`).not.toMatch(/"http\/no-route"|"unknown_url"/);
      expect(response.status === 401, `${method} ${filled}: ${response.status}`).toBe(operation.security !== undefined);
      expect(response.status, `${method} ${filled}: ${text.slice(0, 300)}`).toBeLessThan(500);
    }
  });

  it("refuses a key without the scope that is said", async () => {
    const made = await ask("post", "/spur/v1/keys", { body: { label: "none of them", scopes: ["open"] }, status: 201 });
    const { key } = (await made.json()) as { key: string };
    for (const { path, method, operation } of operations) {
      const [scope] = operation.security?.[0]?.bearer ?? [];
      if (scope === undefined || scope === "open") continue;
      const filled = path.replace("{rec}", "0".repeat(32)).replace(/\{\w+\}/g, "x");
      const response = await fetch(ledger.url + filled, { method, headers: { authorization: `Bearer ${key}` } });
      expect(response.status, `${method} ${filled}: ${await response.text()}`).toBe(403);
    }
  });

  it("answers as described: models and an answer", async () => {
    await ask("get", "/v1/models", { status: 200 });
    await ask("get", "/v1/models/m", { as: "/v1/models/{model}", status: 200 });
    await ask("get", "/v1/models/n", { as: "/v1/models/{model}", status: 404 });
    const answered = await ask("post", "/v1/chat/completions", { body: { model: "m", messages: [] }, status: 200 });
    rec = answered.headers.get("x-spur-record") ?? "";
    expect(rec).toMatch(/^[0-9a-f]{32}$/);
    await ask("post", "/spur/v1/registers/close", { status: 200 });
    await ask("post", "/spur/v1/publish", { status: 200 });
  });

  it("answers as described: everything about a record", async () => {
    const as = (what: string) => ({ as: `/spur/v1/records/{rec}${what}` });
    await ask("get", "/spur/v1/records?limit=5&type=spur:output/v1", { status: 200, key: false });
    await ask("get", "/spur/v1/records?limit=0", { status: 422 });
    await ask("get", `/spur/v1/records/${rec}`, { ...as(""), status: 200, key: false });
    await ask("get", `/spur/v1/records/${rec}/trace`, { ...as("/trace"), status: 200, key: false });
    await ask("get", `/spur/v1/records/${rec}/evidence?open=request,response`, { ...as("/evidence"), status: 200 });
    await ask("get", `/spur/v1/records/${rec}/evidence?open=request`, { ...as("/evidence"), status: 401, key: false });
    await ask("get", `/spur/v1/records/${rec}/receipt`, { ...as("/receipt"), status: 200 });
    await ask("post", `/spur/v1/records/${rec}/open`, {
      ...as("/open"),
      body: { slots: ["request", "label"], reason: "a test" },
      status: 200,
    });
    await ask("get", `/spur/v1/records/${"0".repeat(32)}`, { ...as(""), status: 404 });
  });

  it("answers as described: records from elsewhere", async () => {
    const put = await ask("put", "/spur/v1/payloads", { body: Buffer.from("one\ntwo\n"), status: 200 });
    const { sha256, rowsRoot } = (await put.json()) as { sha256: string; rowsRoot: string };
    await ask("get", `/spur/v1/payloads/${sha256}`, { as: "/spur/v1/payloads/{sha256}", status: 200, key: false });
    const source = {
      predicateType: "spur:source/v1",
      predicate: { kind: "own", bytes: 8, rows: 2 },
      slots: { name: "a" },
      digests: { sha256, spurRowsV1: rowsRoot },
    };
    await ask("post", "/spur/v1/records", { body: { drafts: [{ rec: "a".repeat(32), ...source }] }, status: 201 });
    await ask("post", "/spur/v1/records", { body: { drafts: [{ rec: "a".repeat(32), ...source }] }, status: 201 }); // known
    await ask("post", "/spur/v1/records", { body: { bytes: "AAAA" }, status: 201 });
    await ask("post", "/spur/v1/records", {
      body: { drafts: [{ ...source, predicateType: "spur:output/v1" }] },
      status: 422,
    });
  });

  it("answers as described: the ledger as a whole", async () => {
    for (const path of [
      "/spur/v1/head",
      "/spur/v1/questions",
      "/spur/v1/openapi.json",
      "/log/checkpoint",
      "/health",
      "/metrics",
    ]) {
      await ask("get", path, { status: 200, key: false });
    }
    await ask("get", "/spur/v1/keys", { status: 200 });
    await ask("delete", "/spur/v1/keys/none", { as: "/spur/v1/keys/{id}", status: 404 });
    await ask("post", "/spur/v1/custody", { status: 200 });
    await ask("post", "/spur/v1/backup", { body: { to: join(folder, "copy") }, status: 200 });
    await ask("post", "/spur/v1/removals", { body: { rec, basis: "other" }, status: 200 });
    await ask("get", `/spur/v1/records/${rec}/receipt`, { as: "/spur/v1/records/{rec}/receipt", status: 410 });
    await ask("get", "/spur/v1/records?limit=5&type=spur:output/v1", { status: 200 });
    await ask("post", "/spur/v1/publish", { status: 200 });
    const size = ((await (await ask("get", "/spur/v1/head")).json()) as { published: { size: number } }).published.size;
    await ask("get", `/log/tile/0/000.p/${size}`, { as: "/log/tile/{level}/{index}", status: 200, key: false });
    await ask("get", `/log/tile/entries/000.p/${size}`, { as: "/log/tile/entries/{index}", status: 200, key: false });
  });
});
