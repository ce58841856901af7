// The built verify.html in a real browser, opened from the disk without a network: what a reader sees is what the verifier found.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bundlePages } from "../src/bundle.ts";
import { htmlWithEvidence } from "../src/embed.ts";
import { makeSigner } from "../../verifier/test/make-log.ts";
import { makeFiles } from "./story.ts";

const executablePath = process.env["SPUR_CHROMIUM"] ?? "/usr/bin/chromium";
const found = existsSync(executablePath);
if (!found) console.warn(`skipped: no Chromium at ${executablePath} (SPUR_CHROMIUM names another place)`);

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

describe.skipIf(!found)("verify.html in a browser without a network", () => {
  const files = makeFiles();
  const { verifyHtml } = bundlePages();
  const folder = mkdtempSync(`${tmpdir()}/spur-verify-`);
  let browser: Browser;
  let asked: string[] = [];
  let complaints: string[] = [];

  beforeAll(async () => {
    writeFileSync(`${folder}/verify.html`, verifyHtml);
    browser = await chromium.launch({ executablePath, args: [...ARGS, ...QUIET] });
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => {
    // Whatever the file was: not one request but for the page itself, and not one complaint of the browser.
    expect(asked.filter((url) => !url.startsWith("file://") && !url.startsWith("data:"))).toEqual([]);
    expect(asked.filter((url) => url.startsWith("file://"))).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  async function open(name = "verify.html", locale = "en-US"): Promise<Page> {
    const context = await browser.newContext({ locale, offline: true });
    const page = await context.newPage();
    asked = [];
    complaints = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("dialog", (dialog) => complaints.push(`dialog ${dialog.message()}`));
    await page.goto(pathToFileURL(`${folder}/${name}`).href);
    return page;
  }

  const asFile = (bytes: Uint8Array, name = "answer.evidence.json") => ({
    name,
    mimeType: "application/json",
    buffer: Buffer.from(bytes),
  });

  /** As a reader does it: by the button. */
  async function give(page: Page, ...given: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#intro button")]);
    await chooser.setFiles(given);
    await page.waitForSelector("#sentence");
  }

  async function trust(page: Page, text: string): Promise<void> {
    await page.evaluate(() =>
      document.querySelectorAll<HTMLDetailsElement>("#trust details").forEach((one) => (one.open = true)),
    );
    await page.fill("#trust-text", text);
    await page.click("#trust form button[type=submit]");
  }

  const sentence = (page: Page) => page.textContent("#sentence");
  const look = (page: Page) => page.getAttribute("#verdict > div", "class");

  it("says one sentence: unknown until the reader names a key, then verified", async () => {
    const page = await open();
    await give(page, asFile(files.good));
    expect(await look(page)).toBe("verdict not-checked");
    expect(await sentence(page)).toContain("signer is unknown to you");
    expect(await page.textContent("#trust")).toContain(files.vkey);
    await trust(page, files.vkey);
    expect(await look(page)).toBe("verdict pass");
    expect(await sentence(page)).toContain(`Entry ${files.output.index} of ${files.log.origin} is genuine`);
    expect(await page.title()).toBe("Verified · Spur");
    // The conversation as text, whatever stands in it.
    expect(await page.textContent(".turn.user")).toContain("Every step of an AI leaves a trace that");
    expect(await page.textContent(".turn.assistant")).toContain(
      "nobody can silently remove or change. <img src=x onerror=alert(1)>",
    );
    expect(await page.locator("#report img").count()).toBe(0);
    const kinds = await page.locator("svg.trace .name").allTextContents();
    expect(kinds).toEqual([
      "Output",
      "Decision",
      "Deployment",
      "Policy",
      "Model",
      "Checkpoint",
      "Training run",
      "Dataset",
      "Processing",
      "Source",
    ]);
    expect(await page.locator("svg.trace .line.broken").count()).toBe(0);
    expect(await page.textContent("#served")).toContain(folder);
    await page.context().close();
  });

  it.each([
    ["one letter of the answer changed", "altered", "What the file shows as response of entry"],
    ["one hash of a proof changed", "wrongProof", "does not stand in this log"],
    ["cut in the middle", "cut", "not a file of the format"],
  ] as const)("refutes a file: %s", async (_, which, why) => {
    const page = await open();
    await trust(page, files.vkey);
    await give(page, asFile(files[which]));
    expect(await look(page)).toBe("verdict fail");
    expect(await sentence(page)).toContain("Do not rely on this file");
    expect(await page.textContent(".failed")).toContain(why);
    expect(await page.locator(".state.proven").count()).toBe(0);
    await page.context().close();
  });

  it("is never green under a key that did not sign, nor by the file's own word", async () => {
    // Another log's key, and a key of another hand under this log's name.
    for (const other of [makeFiles({ origin: "other.example/log" }), makeFiles({ seed: "another hand" })]) {
      const page = await open();
      await trust(page, other.vkey);
      await give(page, asFile(files.good));
      expect(await look(page)).not.toBe("verdict pass");
      expect(await page.locator(".finding.pass").count()).toBe(0);
      await page.context().close();
    }
  });

  it("takes a trust file, refuses what is none, and forgets when told to", async () => {
    const page = await open();
    await give(page, asFile(files.good));
    await trust(page, "not a key");
    expect(await page.textContent("#trust .problem")).toContain("neither a key nor a trust file");
    await page.setInputFiles("#trust-file", asFile(Buffer.from(files.trustFile), "trust.json"));
    await page.waitForSelector(".verdict.pass");
    await page.locator("#trust summary").click();
    await page.click("text=Trust nobody again");
    expect(await look(page)).toBe("verdict not-checked");
    await page.context().close();
  });

  it("remembers a key only when the reader says so", async () => {
    const page = await open();
    await trust(page, files.vkey);
    expect(await page.evaluate(() => localStorage.length)).toBe(0);
    await page.locator("#trust summary").click();
    await page.locator("#trust input[type=checkbox]").check();
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(["spur-trust"]);
    const url = page.url();
    asked = [];
    await page.goto("about:blank");
    asked = [];
    await page.goto(url);
    await give(page, asFile(files.good));
    expect(await look(page)).toBe("verdict pass");
    await page.context().close();
  });

  it("speaks German and Chinese, by the reader's wish or at the switch", async () => {
    const page = await open("verify.html", "de-DE");
    await trust(page, files.vkey);
    await give(page, asFile(files.good));
    expect(await sentence(page)).toContain("ist echt: Die Antwort wurde von einer Regel");
    expect(await page.getAttribute("html", "lang")).toBe("de");
    await page.click("header button:has-text('中文')");
    expect(await sentence(page)).toContain("是真实的：该回答由规则");
    expect(await page.textContent(".verdict-word")).toContain("核验通过");
    // Nothing of the page is left in English, but for names.
    const english = await page.locator("#report h2, #report .word, #report .lead").allTextContents();
    for (const text of english) expect(text).toMatch(/[\u4e00-\u9fff]/);
    await page.context().close();
  });

  it("opens a page with evidence inside at its verdict, and reads such a page given as a file", async () => {
    const html = htmlWithEvidence(verifyHtml, files.good);
    writeFileSync(`${folder}/answer.html`, html);
    const page = await open("answer.html");
    await page.waitForSelector("#sentence");
    expect(await look(page)).toBe("verdict not-checked");
    expect(await page.textContent("#foot")).toContain("differs from the published one");
    await page.click("text=I compared it: trust this key");
    expect(await look(page)).toBe("verdict pass");
    await page.context().close();

    const clean = await open();
    await trust(clean, files.vkey);
    await give(clean, { name: "answer.html", mimeType: "text/html", buffer: Buffer.from(html) });
    expect(await look(clean)).toBe("verdict pass");
    await clean.context().close();
  });

  it("holds a receipt against evidence of the same log", async () => {
    const page = await open();
    await trust(page, files.vkey);
    await give(page, asFile(files.receipt, "answer.receipt.json"), asFile(files.good));
    expect(await look(page)).toBe("verdict pass");
    expect(await sentence(page)).toContain("the log keeps the promise");
    await page.context().close();
  });

  const vector = (name: string, title: string): { text: string; trust: string } => {
    const file = JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), "utf8")) as {
      trust: Record<string, string>;
      valid: { name: string; text: string; trust: string }[];
    };
    const found = file.valid.find((one) => one.name === title);
    if (found === undefined) throw new Error(title);
    return { text: found.text, trust: file.trust[found.trust] ?? "" };
  };

  it.each([
    ["sizes 5 and 9", "this key equivocated or was stolen"],
    ["a receipt that is not kept, the receipts key announced by the log", "a key equivocated or was stolen"],
  ])("reads a proof of misbehaviour, and convicts under a key that the reader names: %s", async (title, why) => {
    const { text, trust: trusted } = vector("misbehaviour", title);
    const page = await open();
    await give(page, asFile(Buffer.from(text), "x.misbehaviour.json"));
    expect(await look(page)).toBe("verdict not-checked");
    await trust(page, trusted);
    expect(await look(page)).toBe("verdict fail");
    expect(await sentence(page)).toContain(why);
    // Nothing accuses anybody that proves nothing.
    await give(page, asFile(Buffer.from(text.replace(/"(hashes|proof)":\["./, '"$1":["B')), "x.misbehaviour.json"));
    expect(await look(page)).toBe("verdict not-checked");
    expect(await sentence(page)).toContain("convicts nobody");
    await page.context().close();
  });

  it("reads a tlog-proof, and takes the entry beside it", async () => {
    const whole = vector("tlog-proof", "the entry stands in the file");
    const bare = vector("tlog-proof", "the entry is handed in");
    const page = await open();
    await trust(page, whole.trust);
    await give(page, asFile(Buffer.from(whole.text), "a.tlog-proof"));
    expect(await look(page)).toBe("verdict pass");
    expect(await sentence(page)).toContain("The entry at hand is entry 5 of spur.example/log");
    expect(await page.textContent("#report")).toContain("The witness witness.example/one saw this checkpoint");
    await give(page, asFile(Buffer.from(bare.text), "b.tlog-proof"));
    expect(await look(page)).toBe("verdict not-checked");
    await give(page, asFile(Buffer.from("entry 5"), "entry.bin"), asFile(Buffer.from(bare.text), "b.tlog-proof"));
    expect(await look(page)).toBe("verdict pass");
    await give(page, asFile(Buffer.from("entry 6"), "entry.bin"), asFile(Buffer.from(bare.text), "b.tlog-proof"));
    expect(await look(page)).toBe("verdict fail");
    await page.context().close();
  });

  it("names a trusted witness whose ML-DSA-44 signature it cannot check, and does not count him", async () => {
    const { log, output, decision } = files;
    const lattice = makeSigner("witness.example/lattice", "lattice", 0x06);
    const size = log.entries.length;
    const evidence = log.evidenceFile({
      entries: [output.index, decision.index],
      checkpoint: log.checkpoint(size, [log.key, lattice]),
    });
    const page = await open();
    const policy = `log ${log.key.vkey}\nwitness w ${lattice.vkey}\nquorum w\n`;
    await trust(page, JSON.stringify({ format: "spur-trust/v1", policy }));
    await give(page, asFile(evidence));
    expect(await look(page)).toBe("verdict not-checked");
    expect(await page.textContent("#report")).toContain(
      "The signature of witness.example/lattice, whom you trust, is of a type that cannot be checked here.",
    );
    await page.context().close();
  });

  it("takes a drop, works by keyboard alone, and fits a phone", async () => {
    const page = await open();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.evaluate((base64) => {
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "dropped.evidence.json"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }, Buffer.from(files.good).toString("base64"));
    await page.waitForSelector("#sentence");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("sentence");
    await page.locator("#trust-text").focus();
    await page.keyboard.insertText(files.vkey);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".verdict.pass");
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    expect(widths[0]).toBeLessThanOrEqual(widths[1] ?? 0);
    await page.context().close();
  });
});
