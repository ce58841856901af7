// The tarballs of verifier and CLI, installed in an empty folder and run by the machine's own Node: a stranger's view of Spur.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "./imports.ts";
import { cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "./support/ledger.ts";
import { systemNode, type, userEnv, type Ran } from "./support/shell.ts";
import { tellStory, trustText, type Story } from "./support/story.ts";

let spur: TestLedger;
let story: Story | undefined;
let folder: string;
let home: string;

/** `spur` as the stranger has it. */
function run(
  line: string,
  options: { home?: string; env?: Record<string, string>; answer?: string } = {},
): Promise<Ran> {
  const env = { ...userEnv(options.home ?? home), ...options.env };
  return type(`npx --no-install spur ${line}`, {
    cwd: folder,
    env,
    ...(options.answer === undefined ? {} : { answer: options.answer }),
  });
}

beforeAll(async () => {
  const base = temporaryFolder();
  [folder, home] = [join(base, "empty"), join(base, "home")];
  const tarballs = join(base, "tarballs");
  mkdirSync(folder);
  // Without a manifest here npm would look for one above, and install there.
  writeFileSync(join(folder, "package.json"), '{"private":true}\n');
  const packing = type(`npm run pack -- ${tarballs}`, { cwd: root, env: process.env as Record<string, string> });
  spur = await startTestLedger({ demo: true });
  story = await tellStory(spur);
  const packed = await packing;
  expect(packed.exit, packed.text).toBe(0);
  const installed = await type(
    `npm install --prefix . --prefer-offline --fetch-retries 0 --ignore-scripts --no-audit --no-fund ${tarballs}/*.tgz`,
    { cwd: folder, env: userEnv(home) },
  );
  expect(installed.exit, installed.text).toBe(0);
  const rec = story.answers[0] ?? "";
  writeFileSync(
    join(folder, "good.evidence.json"),
    await story.api.bytes(`/spur/v1/records/${rec}/evidence?ask=Q5&open=request,response`),
  );
  writeFileSync(
    join(folder, "lineage.evidence.json"),
    await story.api.bytes(`/spur/v1/records/${rec}/evidence?ask=lineage`),
  );
  writeFileSync(join(folder, "receipt.json"), await story.api.bytes(`/spur/v1/records/${rec}/receipt`));
  writeFileSync(join(folder, "trust.json"), trustText(spur.ledger.vkey));
  await spur.good("POST", "/spur/v1/publish");
  cpSync(join(spur.data, "log"), join(folder, "mirror"), { recursive: true });
}, 120_000);
afterAll(async () => {
  await cleanUp();
  await story?.model.stop();
});

describe(`installed from tarballs, on ${systemNode().version}`, () => {
  it("is the CLI, the verifier, the witness and what they need; nothing of the ledger", () => {
    expect(readdirSync(join(folder, "node_modules", "@spur")).sort()).toEqual(["cli", "verifier", "witness"]);
    expect(
      readdirSync(join(folder, "node_modules"))
        .filter((name) => !name.startsWith("."))
        .sort(),
    ).toEqual(["@noble", "@spur", "commander"]);
    const files = readdirSync(join(folder, "node_modules", "@spur"), { recursive: true }) as string[];
    // Built JavaScript with types: Node strips nothing under node_modules.
    expect(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))).toEqual([]);
    expect(files).toContain(join("verifier", "dist", "evidence", "verify.d.ts"));
    for (const name of files.filter((one) => one.endsWith(".js"))) {
      const text = readFileSync(join(folder, "node_modules", "@spur", name), "utf8");
      // Only a witness keeps a database, and the CLI loads it only to run one: older Nodes have none.
      const foreign = name.startsWith("witness")
        ? /(^|\n)\s*(import|export)[^;]*from\s*"(@spur\/(ledger|demo|web|cli)|fastify|undici|zod|commander)/
        : /(^|\n)\s*(import|export)[^;]*from\s*"(@spur\/(ledger|demo|web|witness)|fastify|undici|zod|node:sqlite)/;
      expect(foreign.test(text), name).toBe(false);
    }
  });

  it("verify: 0 under trust, 2 without, 1 when one byte is another", async () => {
    const good = await run("verify good.evidence.json lineage.evidence.json --trust trust.json");
    expect(good.exit, good.text).toBe(0);
    const nobody = await run("verify good.evidence.json");
    expect(nobody.exit, nobody.text).toBe(2);
    expect(nobody.text).toMatch(/signer unknown/i);
    const bytes = readFileSync(join(folder, "good.evidence.json"));
    // A letter of the opened answer, a proof hash, the checkpoint: base64 and text alike.
    for (const [i, mark] of ['"value":"', '"proof":["', '"checkpoint":"'].entries()) {
      const changed = Buffer.from(bytes);
      const at = changed.lastIndexOf(mark) + mark.length + 3;
      changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
      writeFileSync(join(folder, `changed-${i}.evidence.json`), changed);
      const refuted = await run(`verify changed-${i}.evidence.json --trust trust.json`);
      expect(refuted.exit, refuted.text).toBe(1);
    }
    expect((await run("verify nothing.evidence.json --trust trust.json")).exit).toBe(2);
  });

  it("verify: a receipt, alone and held against evidence", async () => {
    const receipt = await run(
      `verify receipt.json good.evidence.json --trust ${spur.ledger.vkey} ${spur.ledger.receiptsVkey}`,
    );
    expect(receipt.exit, receipt.text).toBe(0);
  });

  it("trust: by key and by address, listed, changed keys refused, removed", async () => {
    const other = join(home, "other");
    const added = await run(`trust add ${spur.url} --yes`, { home: other });
    expect(added.exit, added.text).toBe(0);
    expect((await run("trust list", { home: other })).out).toContain(spur.ledger.vkey);
    expect((await run("verify good.evidence.json", { home: other })).exit).toBe(0);
    // Nobody is here to say yes: it is refused, not assumed.
    expect((await run(`trust add ${spur.url}`, { home: join(home, "third") })).exit).toBe(2);
    expect((await run(`trust remove ${spur.ledger.origin}`, { home: other })).exit).toBe(0);
    expect((await run("verify good.evidence.json", { home: other })).exit).toBe(2);
  });

  it("audit: the log at its address, a folder, and a changed folder", async () => {
    const live = await run(`audit ${spur.url} --trust trust.json`);
    expect(live.exit, live.text).toBe(0);
    const copy = await run("audit mirror --trust trust.json");
    expect(copy.exit, copy.text).toBe(0);
    cpSync(join(folder, "mirror"), join(folder, "changed"), { recursive: true });
    const bundles = join(folder, "changed", "tile", "entries");
    const file =
      (readdirSync(bundles, { recursive: true }) as string[])
        .map((name) => join(bundles, name))
        .find((name) => /\/\d+$/.test(name) && existsSync(name)) ?? "";
    for (const name of (readdirSync(bundles, { recursive: true }) as string[]).filter((one) =>
      /^\d+\.p\/\d+$/.test(one),
    )) {
      const bytes = readFileSync(join(bundles, name));
      bytes.write("withheld", bytes.lastIndexOf("released"));
      writeFileSync(join(bundles, name), bytes);
    }
    expect(file).not.toBe("");
    const changed = await run("audit changed --trust trust.json", { home: join(home, "fresh") });
    expect(changed.exit, changed.text).toBe(1);
  });

  it("evidence --html: asked for over HTTP, written as a page, and read back out of it", async () => {
    const written = await run(
      `evidence ${story?.answers[0] ?? ""} --html -o page.html --url ${spur.url} --key ${spur.key}`,
    );
    expect(written.exit, written.text).toBe(0);
    const html = readFileSync(join(folder, "page.html"), "utf8");
    expect(html).toMatch(/^<!doctype html>/i);
    const verified = await run("verify page.html --trust trust.json");
    expect(verified.exit, verified.text).toBe(0);
  });

  it("up and demo say what they need", async () => {
    for (const command of ["up", "demo"]) {
      const ran = await run(command);
      expect(ran.exit, ran.text).toBe(2);
      expect(ran.text).toMatch(systemNode().major < 24 ? /needs Node 24\.12/ : /npm ci/);
    }
  });

  it("help and version need nothing", async () => {
    for (const line of ["--help", "verify --help", "--version"]) expect((await run(line)).exit).toBe(0);
  });
});
