// `content: none`: the caller's receipt for ten minutes from memory; of the content nothing on disk, ever; the trace stays.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { verifyReceipt } from "@spur/verifier/evidence/receipt";
import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { cleanUp, startTestLedger, type TestLedger } from "./support/ledger.ts";
import { ask } from "./support/story.ts";
import { startUpstream, type ScriptedUpstream } from "./support/upstream.ts";

const TEN_MINUTES = 600_000;
const SECRET = "My blood pressure was 171 over 93 on Tuesday, und niemand soll es wissen: 保密。";
let upstream: ScriptedUpstream;
let spur: TestLedger;
let nowMs = Date.now();

beforeAll(async () => {
  upstream = await startUpstream();
  spur = await startTestLedger({ upstream: upstream.url, content: "none", now: () => nowMs });
});
afterAll(async () => {
  await cleanUp();
  await upstream.close();
});

/** Files below both folders that hold any 12 bytes in a row of the text. */
function filesWith(text: string): string[] {
  const bytes = Buffer.from(text);
  const runs = Array.from({ length: bytes.length - 11 }, (_, i) => bytes.subarray(i, i + 12));
  const base = dirname(spur.data);
  return (readdirSync(base, { recursive: true }) as string[]).filter((name) => {
    const path = join(base, name);
    if (!statSync(path).isFile()) return false;
    const held = readFileSync(path);
    return runs.some((run) => held.includes(run));
  });
}

const receipt = (rec: string) => spur.call("GET", `/spur/v1/records/${rec}/receipt`);
const open = (rec: string) =>
  spur.call("POST", `/spur/v1/records/${rec}/open`, { body: { slots: ["request", "response"] } });

describe("content: none", () => {
  it("says at the start that nothing is kept, and so does the deployment's entry", async () => {
    expect(spur.ledger.notices.join("\n")).toContain("contents are not kept");
    const { records } = (await spur
      .good("POST", "/spur/v1/publish")
      .then(() => spur.good("GET", "/spur/v1/records?type=spur:deployment/v1"))) as { records: { rec: string }[] };
    expect(records.length).toBeGreaterThan(0);
    for (const { rec } of records) {
      const { entry } = (await spur.good("GET", `/spur/v1/records/${rec}`)) as {
        entry: { statement: { predicate: { contentDays: number } } };
      };
      expect(entry.statement.predicate.contentDays).toBe(0);
    }
  });

  it("for ten minutes the caller has his receipt, which opens his request and answer", async () => {
    const rec = await ask(spur, SECRET, { model: "plain" });
    nowMs += TEN_MINUTES - 1000;
    const file = await receipt(rec);
    expect(file.status).toBe(200);
    const report = verifyReceipt(file.bytes, trustFromVkeys([spur.ledger.vkey, spur.ledger.receiptsVkey]), {});
    expect([report.exit, report.findings.filter(({ check }) => check === "opening").length]).toEqual([0, 2]);
    const [request, response] = (file.json.opened as { value: string }[]).map(({ value }) =>
      Buffer.from(value, "base64").toString("utf8"),
    );
    expect(request).toContain(SECRET);
    expect(response).toContain(`echo: ${SECRET}`);
    expect((await open(rec)).status).toBe(200);

    // On disk: no run of twelve bytes of it, in any file, running or not.
    expect(filesWith(SECRET)).toEqual([]);
    const custody = (await spur.good("POST", "/spur/v1/custody")) as {
      verdict: string;
      counts: { keptNothing: number };
    };
    expect(custody).toMatchObject({ verdict: "pass", counts: { keptNothing: 1 } });
  });

  it("after that: 410 for the receipt and for opening, whoever asks", async () => {
    const rec = await ask(spur, SECRET, { model: "plain" });
    nowMs += TEN_MINUTES + 1;
    const late = await receipt(rec);
    expect([late.status, late.json.code]).toEqual([410, "receipt/expired"]);
    expect((await open(rec)).status).toBe(410);
    // Another answer makes room of it in memory; the word stays the same.
    await ask(spur, "another", { model: "plain" });
    const later = await receipt(rec);
    expect([later.status, later.json.code]).toEqual([410, "receipt/expired"]);
    expect((await open(rec)).json).toMatchObject({ status: 410 });
  });

  it("streaming as well: the receipt opens every byte that was sent", async () => {
    const response = await fetch(`${spur.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${spur.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "plain", stream: true, messages: [{ role: "user", content: SECRET }] }),
    });
    const sent = await response.text();
    const file = await receipt(response.headers.get("x-spur-record") ?? "");
    const [, answer] = file.json.opened as { value: string }[];
    expect(Buffer.from(answer?.value ?? "", "base64").toString("utf8")).toBe(sent);
    expect(filesWith(SECRET)).toEqual([]);
  });

  it("a removal has nothing to destroy, says so, and takes the receipt with it", async () => {
    const rec = await ask(spur, SECRET, { model: "plain" });
    expect((await receipt(rec)).status).toBe(200);
    const removal = (await spur.good("POST", "/spur/v1/removals", { body: { rec, basis: "erasure-request" } })) as {
      state: string;
      completed: { rec: string };
    };
    expect(removal.state).toBe("completed");
    await spur.good("POST", "/spur/v1/publish");
    const { entry } = (await spur.good("GET", `/spur/v1/records/${removal.completed.rec}`)) as {
      entry: { statement: { predicate: object } };
    };
    expect(entry.statement.predicate).toMatchObject({ custodians: { vault: "had-none" } });
    expect((await receipt(rec)).json).toMatchObject({ status: 410, code: "record/removed" });
  });

  it("after a restart nothing can be opened, and the trace still verifies", async () => {
    const rec = await ask(spur, SECRET, { model: "plain" });
    expect((await receipt(rec)).status).toBe(200);
    await spur.ledger.close();
    expect(filesWith(SECRET)).toEqual([]);
    spur = await startTestLedger({
      folder: dirname(spur.data),
      operatorKey: spur.key,
      upstream: upstream.url,
      content: "none",
      now: () => nowMs,
    });
    expect((await receipt(rec)).json).toMatchObject({ status: 410, code: "receipt/expired" });
    expect((await open(rec)).json).toMatchObject({ status: 410 });
    const evidence = await spur.call("GET", `/spur/v1/records/${rec}/evidence?ask=Q5`);
    expect(verifyEvidence(evidence.bytes, trustFromVkeys([spur.ledger.vkey])).exit).toBe(0);
    const custody = (await spur.good("POST", "/spur/v1/custody")) as { verdict: string };
    expect(custody.verdict).toBe("pass");
  });
});

describe("content: 1 day", () => {
  it("stays a day, then leaves by a logged removal, at the next start as in every hour", async () => {
    const one = await startTestLedger({ upstream: upstream.url, content: "1", now: () => nowMs });
    const rec = await ask(one, SECRET, { model: "plain" });
    expect((await one.call("GET", `/spur/v1/records/${rec}/receipt`)).status).toBe(200);
    await one.ledger.close();
    nowMs += 86_400_000 + 1;
    const later = await startTestLedger({
      folder: dirname(one.data),
      operatorKey: one.key,
      upstream: upstream.url,
      content: "1",
      now: () => nowMs,
    });
    // A start does not wait for it.
    const until = performance.now() + 10_000;
    const state = async (): Promise<string> =>
      ((await later.good("GET", `/spur/v1/records/${rec}`)) as { state: string }).state;
    while ((await state()) !== "removed" && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await state()).toBe("removed");
    expect((await later.call("GET", `/spur/v1/records/${rec}/receipt`)).json).toMatchObject({
      status: 410,
      code: "record/removed",
    });
  });
});
