// What else a witness answers: the read side, the page, health, other origins, too many refusals, lists of logs.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Refusals } from "../src/limits.ts";
import { listedLog, parseLogList } from "../src/log-list.ts";
import { addLogs, listLogs } from "../src/manage.ts";
import { originHash } from "../src/store.ts";
import { makeSigner } from "../../verifier/test/make-log.ts";
import { TestLog } from "./log.ts";
import { cleanUp, startTestWitness, temporaryFolder, type TestWitness } from "./running.ts";

let witness: TestWitness;
const log = new TestLog("http.test/log");
beforeAll(async () => {
  witness = await startTestWitness({ logs: [log] });
});
afterAll(cleanUp);

describe("reading", () => {
  it("gives the last checkpoint with both signatures, and 404 before there is one", async () => {
    const path = `/${originHash(log.origin)}/checkpoint`;
    expect((await witness.get(path)).status).toBe(404);
    const { text } = await witness.post(log.request(0, 4));
    const response = await witness.get(path);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toBe(log.note(4) + text);
    const head = await witness.get(path, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it.each([
    `/${originHash("http.test/other")}/checkpoint`,
    `/${originHash(log.origin).toUpperCase()}/checkpoint`,
    `/${originHash(log.origin)}/tile/0/000`,
    `/mirror/${originHash(log.origin)}/checkpoint`,
    `/mirror/${originHash(log.origin)}/../../witness.sqlite`,
    `/mirror/${originHash(log.origin)}/tile/0/..%2f..%2f..%2fwitness.sqlite`,
    "/favicon.ico",
    "/%",
  ])("has nothing at %s", async (path) => {
    expect((await witness.get(path)).status).toBe(404);
  });

  it("shows a page for people, its keys, and its health", async () => {
    const nasty = new TestLog("<script>alert(1)</script>");
    addLogs(witness.data, [
      listedLog(makeSigner("nasty.test", "n").vkey, { origin: nasty.origin, url: "https://x.test/?a=%22%3E" }),
    ]);
    witness.nowMs += 10_000;
    const page = await witness.get("/");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    const html = await page.text();
    expect(html).toContain("&#60;script&#62;alert(1)");
    expect(html).not.toContain("<script>");
    expect(html).toContain(`/${originHash(log.origin)}/checkpoint`);
    expect(await (await witness.get("/vkeys")).text()).toBe(witness.vkeys.map((vkey) => `${vkey}\n`).join(""));
    expect(await (await witness.get("/health")).json()).toMatchObject({
      status: "ok",
      name: "witness.test/w1",
      logs: 2,
    });
  });

  it("lets every page ask, and allows each path its methods only", async () => {
    const preflight = await witness.get("/add-checkpoint", { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    for (const name of ["origin", "methods", "headers"])
      expect(preflight.headers.get(`access-control-allow-${name}`)).toBeTruthy();
    expect((await witness.get("/add-checkpoint")).status).toBe(405);
    expect((await witness.get("/health", { method: "POST", body: "x" })).status).toBe(405);
    const refused = await fetch(`${witness.url}/add-checkpoint`, { method: "POST", body: "x" });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([400, "*"]);
  });
});

describe("addresses that only send what is refused", () => {
  it("are not looked at for a while; this machine's own are, since a proxy speaks for many", () => {
    let nowMs = 0;
    const refusals = new Refusals(() => nowMs);
    const send = (address: string, times: number) => {
      for (let i = 0; i < times; i++) if (!refusals.exhausted(address)) refusals.count(address);
      return refusals.exhausted(address);
    };
    expect(send("127.0.0.1", 10_000)).toBe(false);
    expect(send("::1", 10_000)).toBe(false);
    expect(send("192.0.2.1", 99)).toBe(false);
    expect(send("192.0.2.1", 5)).toBe(true);
    expect(refusals.exhausted("::ffff:192.0.2.1")).toBe(true);
    expect(refusals.exhausted("192.0.2.2")).toBe(false);
    nowMs += 2_000;
    expect(refusals.exhausted("192.0.2.1")).toBe(false);
    // Whoever has one address of a /64 has all of them.
    for (let i = 0; i < 120; i++) refusals.count(`2001:db8::${i.toString(16)}`);
    expect(refusals.exhausted("2001:db8:0:0:ffff::1")).toBe(true);
    expect(refusals.exhausted("2001:db8:0:1::1")).toBe(false);
  });
});

describe("lists of logs", () => {
  const [a, b] = [makeSigner("a.test/log", "a"), makeSigner("b.test", "b")];
  const list = `#
# List: 10qps-100klogs
logs/v0

# first
vkey ${a.vkey}
qpd 86400
contact https://a.test/contact
  vkey ${b.vkey}
origin go.sum database tree
qpd 24
contact sysadmin (at) b.test
`;
  it("are read", () => {
    expect(parseLogList(list)).toEqual([
      { origin: "a.test/log", vkey: a.vkey, perDay: 86_400, contact: "https://a.test/contact" },
      { origin: "go.sum database tree", vkey: b.vkey, perDay: 24, contact: "sysadmin (at) b.test" },
    ]);
    expect(parseLogList("logs/v0\n")).toEqual([]);
  });

  it.each([
    ["", "line 1"],
    [list.replace("logs/v0", "logs/v1"), "line 3"],
    [list.replace("qpd 86400\n", ""), "line 7"],
    [list.replace("qpd 86400", "qpd 0"), "line 7"],
    [list.replace("qpd 86400", "qpd 010"), "line 7"],
    [list.replace("qpd 86400", "qpd 2147483648"), "line 7"],
    [list.replace("qpd 24", "qpd 2.4"), "line 11"],
    [list.replace(a.vkey, `${a.vkey}x`), "line 6"],
    [list.replace(a.vkey, a.vkey.replace("a.test/log", "c.test/log")), "line 6"],
    [list.replace("contact https://a.test/contact\n", ""), "line 8"],
    [`${list}more x\n`, "line 13"],
    [list.replace("origin go", "contact x\norigin go"), "line 10"],
  ])("with a fault are refused with its line (%#)", (text, line) => {
    expect(() => parseLogList(text)).toThrow(new RegExp(`${line}:`));
  });

  it("are taken in full or not at all, and a second time they add nothing", () => {
    const data = temporaryFolder();
    expect(addLogs(data, parseLogList(list))).toEqual({ added: ["a.test/log", "go.sum database tree"], updated: [] });
    expect(addLogs(data, parseLogList(list))).toEqual({ added: [], updated: ["a.test/log", "go.sum database tree"] });
    const more = makeSigner("a.test/log", "another");
    expect(addLogs(data, [listedLog(more.vkey, { url: "https://a.test" })])).toMatchObject({ added: [] });
    expect(listLogs(data).logs).toMatchObject([
      { origin: "a.test/log", perDay: 86_400, url: "https://a.test", vkeys: [expect.any(String), expect.any(String)] },
      { origin: "go.sum database tree", vkeys: [b.vkey] },
    ]);
  });

  it.each([
    [{ origin: "two\nlines" }, "witness/origin"],
    [{ origin: "" }, "witness/origin"],
    [{ url: "ftp://x.test" }, "witness/url"],
    [{ url: "nonsense" }, "witness/url"],
  ])("and single logs: %j is %s", (given, expected) => {
    expect(() => listedLog(a.vkey, given)).toThrow(expect.objectContaining({ code: expected }) as unknown);
  });

  it("keys that nobody here can verify are refused", () => {
    // ECDSA (type 2): its key id is made by another rule.
    const vkey =
      "rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=";
    expect(() => listedLog(vkey)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^(witness\/key-type|note\/vkey)$/) as string,
      }) as unknown,
    );
  });
});
