// What convicts a log, and that nothing convicts an honest one: every pair of sizes up to 64, and beyond them by chance.
import { hash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { equalBytes, fromBase64, toBase64, utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { verifyMisbehaviour } from "../src/evidence/misbehaviour.ts";
import { receiptText } from "../src/evidence/receipt.ts";
import type { Report } from "../src/evidence/report.ts";
import { useSha256 } from "../src/hash.ts";
import { formatCheckpoint } from "../src/note/checkpoint.ts";
import { formatNote, parseNote } from "../src/note/note.ts";
import { canonicalBytes, type Json } from "../src/statement/canonical.ts";
import {
  consistencyProof,
  consistencyRanges,
  inclusionProof,
  leafHash,
  rootOf,
  rootsFromSubtrees,
  splitPoint,
} from "../src/tlog/merkle.ts";
import { NO_TRUST, parseTrust, trustFromVkeys, type Trust } from "../src/trust/trust.ts";
import { createLog, edited, makeSigner, makeStory, type MadeLog, type Signer } from "./make-log.ts";

beforeAll(() => useSha256((data) => hash("sha256", data, "buffer")));

const MOST = 64;
const ORIGIN = "log.example/fork";
const key = makeSigner(ORIGIN, "fork");
const trusted = trustFromVkeys([key.vkey]);

/** Leaf hashes of a history: `seed` differs from entry `from` on. */
const history = (seed: string, from = 0) =>
  Array.from({ length: MOST }, (_, i) => leafHash(utf8(`${i < from ? "common" : seed} ${i}`)));
const honest = history("common");
const rootAt = (leaves: readonly Uint8Array[], size: number) => rootOf(leaves.slice(0, size));

function signed(root: Uint8Array, size: number, signer: Signer = key, origin = ORIGIN): string {
  const text = formatCheckpoint({ origin, size, root });
  return formatNote(text, [signer.sign(text)]);
}

/** The subtrees that the tree over `leaves` falls into at m: the RFC's proof, with [0, m) itself where the proof leaves it out. */
function subtrees(leaves: readonly Uint8Array[], m: number): Uint8Array[] {
  const whole = m === 1 || splitPoint(m) * 2 === m;
  return [...(whole ? [rootAt(leaves, m)] : []), ...consistencyProof(leaves, m)];
}

function file(older: string, newer: string, hashes: readonly Uint8Array[], vkey = key.vkey): Uint8Array {
  return canonicalBytes({ format: "spur-misbehaviour/v1", hashes: hashes.map(toBase64), newer, older, vkey });
}

const why = (report: Report): string => `${report.code} ${String(report.values["error"] ?? "")}`.trim();

/** Roots from these hashes, or undefined where they fit no tree of these sizes. */
function roots(m: number, n: number, hashes: readonly Uint8Array[]): [Uint8Array, Uint8Array] | undefined {
  try {
    return rootsFromSubtrees(m, n, hashes);
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}

describe("two checkpoints of one log", () => {
  it("of one size with two roots convict whoever trusts the key, and nobody else", () => {
    const fork = file(signed(rootAt(honest, 7), 7), signed(rootAt(history("other"), 7), 7), []);
    const report = verifyMisbehaviour(fork, trusted);
    expect(report).toMatchObject({ exit: 1, verdict: "fail", code: "misbehaviour/fork", origin: ORIGIN, size: 7 });
    expect(report.sentence).toContain("this key equivocated or was stolen");
    expect(report.values).toMatchObject({ key: key.vkey, older: 7, newer: 7 });
    for (const trust of [NO_TRUST, trustFromVkeys([makeSigner(ORIGIN, "another key").vkey])]) {
      const other = verifyMisbehaviour(fork, trust);
      expect(other).toMatchObject({ exit: 2, verdict: "not-checked", signer: "unknown", code: "misbehaviour/fork" });
    }
    // Trusted for receipts alone, the key is not trusted as a log's.
    expect(
      verifyMisbehaviour(fork, { ...NO_TRUST, statementKeys: [...trusted.policy.logs.map((l) => l.key)] }).exit,
    ).toBe(2);
  });

  it("of every two sizes convict where the smaller is not the beginning of the larger, and only there", () => {
    const notes = honest.map((_, i) => signed(rootAt(honest, i + 1), i + 1));
    let convicted = 0;
    for (let n = 1; n <= MOST; n++) {
      for (let m = 1; m < n; m++) {
        // The last common entry wanders, so that what differs lies at the beginning, in the middle and at the end of the smaller one.
        const fork = history("fork", (m * 7 + n) % m);
        const hashes = subtrees(fork.slice(0, n), m);
        expect(hashes.length).toBe(consistencyRanges(m, n).length + (m === 1 || splitPoint(m) * 2 === m ? 1 : 0));
        const [small, large] = rootsFromSubtrees(m, n, hashes);
        expect(equalBytes(small, rootAt(fork, m)) && equalBytes(large, rootAt(fork, n))).toBe(true);
        const report = verifyMisbehaviour(file(notes[m - 1] ?? "", signed(rootAt(fork, n), n), hashes), trusted);
        if (report.exit === 1) convicted++;
      }
    }
    expect(convicted).toBe((MOST * (MOST - 1)) / 2);
  }, 60_000);

  it("of an honest log convict with no hashes whatever, for every two sizes", () => {
    const stranger = history("stranger");
    let tried = 0;
    for (let n = 1; n <= MOST; n++) {
      const [tree, other] = [honest.slice(0, n), stranger.slice(0, n)];
      const large = rootAt(honest, n);
      for (let m = 1; m < n; m++) {
        const small = rootAt(honest, m);
        const good = subtrees(tree, m);
        const bad = subtrees(other, m);
        expect(roots(m, n, good)?.map(toBase64)).toEqual([small, large].map(toBase64));
        const attempts = [
          bad,
          good.toReversed(),
          good.slice(1),
          good.slice(0, -1),
          [...good, large],
          [small, ...good],
          consistencyProof(tree, m),
          // One hash after the other from another tree, or with one bit turned.
          ...good.map((_, i) => good.with(i, bad[i] ?? small)),
          ...good.map((one, i) => good.with(i, one.with((m + i) % 32, (one[(m + i) % 32] ?? 0) ^ 1))),
          // Made for sizes beside these.
          ...(m > 1 ? [subtrees(tree, m - 1)] : []),
          ...(m + 1 < n ? [subtrees(tree, m + 1)] : []),
        ];
        for (const hashes of attempts) {
          tried++;
          const found = roots(m, n, hashes);
          // Convicting is: the larger root comes out, and the smaller one does not.
          if (found !== undefined && equalBytes(found[1], large)) expect(equalBytes(found[0], small)).toBe(true);
        }
      }
    }
    expect(tried).toBeGreaterThan(20_000);
  }, 60_000);

  it("of an honest log convict in no file: every pair of its sizes, with hashes of its own and of others", () => {
    const notes = honest.map((_, i) => signed(rootAt(honest, i + 1), i + 1));
    const stranger = history("stranger");
    for (let n = 1; n <= MOST; n++) {
      for (let m = 1; m <= n; m++) {
        const hashes = m === n ? [] : subtrees(((m + n) % 2 === 0 ? honest : stranger).slice(0, n), m);
        const report = verifyMisbehaviour(file(notes[m - 1] ?? "", notes[n - 1] ?? "", hashes), trusted);
        expect(report.exit, `${m} of ${n}`).toBe(2);
        expect(report.code).toBe("misbehaviour/nothing");
      }
    }
  }, 60_000);

  it("of an honest log convict at no size, however large, with no hashes", () => {
    const sizes = fc
      .tuple(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));
    const change = fc.record({
      at: fc.nat(120),
      byte: fc.nat(31),
      how: fc.constantFrom("flip", "drop", "add", "swap", "cut"),
    });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.array(change, { minLength: 1, maxLength: 3 }), ([m, n], seed, changes) => {
        const length = consistencyRanges(m, n).length + (m === 1 || splitPoint(m) * 2 === m ? 1 : 0);
        const good = Array.from({ length }, (_, i): Uint8Array => leafHash(utf8(`${seed} ${i}`)));
        // What an honest log of these subtrees has signed.
        const [small, large] = rootsFromSubtrees(m, n, good);
        const bad: Uint8Array[] = [...good];
        for (const { at, byte, how } of changes) {
          const i = at % Math.max(1, bad.length);
          const one = bad[i] ?? small;
          if (how === "flip") bad[i] = one.map((old, k) => (k === byte ? old ^ (1 << (at % 8)) : old));
          if (how === "drop") bad.splice(i, 1);
          if (how === "add") bad.splice(i, 0, large);
          if (how === "cut") bad[i] = one.slice(0, byte);
          if (how === "swap") [bad[i], bad[0]] = [bad[0] ?? small, one];
        }
        const found = roots(m, n, bad);
        if (found !== undefined && equalBytes(found[1], large)) expect(toBase64(found[0])).toBe(toBase64(small));
      }),
      { numRuns: 3_000 },
    );
  });

  const fork = history("fork", 3);
  const good = file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9), subtrees(fork.slice(0, 9), 5));

  it.each<[string, string, Uint8Array]>([
    ["in the wrong order", "proof/order", file(signed(rootAt(fork, 9), 9), signed(rootAt(honest, 5), 5), subtrees(fork.slice(0, 9), 5))],
    ["one and the same", "misbehaviour/none", file(signed(rootAt(fork, 9), 9), signed(rootAt(fork, 9), 9), [])],
    ["of one size, with hashes that give another root", "proof/wrong-root", file(signed(rootAt(honest, 8), 8), signed(rootAt(fork, 8), 8), [rootAt(honest, 8)])],
    ["size 0, which every tree extends", "proof/empty-tree", file(signed(rootOf([]), 0), signed(rootAt(fork, 9), 9), subtrees(fork.slice(0, 9), 5))],
    ["size 0 with a root of something", "checkpoint/empty-root", file(signed(rootAt(fork, 1), 0), signed(rootAt(fork, 9), 9), [])],
    ["no hashes where some are needed", "proof/length", file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9), [])],
    ["hashes of another tree", "proof/wrong-root", file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9), subtrees(honest.slice(0, 9), 5))],
    ["signed by another key", "log/signature", file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9, makeSigner(ORIGIN, "x")), subtrees(fork.slice(0, 9), 5))],
    ["of two origins", "log/origin", file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9, key, "log.example/else"), subtrees(fork.slice(0, 9), 5))],
    ["with a second signature line", "log/signature", edited(good, (json) => (json.older += json.newer.split("\n\n")[1]))],
    ["with a key that is none", "note/vkey", edited(good, (json) => (json.vkey = "x"))],
    ["with a member too many", "evidence/format", edited(good, (json) => (json.note = ""))],
    ["with a hash too short", "evidence/format", edited(good, (json) => (json.hashes[0] = "AAAA"))],
    ["not canonical", "canonical/form", utf8(` ${new TextDecoder().decode(good)}`)],
    ["of nothing", "canonical/json", utf8("")],
  ])("prove nothing: %s", (_, error, bytes) => {
    const report = verifyMisbehaviour(bytes, trusted);
    expect(why(report)).toBe(`misbehaviour/nothing ${error}`);
    expect(report).toMatchObject({ exit: 2, verdict: "not-checked" });
  }); // prettier-ignore

  it("of a later version are not checked", () => {
    const later = edited(good, (json) => (json.format = "spur-misbehaviour/v2"));
    expect(verifyMisbehaviour(later, trusted)).toMatchObject({ exit: 2, code: "format/unknown" });
  });

  it("with one byte changed anywhere convict no more", () => {
    expect(verifyMisbehaviour(good, trusted).exit).toBe(1);
    expectNoByteToMatter(good, trusted);
  }, 30_000);
});

/** No changed byte leaves a conviction: what convicts is bound, byte by byte, to what was signed. */
function expectNoByteToMatter(bytes: Uint8Array, trust: Trust): void {
  for (let at = 0; at < bytes.length; at++) {
    const report = verifyMisbehaviour(bytes.with(at, (bytes[at] ?? 0) ^ (1 << ((at * 5) % 8))), trust);
    expect(report.exit, `byte ${at}`).toBe(2);
  }
}

describe("a receipt that the log does not keep", () => {
  /** Two histories under the same keys, of which one gave a receipt. */
  function twoHistories(change?: (log: MadeLog) => void) {
    const [kept, shown] = [makeStory(), makeStory()];
    change?.(kept.log);
    change?.(shown.log);
    const promised = answer(kept, "complete");
    answer(shown, "partial");
    for (let i = 0; i < 5; i++) answer(shown, "complete");
    return { kept: kept.log, log: shown.log, index: promised.index, receipt: kept.log.receipt(promised.index) };
  }
  const answer = ({ log, deployment }: ReturnType<typeof makeStory>, outcome: string) =>
    log.add({ type: "spur:output/v1", predicate: { deployment: deployment.ref, outcome } });

  function charge(log: MadeLog, receipt: Uint8Array, index: number, announced?: number): Uint8Array {
    const leaves = log.entries.map((one) => one.leaf);
    const { note, vkey } = JSON.parse(new TextDecoder().decode(receipt)) as { note: string; vkey: string };
    const proof = (at: number) => inclusionProof(leaves, at).map(toBase64);
    const entry = announced === undefined ? undefined : log.entries[announced]?.bytes;
    return canonicalBytes({
      format: "spur-misbehaviour/v1",
      ...(entry && announced !== undefined
        ? { key: { entry: toBase64(entry), index: announced, proof: proof(announced) } }
        : {}),
      leaf: toBase64(leaves[index] ?? new Uint8Array()),
      note: log.checkpoint(log.entries.length, [log.key]),
      proof: proof(index),
      receipt: { note, vkey },
      vkey: log.key.vkey,
    });
  }

  const { log, kept, index, receipt } = twoHistories();
  const byLog = trustFromVkeys([log.key.vkey]);
  const byBoth = trustFromVkeys([log.key.vkey, log.receipts.vkey]);

  it("convicts under the log's key, by the log's own word for the receipts key", () => {
    const report = verifyMisbehaviour(charge(log, receipt, index, 1), byLog);
    expect(report).toMatchObject({ exit: 1, code: "misbehaviour/receipt", origin: log.origin });
    expect(report.values).toMatchObject({ index, key: log.key.vkey, receipts: log.receipts.vkey });
    expect(report.sentence).toContain("equivocated or was stolen");
  });

  it("convicts under both keys without it, and under one of them not", () => {
    const bare = charge(log, receipt, index);
    expect(verifyMisbehaviour(bare, byBoth).exit).toBe(1);
    for (const trust of [byLog, trustFromVkeys([log.receipts.vkey]), NO_TRUST]) {
      expect(verifyMisbehaviour(bare, trust)).toMatchObject({
        exit: 2,
        signer: "unknown",
        code: "misbehaviour/receipt",
      });
    }
    expect(verifyMisbehaviour(charge(log, receipt, index, 1), trustFromVkeys([log.receipts.vkey])).exit).toBe(2);
  });

  it("does not convict a log that keeps its word, at any size, with any leaf hash that it holds", () => {
    const story = makeStory();
    const outputs = [answer(story, "complete"), answer(story, "partial"), answer(story, "failed")];
    const trust = trustFromVkeys([story.log.key.vkey, story.log.receipts.vkey]);
    for (const output of outputs) {
      const whole = charge(story.log, story.log.receipt(output.index), output.index, 1);
      expect(why(verifyMisbehaviour(whole, trust))).toBe("misbehaviour/nothing misbehaviour/none");
      for (const other of story.log.entries) {
        if (other.index === output.index) continue;
        const lie = edited(whole, (json) => (json.leaf = toBase64(other.leaf)));
        expect(verifyMisbehaviour(lie, trust).exit).toBe(2);
        const moved = edited(lie, (json) => {
          const leaves = story.log.entries.map((one) => one.leaf);
          json.proof = inclusionProof(leaves, other.index).map(toBase64);
        });
        expect(verifyMisbehaviour(moved, trust).exit).toBe(2);
      }
    }
  }, 30_000);

  const forged = (signer: Signer, at: number, origin = log.origin) => {
    const leaf = leafHash(utf8("never there"));
    const text = receiptText({ origin, rec: "0".repeat(32), index: at, leaf, commitment: new Uint8Array(32) });
    return canonicalBytes({ note: formatNote(text, [signer.sign(text)]), vkey: signer.vkey });
  };

  it("does not convict by what a stranger signed in the log's name", () => {
    const stranger = makeSigner(`${log.origin}/receipts`, "stranger");
    const bare = charge(log, forged(stranger, index), index);
    expect(verifyMisbehaviour(bare, byBoth)).toMatchObject({ exit: 2, signer: "unknown" });
    const announced = charge(log, forged(stranger, index), index, 1);
    expect(why(verifyMisbehaviour(announced, byBoth))).toBe("misbehaviour/nothing misbehaviour/key");
  });

  it.each<[string, (log: MadeLog) => number, string]>([
    ["of another purpose", (log) => log.add({ type: "spur:key/v1", predicate: { purpose: "statements", algorithm: "ed25519", state: "active" }, payload: log.receipts.publicKey }).index, "misbehaviour/key"],
    ["that takes the key back", (log) => log.add({ type: "spur:key/v1", predicate: { purpose: "receipts", algorithm: "ed25519", state: "compromised" }, payload: log.receipts.publicKey }).index, "misbehaviour/key"],
    ["that a client brought", (log) => log.add({ type: "spur:key/v1", predicate: { purpose: "receipts", algorithm: "ed25519", state: "active" }, payload: log.receipts.publicKey, evidence: "reported" }).index, "misbehaviour/key"],
    ["of another key", () => 0, "misbehaviour/key"],
    ["that is none", () => 2, "misbehaviour/key"],
  ])("does not convict with an announcement %s", (_, announce, error) => {
    let at = 0;
    const { log, index, receipt } = twoHistories((one) => (at = announce(one)));
    expect(why(verifyMisbehaviour(charge(log, receipt, index, at), byLog))).toBe(`misbehaviour/nothing ${error}`);
  }); // prettier-ignore

  it("does not convict with an announcement that came later, or stands elsewhere", () => {
    const late = log.add({
      type: "spur:key/v1",
      predicate: { purpose: "receipts", algorithm: "ed25519", state: "active" },
      payload: log.receipts.publicKey,
    });
    const after = charge(log, receipt, index, late.index);
    expect(why(verifyMisbehaviour(after, byLog))).toBe("misbehaviour/nothing misbehaviour/key");
    const elsewhere = edited(charge(log, receipt, index, 1), (json) => (json.key.index = 2));
    expect(why(verifyMisbehaviour(elsewhere, byLog))).toBe("misbehaviour/nothing proof/wrong-root");
  });

  it.each<[string, (json: { [name: string]: Json }) => void, string]>([
    ["of another log", (json) => (json["receipt"] = JSON.parse(new TextDecoder().decode(forged(makeSigner("else/receipts", "x"), index, "else"))) as Json), "log/origin"],
    ["whose key is not named by the log", (json) => (json["receipt"] = JSON.parse(new TextDecoder().decode(forged(makeSigner("else/receipts", "x"), index))) as Json), "receipt/vkey"],
    ["of another version", (json) => (json["receipt"] = { vkey: log.receipts.vkey, note: sign("spur-receipt/v2\n") }), "receipt/version"],
    ["that is a checkpoint", (json) => (json["receipt"] = { vkey: log.receipts.vkey, note: sign(parseNote(kept.checkpoint()).text) }), "receipt/version"],
    ["beyond the tree", (json) => (json["receipt"] = JSON.parse(new TextDecoder().decode(forged(log.receipts, 4_000))) as Json), "proof/index"],
  ])("proves nothing with a receipt %s", (_, change, error) => {
    const report = verifyMisbehaviour(edited(charge(log, receipt, index, 1), change), byBoth);
    expect(why(report)).toBe(`misbehaviour/nothing ${error}`);
    expect(report.exit).toBe(2);
  }); // prettier-ignore

  const sign = (text: string) => formatNote(text, [log.receipts.sign(text)]);

  it("with one byte changed anywhere convicts no more", () => {
    expectNoByteToMatter(charge(log, receipt, index, 1), byLog);
  }, 30_000);

  it("is signed as the rest: a checkpoint of another key proves nothing", () => {
    const other = createLog({ origin: log.origin, seed: "other" });
    const stolen = edited(charge(log, receipt, index, 1), (json) => {
      json.note = formatNote(parseNote(json.note as string).text, [
        other.key.sign(parseNote(json.note as string).text),
      ]);
    });
    expect(why(verifyMisbehaviour(stolen, byLog))).toBe("misbehaviour/nothing log/signature");
  });
});

describe("bytes of any kind", () => {
  it("convict nobody, and never throw", () => {
    const trust = parseTrust(utf8(makeStory().log.trustText()));
    const fork = history("fork", 3);
    const good = file(signed(rootAt(honest, 5), 5), signed(rootAt(fork, 9), 9), subtrees(fork.slice(0, 9), 5));
    const text = new TextDecoder().decode(good);
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(40), fc.string({ maxLength: 12, unit: "binary" }), (at, cut, insert) => {
        if (/\p{Surrogate}/u.test(insert)) return;
        const changed = utf8(text.slice(0, at) + insert + text.slice(at + cut));
        for (const one of [trust, trusted]) {
          const { exit } = verifyMisbehaviour(changed, one);
          expect(exit === 2 || (one === trusted && equalBytes(changed, good))).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(fromBase64(toBase64(good))).toEqual(good);
  }, 30_000);
});
