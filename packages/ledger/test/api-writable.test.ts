// Whatever an audit would refute must be unwritable: the log keeps it for ever.
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLedger, type RunningLedger } from "../src/main.ts";

const folder = mkdtempSync(join(tmpdir(), "spur-test-"));
const D = "ab".repeat(32);
let ledger: RunningLedger;
let mine: string;
let other: string;

type Answer = { status: number; code?: string; records?: { rec: string }[] };

async function post(key: string, ...drafts: object[]): Promise<Answer> {
  const response = await fetch(`${ledger.url}/spur/v1/records`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ drafts }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

const get = (path: string, key?: string): Promise<Response> =>
  fetch(ledger.url + path, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } });

beforeAll(async () => {
  const options = { data: join(folder, "data"), port: 0, discover: false, publishEvery: 3600, env: {}, cwd: folder };
  ledger = await startLedger(options);
  mine = ledger.operatorKey as string;
  const made = await fetch(`${ledger.url}/spur/v1/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${mine}` },
    body: JSON.stringify({ scopes: ["write", "remove"] }),
  });
  other = ((await made.json()) as { key: string }).key;
});
afterAll(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = {
  predicateType: "spur:training-run/v1",
  predicate: { datasets: [], code: D, config: D, steps: 9, seed: 1 },
};
const checkpoint = (runRec: string, step: number, parent?: string) => ({
  predicateType: "spur:checkpoint/v1",
  predicate: {
    run: { rec: runRec },
    step,
    state: D,
    bytes: 1,
    ...(parent === undefined ? {} : { parent: { rec: parent } }),
  },
  digests: { sha256: D },
});

describe("a draft from outside", () => {
  it("cannot refer to an entry of a type that may not stand there", async () => {
    const [made] = (await post(mine, run)).records as { rec: string }[];
    const rec = made?.rec as string;
    const replay = {
      predicateType: "spur:replay/v1",
      predicate: { run: { rec }, from: { rec }, to: { rec }, recomputed: D, result: "different" },
    };
    expect(await post(mine, replay)).toMatchObject({ status: 422, code: "reference/type" });
  });
  it("cannot be an entry that the verifier's parser refuses", async () => {
    const rows = { predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 } };
    const digests = { spurRowsV1: D, sha256: D };
    expect(await post(mine, { ...rows, digests })).toMatchObject({ status: 422, code: "statement/subject" });
    const dataset = { predicateType: "spur:dataset/v1", predicate: { sources: [], bytes: 1, rows: 1 } };
    const answer = await post(mine, { ...dataset, digests: { spurRowsV1: D } });
    expect(answer).toMatchObject({ status: 422, code: "statement/subject" });
  });
  it("cannot go on with somebody else's run, nor contradict its checkpoints", async () => {
    const rec = ((await post(mine, run)).records as { rec: string }[])[0]?.rec as string;
    const first = ((await post(mine, checkpoint(rec, 5))).records as { rec: string }[])[0]?.rec as string;
    expect(await post(other, checkpoint(rec, 6))).toMatchObject({ status: 403, code: "reference/not-yours" });
    expect(await post(mine, checkpoint(rec, 5, first))).toMatchObject({ status: 422, code: "record/contradiction" });
    const next = ((await post(mine, checkpoint(rec, 6, first))).records as { rec: string }[])[0]?.rec as string;
    const replay = (result: string, recomputed: string) => ({
      predicateType: "spur:replay/v1",
      predicate: { run: { rec }, from: { rec: first }, to: { rec: next }, recomputed, result },
    });
    const lie = await post(other, replay("different", D));
    expect(lie).toMatchObject({ status: 422, code: "record/contradiction" });
    expect(await post(other, replay("same", D))).toMatchObject({ status: 201 });
    const second = ((await post(mine, run)).records as { rec: string }[])[0]?.rec as string;
    expect(await post(mine, checkpoint(second, 9, first))).toMatchObject({ status: 422, code: "reference/other-run" });
  });
});

describe("a stranger", () => {
  it("is asked for a key before a byte of his body is read", async () => {
    const { hostname, port } = new URL(ledger.url);
    const socket = connect(Number(port), hostname);
    socket.write("PUT /spur/v1/payloads HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"); // and no byte of it
    const [first] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    expect(first.toString("latin1")).toMatch(/^HTTP\/1\.1 401 /);
  });
  it("neither sees nor publishes what no checkpoint covers", async () => {
    await fetch(`${ledger.url}/spur/v1/publish`, { method: "POST", headers: { authorization: `Bearer ${mine}` } });
    const rec = ((await post(mine, run)).records as { rec: string }[])[0]?.rec as string;
    const inside = (await (await get("/spur/v1/head", mine)).json()) as { size: number };
    const outside = (await (await get("/spur/v1/head")).json()) as { size: number; published: { size: number } };
    expect(outside.size).toBe(inside.size - 1);
    expect((await get(`/spur/v1/records/${rec}/evidence`)).status).toBe(404);
    expect((await get("/spur/v1/questions")).status).toBe(200);
    expect(((await (await get("/health")).json()) as { size: number }).size).toBe(outside.size);
    const still = (await (await get("/spur/v1/head")).json()) as { published: { size: number } };
    expect(still.published.size).toBe(outside.published.size);
  });
  it("hears of a doubled name in a query, not of a bug", async () => {
    const answer = await get("/spur/v1/records?type=a&type=b");
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([422, "http/query"]);
  });
});

it("rows of a payload are folded as the verifier folds them, and let others have their turn", async () => {
  const { rowsRoot } = await import("@spur/verifier/payload/rows");
  for (const text of [
    "",
    "\n",
    "a",
    "a\nb",
    "a\nb\n",
    "\n\n\n",
    Array.from({ length: 5000 }, (_, i) => `row ${i}`).join("\n"),
  ]) {
    const answer = await fetch(`${ledger.url}/spur/v1/payloads`, { method: "PUT", headers: { authorization: `Bearer ${mine}` }, body: text }); // prettier-ignore
    const { root, leaves } = rowsRoot(Buffer.from(text));
    expect(await answer.json()).toMatchObject({ rows: leaves.length, rowsRoot: Buffer.from(root).toString("hex") });
  }
});

it("removing needs content, and the operator for what answers for him", async () => {
  const remove = (key: string, rec: string) =>
    fetch(`${ledger.url}/spur/v1/removals`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ rec, basis: "other" }) }); // prettier-ignore
  const { records } = (await (await get("/spur/v1/records?limit=500")).json()) as {
    records: { rec: string; type: string }[];
  };
  const keyEntry = records.find(({ type }) => type === "spur:key/v1")?.rec as string;
  expect((await remove(mine, keyEntry)).status).toBe(422);
  const source = { predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 }, slots: { name: "n" } };
  const rec = ((await post(other, source)).records as { rec: string }[])[0]?.rec as string;
  const removed = (await (await remove(other, rec)).json()) as { order: { rec: string } };
  expect((await remove(other, removed.order.rec)).status).toBe(403);
});
