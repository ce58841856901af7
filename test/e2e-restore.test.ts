// A data folder that is lost and restored from a backup older than the last removal: what comes back, what does not, and who says so.
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { auditCustody } from "@spur/ledger/custody";
import { recover } from "@spur/ledger/restore";
import { startWitness } from "@spur/witness/serve";
import { originHash } from "@spur/witness/store";
import { parseEntry } from "@spur/verifier/statement/entry";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { openTerminal, type Terminal } from "../packages/cli/test/terminal.ts";
import { call, cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "./support/ledger.ts";
import { ask } from "./support/story.ts";
import { startUpstream, type ScriptedUpstream } from "./support/upstream.ts";

let upstream: ScriptedUpstream;
const servers: Server[] = [];
const terminals: Terminal[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(async () => {
  for (const server of servers) server.close();
  for (const terminal of terminals) terminal.close();
  await cleanUp();
  await upstream.close();
});

/** What was there when the disk died: the keys folder, a backup, a mirror of the public log, and things given out. */
interface Scene {
  readonly folder: string;
  readonly data: string;
  readonly keys: string;
  readonly backup: string;
  readonly mirror: string;
  readonly key: string;
  readonly vkey: string;
  readonly size: number;
  readonly before: readonly string[];
  readonly removed: string;
  readonly after: readonly string[];
  readonly evidence: Buffer;
  /** Sealed records without a removal. */
  readonly held: number;
  readonly heldInBackup: number;
}

const counts = async (spur: TestLedger): Promise<Record<string, number>> =>
  ((await spur.good("POST", "/spur/v1/custody")) as { counts: Record<string, number> }).counts;

/** `removal`: whether one is completed after the backup, which destroys the root key that the backup needs. */
async function scene({ removal }: { removal: boolean }): Promise<Scene> {
  const folder = temporaryFolder();
  const spur = await startTestLedger({ folder, upstream: upstream.url });
  const say = (text: string): Promise<string> => ask(spur, text, { model: "plain" });
  const before = [
    await say("one, before the backup"),
    await say("two, before the backup"),
    await say("three, to be removed"),
  ];
  const heldInBackup = (await counts(spur))["held"] ?? 0;
  await spur.good("POST", "/spur/v1/publish");
  const backup = join(folder, "backup");
  await spur.good("POST", "/spur/v1/backup", { body: { to: backup } });
  const removed = before.pop() ?? "";
  if (removal) await spur.good("POST", "/spur/v1/removals", { body: { rec: removed, basis: "erasure-request" } });
  const after = [await say("four, after the backup")];
  await spur.ledger.serve({ modelName: "kept-not", baseUrl: upstream.url, contentDays: 0, operator: "self" });
  await ask(spur, "never kept", { model: "kept-not" });
  await Promise.all(Array.from({ length: 130 }, (_, i) => say(`many, ${i}`))); // beyond a full tile
  const custody = await counts(spur);
  const size = ((await spur.good("POST", "/spur/v1/publish")) as { size: number }).size;
  const evidence = await spur.call("GET", `/spur/v1/records/${after[0] ?? ""}/evidence?ask=Q5&open=response`);
  const last = ((await spur.good("POST", "/spur/v1/publish")) as { size: number }).size;
  const mirror = join(folder, "mirror");
  cpSync(join(spur.data, "log"), mirror, { recursive: true });
  await spur.ledger.close();
  rmSync(spur.data, { recursive: true });
  expect(last).toBeGreaterThan(size);
  return {
    folder, data: spur.data, keys: spur.keys, backup, mirror, key: spur.key, vkey: spur.ledger.vkey, size: last, before, removed, after,
    evidence: evidence.bytes, heldInBackup,
    // The custody audit is itself a sealed entry, after those it looked at; the opening before the last publication is another.
    held: (custody["held"] ?? 0) + 1 + (last - size),
  }; // prettier-ignore
}

/** Names and bytes of every file below. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const path = join(folder, name);
    // A lock is opened, not changed: SQLite may leave an empty write-ahead log beside it.
    if (statSync(path).isFile() && !name.includes("lock.sqlite"))
      hash.update(`${name}\n`).update(readFileSync(path)).update("\n");
  }
  return hash.digest("hex");
}

async function served(folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url ?? "/", "http://x").pathname);
    if (existsSync(path) && statSync(path).isFile()) response.end(readFileSync(path));
    else response.writeHead(404).end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The whole log, by a stranger with a command line who also remembers the mirror's checkpoint. */
async function auditFromOutside(there: Scene, url: string): Promise<void> {
  const terminal = openTerminal();
  terminals.push(terminal);
  expect((await terminal.spur(`audit ${there.mirror} --trust ${there.vkey}`)).exit).toBe(0);
  const audit = await terminal.spur(`audit ${url} --trust ${there.vkey} --json`);
  expect(audit.exit, audit.text).toBe(0);
  const report = JSON.parse(audit.out) as { size: number };
  expect(report.size).toBeGreaterThan(there.size);
}

describe("a backup older than the last removal", () => {
  let there: Scene;
  beforeAll(async () => {
    there = await scene({ removal: true });
  });
  beforeEach(() => {
    rmSync(there.data, { recursive: true, force: true });
  });

  it("alone is refused: the log would go back behind what was signed; nothing is changed", async () => {
    const [keys, backup] = [digestOf(there.keys), digestOf(there.backup)];
    await expect(recover({ data: there.data, keys: there.keys, from: there.backup })).rejects.toMatchObject({
      code: "recover/behind",
    });
    expect([digestOf(there.keys), digestOf(there.backup)]).toEqual([keys, backup]);
    expect(existsSync(join(there.data, "ledger.sqlite"))).toBe(false);
    // Nor does a start go on with an empty folder beside these keys.
    await expect(startTestLedger({ folder: there.folder })).rejects.toMatchObject({ code: "log/rolled-back" });
  });

  it("a mirror alone is no data folder", async () => {
    await expect(recover({ data: there.data, keys: there.keys, from: there.mirror })).rejects.toMatchObject({
      code: "recover/no-backup",
    });
  });

  it("with a mirror whose history is another one: refused, nothing is changed", async () => {
    const other = join(there.folder, "other-mirror");
    rmSync(other, { recursive: true, force: true });
    cpSync(there.mirror, other, { recursive: true });
    const bundle = join(
      other,
      "tile/entries",
      readdirSync(join(other, "tile/entries")).find((name) => name.includes(".p")) ?? "",
    );
    const file = join(bundle, readdirSync(bundle).sort((a, b) => Number(b) - Number(a))[0] ?? "");
    const bytes = readFileSync(file);
    const at = bytes.lastIndexOf("released");
    bytes.write("withheld", at);
    writeFileSync(file, bytes);
    const keys = digestOf(there.keys);
    await expect(recover({ data: there.data, keys: there.keys, from: [there.backup, other] })).rejects.toMatchObject({
      code: "recover/other-history",
    });
    expect(digestOf(there.keys)).toBe(keys);
    expect(existsSync(join(there.data, "ledger.sqlite"))).toBe(false);
  });

  it("with a mirror whose checkpoint another key signed: refused", async () => {
    const other = await startTestLedger({});
    await other.good("POST", "/spur/v1/publish");
    await expect(
      recover({ data: there.data, keys: there.keys, from: [there.backup, other.url] }),
    ).rejects.toMatchObject({ code: "recover/not-signed" });
    expect(existsSync(join(there.data, "ledger.sqlite"))).toBe(false);
  });

  it("with a mirror: entries and proofs come back, the lost content is counted and told, and the log goes on", async () => {
    const result = await recover({ data: there.data, keys: there.keys, from: [there.backup, there.mirror] });
    expect(result).toEqual({
      sizeBefore: expect.any(Number),
      size: there.size,
      lostContents: there.held,
      rootKey: "replaced",
      accessKeys: expect.stringContaining("revoked"), // one revoked since the backup would be valid again
    });
    expect(result.sizeBefore).toBeLessThan(there.size);

    const spur = await startTestLedger({ folder: there.folder, operatorKey: there.key, upstream: upstream.url });
    expect(spur.ledger.vkey).toBe(there.vkey);
    const alert = (await call(spur.url, "GET", "/spur/v1/records?type=spur:alert/v1")).json.records as {
      rec: string;
      index: number;
    }[];
    expect(alert).toHaveLength(1);
    const told = parseEntry(await spur.ledger.ledger.entryBytes(alert[0]?.index ?? -1));
    expect(told.predicate).toEqual({ kind: "lost-by-restore", count: there.held });

    // Entries and proofs: an old file still verifies, a new one of a lost record too, and a stranger finds one history.
    const trust = trustFromVkeys([there.vkey]);
    expect(verifyEvidence(there.evidence, trust).exit).toBe(0);
    for (const rec of [...there.before, ...there.after, there.removed]) {
      const evidence = await call(spur.url, "GET", `/spur/v1/records/${rec}/evidence?ask=Q5`);
      expect([evidence.status, verifyEvidence(evidence.bytes, trust).exit]).toEqual([200, 0]);
    }
    await auditFromOutside(there, spur.url);

    // Contents: gone with the root key, and the operator can neither open them nor call it a removal.
    const open = (rec: string) => spur.call("POST", `/spur/v1/records/${rec}/open`, { body: { slots: ["request"] } });
    for (const rec of [...there.before, ...there.after])
      expect((await open(rec)).json).toMatchObject({ status: 410, code: "record/lost-by-restore" });
    expect((await open(there.removed)).json).toMatchObject({ status: 410, code: "record/removed" });
    expect((await call(spur.url, "GET", `/spur/v1/records/${there.before[0] ?? ""}`)).json).toMatchObject({
      state: "committed",
      content: "lost-by-restore",
    });
    expect((await call(spur.url, "GET", `/spur/v1/records/${there.removed}`)).json).toMatchObject({ state: "removed" });
    const custody = (await spur.good("POST", "/spur/v1/custody")) as {
      verdict: string;
      exit: number;
      counts: Record<string, number>;
      findings: { code: string }[];
    };
    expect(custody).toMatchObject({
      verdict: "fail",
      exit: 1,
      counts: { lost: there.held, failed: 0, pending: 0, removed: 1, keptNothing: 1 },
    });
    expect(new Set(custody.findings.map(({ code }) => code))).toEqual(new Set(["custody/lost-by-restore"]));

    // What is recorded from now on is held and can be opened and removed.
    const fresh = await ask(spur, "after the restore", { model: "plain" });
    expect((await open(fresh)).status).toBe(200);
    expect(
      ((await spur.good("POST", "/spur/v1/removals", { body: { rec: fresh, basis: "other" } })) as { state: string })
        .state,
    ).toBe("completed");
    await spur.ledger.close();
    // Once more from the start: everything that a start checks holds.
    const again = await startTestLedger({ folder: there.folder, operatorKey: there.key });
    await auditFromOutside(there, again.url);
    await again.ledger.close();
    expect((await auditCustody({ data: there.data, keys: there.keys })).verdict).toBe("fail");
  });
});

describe("a backup with no removal since", () => {
  it("and a mirror over HTTP: what the backup holds can be read again, what came later is lost", async () => {
    const there = await scene({ removal: false });
    const result = await recover({
      data: there.data,
      keys: there.keys,
      from: [there.backup, await served(there.mirror)],
    });
    expect(result).toMatchObject({
      size: there.size,
      rootKey: "kept",
      lostContents: there.held - there.heldInBackup - 1,
    });
    const spur = await startTestLedger({ folder: there.folder, operatorKey: there.key });
    const open = (rec: string) => spur.call("POST", `/spur/v1/records/${rec}/open`, { body: { slots: ["request"] } });
    for (const rec of [...there.before, there.removed]) expect((await open(rec)).status).toBe(200);
    for (const rec of there.after)
      expect((await open(rec)).json).toMatchObject({ status: 410, code: "record/lost-by-restore" });
    await auditFromOutside(there, spur.url);
  });

  it("and a witness that keeps a mirror: the log comes back from somebody else's machine", async () => {
    const there = await scene({ removal: false });
    const terminal = openTerminal();
    terminals.push(terminal);
    const data = join(there.folder, "witness");
    const copied = await terminal.spur(`witness mirror ${there.mirror} --vkey ${there.vkey} --data ${data} --once`);
    expect(copied.exit, copied.text).toBe(0);
    const witness = await startWitness({ data, keys: `${data}-keys`, host: "127.0.0.1", port: 0, now: () => Date.now(), onError: (error) => { throw error; } }); // prettier-ignore
    try {
      const copy = `${witness.url}/mirror/${originHash(there.vkey.split("+")[0] as string)}`;
      const result = await recover({ data: there.data, keys: there.keys, from: [there.backup, copy] });
      expect(result).toMatchObject({ size: there.size, rootKey: "kept" });
    } finally {
      await witness.close();
    }
    const spur = await startTestLedger({ folder: there.folder, operatorKey: there.key });
    await auditFromOutside(there, spur.url);
  });
});
