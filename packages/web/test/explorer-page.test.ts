// The front page before a server that answers as the ledger does, with the worst that a record can hold.
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundlePages } from "../src/bundle.ts";
import { makeFiles } from "./story.ts";

const executablePath = process.env["SPUR_CHROMIUM"] ?? "/usr/bin/chromium";
const found = existsSync(executablePath);
if (!found) console.warn(`skipped: no Chromium at ${executablePath} (SPUR_CHROMIUM names another place)`);

const EVIL = '<img src=x onerror=alert(1)>"><script>alert(2)</script>';

describe.skipIf(!found)("the front page", () => {
  const files = makeFiles();
  const built = bundlePages();
  const report = verifyEvidence(files.good, trustFromVkeys([files.vkey]));
  let browser: Browser;
  let server: Server;
  let address = "";
  let records = true;
  const seen: string[] = [];

  function answer(path: string, key: string | undefined): unknown {
    if (path === "/") return built.indexHtml;
    if (path === "/verify.html") return built.verifyHtml;
    if (path === "/spur/v1/head") {
      const atMs = Date.now() - 5_000;
      const published = { size: report.size, checkpoint: files.log.checkpoint(), ...(records ? { atMs } : {}) };
      return {
        origin: `${files.log.origin} ${EVIL}`,
        vkey: files.vkey,
        size: 19,
        published,
        demo: true,
        version: EVIL,
        contentDays: 30,
      };
    }
    if (path === "/spur/v1/questions") return records ? report.answers : [];
    if (path.startsWith("/spur/v1/records?")) {
      if (!records) return { records: [] };
      return {
        records: report.entries.map((entry) =>
          entry.index === 4 ? { ...entry, register: EVIL, at: EVIL, evidence: EVIL } : entry,
        ),
      };
    }
    if (path.endsWith("/trace")) {
      const predicate = { outcome: EVIL, format: EVIL };
      const entries = report.entries.map((entry) => (entry.index === 14 ? { ...entry, predicate, rec: EVIL } : entry));
      const edges = report.entries.flatMap(({ index, references }) =>
        references.map((to) => ({ from: index, to: to.index, role: EVIL })),
      );
      return { entries, edges };
    }
    if (path.endsWith("/evidence")) return files.lineage;
    if (path.endsWith("/evidence?open=request,response")) return key === "Bearer spur_right" ? files.good : undefined;
    return undefined;
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = request.url ?? "";
      seen.push(path);
      const body = answer(path, request.headers.authorization);
      if (body === undefined) {
        response
          .writeHead(404, { "content-type": "application/problem+json" })
          .end(JSON.stringify({ title: "No", detail: EVIL }));
      } else if (typeof body === "string") response.setHeader("content-type", "text/html; charset=utf-8").end(body);
      else if (body instanceof Uint8Array) response.end(body);
      else response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    });
  });
  afterAll(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  async function open(hash = "") {
    const context = await browser.newContext({ locale: "en-US" });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("dialog", (dialog) => complaints.push(dialog.message()));
    page.on("console", (message) => {
      // The browser itself tells of every answer that is no 200; the page tells the reader.
      if (message.type() === "error" && !message.text().includes("404")) complaints.push(message.text());
    });
    await page.goto(`${address}/${hash}`);
    return { page, context, complaints };
  }

  it("shows head, records, questions and a trace, and what it is told stays text", async () => {
    seen.length = 0;
    const { page, context, complaints } = await open(`#rec=${files.output.rec}`);
    await page.waitForSelector("svg.trace");
    expect(await page.textContent(".numbers")).toContain(EVIL);
    expect(await page.textContent(".numbers")).toContain("seconds ago");
    expect(await page.textContent(".numbers")).toContain(files.log.checkpoint().split("\n")[2]);
    expect(await page.locator("#records tbody tr").count()).toBe(report.entries.length);
    expect(await page.locator("#questions .state.proven").count()).toBe(1);
    expect(await page.locator("svg.trace .name").allTextContents()).toContain("Training run");
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(1);
    expect(complaints).toEqual([]);
    expect(seen.filter((path) => path !== "/" && !path.startsWith("/spur/v1/"))).toEqual([]);
    await context.close();
  });

  it("hands evidence to the verifier in one click; trust stays the reader's", async () => {
    const { page, context, complaints } = await open();
    await page.locator("#records tr", { hasText: "Output" }).locator("button").click();
    await page.waitForSelector("#record section");
    const [verifier] = await Promise.all([page.waitForEvent("popup"), page.click("text=Check it in the verifier")]);
    await verifier.waitForSelector("#sentence");
    expect(await verifier.getAttribute("#verdict > div", "class")).toBe("verdict not-checked");
    expect(await verifier.textContent("#served")).toContain(address.replace("http://", ""));
    await verifier.click("text=I compared it: trust this key");
    expect(await verifier.getAttribute("#verdict > div", "class")).toBe("verdict pass");
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("downloads evidence, with its content only under the right access key, and says why not", async () => {
    const { page, context } = await open(`#rec=${files.output.rec}`);
    const download = async (): Promise<string> => {
      const [file] = await Promise.all([page.waitForEvent("download"), page.click("text=Download evidence")]);
      const chunks: Buffer[] = [];
      for await (const chunk of await file.createReadStream()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    };
    await page.waitForSelector("#record section");
    expect(await download()).toBe(Buffer.from(files.lineage).toString());
    await page.locator("#record .access summary").click();
    await page.fill("#access-key", "spur_wrong");
    await page.click("text=Download evidence");
    await page.waitForSelector("#record-problem:not(:empty)");
    expect(await page.textContent("#record-problem")).toContain(EVIL);
    await page.fill("#access-key", "spur_right");
    expect(await download()).toBe(Buffer.from(files.good).toString());
    await context.close();
  });

  it("says what to try when nothing is there yet, with this server's address", async () => {
    records = false;
    const { page, context, complaints } = await open();
    await page.waitForSelector(".try");
    expect(await page.textContent(".try")).toContain(`curl ${address}/v1/chat/completions`);
    expect(await page.textContent(".try")).toContain(`baseURL: "${address}/v1"`);
    expect(await page.textContent(".try h2")).toContain("No outputs yet");
    await page.click("header button:has-text('Deutsch')");
    expect(await page.textContent(".try h2")).toContain("Noch keine Ausgaben");
    expect(complaints).toEqual([]);
    records = true;
    await context.close();
  });
});
