import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { utf8 } from "../src/bytes.ts";
import { createAudit, isPlain } from "../src/audit/fold.ts";
import { createRecIndex } from "../src/audit/rec-index.ts";
import { useSha256 } from "../src/hash.ts";
import { canonicalBytes } from "../src/statement/canonical.ts";
import { parseEntry } from "../src/statement/entry.ts";
import { leafHash, rootOf } from "../src/tlog/merkle.ts";
import { digest, makeStory, type Loose } from "./make-log.ts";

useSha256((data) => new Uint8Array(createHash("sha256").update(data).digest()));

type Log = ReturnType<typeof makeStory>["log"];
const NO_ROOT = { root: new Uint8Array(32), signer: "unknown" } as const;

function audit(log: Log, hidden: readonly number[] = []) {
  const audit = createAudit(log.origin);
  for (const { index, bytes, leaf } of log.entries) {
    if (hidden.includes(index)) audit.withheld(index, leaf);
    else audit.add(index, bytes);
  }
  return audit.finish(log.entries.length, { root: rootOf(log.entries.map((one) => one.leaf)), signer: "trusted" });
}
const failed = (log: Log, hidden: readonly number[] = []) =>
  audit(log, hidden).findings.flatMap((one) => (one.verdict === "fail" ? [one.code] : []));

describe("a whole log", () => {
  it("passes, with everything counted", () => {
    const { log } = makeStory();
    log.close();
    const result = audit(log);
    expect(result.findings.map(({ code, verdict, coverage }) => [code, verdict, coverage])).toEqual(
      ["audit/root", "audit/entries", "audit/references", "audit/registers", "audit/hours"].map((code) => [
        code,
        "pass",
        { kind: "log", size: 15 },
      ]),
    );
    expect(result).toMatchObject({ verdict: "pass", exit: 0, entries: 15, withheld: 0, unknown: 0 });
    expect(result.registers["checkpoints"]).toEqual({ entries: 2, last: 8 });
    expect(result.keys.map(({ purpose }) => purpose)).toEqual(["log", "receipts"]);
    expect(result.keys[0]?.sha256).toEqual(new Uint8Array(createHash("sha256").update(log.key.publicKey).digest()));
  });

  it("gives the root of every size up to 70", () => {
    const { log } = makeStory();
    while (log.entries.length < 70) log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 1 } });
    for (let size = 0; size <= 70; size++) {
      const one = createAudit(log.origin);
      for (const { index, bytes } of log.entries.slice(0, size)) one.add(index, bytes);
      const root = rootOf(log.entries.slice(0, size).map((entry) => entry.leaf));
      expect(one.finish(size, { root, signer: "trusted" }), String(size)).toMatchObject({ root, exit: 0 });
    }
  });

  it("says the same of entries that were hashed and parsed before, subtree by subtree", () => {
    const { log } = makeStory();
    while (log.entries.length < 70) log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 1 } });
    const one = createAudit(log.origin);
    for (let at = 0, width = 8; at < 70; at += width) {
      if (at + width > 70) width = 1;
      const some = log.entries.slice(at, at + width);
      one.take(at, rootOf(some.map(({ leaf }) => leaf)), width);
      for (const { index, bytes } of some) {
        const entry = parseEntry(bytes);
        one.read(index, isPlain(index, entry) ? entry : bytes);
      }
    }
    const root = rootOf(log.entries.map(({ leaf }) => leaf));
    expect(one.finish(70, { root, signer: "trusted" })).toEqual(audit(log));
    expect(() => createAudit(log.origin).take(1, root)).toThrow("is next");
    const uneven = createAudit(log.origin);
    uneven.take(0, root);
    expect(() => uneven.take(1, root, 2)).toThrow("is next");
  });

  it("is never green under an unknown signer, short, or under another root", () => {
    const { log } = makeStory();
    const run = (size: number, checkpoint: { root: Uint8Array; signer: "trusted" | "unknown" }) => {
      const one = createAudit(log.origin);
      for (const { index, bytes } of log.entries) one.add(index, bytes);
      return one.finish(size, checkpoint);
    };
    const root = rootOf(log.entries.map((one) => one.leaf));
    expect(run(14, { root, signer: "unknown" }).findings.some((one) => one.verdict === "pass")).toBe(false);
    expect(run(14, { root, signer: "unknown" }).exit).toBe(2);
    expect(run(15, { root, signer: "trusted" }).exit).toBe(2);
    expect(run(14, { root: leafHash(root), signer: "trusted" }).exit).toBe(1);
  });

  it("tells that entries stand under a key which the log itself took back", () => {
    const story = (states: readonly string[], more: number, evidence: "observed" | "reported" = "observed") => {
      const { log } = makeStory();
      for (const state of states) {
        const predicate = { purpose: "log", algorithm: "ed25519", state };
        log.add({ type: "spur:key/v1", predicate, payload: log.key.publicKey, evidence });
      }
      for (let i = 0; i < more; i++) log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 1 } });
      return audit(log);
    };
    expect(story(["retired"], 0)).toMatchObject({ exit: 0 });
    expect(story(["active"], 1)).toMatchObject({ exit: 0 });
    expect(story(["retired"], 1, "reported")).toMatchObject({ exit: 0 });
    for (const result of [story(["retired"], 1), story(["compromised"], 0), story(["retired", "compromised"], 0)]) {
      expect(result).toMatchObject({ exit: 2, verdict: "not-checked" });
      expect(result.findings.filter(({ verdict }) => verdict !== "pass").map(({ code, values }) => [code, values["index"]])).toEqual([["audit/taken-back", 14]]);
    }
  }); // prettier-ignore

  it("finds every changed entry by the root, and never throws", () => {
    const { log } = makeStory();
    const root = rootOf(log.entries.map((one) => one.leaf));
    for (const { index, bytes } of log.entries) {
      const changed = Uint8Array.from(bytes);
      const at = (index * 37) % bytes.length;
      changed[at] = (changed[at] as number) ^ 1;
      const one = createAudit(log.origin);
      for (const entry of log.entries) one.add(entry.index, entry.index === index ? changed : entry.bytes);
      expect(one.finish(14, { root, signer: "trusted" }).exit).toBe(1);
    }
  });

  it("refuses to be fed out of order", () => {
    const one = createAudit("x");
    expect(() => one.add(1, new Uint8Array())).toThrow("entry 1 where 0 is next");
  });
});

describe("an audit fails for", () => {
  const more = { type: "spur:policy/v1", predicate: { kind: "output", version: 2 } };
  const cases: [string, (log: Log, story: ReturnType<typeof makeStory>) => unknown, string[]][] = [
    ["a rec used twice", (log) => log.add({ ...more, rec: log.entries[4]?.rec as string }), ["entry/twice"]],
    ["a number left out", (log) => log.add({ ...more, change: (e) => (e["seq"] = 3) }), ["register/refuted"]],
    [
      "a number twice",
      (log) => log.add({ ...more, change: (e) => [(e["seq"] = 1), delete e["prev"]] }),
      ["register/refuted"],
    ],
    ["a wrong predecessor", (log) => log.add({ ...more, change: (e) => (e["prev"] = 3) }), ["register/refuted"]],
    ["bytes that are no entry", (log) => log.push(utf8("hello"), ""), ["entry/refuted"]],
    ["an hour that runs back by two", (log) => log.add({ ...more, at: "2026-11-22T02Z" }), ["audit/hour"]],
    [
      "a reference to another record",
      (log, { deployment }) =>
        log.add({
          type: "spur:output/v1",
          predicate: { deployment: { rec: deployment.rec, index: 9 }, outcome: "complete" },
        }),
      ["reference/refuted"],
    ],
    [
      "a reference forward",
      (log) =>
        log.add({
          type: "spur:output/v1",
          predicate: { deployment: { rec: digest("x").slice(0, 32), index: 99 }, outcome: "complete" },
        }),
      ["reference/refuted"],
    ],
    [
      "a reference to a record of the wrong type",
      (log, { model }) =>
        log.add({ type: "spur:output/v1", predicate: { deployment: model.ref, outcome: "complete" } }),
      ["reference/refuted"],
    ],
    ["a closing that leaves a register out", (log) => closing(log, (p) => p.last.pop()), ["closing/refuted"]],
    ["a closing that counts too far", (log) => closing(log, (p) => p.last[0].seq++), ["closing/refuted"]],
    ["a closing of another size", (log) => closing(log, (p) => p.size++), ["closing/refuted"]],
  ];
  function closing(log: Log, change: (predicate: Loose) => void) {
    const honest = makeStory().log.close();
    const { predicate } = JSON.parse(new TextDecoder().decode(honest.bytes)).statement;
    change(predicate);
    log.add({ type: "spur:registers/v1", predicate });
  }
  it.each(cases)("%s", (_, change, codes) => {
    const story = makeStory();
    change(story.log, story);
    expect(failed(story.log)).toEqual(codes);
  });

  it("a log that does not begin with its own key", () => {
    const { log } = makeStory();
    const one = createAudit(log.origin);
    one.add(0, (log.entries[1] as (typeof log.entries)[0]).bytes);
    const [first] = one
      .finish(1, NO_ROOT)
      .findings.filter((finding) => finding.verdict === "fail" && finding.check === "entry");
    expect(first?.values["error"]).toBe("audit/first-entry");
  });

  it("twenty of a kind at length, and the rest by number", () => {
    const { log } = makeStory();
    for (let i = 0; i < 50; i++) log.push(utf8(`nonsense ${i}`), "");
    const { findings } = audit(log);
    expect(findings.filter((one) => one.code === "entry/refuted").length).toBe(20);
    expect(findings.find((one) => one.code === "audit/more")?.values).toMatchObject({
      count: 30,
      like: "entry/refuted",
    });
  });
});

describe("what an audit cannot read", () => {
  it("hours may run back by one, or after the ledger has said that its clock did", () => {
    const { log } = makeStory();
    log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 }, at: "2026-11-22T03Z" });
    log.add({
      type: "spur:policy/v1",
      predicate: { kind: "output", version: 3 },
      at: "2020-01-01T00Z",
      evidence: "imported",
    });
    log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 4 }, at: "2026-11-23T09Z" });
    log.add({ type: "spur:alert/v1", predicate: { kind: "clock", count: 1 }, at: "2026-11-22T05Z" });
    expect(failed(log)).toEqual(["audit/hour"]);
    log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 5 }, at: "2026-11-22T05Z" });
    expect(failed(log)).toEqual(["audit/hour"]);
  });

  it("entries of another version or of an unknown type are not checked, and break no register", () => {
    const { log } = makeStory();
    const kind = { type: "spur:policy/v1", predicate: { kind: "output", version: 2 } };
    log.add({ ...kind, change: (e) => (e["v"] = "spur-entry/v2") });
    const typed = log.add({
      ...kind,
      change: (e) => (e["statement"] = { ...(e["statement"] as object), predicateType: "spur:rule/v9" }),
    });
    log.add(kind);
    const predicate = {
      output: log.entries[11]?.ref ?? {},
      actor: "rule",
      verdict: "released",
      policy: typed.ref,
      policyVersion: 1,
    };
    log.add({ type: "spur:decision/v1", predicate });
    log.close();
    const result = audit(log);
    expect(failed(log)).toEqual([]);
    expect(result.unknown).toBe(2);
    expect(result.findings.find((one) => one.code === "audit/unknown")?.verdict).toBe("not-checked");
    expect(result.findings.some((one) => one.code === "audit/entries" || one.code === "audit/references")).toBe(false);
  });

  it("withheld entries are not checked where the log says so, and a failure where it does not", () => {
    const { log, policy } = makeStory();
    const bad = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 } });
    const kind = { type: "spur:policy/v1", predicate: { kind: "output", version: 3 } };
    log.add(kind);
    const predicate = { target: bad.ref, kind: "entry", basis: "unlawful-content" };
    const order = log.add({ type: "spur:removal/v1", predicate: { ...predicate, state: "ordered" } });
    log.add({
      type: "spur:removal/v1",
      predicate: { ...predicate, state: "completed", order: order.ref, custodians: { vault: "had-none" } },
    });
    log.close();
    expect(failed(log, [bad.index])).toEqual([]);
    const result = audit(log, [bad.index]);
    expect(result).toMatchObject({ withheld: 1, exit: 0 });
    expect(result.findings.find((one) => one.code === "audit/withheld")).toMatchObject({
      verdict: "not-checked",
      values: { count: 1 },
    });
    expect(failed(log, [policy.index, bad.index])).toEqual(["audit/withheld-silently"]);
    // One hole explains one missing number and no more.
    log.add({ ...kind, change: (e) => [(e["seq"] = 9), (e["prev"] = bad.index)] });
    expect(failed(log, [bad.index])).toContain("register/refuted");
  });

  it("the last entry of a register may be withheld when it is closed", () => {
    const { log } = makeStory();
    const bad = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 2 } });
    log.add({
      type: "spur:removal/v1",
      predicate: { target: bad.ref, kind: "entry", basis: "other", state: "ordered" },
    });
    log.close();
    expect(failed(log, [bad.index])).toEqual([]);
  });
});

describe("removals", () => {
  const removal = (log: Log, target: object, state: string, order?: object) =>
    log.add({
      type: "spur:removal/v1",
      predicate: {
        target,
        kind: "content",
        basis: "erasure-request",
        state,
        ...(order === undefined ? {} : { order, custodians: { vault: state === "failed" ? "failed" : "destroyed" } }),
      } as never,
    });

  it("are pending until they have ended", () => {
    const { log, output, source } = makeStory();
    const first = removal(log, output.ref, "ordered");
    const second = removal(log, source.ref, "ordered");
    expect(audit(log).removals).toEqual({ completed: 0, failed: 0, pending: [first.index, second.index] });
    expect(audit(log).findings.find((one) => one.code === "audit/removals-open")).toMatchObject({
      verdict: "not-checked",
      values: { count: 2 },
    });
    removal(log, output.ref, "completed", first.ref);
    removal(log, source.ref, "failed", second.ref);
    const again = removal(log, source.ref, "ordered");
    expect(audit(log).removals).toEqual({ completed: 1, failed: 1, pending: [again.index] });
    expect(failed(log)).toEqual([]);
  });

  it("fail when ordered twice, ended twice, or ended without an order for that record", () => {
    const twice = makeStory();
    removal(twice.log, twice.output.ref, "ordered");
    removal(twice.log, twice.output.ref, "ordered");
    expect(failed(twice.log)).toEqual(["audit/second-order"]);

    const ended = makeStory();
    const order = removal(ended.log, ended.output.ref, "ordered");
    removal(ended.log, ended.output.ref, "completed", order.ref);
    removal(ended.log, ended.output.ref, "completed", order.ref);
    expect(failed(ended.log)).toEqual(["audit/order"]);

    const other = makeStory();
    const wrong = removal(other.log, other.output.ref, "ordered");
    removal(other.log, other.source.ref, "completed", wrong.ref);
    expect(failed(other.log)).toEqual(["audit/order"]);
  });
});

describe("many entries", () => {
  it("keeps ids apart beyond any doubt", () => {
    const index = createRecIndex();
    const recs = Array.from({ length: 20_000 }, () => randomBytes(16).toString("hex"));
    recs.forEach((rec, i) => expect(index.add(rec, i)).toBeUndefined());
    expect(index.add(recs[7] as string, 99)).toBe(7);
    recs.forEach((rec, i) => expect(index.get(rec)).toBe(i));
    expect(index.get("0".repeat(32))).toBeUndefined();
    expect(index.get((recs[0] as string).slice(0, 31) + (recs[0]?.endsWith("0") ? "1" : "0"))).toBeUndefined();
  });

  it("audits 30,000 entries in a time of which a million would take far less than a minute", () => {
    const { log, output } = makeStory();
    const template = new TextDecoder().decode(output.bytes);
    const size = 30_000;
    const entries: Uint8Array[] = log.entries.map((one) => one.bytes);
    let prev = output.index;
    for (let seq = 2; entries.length < size; seq++) {
      const rec = digest(`many ${seq}`).slice(0, 32);
      const text = template.replaceAll(output.rec, rec).replace('"rec":', `"prev":${prev},"rec":`);
      prev = entries.length;
      entries.push(utf8(text.replace('"seq":1', `"seq":${seq}`)));
    }
    expect(canonicalBytes(JSON.parse(new TextDecoder().decode(entries.at(-1))))).toEqual(entries.at(-1));
    const one = createAudit(log.origin);
    const start = process.cpuUsage();
    entries.forEach((bytes, index) => one.add(index, bytes));
    const { user, system } = process.cpuUsage(start);
    expect(one.finish(size + 1, NO_ROOT).findings.filter((finding) => finding.verdict === "fail")).toEqual([]);
    // Time of the processor, since others use this machine. A quiet one needs 12 µs; anything quadratic would need far more than this.
    expect((user + system) / size).toBeLessThan(100);
  });
});
