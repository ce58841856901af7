// Keys that the log takes back: what is written, what is refused afterwards, and what a stranger can still verify.
import { cpSync, existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { parseReceiptFile, verifyReceipt } from "@spur/verifier/evidence/receipt";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { sha256 } from "@spur/verifier/hash";
import { openNote, parseNote } from "@spur/verifier/note/note";
import { parseVkey } from "@spur/verifier/note/vkey";
import { parseEntry, type Entry } from "@spur/verifier/statement/entry";
import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { listedLog } from "../../witness/src/log-list.ts";
import { addLogs } from "../../witness/src/manage.ts";
import { startWitness } from "../../witness/src/serve.ts";
import { openTerminal } from "../../cli/test/terminal.ts";
import { cleanUp, startTestLedger, type TestLedger } from "../../../test/support/ledger.ts";
import { ask } from "../../../test/support/story.ts";
import { startUpstream, type ScriptedUpstream } from "../../../test/support/upstream.ts";
import { recover } from "../src/restore.ts";
import { retire, retireLogKey, retireReceiptsKey } from "../src/retire.ts";
import { auditFolder, codeOf, newPair, removeFolders, sealedDraft } from "./log-support.ts";

let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = await startUpstream();
  const folder = newFolder();
  const spur = await open(folder);
  const rec = await ask(spur, "the first", { model: "plain" });
  const receipt = await receiptOf(spur, rec);
  await spur.ledger.close();
  made = { folder, rec, receipt, key: spur.key, vkey: spur.ledger.vkey };
});
const terminals: ReturnType<typeof openTerminal>[] = [];
afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.close();
});
afterAll(async () => {
  await cleanUp();
  removeFolders();
  await upstream.close();
});

const NEXT = "next.invalid/log";
/** As `key retire` is called for the folders of a test ledger. */
const place = (folder: string) => ({ data: join(folder, "data"), env: {}, cwd: folder });
const open = (folder: string, more = {}) => startTestLedger({ folder, upstream: upstream.url, ...more });
const entriesIn = (data: string, vkey: string): Entry[] => auditFolder(data, vkey).entries.map(parseEntry);
const kinds = (entries: readonly Entry[]): string[] =>
  entries.map(({ predicateType = "", predicate }) =>
    [predicateType, predicate["purpose"], predicate["state"], predicate["direction"]].filter(Boolean).join(" "),
  );

const newFolder = (): string => dirname(newPair().data);

interface Scene {
  readonly folder: string;
  /** Record of an answer, and the receipt that its caller got. */
  readonly rec: string;
  readonly receipt: Buffer;
  /** The operator's. */
  readonly key: string;
  readonly vkey: string;
}
let made: Scene;

/** A ledger with an answer in it, stopped. */
function oneAnswer(): Scene {
  const folder = newFolder();
  cpSync(made.folder, folder, { recursive: true });
  return { ...made, folder };
}

const receiptOf = async (spur: TestLedger, rec: string): Promise<Buffer> =>
  (await spur.call("GET", `/spur/v1/records/${rec}/receipt`)).bytes;
const evidenceOf = async (spur: TestLedger, rec: string): Promise<Buffer> =>
  (await spur.call("GET", `/spur/v1/records/${rec}/evidence?ask=Q5`)).bytes;

describe("the log's key", () => {
  it("is taken back by the log's last entry; then the log can be read and proved, and takes nothing", async () => {
    const { folder, rec, key, vkey, receipt } = oneAnswer();
    const done = await retireLogKey(place(folder));
    const entries = entriesIn(join(folder, "data"), vkey);
    expect(done).toEqual({ origin: parseVkey(vkey).name, vkey, state: "retired", size: entries.length });
    expect(kinds(entries.slice(-2))).toEqual(["spur:registers/v1", "spur:key/v1 log retired"]);
    expect(toHex(entries.at(-1)?.sha256 ?? utf8(""))).toBe(toHex(sha256(parseVkey(vkey).publicKey)));

    const spur = await open(folder, { operatorKey: key });
    expect(spur.ledger.notices.join("\n")).toContain("is closed: its key is retired");
    const refused = { status: 409, json: { code: "log/retired" } };
    const draft = { predicateType: "spur:source/v1", predicate: { kind: "own", bytes: 1 }, slots: { name: "x" } };
    expect(await spur.call("POST", "/spur/v1/records", { body: { drafts: [draft] } })).toMatchObject(refused);
    expect(await spur.call("POST", "/spur/v1/removals", { body: { rec, basis: "other" } })).toMatchObject(refused);
    expect(await spur.call("POST", `/spur/v1/records/${rec}/open`, { body: { slots: ["request"] } })).toMatchObject(
      refused,
    );
    expect(await spur.call("POST", "/spur/v1/registers/close")).toMatchObject(refused);
    const chat = { model: "plain", messages: [{ role: "user", content: "?" }] };
    expect(await spur.call("POST", "/v1/chat/completions", { body: chat })).toMatchObject({
      status: 503,
      json: { error: { code: "log/retired" } },
    });
    expect((await spur.call("GET", "/health")).status).toBe(200);

    const trust = trustFromVkeys([vkey]);
    const evidence = await evidenceOf(spur, rec);
    expect(verifyEvidence(evidence, trust)).toMatchObject({ exit: 0 });
    expect(verifyReceipt(receipt, trust, { evidence })).toMatchObject({ exit: 0 });
    expect(verifyReceipt(await receiptOf(spur, rec), trust, { evidence })).toMatchObject({ exit: 0 });
    const terminal = openTerminal();
    terminals.push(terminal);
    expect((await terminal.spur(`audit ${spur.url} --trust ${vkey}`)).exit).toBe(0);
    const size = (await spur.good("GET", "/spur/v1/head")).size;
    await spur.ledger.close();
    // Nothing came of all that; and to close it again changes nothing.
    expect(await retireLogKey({ ...place(folder), compromised: true })).toEqual({ ...done, already: true });
    expect(auditFolder(join(folder, "data"), vkey).size).toBe(size);
  });

  it("of a log with everything half done: all of it is on record before the last entry", async () => {
    const { folder, rec, key, vkey } = oneAnswer();
    const spur = await open(folder, { operatorKey: key });
    const due = sealedDraft([utf8("due yesterday")]);
    await spur.ledger.ledger.record([{ ...due, contentDays: 1 }]);
    const { rec: service } = (await spur.good("GET", "/spur/v1/records?type=spur:deployment/v1")).records[0];
    const { rec: policy } = (await spur.good("GET", "/spur/v1/records?type=spur:policy/v1")).records[0];
    const cut = "c".repeat(32);
    const info = {
      deployment: service,
      policy,
      policyVersion: 1,
      contentDays: 30,
      keepNothing: false,
      caller: "x",
      startedAtMs: 1,
    };
    await spur.ledger.ledger.begin(cut, "", utf8("{}"), info);
    const [order] = await spur.ledger.ledger.orderRemovals([
      { target: rec, draft: { rec: "d".repeat(32), predicateType: "spur:removal/v1", predicate: { target: { rec }, kind: "content", basis: "other", state: "ordered" }, slots: [], evidence: "observed", retention: "people", owner: "" } },
    ]); // prettier-ignore
    expect(order?.index).toBeGreaterThan(0);
    await spur.ledger.close();
    await retireLogKey({ ...place(folder), now: () => Date.now() + 3 * 86_400_000 });
    const entries = entriesIn(join(folder, "data"), vkey);
    expect(kinds(entries).slice(-8)).toEqual([
      "spur:removal/v1 ordered",
      "spur:output/v1",
      "spur:decision/v1",
      "spur:removal/v1 completed",
      "spur:removal/v1 ordered",
      "spur:removal/v1 completed",
      "spur:registers/v1",
      "spur:key/v1 log retired",
    ]);
    expect(entries.find((entry) => entry.rec === cut)?.predicate["outcome"]).toBe("interrupted");
  });

  it("compromised: nothing under it is believed any more where the log says so", async () => {
    const { folder, rec, key, vkey } = oneAnswer();
    expect((await retireLogKey({ ...place(folder), compromised: true })).state).toBe("compromised");
    const spur = await open(folder, { operatorKey: key });
    const report = verifyEvidence(await evidenceOf(spur, rec), trustFromVkeys([vkey]));
    expect([report.exit, report.findings.map(({ code }) => code)]).toEqual([
      2,
      expect.arrayContaining(["key/taken-back"]),
    ]);
    await spur.ledger.close();
  });

  it("with another log that goes on: each names the other, and stands in its place", async () => {
    const { folder, vkey } = oneAnswer();
    const done = await retireLogKey({ ...place(folder), newOrigin: NEXT });
    const { successor } = done;
    expect(successor?.origin).toBe(NEXT);
    const old = entriesIn(successor?.retiredData ?? "", vkey);
    expect(kinds(old.slice(-3))).toEqual(["spur:successor/v1 to", "spur:registers/v1", "spur:key/v1 log retired"]);
    const next = entriesIn(join(folder, "data"), successor?.vkey ?? "");
    expect(kinds(next)).toEqual(["spur:key/v1 log active", "spur:key/v1 receipts active", "spur:successor/v1 from"]);
    const [to, from] = [old.at(-3), next.at(-1)];
    expect(to?.predicate).toMatchObject({ size: old.length - 3 });
    expect(toHex(to?.sha256 ?? utf8(""))).toBe(toHex(sha256(utf8(successor?.vkey ?? ""))));
    expect(from?.predicate).toMatchObject({
      size: old.length,
      root: toHex(auditFolder(successor?.retiredData ?? "", vkey).root),
      keyId: vkey.split("+")[1],
    });
    expect(toHex(from?.sha256 ?? utf8(""))).toBe(toHex(sha256(utf8(vkey))));
    expect(readdirSync(folder).filter((name) => name.endsWith(".next"))).toEqual([]);

    const spur = await open(folder);
    expect([spur.ledger.origin, spur.ledger.vkey]).toEqual([NEXT, successor?.vkey]);
    const rec = await ask(spur, "in the new log", { model: "plain" });
    const both = trustFromVkeys([vkey, spur.ledger.vkey]);
    const evidence = (await spur.call("GET", `/spur/v1/records/${from?.rec ?? ""}/evidence`)).bytes;
    expect(verifyEvidence(evidence, both).findings).toContainEqual(
      expect.objectContaining({ check: "successor", verdict: "pass" }),
    );
    expect(verifyEvidence(await evidenceOf(spur, rec), both).exit).toBe(0);
    await spur.ledger.close();
    // The closed one is served from where it lies now.
    const closed = await startTestLedger({ data: successor?.retiredData ?? "", keys: successor?.retiredKeys ?? "" });
    expect(closed.ledger.vkey).toBe(vkey);
    await closed.ledger.close();
    expect(await codeOf(() => retireLogKey({ ...place(folder), newOrigin: NEXT }))).toBe("recover/same-origin");
  });

  it("of a log that was closed before: the new one names it all the same", async () => {
    const { folder, vkey } = oneAnswer();
    await retireLogKey(place(folder));
    const done = await retireLogKey({ ...place(folder), newOrigin: NEXT });
    expect(done).toMatchObject({ already: true, state: "retired", successor: { origin: NEXT } });
    expect(kinds(entriesIn(join(folder, "data"), done.successor?.vkey ?? "")).at(-1)).toBe("spur:successor/v1 from");
    expect(kinds(entriesIn(done.successor?.retiredData ?? "", vkey)).filter((kind) => kind.includes("successor"))).toEqual([]); // prettier-ignore
  });

  it("is not touched where there is nothing, where a ledger runs, or under a name that no log can have", async () => {
    const folder = newFolder();
    expect(await codeOf(() => retireLogKey(place(folder)))).toBe("data/none");
    expect(readdirSync(folder)).toEqual([]);
    const spur = await open(folder);
    expect(await codeOf(() => retireLogKey(place(folder)))).toBe("data/locked");
    expect(await codeOf(() => retireReceiptsKey(place(folder)))).toBe("data/locked");
    await spur.ledger.close();
    for (const newOrigin of ["two words", "plus+sign", ""])
      expect(await codeOf(() => retireLogKey({ ...place(folder), newOrigin }))).toBe("config/origin");
    expect(await codeOf(() => retireLogKey({ ...place(folder), newOrigin: spur.ledger.origin }))).toBe(
      "recover/same-origin",
    );
    expect(kinds(entriesIn(join(folder, "data"), spur.ledger.vkey)).at(-1)).not.toContain("log retired");
  });

  it("is published under the policy: without a quorum the log is closed and waits, and the next call publishes it", async () => {
    const { folder, vkey } = oneAnswer();
    const witness = { data: join(folder, "witness"), keys: join(folder, "witness-keys"), host: "127.0.0.1", name: "witness.test/w" }; // prettier-ignore
    const rest = { now: () => Date.now(), onError: () => undefined };
    const first = await startWitness({ ...witness, ...rest, port: 0 });
    addLogs(witness.data, [listedLog(vkey, {})]);
    const key = first.vkeys[0] ?? "";
    writeFileSync(join(folder, "w.policy"), `witness w ${key} ${first.url}\nquorum w\n`);
    const wanted = { ...place(folder), witnessPolicy: "w.policy" };
    const seenBy = (): readonly string[] =>
      openNote(parseNote(readFileSync(join(folder, "data/log/checkpoint"), "utf8")), [parseVkey(key)]).verified.map((one) => one.key.name); // prettier-ignore
    const spur = await open(folder, { witnessPolicy: "w.policy" });
    const { size } = await spur.ledger.publish();
    await spur.ledger.close();
    expect(seenBy()).toEqual([witness.name]);
    await first.close();

    // The head that was published has to be shown to the witnesses before anything is signed: nobody is there.
    expect(await codeOf(() => retireLogKey(wanted))).toBe("log/no-quorum");
    expect(auditFolder(join(folder, "data"), vkey).size).toBe(size);
    const again = await startWitness({ ...witness, ...rest, port: Number(new URL(first.url).port) });
    expect(await retireLogKey(wanted)).toMatchObject({ already: true, state: "retired", size: size + 2 });
    expect([auditFolder(join(folder, "data"), vkey).size, seenBy()]).toEqual([size + 2, [witness.name]]);
    await again.close();
  });

  it("one beside it of another name is not taken for the one that is asked for", async () => {
    const { folder } = oneAnswer();
    const other = await startTestLedger({ data: join(folder, "data.next"), keys: join(folder, "data-keys.next"), origin: "other.invalid/log" }); // prettier-ignore
    await other.ledger.close();
    expect(await codeOf(() => retireLogKey({ ...place(folder), newOrigin: NEXT }))).toBe("recover/other-successor");
  });
});

describe("the key of receipts", () => {
  it("gives way to a new one: old receipts stay good, and every answer gets one that the log vouches for", async () => {
    const { folder, rec, key, vkey, receipt } = oneAnswer();
    const before = parseReceiptFile(receipt).vkey;
    const first = await retireReceiptsKey(place(folder));
    expect(first).toEqual({
      origin: parseVkey(vkey).name,
      vkey: expect.any(String),
      retired: before,
      state: "retired",
    });
    expect(first.vkey).not.toBe(before);
    let spur = await open(folder, { operatorKey: key });
    expect(spur.ledger.receiptsVkey).toBe(first.vkey);
    const second = await ask(spur, "the second", { model: "plain" });
    await spur.ledger.close();
    const third = await retireReceiptsKey(place(folder));
    spur = await open(folder, { operatorKey: key });
    const last = await ask(spur, "the third", { model: "plain" });
    await spur.good("POST", "/spur/v1/registers/close");

    const trust = trustFromVkeys([vkey]);
    const signers: [string, string][] = [[rec, before], [second, first.vkey], [last, third.vkey]]; // prettier-ignore
    for (const [answer, signer] of signers) {
      const file = await receiptOf(spur, answer);
      expect(parseReceiptFile(file).vkey).toBe(signer);
      const report = verifyReceipt(file, trust, { evidence: await evidenceOf(spur, answer) });
      expect([report.exit, report.findings.map(({ code }) => code)]).toEqual([
        0,
        expect.arrayContaining(["receipt/announced", "receipt/kept"]),
      ]);
      // The register of keys is shown whole: that the key was not taken back in time is no open question.
      expect(report.findings.map(({ code }) => code)).not.toContain("receipt/key-open");
    }
    const kept = verifyReceipt(receipt, trust, { evidence: await evidenceOf(spur, rec) });
    expect(kept.exit).toBe(0);
    const entries = entriesIn(join(folder, "data"), vkey);
    expect(kinds(entries).filter((kind) => kind.startsWith("spur:key/v1"))).toEqual([
      "spur:key/v1 log active",
      "spur:key/v1 receipts active",
      "spur:key/v1 receipts active",
      "spur:key/v1 receipts retired",
      "spur:key/v1 receipts active",
      "spur:key/v1 receipts retired",
    ]);
    await spur.ledger.close();
  });

  it("compromised: it is deleted, and its receipts count no more where the log is seen", async () => {
    const { folder, rec, key, vkey, receipt } = oneAnswer();
    const secret = readFileSync(join(folder, "data-keys", "receipts.key"), "utf8").split("+")[4] ?? "";
    const done = await retireReceiptsKey({ ...place(folder), compromised: true });
    expect(done.state).toBe("compromised");
    const names = readdirSync(join(folder, "data-keys"));
    expect(names.filter((name) => name.startsWith("receipts."))).toEqual(["receipts.key"]);
    for (const name of names) expect(readFileSync(join(folder, "data-keys", name), "latin1")).not.toContain(secret);
    const spur = await open(folder, { operatorKey: key });
    const evidence = await evidenceOf(spur, rec);
    const trust = trustFromVkeys([vkey]);
    const report = verifyReceipt(receipt, trust, { evidence });
    expect([report.exit, report.findings.map(({ code }) => code)]).toEqual([
      2,
      expect.arrayContaining(["key/taken-back"]),
    ]);
    // One under the new key, for an answer before it: only whoever trusts that key himself has use of it.
    const fresh = await receiptOf(spur, rec);
    expect(verifyReceipt(fresh, trust, { evidence }).exit).toBe(2);
    expect(verifyReceipt(fresh, trustFromVkeys([vkey, done.vkey]), { evidence }).exit).toBe(0);
    await spur.ledger.close();
  });

  it("of a closed log stays as it is", async () => {
    const { folder } = oneAnswer();
    await retireLogKey(place(folder));
    expect(await codeOf(() => retireReceiptsKey(place(folder)))).toBe("log/retired");
    expect(readdirSync(join(folder, "data-keys")).filter((name) => name.includes("next"))).toEqual([]);
  });
});

describe("a log that can't be continued", () => {
  it("is put aside, and the new one says where it was last seen", async () => {
    const { folder, vkey } = oneAnswer();
    const { size, root } = auditFolder(join(folder, "data"), vkey);
    const done = await retire({ data: join(folder, "data"), keys: join(folder, "data-keys"), newOrigin: NEXT });
    expect(done).toMatchObject({ origin: NEXT, retired: vkey, size });
    const next = entriesIn(join(folder, "data"), done.vkey);
    expect(next.at(-1)?.predicate).toMatchObject({ direction: "from", size, root: toHex(root) });
    expect(auditFolder(done.retiredData, vkey).size).toBe(size);
    expect(existsSync(join(done.retiredKeys, "log.key"))).toBe(true);
  });
  it("also where its data are gone", async () => {
    const folder = newFolder();
    const spur = await open(folder);
    await spur.good("POST", "/spur/v1/publish");
    await spur.ledger.close();
    renameSync(spur.data, join(folder, "lost"));
    const done = await retire({ data: spur.data, keys: spur.keys, newOrigin: NEXT });
    const again = await open(folder);
    expect(again.ledger.vkey).toBe(done.vkey);
    await again.ledger.close();
  });
});

describe("a closed log", () => {
  it("that is brought back from a backup and a mirror is as closed as it was", async () => {
    const { folder, key, vkey } = oneAnswer();
    const spur = await open(folder, { operatorKey: key });
    await spur.good("POST", "/spur/v1/backup", { body: { to: join(folder, "backup") } });
    await spur.ledger.close();
    await retireLogKey(place(folder));
    renameSync(join(folder, "data"), join(folder, "mirror"));
    const { size } = await recover({
      data: join(folder, "data"),
      keys: join(folder, "data-keys"),
      from: [join(folder, "backup"), join(folder, "mirror")],
    });
    expect(size).toBe(auditFolder(join(folder, "mirror"), vkey).size);
    const again = await open(folder);
    expect(again.ledger.notices.join()).toContain("is closed");
    await again.ledger.close();
  });
});
