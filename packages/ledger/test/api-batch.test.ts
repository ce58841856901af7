// Many lines in one request: each recorded by itself, in their order, and told when it is durable.
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLedger, type RunningLedger } from "../src/main.ts";
import { newRec } from "../src/record.ts";

const folder = mkdtempSync(join(tmpdir(), "spur-test-"));
const D = "ab".repeat(32);
let ledger: RunningLedger;
let key: string;

interface Line {
  readonly line?: number;
  readonly rec?: string;
  readonly index?: number;
  readonly known?: boolean;
  readonly error?: { readonly code: string; readonly status: number };
  readonly durable?: number;
  readonly done?: boolean;
  readonly lines?: number;
  readonly recorded?: number;
  readonly refused?: number;
}

async function batch(
  body: string | Buffer,
  query = "",
  headers: Record<string, string> = {},
): Promise<{ status: number; lines: Line[]; text: string }> {
  const response = await fetch(`${ledger.url}/spur/v1/records:batch${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/x-ndjson", ...headers },
    body: body as string,
  }); // prettier-ignore
  const text = await response.text();
  const lines = response.status === 200 ? text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line) : []; // prettier-ignore
  return { status: response.status, lines, text };
}

beforeAll(async () => {
  ledger = await startLedger({ data: join(folder, "data"), port: 0, discover: false, publishEvery: 3600, env: {}, cwd: folder }); // prettier-ignore
  key = ledger.operatorKey as string;
});
afterAll(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (rec: string) => ({
  rec,
  predicateType: "spur:training-run/v1",
  predicate: { datasets: [], code: D, config: D, steps: 9, seed: 1 },
});
const checkpoint = (rec: string, runRec: string, step: number, parent?: string) => ({
  rec,
  predicateType: "spur:checkpoint/v1",
  predicate: { run: { rec: runRec }, step, state: D, bytes: 1, ...(parent === undefined ? {} : { parent: { rec: parent } }) },
  digests: { sha256: D },
}); // prettier-ignore
const bytes = (text: string, rec?: string) => ({ ...(rec === undefined ? {} : { rec }), bytes: Buffer.from(text).toString("base64") }); // prettier-ignore
const ndjson = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

describe("a batch", () => {
  it("records each line in its order, with the indexes that follow on one another", async () => {
    const { size } = await ledger.ledger.thread.call("head");
    const { status, lines } = await batch(ndjson(Array.from({ length: 5000 }, (_, i) => bytes(`statement ${i} ${D}`))));
    expect(status).toBe(200);
    const last = lines.at(-1);
    expect(last).toEqual({ done: true, lines: 5000, recorded: 5000, refused: 0 });
    const told = lines.slice(0, -1).toSorted((a, b) => (a.line as number) - (b.line as number));
    expect(told.map(({ index }) => index)).toEqual(told.map((_, i) => size + i));
    const row = told[4321] as Line;
    const opened = await ledger.ledger.openInside(row.rec as string);
    expect(Buffer.from(opened.slots[0] as Uint8Array).toString()).toBe(`statement 4321 ${D}`);
  });

  it("lets a line refer to an earlier one, also to one whose content becomes a file", async () => {
    const [r, a, b] = [newRec(), newRec(), newRec()];
    const long = { ...run(r), slots: { parameters: "x".repeat(200_000) } };
    const { lines } = await batch(ndjson([long, checkpoint(a, r, 1), checkpoint(b, r, 2, a), checkpoint(newRec(), r, 1, b)])); // prettier-ignore
    expect(lines.filter(({ error }) => error !== undefined).map(({ line, error }) => [line, error?.code])).toEqual([[4, "record/contradiction"]]); // prettier-ignore
    expect(lines.at(-1)).toMatchObject({ done: true, recorded: 3, refused: 1 });
  });

  it("tells a bad line by its number and goes on", async () => {
    const good = JSON.stringify(bytes("good"));
    const text = [
      good,
      "not json",
      '{"bytes":"AAAA","bytes":"BBBB"}',
      '{"bytes":1}',
      "",
      "  ",
      '{"predicateType":"spur:output/v1","predicate":{}}',
      JSON.stringify(checkpoint(newRec(), newRec(), 1)),
      "\xff",
      good,
    ].join("\n");
    const { lines } = await batch(Buffer.from(text, "latin1"));
    const codes = lines.filter(({ error }) => error !== undefined).map(({ line, error }) => [line, error?.code]);
    expect(codes.toSorted((a, b) => Number(a[0]) - Number(b[0]))).toEqual([
      [2, "json/syntax"],
      [3, "json/duplicate-name"],
      [4, "http/body"],
      [7, "record/predicate-type"],
      [8, "reference/forward"],
      [9, "json/utf8"],
    ]);
    expect(lines.at(-1)).toEqual({ done: true, lines: 10, recorded: 2, refused: 6 });
  });

  it("told again is told the same: known records, and other bytes under a known rec refused", async () => {
    const rec = newRec();
    const first = await batch(ndjson([bytes("once", rec)]));
    const again = await batch(ndjson([bytes("once", rec), bytes("twice", rec)]));
    const of = (nth: number): Line | undefined => again.lines.find(({ line }) => line === nth);
    expect(of(1)).toMatchObject({ rec, index: first.lines[0]?.index, known: true });
    expect(of(2)?.error?.code).toBe("record/rec-used");
  });

  it("tells progress and the refused lines only, where that is asked", async () => {
    const { lines } = await batch(ndjson([...Array.from({ length: 300 }, (_, i) => bytes(`p${i}`)), { bytes: 1 }]), "?answer=progress"); // prettier-ignore
    expect(lines.every((line) => line.rec === undefined)).toBe(true);
    expect(lines.filter(({ durable }) => durable !== undefined).length).toBeGreaterThan(0);
    expect(lines.at(-1)).toEqual({ done: true, lines: 301, recorded: 300, refused: 1 });
  });

  it("answers while the caller still sends, and a cut one leaves what it sent whole", async () => {
    const { size } = await ledger.ledger.thread.call("head");
    const url = new URL(`${ledger.url}/spur/v1/records:batch`);
    const told = await new Promise<string>((resolve, reject) => {
      const sent = request(url, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/x-ndjson" } }); // prettier-ignore
      sent.on("error", () => undefined);
      sent.on("response", (response) => {
        response.on("error", () => undefined);
        response.once("data", (data: Buffer) => {
          sent.destroy();
          resolve(data.toString());
        });
      });
      sent.write(`${JSON.stringify(bytes("whole"))}\n${JSON.stringify(bytes("cut")).slice(0, 8)}`);
      setTimeout(() => {
        reject(new Error("nothing was told while sending"));
      }, 5000).unref();
    });
    expect(JSON.parse(told) as Line).toMatchObject({ line: 1, index: size });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await ledger.ledger.thread.call("head")).size).toBe(size + 1);
  });

  it("is refused before its first line without a key, with a wrong media type or question", async () => {
    expect((await batch("{}\n", "?answer=all")).status).toBe(422);
    expect((await batch("{}\n", "", { authorization: "Bearer nobody" })).status).toBe(401);
    expect((await batch("{}\n", "", { "content-type": "application/json" })).status).toBe(415);
  });
});
