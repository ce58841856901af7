// Two keys, each asking for the other's: what is not yours looks, byte for byte, as if it did not exist. Scopes; revoked keys.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, cleanUp, startTestLedger, type Answer, type TestLedger } from "./support/ledger.ts";
import { ask } from "./support/story.ts";
import { startUpstream, type ScriptedUpstream } from "./support/upstream.ts";

let upstream: ScriptedUpstream;
let spur: TestLedger;
let alice: { id: string; key: string };
let bob: { id: string; key: string };
const NOWHERE = "0123456789abcdef0123456789abcdef";

beforeAll(async () => {
  upstream = await startUpstream();
  spur = await startTestLedger({ upstream: upstream.url });
  alice = await spur.newKey("write");
  bob = await spur.newKey("write", "remove");
});
afterAll(async () => {
  await cleanUp();
  await upstream.close();
});

/** All of an answer that a stranger could compare, with the id that he asked for taken out. */
function shown({ status, headers, text }: Answer, rec: string): object {
  const kept = [...headers].filter(([name]) => !["date", "content-length", "keep-alive"].includes(name));
  return { status, headers: kept, length: text.length, text: text.replaceAll(rec, "<rec>") };
}

type Asked = { readonly method: string; readonly path: (rec: string) => string; readonly body?: object };
const get = (path: (rec: string) => string): Asked => ({ method: "GET", path });
const PRIVATE: Record<string, Asked> = {
  receipt: get((rec) => `/spur/v1/records/${rec}/receipt`),
  open: { method: "POST", path: (rec) => `/spur/v1/records/${rec}/open`, body: { slots: ["request"] } },
  "open of several slots": {
    method: "POST",
    path: (rec) => `/spur/v1/records/${rec}/open`,
    body: { slots: ["request", "caller"], reason: "curious" },
  },
  "open of a slot that is not there": {
    method: "POST",
    path: (rec) => `/spur/v1/records/${rec}/open`,
    body: { slots: ["secret"] },
  },
  "evidence with openings": get((rec) => `/spur/v1/records/${rec}/evidence?open=request,response`),
};
const PUBLIC: Record<string, Asked> = {
  state: get((rec) => `/spur/v1/records/${rec}`),
  trace: get((rec) => `/spur/v1/records/${rec}/trace`),
  evidence: get((rec) => `/spur/v1/records/${rec}/evidence`),
  "evidence, asked": get((rec) => `/spur/v1/records/${rec}/evidence?ask=lineage`),
};

async function compare(asked: Asked, rec: string, key: string | undefined): Promise<void> {
  const one = (id: string): Promise<Answer> =>
    call(spur.url, asked.method, asked.path(id), {
      ...(key === undefined ? {} : { key }),
      ...(asked.body === undefined ? {} : { body: asked.body }),
    });
  const [theirs, nobodys] = [await one(rec), await one(NOWHERE)];
  expect(shown(theirs, rec)).toEqual(shown(nobodys, NOWHERE));
  expect(theirs.status).toBe(404);
  expect(theirs.headers.get("content-type")).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
  expect(theirs.json).toMatchObject({ code: "record/unknown", status: 404 });
}

describe("another's record", () => {
  it.each(Object.entries({ ...PUBLIC, ...PRIVATE }))(
    "before it is published: %s is answered as for an unknown id",
    async (_name, asked) => {
      const rec = await ask(spur, "before publication", { key: alice.key, model: "plain" });
      // The projection must have folded it, or it is unknown for another reason.
      expect((await call(spur.url, "GET", `/spur/v1/records/${rec}/trace`, { key: alice.key })).status).toBe(200);
      await compare(asked, rec, bob.key);
    },
  );

  it("before it is published, to nobody at all", async () => {
    const rec = await ask(spur, "before publication", { key: alice.key, model: "plain" });
    for (const asked of Object.values(PUBLIC)) await compare(asked, rec, undefined);
    const { records } = (await call(spur.url, "GET", "/spur/v1/records?limit=500")).json as {
      records: { rec: string }[];
    };
    expect(records.some((row) => row.rec === rec)).toBe(false);
  });

  it("nor that there is one: what everybody may ask stands still until the next publication", async () => {
    const shown = async (): Promise<string[]> => {
      const paths = ["/spur/v1/head", "/health", "/spur/v1/records?limit=500", "/spur/v1/questions"];
      return Promise.all(paths.map(async (path) => (await call(spur.url, "GET", path)).text));
    };
    const before = await shown();
    await ask(spur, "unseen", { key: alice.key, model: "plain" });
    expect(await shown()).toEqual(before);
    await spur.good("POST", "/spur/v1/publish");
    expect(await shown()).not.toEqual(before);
  });

  it.each(Object.entries(PRIVATE))("published: %s is answered as for an unknown id", async (_name, asked) => {
    const rec = await ask(spur, "published", { key: alice.key, model: "plain" });
    await spur.good("POST", "/spur/v1/publish");
    await compare(asked, rec, bob.key);
  });

  it("removed: it is gone for its owner, and was never there for others", async () => {
    const rec = await ask(spur, "to be removed", { key: alice.key, model: "plain" });
    await spur.good("POST", "/spur/v1/removals", { body: { rec, basis: "erasure-request" } });
    for (const asked of [PRIVATE["receipt"], PRIVATE["open"], PRIVATE["evidence with openings"]]) {
      if (asked === undefined) throw new Error("no such route");
      const own = await call(spur.url, asked.method, asked.path(rec), {
        key: alice.key,
        ...(asked.body === undefined ? {} : { body: asked.body }),
      });
      expect([own.status, own.json.code]).toEqual([410, "record/removed"]);
      await compare(asked, rec, bob.key);
    }
  });

  it("under way: pending for its caller, unknown to everybody else", async () => {
    const response = await fetch(`${spur.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${alice.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "slow", messages: [{ role: "user", content: "under way" }], stream: true }),
    });
    const rec = response.headers.get("x-spur-record") ?? "";
    expect(response.status).toBe(200);
    const own = await call(spur.url, "GET", `/spur/v1/records/${rec}`, { key: alice.key });
    expect(own.json).toEqual({ rec, state: "pending" });
    for (const key of [bob.key, spur.key, undefined]) await compare(PUBLIC["state"] as Asked, rec, key);
    await response.text();
    expect((await call(spur.url, "GET", `/spur/v1/records/${rec}`, { key: alice.key })).json).toMatchObject({
      state: "committed",
    });
  });

  it("each key opens its own, the operator's scope opens both, and every opening is on record first", async () => {
    const [of, to] = [
      await ask(spur, "of Alice", { key: alice.key, model: "plain" }),
      await ask(spur, "of Bob", { key: bob.key, model: "plain" }),
    ];
    const accesses = async (): Promise<number> =>
      Number(/spur_entries\{type="spur:access\/v1"\} (\d+)/.exec((await spur.call("GET", "/metrics")).text)?.[1] ?? 0);
    const before = await accesses();
    const opened = async (rec: string, key: string): Promise<string> => {
      const answer = await call(spur.url, "POST", `/spur/v1/records/${rec}/open`, {
        key,
        body: { slots: ["request"] },
      });
      if (answer.status !== 200) return String(answer.status);
      const { messages } = JSON.parse(
        Buffer.from(answer.json.opened[0].base64 as string, "base64").toString("utf8"),
      ) as { messages: { content: string }[] };
      return messages[0]?.content ?? "";
    };
    expect([
      await opened(of, alice.key),
      await opened(to, bob.key),
      await opened(of, bob.key),
      await opened(to, alice.key),
    ]).toEqual(["of Alice", "of Bob", "404", "404"]);
    expect([await opened(of, spur.key), await opened(to, spur.key)]).toEqual(["of Alice", "of Bob"]);
    // Four openings that took place; the two refused ones leave no entry that a stranger could fill the log with.
    expect((await accesses()) - before).toBe(4);
  });

  it("its rec cannot be taken for another record", async () => {
    const rec = await ask(spur, "taken", { key: alice.key, model: "plain" });
    const answer = await call(spur.url, "POST", "/spur/v1/records", {
      key: bob.key,
      body: { rec, bytes: Buffer.from("mine").toString("base64") },
    });
    expect([answer.status, answer.json.code]).toEqual([409, "record/rec-used"]);
  });
});

// The backup asked for is refused for another reason where the key may ask: this folder is not empty.
const SCOPED: readonly [scope: string, method: string, path: string, body?: object][] = [
  ["write", "POST", "/spur/v1/publish"],
  ["write", "POST", "/spur/v1/records", { bytes: "aGk=" }],
  ["write", "PUT", "/spur/v1/payloads", {}],
  ["write", "POST", "/spur/v1/registers/close"],
  ["write", "GET", `/spur/v1/records/${NOWHERE}/receipt`],
  ["write", "POST", "/v1/chat/completions", { model: "plain", messages: [{ role: "user", content: "hi" }] }],
  ["remove", "POST", "/spur/v1/removals", { rec: NOWHERE, basis: "other" }],
  ["open", "POST", "/spur/v1/custody"],
  ["admin", "POST", "/spur/v1/backup", { to: "." }],
  ["admin", "GET", "/spur/v1/keys"],
  ["admin", "POST", "/spur/v1/keys", { scopes: ["write"] }],
  ["admin", "DELETE", "/spur/v1/keys/000000000000"],
];

describe("scopes", () => {
  const size = async (): Promise<number> => (await spur.call("GET", "/spur/v1/head")).json.size as number;

  it.each<[string, string, string, object?]>(SCOPED)(
    "%s is needed for %s %s",
    async (...[scope, method, path, body]) => {
      const others = ["write", "open", "remove", "admin"].filter((one) => one !== scope);
      const lacking = await spur.newKey(...others);
      const how = body === undefined ? {} : { body };
      const before = await size();
      const refused = await call(spur.url, method, path, { key: lacking.key, ...how });
      expect(refused.status).toBe(403);
      const anonymous = await call(spur.url, method, path, how);
      expect(anonymous.status).toBe(401);
      const wrong = await call(spur.url, method, path, { key: `spur_${"A".repeat(43)}`, ...how });
      expect(wrong.status).toBe(401);
      expect(wrong.text).toBe(anonymous.text);
      if (path.startsWith("/v1"))
        for (const one of [refused, anonymous])
          expect(one.json.error).toMatchObject({ message: expect.any(String), code: expect.any(String) });
      else {
        expect([refused.json.code, anonymous.json.code]).toEqual(["access/scope", "access/unauthenticated"]);
        for (const one of [refused, anonymous])
          expect(one.headers.get("content-type")).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
      }
      expect(await size()).toBe(before);
      const enough = await call(spur.url, method, path, { key: (await spur.newKey(scope)).key, ...how });
      expect([401, 403]).not.toContain(enough.status);
    },
  );

  it("x-api-key is as good as a bearer", async () => {
    const answer = await call(spur.url, "GET", "/spur/v1/keys", { headers: { "x-api-key": spur.key } });
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain("spur_");
  });
});

describe("a revoked key", () => {
  it("opens nothing any more, at once and after a restart's reading, and looks like one that never was", async () => {
    const mallory = await spur.newKey("write", "open", "remove", "admin");
    const rec = await ask(spur, "soon revoked", { key: mallory.key, model: "plain" });
    expect((await spur.call("DELETE", `/spur/v1/keys/${mallory.id}`)).status).toBe(204);
    for (const [, method, path, body] of SCOPED) {
      const how = body === undefined ? {} : { body };
      const revoked = await call(spur.url, method, path, { key: mallory.key, ...how });
      const never = await call(spur.url, method, path, { key: `spur_${"B".repeat(43)}`, ...how });
      expect(revoked.status).toBe(401);
      expect(shown(revoked, "")).toEqual(shown(never, ""));
    }
    expect(
      (await call(spur.url, "POST", `/spur/v1/records/${rec}/open`, { key: mallory.key, body: { slots: ["request"] } }))
        .status,
    ).toBe(401);
    // His own unpublished record is a stranger's to him now.
    await compare(PUBLIC["state"] as Asked, rec, mallory.key);
    expect((await spur.call("DELETE", `/spur/v1/keys/${mallory.id}`)).status).toBe(404);
  });
});
