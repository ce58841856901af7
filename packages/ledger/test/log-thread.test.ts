// The ledger as the gateway and the routes use it: through its thread.
import { existsSync, readFileSync, readdirSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { toHex, utf8 } from "@spur/verifier/bytes";
import { verifyEd25519 } from "@spur/verifier/note/ed25519";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { parseEntry } from "@spur/verifier/statement/entry";
import type { Draft, JournalInfo, Recorded } from "../src/draft.ts";
import { LedgerThread } from "../src/ledger-thread.ts";
import { Ledger, newRec } from "../src/record.ts";
import type { SpurError } from "../src/errors.ts";
import {
  appendAll, auditEntries, auditFolder, codeOf, copyPair, filesHolding, grow, linkedDraft, newPair, openCore, ORIGIN, plainDraft, removalDraft, removeFolders, sealedDraft, type Pair,
} from "./log-support.ts"; // prettier-ignore

const open: LedgerThread[] = [];

async function start(pair: Pair, now: () => number = Date.now, publishEveryMs = 60_000) {
  const fatal: SpurError[] = [];
  const thread = await LedgerThread.start({ ...pair, origin: ORIGIN, publishEveryMs }, (error) => fatal.push(error));
  open.push(thread);
  return { thread, fatal, ledger: new Ledger(thread, { data: pair.data, now }) };
}

afterEach(async () => {
  vi.useRealTimers();
  for (const thread of open.splice(0)) await thread.close();
});
afterAll(removeFolders);

const envelope = (text: string): Draft => ({
  ...plainDraft(),
  predicateType: "",
  predicate: {},
  dsse: {
    payload: utf8(text),
    payloadType: "application/vnd.in-toto+json",
    signatures: [{ keyid: "k", sig: utf8("sig") }],
  },
});

describe("a rec that is known", () => {
  it("with the same bytes gives the stored result, with others 409", async () => {
    const pair = newPair();
    const { ledger, thread } = await start(pair);
    const base = plainDraft();
    const linked = linkedDraft(base.rec);
    const sealed = sealedDraft([utf8("a name"), utf8("a place")]);
    const large = sealedDraft([new Uint8Array(1_100_000)]);
    const dsse = envelope("a statement");
    const drafts = [base, linked, sealed, large, dsse];
    const plain = ({ leafHash: leaf, commitment, ...rest }: Recorded) => ({
      ...rest,
      leaf: toHex(leaf),
      c: commitment && toHex(commitment),
    });
    const first = (await ledger.record(drafts)).map(plain);
    for (const [i, draft] of drafts.entries()) {
      const [again] = await ledger.record([draft]);
      expect(plain(again as Recorded)).toEqual({ ...first[i], known: true });
    }
    expect((await ledger.record(drafts)).map(plain)).toEqual(first.map((one) => ({ ...one, known: true })));
    const other = new Uint8Array(32);
    const changed: [string, Draft][] = [
      ["predicate", { ...base, predicate: { ...base.predicate, state: "retired" } }],
      ["digest", { ...base, digests: { sha256: other } }],
      ["evidence level", { ...base, evidence: "imported" }],
      ["retention", { ...base, retention: "system" }],
      ["owner", { ...base, owner: "somebody else" }],
      ["reference", { ...linked, predicate: { ...linked.predicate, run: { rec: sealed.rec } } }],
      ["predicate type", { ...linkedDraft(base.rec, base.rec), digests: base.digests ?? {} }],
      ["slot", { ...sealed, slots: [utf8("a name"), utf8("a plac3")] }],
      ["slot left out", { ...sealed, slots: [utf8("a name")] }],
      ["slot made empty", { ...sealed, slots: [utf8("a name"), utf8("a place"), new Uint8Array(0)] }],
      ["large slot", { ...large, slots: [new Uint8Array(1_100_001)] }],
      ["envelope", { ...envelope("another statement"), rec: dsse.rec }],
      ["envelope in place of a statement", { ...envelope("x"), rec: base.rec }],
      ["statement in place of an envelope", { ...base, rec: dsse.rec }],
      ["one of two", { ...sealed, slots: [utf8("b name"), utf8("a place")] }],
    ];
    for (const [what, draft] of changed)
      expect([what, await codeOf(() => ledger.record([draft]))]).toEqual([what, "record/rec-used"]);
    expect(await codeOf(() => ledger.record([base, plainDraft()]))).toBe("record/rec-used"); // a group is known as a whole or not at all
    expect((await thread.call("head")).size).toBe(drafts.length);
  });

  it("sent twice at once is recorded once", async () => {
    const { ledger, thread } = await start(newPair());
    const draft = sealedDraft([utf8("at once")]);
    const results = await Promise.all(Array.from({ length: 8 }, () => ledger.record([draft])));
    expect(new Set(results.map(([one]) => one?.index)).size).toBe(1);
    expect(results.filter(([one]) => one?.known !== true)).toHaveLength(1);
    expect((await thread.call("head")).size).toBe(1);
  });
});

const info = (deployment: string, policy: string, keepNothing = false): JournalInfo => ({
  deployment, policy, policyVersion: 1, contentDays: keepNothing ? 0 : 30, keepNothing, caller: "key-1", startedAtMs: 1_795_000_000_000,
}); // prettier-ignore

async function service(ledger: Ledger): Promise<{ deployment: string; policy: string }> {
  const base = { evidence: "observed", retention: "service", owner: "" } as const;
  const deployment = newRec();
  const policy = newRec();
  await ledger.record([
    {
      ...base,
      rec: policy,
      predicateType: "spur:policy/v1",
      predicate: { kind: "output", version: 1 },
      slots: [utf8("allow all")],
    },
    {
      ...base,
      rec: deployment,
      predicateType: "spur:deployment/v1",
      predicate: { operator: "self", check: "not-checked", contentDays: 30 },
      slots: [utf8("m")],
    },
  ]);
  return { deployment, policy };
}

const outputDraft = (rec: string, deployment: string): Draft => ({
  rec, predicateType: "spur:output/v1", predicate: { deployment: { rec: deployment }, outcome: "complete" }, slots: [utf8("question"), utf8("answer")], evidence: "observed", retention: "output", owner: "key-1",
}); // prettier-ignore

describe("the journal", () => {
  it("keeps the place of an answer under way: nobody else can take its rec", async () => {
    const pair = newPair();
    const { ledger, thread } = await start(pair);
    const { deployment, policy } = await service(ledger);
    const rec = newRec();
    await ledger.begin(rec, "key-1", utf8("question"), info(deployment, policy));
    expect(await codeOf(() => ledger.record([sealedDraft([utf8("an impostor")], rec)]))).toBe("record/rec-used");
    expect(await codeOf(() => ledger.begin(rec, "key-1", utf8("again"), info(deployment, policy)))).toBe(
      "record/rec-used",
    );
    expect(await codeOf(() => ledger.begin(policy, "key-1", utf8("of an entry"), info(deployment, policy)))).toBe(
      "record/rec-used",
    );
    // Whoever comes first in one batch has it.
    const contested = newRec();
    const both = await Promise.allSettled([
      ledger.begin(contested, "key-1", utf8("q"), info(deployment, policy)),
      ledger.record([plainDraft(contested)]),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(ledger.pendingOwner(rec)).toBe("key-1");
    expect(await codeOf(() => ledger.orderRemovals([{ draft: removalDraft(rec), target: rec }]))).toBe(
      "record/pending",
    );
    await ledger.record([outputDraft(rec, deployment)], rec);
    expect(ledger.pendingOwner(rec)).toBeUndefined();
    await ledger.record([outputDraft(contested, deployment)], contested);
    expect(await thread.call("openJournal")).toEqual([]);
  });

  it("leaves nothing of a request when its answer is on record, not even sealed: what is kept is the record's own", async () => {
    const pair = newPair();
    const { ledger, thread } = await start(pair, Date.now, 100);
    const { deployment, policy } = await service(ledger);
    const rec = newRec();
    await ledger.begin(
      rec,
      "key-1",
      utf8("a question of some length, so that its ciphertext is no accident"),
      info(deployment, policy, true),
    );
    const [row] = await thread.call("openJournal");
    const ct = (row as { ct: Uint8Array }).ct.subarray(0, 200);
    expect(filesHolding([ct], pair.data)).not.toEqual([]);
    await ledger.record([{ ...outputDraft(rec, deployment), keepNothing: true }], rec);
    for (let i = 0; i < 100 && filesHolding([ct], pair.data).length > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(filesHolding([ct], pair.data)).toEqual([]);
  });

  it("after a kill becomes records of interrupted answers, once; no request is in any file", async () => {
    const pair = newPair();
    const { ledger } = await start(pair);
    const { deployment, policy } = await service(ledger);
    const recs = [newRec(), newRec(), newRec()];
    const request = utf8("a question that was never answered; nobody may read it");
    for (const rec of recs) await ledger.begin(rec, "key-1", request, info(deployment, policy, rec === recs[2]));
    const left = copyPair(pair);
    expect(filesHolding([request], left.data, left.keys)).toEqual([]);
    const crashedAgain = await start(left);
    expect(await crashedAgain.thread.call("openJournal")).toHaveLength(3);
    const twice = copyPair(left); // killed again before it was done
    const second = await start(twice);
    expect(await second.ledger.endInterrupted()).toBe(3);
    expect(await second.ledger.endInterrupted()).toBe(0);
    const { size } = await second.thread.call("head");
    const entries = (await second.thread.call("read", 0, size)).map((bytes) => parseEntry(bytes));
    expect(entries.slice(2).map(({ predicateType }) => predicateType)).toEqual(
      recs.flatMap(() => ["spur:output/v1", "spur:decision/v1"]),
    );
    expect(entries.filter(({ predicate }) => predicate["outcome"] === "interrupted").map(({ rec }) => rec)).toEqual(
      recs,
    );
    const opened = await second.ledger.openInside(recs[0] as string);
    expect(Buffer.from(opened.slots[0] as Uint8Array).toString()).toBe(Buffer.from(request).toString());
    expect(filesHolding([request], twice.data, twice.keys)).toEqual([]);
  });
});

describe("content that is not kept", () => {
  it("is there for its caller for ten minutes, then gone from memory too", async () => {
    let now = Date.now();
    const { ledger } = await start(newPair(), () => now);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const draft: Draft = { ...sealedDraft([utf8("name"), undefined, utf8("licence")]), keepNothing: true };
    const decision: Draft = { ...sealedDraft([utf8("other slots than an output")]), keepNothing: true };
    const [recorded] = await ledger.record([draft, decision]);
    const opened = await ledger.openInside(draft.rec);
    expect(opened.slots.map((value) => value && Buffer.from(value).toString())).toEqual([
      "name",
      undefined,
      "licence",
      undefined,
    ]);
    expect(opened.salts).toHaveLength(4);
    expect(opened.commitment).toEqual(recorded?.commitment);
    now += 599_000;
    expect((await ledger.openInside(decision.rec)).slots).toHaveLength(4);
    now += 1_001;
    expect(await codeOf(() => ledger.openInside(draft.rec))).toBe("receipt/expired");
    vi.advanceTimersByTime(601_000);
    expect(await codeOf(() => ledger.openInside(draft.rec))).toBe("record/no-content");
  });
});

describe("closing", () => {
  it("ends what was asked before, refuses what comes after, and can be asked twice", async () => {
    const pair = newPair();
    const { ledger, thread, fatal } = await start(pair);
    const before = Array.from({ length: 500 }, () => ledger.record([plainDraft()]));
    const receipts = thread.receipts(["one\n", "two\n"]);
    const published = thread.call("publish");
    const closed = Promise.all([thread.close(), thread.close()]);
    const after = codeOf(() => ledger.record([plainDraft()]));
    expect(await after).toBe("ledger/closed");
    expect((await Promise.all(before)).flat()).toHaveLength(500);
    expect(await receipts).toHaveLength(2);
    await published;
    await closed;
    expect(await codeOf(() => thread.call("head"))).toBe("ledger/closed");
    expect(fatal).toEqual([]);
    const core = await openCore(pair);
    expect(core.size).toBe(500);
    await core.publication.publish();
    auditFolder(pair.data, core.info.vkey);
    await core.close();
  });
});

describe("a start that is refused", () => {
  it("gives its reason, tells nobody that the process must end, and lets go of the folders", async () => {
    const pair = newPair();
    const { thread } = await start(pair);
    const fatal: SpurError[] = [];
    expect(
      await codeOf(() =>
        LedgerThread.start({ ...pair, origin: ORIGIN, publishEveryMs: 1000 }, (error) => fatal.push(error)),
      ),
    ).toBe("data/locked");
    await thread.close();
    unlinkSync(join(pair.keys, "receipts.key"));
    expect(
      await codeOf(() =>
        LedgerThread.start({ ...pair, origin: ORIGIN, publishEveryMs: 1000 }, (error) => fatal.push(error)),
      ),
    ).toBe("keys/missing");
    expect(fatal).toEqual([]);
  });
});

describe("a commit that fails", () => {
  it("is 503 for all who wait, tells once that the process must end, and lets nothing be asked any more", async () => {
    const pair = newPair();
    const { ledger, thread, fatal } = await start(pair);
    const draft = plainDraft();
    await ledger.record([draft]);
    // A directory where the write-ahead log should grow is not possible on an open file: the table is made to refuse instead.
    const sabotage = new DatabaseSync(join(pair.data, "ledger.sqlite"));
    sabotage.exec("create trigger broken before insert on entries begin select raise(abort, 'disk I/O error'); end");
    sabotage.close();
    const waiting = await Promise.all(Array.from({ length: 5 }, () => codeOf(() => ledger.record([plainDraft()]))));
    expect(new Set(waiting)).toEqual(new Set(["log/commit-unknown"]));
    expect(await codeOf(() => thread.call("locate", draft.rec))).toBe("log/commit-unknown");
    expect(await codeOf(() => ledger.record([plainDraft()]))).toBe("log/commit-unknown");
    expect(fatal.map(({ code }) => code)).toEqual(["log/commit-unknown"]);
    await thread.close();
    const core = await openCore(copyPair(pair));
    expect(core.size).toBe(1);
    await core.close();
  });
});

describe("a head that somebody else moved", () => {
  it("stops the ledger: two histories must not grow from one", async () => {
    const pair = newPair();
    const { ledger, fatal } = await start(pair);
    await ledger.record([plainDraft()]);
    const other = new DatabaseSync(join(pair.data, "ledger.sqlite"));
    other.exec("update head set size = 2");
    other.close();
    expect(await codeOf(() => ledger.record([plainDraft()]))).toBe("log/head-moved");
    expect(await codeOf(() => ledger.record([plainDraft()]))).toBe("log/head-moved");
    expect(fatal.map(({ code }) => code)).toEqual(["log/head-moved"]);
  });
});

describe("receipts", () => {
  it("leave only after `seen` covers every entry committed before, one sync for many", async () => {
    const pair = newPair();
    const { ledger, thread } = await start(pair);
    const [one] = await ledger.record([sealedDraft([utf8("x")])]);
    const { rec, index, leafHash: leaf, commitment } = one as Required<NonNullable<typeof one>>;
    const receipts = await Promise.all(
      Array.from({ length: 50 }, () => ledger.receiptNote(rec, index, leaf, commitment)),
    );
    const notes = receipts.map(({ note }) => note);
    expect(readFileSync(join(pair.keys, "seen"), "latin1").split("\n")[1]).toBe("1");
    const key = parseVkey(thread.info.receiptsVkey);
    for (const note of notes) expect(openNote(parseNote(note), [key]).verified).toHaveLength(1);
    expect(new Set(notes).size).toBe(1);
    expect(verifyEd25519(thread.info.logPublicKey, utf8("x"), new Uint8Array(64))).toBe(false);
    expect(toHex(leafHash(await ledger.entryBytes(index)))).toBe(toHex(leaf));
  });
});

describe("an opening", () => {
  it("of content whose file is gone without a removal says so", async () => {
    const pair = newPair();
    const { ledger } = await start(pair);
    const draft = sealedDraft([new Uint8Array(200_000)]);
    await ledger.record([draft]);
    const [file] = readdirSync(join(pair.data, "payloads"), { recursive: true }).map(String).filter((name) => name.includes(".")); // prettier-ignore
    const path = join(pair.data, "payloads", file as string);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(1));
    expect(await codeOf(() => ledger.openInside(draft.rec))).toBe("vault/sealed-mismatch");
    unlinkSync(path);
    expect(await codeOf(() => ledger.openInside(draft.rec))).toBe("vault/content-missing");
  });

  it("is waited for by a removal, and then cut", async () => {
    const pair = newPair();
    const { ledger } = await start(pair);
    const draft = sealedDraft([new Uint8Array(3_000_000)]);
    await ledger.record([draft]);
    const opening = ledger.openInside(draft.rec);
    let over = false;
    void opening.then(() => (over = true));
    await ledger.drained([draft.rec]);
    await opening;
    expect(over).toBe(true);
  });
});

describe("a disk that refuses a payload", () => {
  it("is 503 data/io; nothing is recorded", async () => {
    const pair = newPair();
    const { ledger, thread } = await start(pair);
    rmSync(join(pair.data, "payloads"), { recursive: true });
    writeFileSync(join(pair.data, "payloads"), ""); // no folder can be made here
    expect(await codeOf(() => ledger.record([sealedDraft([new Uint8Array(200_000)])]))).toBe("data/io");
    expect((await thread.call("head")).size).toBe(0);
    await ledger.record([sealedDraft([utf8("a small one")])]);
  });
});

describe("memory and disk", () => {
  it("stay flat as the log grows", { timeout: 60_000 }, async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const pair = newPair();
    const core = await openCore(pair);
    const measure = async (): Promise<number> => {
      await core.publication.publish();
      while (core.publication.prune());
      gc();
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    };
    grow(core, 4000);
    const before = await measure();
    for (let i = 0; i < 8; i++) {
      grow(core, 2500);
      await measure();
    }
    const grown = (await measure()) - before;
    expect(grown).toBeLessThan(3_000_000); // 20,000 entries are 9 MB
    expect(statSync(join(pair.data, "ledger.sqlite-wal")).size).toBeLessThan(48_000_000);
    expect(auditFolder(pair.data, core.info.vkey).size).toBe(24_000);
    await core.close();
    expect(existsSync(join(pair.data, "ledger.sqlite-wal"))).toBe(false);
    const again = await openCore(pair);
    appendAll(again, [plainDraft()]);
    auditEntries(again.read(23_000, 1001).slice(0, 0));
    expect(again.read(23_990, 100)).toHaveLength(11);
    await again.close();
  });
});
