// Bad input on our own routes: each refused by a stable code, as a problem (RFC 9457), and nothing of it on record.
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { call } from "./support/ledger.ts";
import { cleanUp, startTestLedger, type TestLedger } from "./support/ledger.ts";
import { startUpstream, type ScriptedUpstream } from "./support/upstream.ts";

let upstream: ScriptedUpstream;
let spur: TestLedger;
let size: number;
// With a key: to strangers the head is the published one.
const sizeNow = async (): Promise<number> => (await spur.call("GET", "/spur/v1/head")).json.size as number;

beforeAll(async () => {
  upstream = await startUpstream();
  spur = await startTestLedger({ upstream: upstream.url });
});
afterAll(async () => {
  await cleanUp();
  await upstream.close();
});
beforeEach(async () => {
  size = await sizeNow();
});

const RECORDS = "/spur/v1/records";
const REC = "00112233445566778899aabbccddeeff";
const source = { predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 }, slots: { name: "a" } };
const drafts = (...list: readonly object[]): object => ({ drafts: list });
const predicate = (predicateType: string, value: object): object => drafts({ predicateType, predicate: value });
const nested = (open: string, close: string): string => `{"bytes":${open.repeat(100_000)}1${close.repeat(100_000)}}`;
const envelope = (bytes: number): object => ({
  dsse: {
    payload: Buffer.alloc(bytes, "a").toString("base64"),
    payloadType: "application/x",
    signatures: [{ sig: "AAAA" }],
  },
  publish: true,
});
const inBatch = { rec: REC, ...source };
const naming = (rec: string): object => ({
  predicateType: "spur:dataset/v1",
  predicate: { sources: [{ rec }], bytes: 1, rows: 1 },
});

/** What is sent, the status, the code. */
type Case = readonly [name: string, body: string | Uint8Array | object, status: number, code: string];
const BODIES: readonly Case[] = [
  ["nothing", "", 400, "json/syntax"],
  ["a name twice", '{"bytes":"aGk=","bytes":"aGo="}', 400, "json/duplicate-name"],
  ["a name twice, once escaped", '{"bytes":"aGk=","\\u0062ytes":"aGo="}', 400, "json/duplicate-name"],
  ["a name twice, deep inside", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","kind":"web","bytes":1}}]}', 400, "json/duplicate-name"],
  ["a lone surrogate", '{"bytes":"\\ud800"}', 400, "json/surrogate"],
  ["a lone surrogate in a name", '{"\\udc00":1}', 400, "json/surrogate"],
  ["a byte that is no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, "json/utf8"],
  ["a surrogate in UTF-8", Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]), 400, "json/utf8"],
  ["100,000 lists", nested("[", "]"), 400, "json/depth"],
  ["100,000 objects", nested('{"a":', "}"), 400, "json/depth"],
  ["100,000 lists that are never closed", "[".repeat(100_000), 400, "json/depth"],
  ["cut in the middle", '{"drafts":[{"predicateType":"spur:sour', 400, "json/syntax"],
  ["cut after a value", '{"bytes":"aGk="', 400, "json/syntax"],
  ["two values", '{"bytes":"aGk="}{"bytes":"aGk="}', 400, "json/syntax"],
  ["a byte order mark", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{"bytes":"aGk="}')]), 400, "json/syntax"],
  ["a fraction", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","bytes":1.5}}]}', 400, "json/number"],
  ["an exponent", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","bytes":1e3}}]}', 400, "json/number"],
  ["minus zero", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","bytes":-0}}]}', 400, "json/number"],
  ["2^53", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","bytes":9007199254740992}}]}', 400, "json/number"],
  ["a number of 400 digits", `{"bytes":${"9".repeat(400)}}`, 400, "json/number"],
  ["null", "null", 422, "http/body"],
  ["a list", "[]", 422, "http/body"],
  ["no draft", drafts(), 422, "http/body"],
  ["an unknown member", { bytes: "aGk=", extra: 1 }, 422, "http/body"],
  ["base64 with a wrong letter", { bytes: "a*k=" }, 422, "http/body"],
  ["a rec in upper case", { rec: REC.toUpperCase(), bytes: "aGk=" }, 422, "http/body"],
  ["an unknown predicate", predicate("spur:gossip/v1", { kind: "own" }), 422, "record/predicate-type"],
  ["a later version of a predicate", predicate("spur:source/v2", { kind: "own", bytes: 1 }), 422, "record/predicate-type"],
  ["a decision, in the ledger's name", predicate("spur:decision/v1", {}), 422, "record/predicate-type"],
  ["a removal, past its own route", predicate("spur:removal/v1", {}), 422, "record/predicate-type"],
  ["a key, in the ledger's name", predicate("spur:key/v1", { purpose: "log", algorithm: "ed25519", state: "active" }), 422, "record/predicate-type"],
  ...["v", "rec", "reg", "seq", "prev", "at", "evidence", "retention", "sealed", "statement", "dsse"].map(
    (name): Case => [`the outer name ${name} in a predicate`, predicate("spur:source/v1", { kind: "own", bytes: 1, [name]: 1 }), 422, name === "rec" ? "record/reference" : "statement/schema"],
  ),
  ["__proto__ in a predicate", '{"drafts":[{"predicateType":"spur:source/v1","predicate":{"kind":"own","bytes":1,"__proto__":{"x":1}}}]}', 422, "http/body"],
  ["a member that is missing", predicate("spur:source/v1", { kind: "own" }), 422, "statement/schema"],
  ["a free string", predicate("spur:source/v1", { kind: "my own words", bytes: 1 }), 422, "statement/schema"],
  ["a negative number", predicate("spur:source/v1", { kind: "own", bytes: -1 }), 422, "statement/schema"],
  ["a reference to what is nowhere", drafts(naming(REC)), 422, "reference/forward"],
  ["a reference forward in the batch", drafts(naming(REC), inBatch), 422, "reference/forward"],
  ["a reference to itself", drafts({ rec: REC, ...naming(REC) }), 422, "reference/forward"],
  ["a reference with an index", drafts({ ...naming(REC), predicate: { sources: [{ rec: REC, index: 0 }], bytes: 1, rows: 1 } }), 422, "record/reference"],
  ["one rec twice in a batch", drafts(inBatch, inBatch), 409, "record/rec-used"],
  ["a good draft before a bad one", drafts(source, { ...source, predicate: { kind: "own" } }), 422, "statement/schema"],
  ["a good draft before a bad reference", drafts(source, naming(REC)), 422, "reference/forward"],
  ["a slot that is not there", drafts({ ...source, slots: { nickname: "x" } }), 422, "record/slots"],
  ["a digest that this predicate has not", drafts({ predicateType: "spur:training-run/v1", predicate: { datasets: [], code: "0".repeat(64), config: "0".repeat(64), steps: 1, seed: 1 }, digests: { sha256: "0".repeat(64) } }), 422, "statement/subject"],
  ["no digest where one is needed", drafts({ predicateType: "spur:checkpoint/v1", predicate: { run: { rec: REC }, step: 1, state: "0".repeat(64), bytes: 1 } }), 422, "statement/subject"],
  ["days of content that are none", drafts({ ...source, contentDays: 0 }), 422, "http/body"],
  ["an entry over 65,535 bytes", envelope(60_000), 422, "entry/too-long"],
  ["an envelope without a signature", { dsse: { payload: "aGk=", payloadType: "x", signatures: [] } }, 422, "dsse/form"],
]; // prettier-ignore

async function refused(answer: Awaited<ReturnType<typeof call>>, status: number, code: string): Promise<void> {
  expect([answer.status, answer.text && answer.json.code]).toEqual([status, code]);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(answer.json).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status,
    detail: expect.any(String),
  });
  expect(await sizeNow()).toBe(size);
}

describe("POST /spur/v1/records", () => {
  afterEach(async () => {
    // Whatever was sent, a good draft is still taken.
    expect((await spur.call("POST", RECORDS, { body: drafts(source) })).status).toBe(201);
  });

  it.each(BODIES)("%s", async (_name, body, status, code) => {
    await refused(await spur.call("POST", RECORDS, { body }), status, code);
  });

  it("a body over 64 MiB, announced and not", async () => {
    const long = Buffer.alloc(64 * 1024 * 1024 + 1, "a");
    await refused(await spur.call("POST", RECORDS, { body: long }), 413, "http/too-large");
    const said = await statusOfRaw(
      `POST ${RECORDS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${spur.key}\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 40}\r\n\r\n`,
    );
    expect(said).toBe(413);
    expect(await sizeNow()).toBe(size);
  });

  it("the same rec with other bytes is refused, with the same bytes answered as before", async () => {
    const rec = "f".repeat(32);
    const one = { rec, ...source };
    const first = await spur.call("POST", RECORDS, { body: drafts(one) });
    expect(first.status).toBe(201);
    size = await sizeNow();
    const again = await spur.call("POST", RECORDS, { body: drafts(one) });
    expect(again.json.records[0]).toEqual({ ...first.json.records[0], known: true });
    await refused(
      await spur.call("POST", RECORDS, { body: drafts({ ...one, slots: { name: "b" } }) }),
      409,
      "record/rec-used",
    );
    await refused(
      await spur.call("POST", RECORDS, { body: drafts({ ...one, predicate: { kind: "web", bytes: 1 } }) }),
      409,
      "record/rec-used",
    );
  });

  it("JSON as deep as it may be, and every integer that there is", async () => {
    // The limits themselves are no error of the parser: what is refused here is the shape.
    const deep = `{"bytes":${"[".repeat(63)}9007199254740991${"]".repeat(63)}}`;
    await refused(await spur.call("POST", RECORDS, { body: deep }), 422, "http/body");
  });
});

describe("other routes", () => {
  it.each([
    ["POST", "/spur/v1/removals", { rec: REC, basis: "other" }, 404, "record/unknown"],
    ["POST", "/spur/v1/removals", { rec: REC, basis: "because" }, 422, "removal/basis"],
    ["POST", "/spur/v1/removals", { basis: "other" }, 422, "http/body"],
    ["POST", "/spur/v1/removals", { rec: "../../etc", basis: "other" }, 422, "record/reference"],
    ["POST", "/spur/v1/removals", '{"rec":"a","rec":"b","basis":"other"}', 400, "json/duplicate-name"],
    ["POST", "/spur/v1/keys", { scopes: [] }, 422, "http/body"],
    ["POST", "/spur/v1/keys", { scopes: ["root"] }, 422, "http/body"],
    ["POST", "/spur/v1/keys", '{"scopes":["write"],"scopes":["admin"]}', 400, "json/duplicate-name"],
    ["POST", `/spur/v1/records/${REC}/open`, { slots: [] }, 422, "http/body"],
    ["POST", `/spur/v1/records/${REC}/open`, '{"slots":["request"],"reason":"\\ud800"}', 400, "json/surrogate"],
    ["POST", "/spur/v1/backup", { to: "" }, 422, "http/body"],
    ["GET", "/spur/v1/records?limit=0", undefined, 422, "http/query"],
    ["GET", "/spur/v1/records?limit=1e9", undefined, 422, "http/query"],
    ["GET", "/spur/v1/records?before=-1", undefined, 422, "http/query"],
    ["GET", "/spur/v1/records/nothing", undefined, 404, "record/unknown"],
    ["GET", "/spur/v1/records/%00", undefined, 404, "record/unknown"],
    ["GET", "/spur/v1/payloads/..%2f..%2fledger.sqlite", undefined, 404, "payload/unknown"],
    ["GET", `/spur/v1/payloads/${"0".repeat(64)}`, undefined, 404, "payload/unknown"],
    ["GET", "/log/tile/..%2f..%2f..%2fdata-keys%2flog.key", undefined, 404, "log/no-tile"],
    ["GET", "/log/tile/0/0000", undefined, 404, "log/no-tile"],
    ["GET", "/log/tile/0/000.p/0", undefined, 404, "log/no-tile"],
    ["GET", "/log/tile/0/x999/999", undefined, 404, "log/no-tile"],
    ["GET", "/log/tile/entries/000.p/255", undefined, 404, "log/no-tile"],
    ["GET", "/spur/v1/nothing", undefined, 404, "http/no-route"],
    ["PATCH", "/spur/v1/records", {}, 404, "http/no-route"],
  ] as const)("%s %s %j", async (method, path, body, status, code) => {
    await refused(await spur.call(method, path, body === undefined ? {} : { body }), status, code);
  });

  it("evidence that asks for what is no question", async () => {
    const { records } = (await spur.good("POST", RECORDS, { body: drafts(source) })) as { records: [{ rec: string }] };
    size = await sizeNow();
    await refused(await spur.call("GET", `${RECORDS}/${records[0].rec}/evidence?ask=Q10`), 422, "http/query");
    await refused(await spur.call("GET", `${RECORDS}/${records[0].rec}/evidence?open=nickname`), 422, "record/slots");
  });

  it("headers that are none, and a request line that is none, end the connection and nothing else", async () => {
    expect(await statusOfRaw("GARBAGE\r\n\r\n")).toBe(400);
    expect(await statusOfRaw(`GET /spur/v1/head HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(100_000)}\r\n\r\n`)).toBe(431);
    expect((await spur.call("GET", "/health")).json).toMatchObject({ status: "ok" });
  });
});

describe("/v1, other people's JSON", () => {
  const send = (body: string) => spur.call("POST", "/v1/chat/completions", { body });

  it("odd JSON reaches the upstream byte for byte, and is on record so", async () => {
    const odd =
      '{ "model":"plain", "temperature":0.70000000000000001, "seed":123456789012345678901234567890, "x":"\\ud800", "model":"plain","messages":[{"role":"user","content":"odd"}]}';
    const answer = await send(odd);
    expect(answer.status).toBe(200);
    expect(upstream.requests.at(-1)).toBe(odd);
    const rec = answer.headers.get("x-spur-record") ?? "";
    const { opened } = (await spur.good("POST", `${RECORDS}/${rec}/open`, { body: { slots: ["request"] } })) as {
      opened: [{ base64: string }];
    };
    expect(Buffer.from(opened[0].base64, "base64").toString("utf8")).toBe(odd);
  });

  it.each([
    ["no JSON", "{", 400],
    ["no model", '{"messages":[]}', 400],
    ["an unknown model", '{"model":"nobody","messages":[]}', 404],
    ["100,000 levels", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)},"model":"nobody"}`, 404],
    ["nothing", "", 400],
  ] as const)("%s: OpenAI's error shape, nothing forwarded, nothing on record", async (_name, body, status) => {
    const before = upstream.requests.length;
    const answer = await send(body);
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatchObject({
      message: expect.any(String),
      type: expect.any(String),
      code: expect.any(String),
    });
    expect(upstream.requests.length).toBe(before);
    expect(await sizeNow()).toBe(size);
  });
});

/** Sends bytes as they are; the status of what comes back. */
function statusOfRaw(text: string): Promise<number> {
  const { hostname, port } = new URL(spur.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = "";
    socket.on("data", (bytes: Buffer) => {
      answer += bytes.toString("latin1");
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
      if (status === undefined) return;
      socket.destroy();
      resolve(Number(status));
    });
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error(`closed without an answer: ${answer}`));
    });
  });
}
