// The commands that speak to a ledger, against a server that answers as the contract says, or that does not.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { answerJson, serve } from "./serve.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

const OUTPUT = "a".repeat(32);
const DECISION = "b".repeat(32);
const KEY = "spur_operator";
const EVIDENCE = '{"format":"spur-evidence/v1"}';

let terminal: Terminal;
let url: string;
let close: () => Promise<void>;
/** What reached the server. */
let asked: { method: string; path: string; key: string; body: unknown }[] = [];

const routes: Record<string, (body: Record<string, unknown>) => [number, unknown, Record<string, string>?]> = {
  "GET /spur/v1/head": () => [200, { origin: "x", vkey: "x", size: 3, demo: true }],
  "GET /spur/v1/questions": () => [
    200,
    [
      { ask: "Q5", state: "proven", sentence: "Decided.\u001b[2K" },
      { ask: "Q1", state: "not-recorded", sentence: "Nothing." },
      { ask: "lineage", state: "not-checked", sentence: "…" },
    ],
  ],
  "GET /v1/models": () => [200, { data: [{ id: "tiny" }] }],
  "POST /v1/chat/completions": () => [
    200,
    { choices: [{ message: { role: "assistant", content: "Hello\nthere." } }] },
    { "x-spur-record": OUTPUT },
  ],
  [`GET /spur/v1/records/${OUTPUT}/trace`]: () => [
    200,
    {
      entries: [
        {
          index: 2,
          rec: OUTPUT,
          type: "spur:output/v1",
          register: "outputs",
          seq: 1,
          at: "2026-11-22T04Z",
          evidence: "observed",
          predicate: {},
          opened: [],
        },
        {
          index: 1,
          rec: "c".repeat(32),
          type: "spur:deployment/v1",
          register: "deployments",
          seq: 1,
          at: "2026-11-22T04Z",
          evidence: "observed",
          predicate: {},
          opened: [],
        },
      ],
      edges: [{ from: 2, to: 1, role: "deployment" }],
    },
  ],
  "POST /spur/v1/registers/close": () => [201, { rec: DECISION, index: 9 }],
  "POST /spur/v1/removals": (body) => {
    if (body["rec"] === DECISION)
      return [
        409,
        {
          title: "Conflict",
          status: 409,
          code: "record/pending",
          detail: "its journal row is open",
          hint: "wait for its end",
        },
      ];
    const state = body["reason"] === "fail" ? "failed" : "completed";
    return [
      200,
      {
        order: { rec: "d".repeat(32), index: 4 },
        state,
        completed: { rec: "e".repeat(32), index: 5 },
        voidsBackupsBefore: "2026-11-22T04:00:00Z",
      },
    ];
  },
  "POST /spur/v1/keys": () => [201, { id: "k_1", key: "spur_new" }],
  "GET /spur/v1/keys": () => [
    200,
    {
      keys: [
        { id: "k_1", scopes: "write open", label: "app", revokedMs: null },
        { id: "k_0", scopes: ["admin"], revokedMs: 1 },
      ],
    },
  ],
  "DELETE /spur/v1/keys/k_1": () => [200, {}],
  "POST /spur/v1/custody": () => [200, { format: "spur-custody/v1", verdict: "pass", findings: [] }],
};

beforeAll(async () => {
  const server = await serve((request, response, body) => {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const parsed: unknown = body === "" ? undefined : JSON.parse(body);
    asked.push({
      method: request.method ?? "",
      path: request.url ?? "",
      key: request.headers.authorization ?? "",
      body: parsed,
    });
    if (path === "/spur/v1/records") {
      const params = new URLSearchParams(query);
      const before = Number(params.get("before") ?? 1000);
      const rows = [
        { rec: DECISION, index: 3, type: "spur:decision/v1" },
        { rec: OUTPUT, index: 2, type: "spur:output/v1" },
        { rec: "c".repeat(32), index: 1, type: "spur:deployment/v1" },
      ];
      return answerJson(response, 200, {
        records: rows.filter((row) => row.index < before).slice(0, Number(params.get("limit"))),
      });
    }
    if (path === `/spur/v1/records/${OUTPUT}/evidence`) return void response.writeHead(200).end(EVIDENCE);
    if (path === "/verify.html")
      return void response.writeHead(200).end("<html><!--spur-evidence--><script>1</script></html>");
    const route = routes[`${request.method} ${path}`];
    if (route === undefined)
      return answerJson(response, 404, {
        title: "Not found",
        status: 404,
        code: "record/unknown",
        detail: "no such record",
      });
    if (path.startsWith("/spur/v1/keys") && request.headers.authorization !== `Bearer ${KEY}`) {
      return answerJson(response, 401, { title: "Unauthorized", status: 401, code: "access/key" });
    }
    const [status, answer, headers] = route((parsed ?? {}) as Record<string, unknown>);
    answerJson(response, status, answer, headers);
  });
  ({ url, close } = server);
});
afterAll(() => close());
beforeEach(() => {
  asked = [];
  terminal = openTerminal({ SPUR_URL: url });
});
afterEach(() => terminal.close());

function giveKey(folder: string, key = KEY): void {
  mkdirSync(join(terminal.folder, folder), { recursive: true });
  writeFileSync(join(terminal.folder, folder, "operator.key"), `${key}\n`);
}

describe("access key", () => {
  it("comes from the option, else the environment, else the file that belongs to this ledger", async () => {
    giveKey("spur-demo-keys", "spur_demo");
    giveKey("spur-data-keys", "spur_data");
    await terminal.spur("trace last");
    await terminal.spur("trace last", { env: { SPUR_KEY: "spur_env" } });
    await terminal.spur("trace last --key spur_given", { env: { SPUR_KEY: "spur_env" } });
    const used = asked.filter(({ path }) => path.endsWith("/trace")).map(({ key }) => key);
    expect(used).toEqual(["Bearer spur_demo", "Bearer spur_env", "Bearer spur_given"]); // head says that this is the demo
  });
  it("found in a file never leaves this machine", async () => {
    giveKey("spur-data-keys");
    const sent: (string | undefined)[] = [];
    const elsewhere: typeof fetch = async (_, init) => {
      sent.push(new Headers(init?.headers).get("authorization") ?? undefined);
      return Promise.resolve(new Response("{}", { status: 404 }));
    };
    const { run } = await import("../src/main.ts");
    const silent = { write: () => true };
    const io = {
      stdout: silent,
      stderr: silent,
      env: {},
      cwd: terminal.folder,
      isTty: false,
      now: () => 0,
      fetch: elsewhere,
    };
    await run(["trace", OUTPUT, "--url", "https://spur.example.com"], io);
    await run(["trace", OUTPUT, "--url", "http://127.0.0.1.example.com"], io);
    expect(sent).toEqual([undefined, undefined]);
  });
  it("with a line break in it is refused before it is sent", async () => {
    const { exit, err } = await terminal.spur("trace last", { env: { SPUR_KEY: "spur_a\r\nx-evil: 1" } });
    expect([exit, asked.length]).toEqual([2, 0]);
    expect(err).toContain("[cli/key]");
  });
});

describe("ask", () => {
  it("prints one answer, or all nine; and its state decides the exit code", async () => {
    expect(await terminal.spur("ask Q5")).toMatchObject({
      exit: 0,
      out: expect.stringMatching(
        /✓ Q5 proven {2}Who let this output through[^\n]*\n {4}Decided\.\\u001b\[2K/,
      ) as string,
    });
    expect(await terminal.spur("ask q1")).toMatchObject({
      exit: 2,
      out: expect.stringContaining("? Q1 not recorded") as string,
    });
    const all = await terminal.spur("ask");
    expect(all.exit).toBe(0);
    expect(all.out).not.toContain("lineage");
    expect(all.out).toContain(`npx spur audit ${url}`);
    expect(JSON.parse((await terminal.spur("ask Q5 --json")).out)).toMatchObject({ ask: "Q5", state: "proven" });
  });
  it("sends a prompt to the only model, and says how to prove the answer", async () => {
    const { exit, out } = await terminal.spur("ask 'Say hello'");
    expect(exit).toBe(0);
    expect(asked.at(-1)?.body).toEqual({ model: "tiny", messages: [{ role: "user", content: "Say hello" }] });
    expect(out).toContain("Hello\nthere.\n");
    expect(out).toContain(`  npx spur evidence ${OUTPUT} --open request,response -o aaaaaaaa.evidence.json\n`);
    expect(out).toContain(`  npx spur trust add ${url}\n  npx spur verify aaaaaaaa.evidence.json\n`);
    expect(JSON.parse((await terminal.spur("ask --model tiny Q5 --json")).out)).toEqual({
      model: "tiny",
      record: OUTPUT,
      answer: "Hello\nthere.",
    });
  });
  it("prints commands that reach the same ledger from another terminal", async () => {
    const { out } = await terminal.spur(`ask --url ${url} --model tiny hello`, { env: { SPUR_URL: "" } });
    expect(out).toContain(`-o aaaaaaaa.evidence.json --url ${url}\n`);
  });
});

describe("trace and REF", () => {
  it("last is the newest answer, a number an index, 32 hex digits a record", async () => {
    for (const ref of ["last", "2", OUTPUT, OUTPUT.toUpperCase()]) {
      const { exit, out } = await terminal.spur(`trace ${ref}`);
      expect(exit).toBe(0);
      expect(out).toContain("→ 2  output        outputs no. 1, 2026-11-22T04Z, observed\n       deployment → 1\n");
      expect(out).toContain(`npx spur evidence ${OUTPUT} --ask lineage -o trace.evidence.json\n`);
    }
  });
  it.each([
    ["trace 77", "there is no entry 77 [cli/no-record]"],
    ["trace nonsense", "[cli/ref]"],
    [`trace ${DECISION}`, "no such record [record/unknown]"],
    ["trace", "missing required argument 'ref' [cli/option]\n  → npx spur trace --help"],
  ])("%s", async (line, says) => {
    expect(await terminal.spur(line)).toMatchObject({ exit: 2, err: expect.stringContaining(says) as string });
  });
});

describe("evidence", () => {
  it("writes the file, closes registers first where asked, and says how to verify", async () => {
    const { exit, out } = await terminal.spur("evidence last --ask lineage --open request,response --close -o a.json");
    expect(exit).toBe(0);
    expect(readFileSync(join(terminal.folder, "a.json"), "utf8")).toBe(EVIDENCE);
    const paths = asked.map(({ method, path }) => `${method} ${path}`);
    expect(paths.indexOf("POST /spur/v1/registers/close")).toBeLessThan(
      paths.indexOf(`GET /spur/v1/records/${OUTPUT}/evidence?ask=lineage&open=request%2Cresponse`),
    );
    expect(out).toContain("  npx spur verify a.json\n");
    expect(existsSync(join(terminal.folder, "a.json.part"))).toBe(false);
  });
  it("to standard output, byte for byte", async () => {
    expect((await terminal.spur("evidence last -o -")).out).toBe(EVIDENCE);
  });
  it("with the verifier in one page", async () => {
    const { exit, out } = await terminal.spur("evidence last --html");
    expect(exit).toBe(0);
    const html = readFileSync(join(terminal.folder, "aaaaaaaa.evidence.html"), "utf8");
    expect(html).toContain(
      `<script type="application/octet-stream" id="spur-evidence">${Buffer.from(EVIDENCE).toString("base64")}</script>`,
    );
    expect(out).toContain("npx spur verify aaaaaaaa.evidence.html");
  });
  it("refuses an unknown question before asking anybody", async () => {
    expect(await terminal.spur("evidence last --ask Q12")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("one of Q1 … Q9, or lineage") as string,
    });
    expect(asked).toEqual([]);
  });
});

describe("remove", () => {
  const line = "remove last --basis erasure-request --reason because --now";
  it("asks, and does nothing without a yes", async () => {
    expect((await terminal.spur(line, { answer: "no" })).exit).toBe(2);
    expect((await terminal.spur(line, { answer: "" })).exit).toBe(2);
    expect(await terminal.spur(line)).toMatchObject({
      exit: 2,
      err: expect.stringContaining("--yes removes without asking") as string,
    });
    expect(asked.filter(({ method }) => method === "POST")).toEqual([]);
  });
  it("removes after a yes, and says which backups are void", async () => {
    const { exit, out, err } = await terminal.spur(line, { answer: "yes" });
    expect(exit).toBe(0);
    expect(err).toContain(OUTPUT);
    expect(asked.at(-1)?.body).toEqual({ rec: OUTPUT, basis: "erasure-request", reason: "because" });
    expect(out).toContain("✓ removed  ordered as entry 4, completed as entry 5");
    expect(out).toContain("Backups made before 2026-11-22T04:00:00Z can no longer be read");
  });
  it("is no success where the ledger could not destroy", async () => {
    expect(await terminal.spur("remove last --basis other --reason fail --now --yes")).toMatchObject({
      exit: 2,
      out: expect.stringContaining("✗ not removed") as string,
    });
  });
  it("passes on the ledger's reason and advice", async () => {
    const { exit, err } = await terminal.spur("remove 3 --basis other --now --yes");
    expect([exit, err]).toEqual([2, "spur: its journal row is open [record/pending]\n  → wait for its end\n"]);
  });
  it("wants --now and a known basis", async () => {
    expect((await terminal.spur("remove last --basis other --yes")).err).toContain(
      "npx spur remove last --basis other --now",
    );
    expect((await terminal.spur("remove last --basis whim --now")).err).toContain("one of erasure-request");
    expect((await terminal.spur("remove last --now")).err).toContain("required option '--basis <basis>' not specified");
    expect(asked).toEqual([]);
  });
});

describe("key", () => {
  it("creates, lists, revokes with the operator's key", async () => {
    giveKey("spur-demo-keys");
    const made = await terminal.spur("key create --label 'my app' --scope write,open remove");
    expect(made.out).toContain("spur_new\n");
    expect(made.out).toContain("npx spur key revoke k_1\n");
    expect(asked.at(-1)?.body).toEqual({ scopes: ["write", "open", "remove"], label: "my app" });
    expect((await terminal.spur("key list")).out).toBe("k_1  write open  app\nk_0  admin    revoked\n");
    expect((await terminal.spur("key revoke k_1")).exit).toBe(0);
  });
  it.each([
    ["key list", "this needs an access key"],
    ["key list --key wrong", "the key is not known here"],
    ["key create --scope everything", "one of write, open, remove, admin"],
    ["key", "this command has subcommands"],
  ])("%s", async (line, says) => {
    expect(await terminal.spur(line)).toMatchObject({ exit: 2, err: expect.stringContaining(says) as string });
  });
});

describe("a server that is none, or lies", () => {
  it.each([
    [
      "nobody",
      "http://127.0.0.1:2",
      "nobody listens there [http/unreachable]\n  → is it up? A ledger on this machine starts with: npx spur up",
    ],
    ["no name", "http://nowhere.invalid", "[http/unreachable]"],
    ["no address", "nowhere", `"nowhere" is no address [http/address]`],
    ["another scheme", "file:///etc/passwd", "[http/address]"],
  ])("%s", async (_, address, says) => {
    expect(await terminal.spur(`trace last --url ${address}`)).toMatchObject({
      exit: 2,
      err: expect.stringContaining(says) as string,
    });
  });

  async function against(status: number, body: string, line = "trace last", headers = {}) {
    const server = await serve((_, response) => void response.writeHead(status, headers).end(body));
    try {
      return await terminal.spur(`${line} --url ${server.url}`);
    } finally {
      await server.close();
    }
  }
  it("answers with a page", async () => {
    expect(await against(200, "<html>")).toMatchObject({
      exit: 2,
      err: expect.stringContaining("did not answer in JSON [http/answer]") as string,
    });
  });
  it("answers in another shape", async () => {
    expect((await against(200, '{"records":{}}')).err).toContain("[http/answer]");
    expect((await against(200, '{"records":[{"index":"1"},{"index":2}]}')).err).toContain("[http/answer]");
    expect((await against(200, "[]", `evidence ${OUTPUT}`)).err).toContain("what the ledger sent is no evidence");
  });
  it("fails in OpenAI's shape, or in none", async () => {
    expect(
      (
        await against(
          404,
          '{"error":{"message":"no such model","type":"x","code":"model_not_found"}}',
          "ask --model x y",
        )
      ).err,
    ).toContain("no such model [model_not_found]");
    expect((await against(502, "Bad gateway")).err).toContain("answered 502 [http/502]");
  });
  it("sends the key elsewhere", async () => {
    expect((await against(302, "", "trace last --key spur_x", { location: "http://127.0.0.1:1/" })).err).toContain(
      "[http/redirect]",
    );
  });
  it("hangs", async () => {
    const server = await serve(() => {});
    const { exit, err } = await terminal.spur(`trace last --url ${server.url} --timeout 0.3`);
    await server.close();
    expect([exit, err]).toEqual([2, expect.stringContaining("did not answer in full within 0.3 s [http/timeout]")]);
  });
  it("sends more than anybody asked for", async () => {
    const server = await serve((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 20, " ")));
      };
      response.on("drain", more).on("error", () => {});
      more();
    });
    const { exit, err } = await terminal.spur(`ask Q5 --url ${server.url}`);
    await server.close();
    expect([exit, err]).toEqual([2, expect.stringContaining("[http/too-large]")]);
  });
});

describe("errors in JSON", () => {
  it("stand alone on standard output", async () => {
    const { exit, out, err } = await terminal.spur("trace nonsense --json");
    expect([exit, err]).toEqual([2, ""]);
    expect(JSON.parse(out)).toMatchObject({ error: { code: "cli/ref" }, exit: 2 });
    expect(JSON.parse((await terminal.spur("verify --json --nonsense x")).out)).toMatchObject({
      error: { code: "cli/option" },
      exit: 2,
    });
  });
});
