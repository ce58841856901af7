// Chromium, without a network: the verifier's vectors in the browser's engine, and evidence as a page, good and altered.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { chromium, type Browser } from "playwright-core";
import { root } from "../imports.ts";
import { cleanUp, startTestLedger, temporaryFolder } from "../support/ledger.ts";
import { ask } from "../support/story.ts";
import { startUpstream } from "../support/upstream.ts";
import { good, holds, Skip, type Suite } from "./peer.ts";

export const browser: Suite = {
  name: "browser",
  about: "Chromium without a network: the vectors, and evidence written as a page",
  async run(say) {
    const executablePath = process.env["SPUR_CHROMIUM"] ?? "/usr/bin/chromium";
    if (!existsSync(executablePath))
      throw new Skip(`no Chromium at ${executablePath} (SPUR_CHROMIUM names another place)`);
    const chrome = await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    const upstream = await startUpstream();
    try {
      const vectors = await runVectors(chrome);
      say(`${vectors} vectors pass in Chromium ${chrome.version()}`);
      const pages = await runPages(chrome, upstream.url);
      say(pages);
      return `${vectors} vectors; ${pages}`;
    } finally {
      await chrome.close();
      await cleanUp();
      await upstream.close();
    }
  },
};

interface VectorRun {
  readonly passed: number;
  readonly failed: readonly string[];
}

/** The vectors' own runner, bundled with all vector files into a page. The same count must pass as there are cases in Node. */
async function runVectors(chrome: Browser): Promise<number> {
  const names = readdirSync(join(root, "vectors")).filter((name) => name.endsWith(".json"));
  const runner = join(root, "packages", "verifier", "test", "vector-runner.ts");
  const contents = `
    import { casesOf } from ${JSON.stringify(runner)};
    ${names.map((name, i) => `import v${i} from ${JSON.stringify(join(root, "vectors", name))};`).join("\n")}
    const files = [${names.map((name, i) => `[${JSON.stringify(name.slice(0, -5))}, v${i}]`).join(", ")}];
    globalThis.runVectors = async (spoil) => {
      let passed = 0;
      const failed = [];
      for (const [name, file] of files) {
        const cases = casesOf(name, spoil ? spoiled(file) : file) ?? [];
        if (cases.length === 0) failed.push(name + ": no case");
        for (const one of cases) {
          try {
            await one.run();
            passed++;
          } catch (error) {
            failed.push(name + ", " + one.name + ": " + error.message);
          }
        }
      }
      return { passed, failed };
    };
    // Every digest in the file begins with another digit.
    const spoiled = (file) => JSON.parse(JSON.stringify(file).replace(/"[0-9a-f](?=[0-9a-f]{63}")/g, (found) => (found === '"0' ? '"1' : '"0')));
  `;
  const bundle = await build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  const folder = temporaryFolder();
  const page = join(folder, "vectors.html");
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><script>${bundle.outputFiles[0]?.text.replaceAll("</script", "<\\/script") ?? ""}</script>`,
  );
  const context = await chrome.newContext({ offline: true });
  const tab = await context.newPage();
  await tab.goto(pathToFileURL(page).href);
  const evaluate = (spoil: boolean): Promise<VectorRun> =>
    tab.evaluate(
      (value) => (globalThis as unknown as { runVectors(spoil: boolean): Promise<VectorRun> }).runVectors(value),
      spoil,
    );
  const ran = await evaluate(false);
  holds(`every vector passes: ${ran.failed.slice(0, 5).join("; ")}`, ran.failed.length === 0 && ran.passed > 100);
  const spoiled = await evaluate(true);
  holds("with other digests vectors fail", spoiled.failed.length > 20);
  await context.close();
  return ran.passed;
}

/** `spur evidence REF --html`, opened from the disk: verified under the log's key, refuted for every altered copy. */
async function runPages(chrome: Browser, upstream: string): Promise<string> {
  const folder = temporaryFolder();
  const spur = await startTestLedger({ upstream });
  const rec = await ask(spur, "Who let this through?", { model: "plain" });
  await spur.good("POST", "/spur/v1/publish");
  const file = join(folder, "answer.html");
  const cli = join(root, "packages", "cli", "bin", "spur.js");
  await good(
    process.execPath,
    [cli, "evidence", rec, "--html", "-o", file, "--open", "request,response", "--url", spur.url, "--key", spur.key],
    { cwd: folder },
  );
  const html = readFileSync(file, "utf8");
  const [before, base64, after] = split(html);
  const evidence = Buffer.from(base64, "base64").toString("utf8");
  const outside: string[] = [];

  const verdictOf = async (name: string, content: string, vkey: string | undefined): Promise<string> => {
    const path = join(folder, name);
    writeFileSync(path, content);
    const context = await chrome.newContext({ offline: true, locale: "en-US" });
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) outside.push(request.url());
    });
    page.on("pageerror", (error) => outside.push(`error ${error.message}`));
    await page.goto(pathToFileURL(path).href);
    await page.waitForSelector("#sentence");
    if (vkey !== undefined) {
      await page.evaluate(() => {
        document.querySelectorAll<HTMLDetailsElement>("#trust details").forEach((one) => (one.open = true));
      });
      await page.fill("#trust-text", vkey);
      await page.click("#trust form button[type=submit]");
    }
    const look = (await page.getAttribute("#verdict > div", "class")) ?? "";
    await context.close();
    return look.replace("verdict ", "");
  };
  const page = (text: string): string => `${before}${Buffer.from(text).toString("base64")}${after}`;

  const alone = await verdictOf("alone.html", html, undefined);
  holds(`without trust it is not green, but ${alone}`, alone === "not-checked");
  const passes = await verdictOf("good.html", html, spur.ledger.vkey);
  holds(`the good page is verified under the log's key, not ${passes}`, passes === "pass");

  const altered = alter(evidence);
  for (const [name, text] of Object.entries(altered)) {
    holds(`${name}: the evidence is another one`, text !== evidence);
    const verdict = await verdictOf(`altered-${Object.keys(altered).indexOf(name)}.html`, page(text), spur.ledger.vkey);
    holds(`${name}: refuted, not ${verdict}`, verdict === "fail");
  }
  holds(`nothing was asked of anybody: ${outside.join(", ")}`, outside.length === 0);
  return `a page of evidence passes, and ${Object.keys(altered).length} altered ones are refuted`;
}

/** Before, inside and behind the element that holds the evidence. */
function split(html: string): [string, string, string] {
  const match = /^([^]*<script type="application\/octet-stream" id="[^"]*">)([A-Za-z0-9+/=]+)(<\/script>[^]*)$/.exec(
    html,
  );
  holds("the page holds evidence", match !== null);
  return [match[1] ?? "", match[2] ?? "", match[3] ?? ""];
}

interface File {
  checkpoint: string;
  log: { origin: string };
  entries: { index: number; entry: string; proof: string[] }[];
  opened: { value: string; salt: string; slot: number; path: string[] }[];
}

/** Lies of several kinds, each in well-formed canonical JSON but for the last two. */
function alter(evidence: string): Record<string, string> {
  const changed = (change: (file: File) => void): string => {
    const file = JSON.parse(evidence) as File;
    change(file);
    return JSON.stringify(file); // the members keep their order, so it stays canonical
  };
  const flip = (base64: string, at: number): string => {
    const bytes = Buffer.from(base64, "base64");
    bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ 1;
    return bytes.toString("base64");
  };
  const entryWith = (text: string, from: string, to: string): string =>
    Buffer.from(Buffer.from(text, "base64").toString("utf8").replace(from, to)).toString("base64");
  const first = <T>(list: T[]): T => list[0] as T;
  return {
    "the answer is another": changed(({ opened }) => {
      const response = opened.find(({ slot }) => slot === 1);
      if (response !== undefined) response.value = flip(response.value, 40);
    }),
    "the request is another": changed(({ opened }) => (first(opened).value = flip(first(opened).value, 60))),
    "request and answer change places": changed(({ opened }) => {
      const [a, b] = [first(opened), opened[1] as File["opened"][number]];
      [a.value, b.value] = [b.value, a.value];
    }),
    "a salt is another": changed(({ opened }) => (first(opened).salt = flip(first(opened).salt, 0))),
    "a decision says the contrary": changed(({ entries }) => {
      for (const one of entries) one.entry = entryWith(one.entry, '"released"', '"withheld"');
    }),
    "an entry claims that we saw it": changed(({ entries }) => {
      for (const one of entries) one.entry = entryWith(one.entry, '"evidence":"observed"', '"evidence":"reported"');
    }),
    "a hash of a proof is another": changed(({ entries }) => {
      const one = entries.find(({ proof }) => proof.length > 0);
      if (one !== undefined) one.proof[0] = flip(one.proof[0] ?? "", 5);
    }),
    "the log is larger": changed(
      (file) =>
        (file.checkpoint = file.checkpoint.replace(/\n(\d+)\n/, (_, size: string) => `\n${Number(size) + 1}\n`)),
    ),
    "the signature is another": changed(
      (file) =>
        (file.checkpoint = file.checkpoint.replace(
          /.{12}(?=\n$)/,
          (end) => (end.startsWith("A") ? "B" : "A") + end.slice(1),
        )),
    ),
    "the same in another spelling": evidence.replace("{", "{ "),
    "cut in the middle": evidence.slice(0, evidence.length >> 1),
  };
}
