import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { discover } from "../src/gateway/discover.ts";
import { baseUrlOf, probeUpstream } from "../src/gateway/upstream.ts";
import * as t from "./gateway-support.ts";

afterEach(t.closeAll);

const LIST = {
  object: "list",
  data: [{ id: "a", object: "model", created: 1, owned_by: "x" }, { id: "b/c" }, { no: "id" }, 7],
};

/** A server that has `/models` under one path, and 404 elsewhere. */
const listing = (path: string, body: unknown = LIST, status = 200) =>
  t.startUpstream((response, request) => {
    if (request.url === path) t.json(JSON.stringify(body), status)(response);
    else t.json("{}", 404)(response);
  });

describe("probing an upstream", () => {
  it("finds the models under the URL given, or under /v1, and sends the key", async () => {
    const plain = await listing("/models");
    expect(await probeUpstream(`${plain.origin}/`, "k1")).toMatchObject({
      baseUrl: plain.origin,
      models: [{ id: "a" }, { id: "b/c" }],
    });
    expect(plain.requests[0]?.request.headers.authorization).toBe("Bearer k1");
    const below = await listing("/v1/models");
    expect((await probeUpstream(below.origin)).baseUrl).toBe(`${below.origin}/v1`);
    expect((await probeUpstream(`${below.origin}/v1/`)).models).toHaveLength(2);
    expect(below.requests[0]?.request.headers.authorization).toBeUndefined();
  });

  it("takes a list that is null, as some servers write an empty one", async () => {
    const empty = await listing("/v1/models", { object: "list", data: null });
    expect((await probeUpstream(empty.origin)).models).toEqual([]);
  });

  it.each([
    ["another kind of server", { hello: 1 }, 200],
    ["a wrong key", LIST, 401],
    ["a redirect", LIST, 302],
  ])("says so: %s", async (_name, body, status) => {
    const other = await listing("/v1/models", body, status);
    await expect(probeUpstream(other.origin)).rejects.toMatchObject({ code: "gateway/upstream-not-openai" });
  });

  it("says so: nobody there, or silent", async () => {
    await expect(probeUpstream("http://127.0.0.1:9")).rejects.toMatchObject({ code: "gateway/upstream-unreachable" });
    const silent = await t.startUpstream(() => undefined);
    const started = performance.now();
    await expect(probeUpstream(silent.origin, undefined, 100)).rejects.toMatchObject({
      code: "gateway/upstream-unreachable",
    });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it.each([
    "nonsense",
    "ftp://x",
    "file:///etc",
    "http://user:secret@host/v1",
    "http://host/v1?key=secret",
    "http://host/#x",
  ])("refuses %s", (url) => {
    expect(() => baseUrlOf(url)).toThrow(expect.objectContaining({ code: "gateway/upstream-url" }));
    expect(() => baseUrlOf(url)).not.toThrow(/secret/);
  });
});

describe("looking on loopback", () => {
  const portOf = (upstream: t.Upstream): number => (upstream.server.address() as AddressInfo).port;

  it("finds what answers like a model server, in parallel, and leaves out the rest", async () => {
    const [one, two, silent, other] = await Promise.all([
      listing("/v1/models"),
      listing("/v1/models", { data: [] }),
      t.startUpstream(() => undefined),
      t.startUpstream((response) => response.end("<html>")),
    ]);
    const names = ["one", "silent", "nobody", "other", "two"];
    const ports = [portOf(one), portOf(silent), 9, portOf(other), portOf(two)];
    const started = performance.now();
    const found = await discover(names.map((name, i) => ({ name, port: ports[i] as number })));
    expect(performance.now() - started).toBeLessThan(900);
    expect(found.map(({ name, baseUrl, models }) => [name, baseUrl, models.length])).toEqual([
      ["one", one.baseUrl, 2],
      ["two", two.baseUrl, 0],
    ]);
  });
});
