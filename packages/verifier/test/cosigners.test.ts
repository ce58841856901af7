// Witnesses of both kinds, by their names and times; ML-DSA-44 made by Node's OpenSSL and verified by noble.
import { describe, expect, it } from "vitest";
import { concatBytes, u64be, utf8 } from "../src/bytes.ts";
import type { Report } from "../src/evidence/report.ts";
import { verifyEvidence } from "../src/evidence/verify.ts";
import { subtreeMessage, useMlDsa44, verifyCosignature } from "../src/note/cosignature.ts";
import { verifyMlDsa44 } from "../src/note/ml-dsa.ts";
import { formatNote, isCosigner, openNote, parseNote, parseVkey } from "../src/note/note.ts";
import { parsePolicy } from "../src/trust/policy.ts";
import { NO_TRUST, parseTrust, trustFromVkeys, type Trust } from "../src/trust/trust.ts";
import { makeSigner, makeStory, SEEN_AT, type Signer } from "./make-log.ts";

const { log, output, decision } = makeStory({ witnesses: 2 });
const entries = [output.index, decision.index];
const lattice = makeSigner("witness.example/lattice", "lattice", 0x06);
const latticeKey = parseVkey(lattice.vkey);
const text = parseNote(log.checkpoint()).text;
const three = [...log.witnesses, lattice];

function trust(quorum = "3"): Trust {
  const lines = three.map(({ vkey }, i) => `witness w${i} ${vkey}`);
  const policy = `log ${log.key.vkey}\n${lines.join("\n")}\ngroup all-w ${quorum} w0 w1 w2\nquorum all-w\n`;
  return parseTrust(utf8(JSON.stringify({ format: "spur-trust/v1", policy })));
}
const report = (signers: readonly Omit<ReturnType<Signer["sign"]>, "line">[], under = trust()): Report =>
  verifyEvidence(log.evidenceFile({ ask: "lineage", entries, checkpoint: formatNote(text, signers) }), under);
const said = (of: Report, ...checks: string[]) =>
  of.findings.flatMap((one) => (checks.includes(one.check) ? [`${one.verdict} ${one.code} ${String(one.values["key"] ?? "")}`.trim()] : [])); // prettier-ignore
const bare = [log.key.sign(text)];
const whole = [...bare, ...three.map((one) => one.sign(text))];

describe("without a check of ML-DSA-44", () => {
  it("a trusted witness's line is told by name, as not checked, and does not count", () => {
    const shown = report(whole, trust("3"));
    expect(said(shown, "signature line", "witnesses")).toEqual([
      "not-checked signature-line/type witness.example/lattice",
      "pass signature-line/witness witness.example/0",
      "pass signature-line/witness witness.example/1",
      "not-checked witnesses/not-met",
    ]);
    expect(shown.exit).toBe(2);
    expect(said(report(whole, trust("2")), "witnesses")).toEqual(["pass witnesses/ok"]);
  });

  it("a line that is wrong cannot be told from a good one, and passes for neither", () => {
    const wrong = { ...lattice.sign(text), signature: new Uint8Array(2428) };
    expect(openNote(parseNote(formatNote(text, [wrong])), [latticeKey])).toMatchObject({
      verified: [],
      invalid: [],
      unknown: [{ name: lattice.name }],
    });
  });
});

describe("with it", () => {
  it("the quorum is met, and each witness is named with his time", () => {
    useMlDsa44(verifyMlDsa44);
    const shown = report(whole);
    expect(said(shown, "signature line", "witnesses")).toEqual([
      "pass signature-line/witness witness.example/0",
      "pass signature-line/witness witness.example/1",
      "pass signature-line/witness witness.example/lattice",
      "pass witnesses/ok",
    ]);
    const named = shown.findings.find(({ values }) => values["key"] === lattice.name);
    expect(named?.sentence).toBe("The witness witness.example/lattice saw this checkpoint at 2026-11-22T04:10:00Z.");
  });

  it("a quorum that is short by one is not met, and one false line of a trusted witness refutes", () => {
    const [zero, one] = log.witnesses.map((witness) => witness.sign(text));
    if (zero === undefined || one === undefined) throw new Error("two witnesses");
    expect(said(report([...bare, zero, one]), "witnesses")).toEqual(["not-checked witnesses/not-met"]);
    const other = lattice.sign(text.replace(`\n${log.entries.length}\n`, "\n3\n"));
    const shown = report([...bare, zero, one, other]);
    expect(said(shown, "witnesses")).toEqual([
      "fail witnesses/refuted witness.example/lattice",
      "not-checked witnesses/not-met",
    ]);
    expect(shown.exit).toBe(1);
    // Enough others do not make it good.
    expect(report([...bare, zero, one, other], trust("2")).exit).toBe(1);
  });

  it("binds name, time, origin, size and root; extension lines are not signed for", () => {
    const good = lattice.sign(text, SEEN_AT).signature;
    expect(verifyCosignature(latticeKey, text, good)).toEqual({ timestamp: SEEN_AT });
    expect(verifyCosignature({ ...latticeKey, name: "else" }, text, good)).toBeUndefined();
    for (const changed of [
      text.replace(log.origin, "log.example/other"),
      text.replace(/\n\d+\n/, "\n5\n"),
      text.replace(/\n[^\n]*\n$/, `\n${"A".repeat(43)}=\n`),
    ]) {
      expect(changed).not.toBe(text);
      expect(verifyCosignature(latticeKey, changed, good)).toBeUndefined();
    }
    expect(verifyCosignature(latticeKey, `${text}extension\n`, good)).toEqual({ timestamp: SEEN_AT });
    for (const at of [0, 7, 8, 40, 2427]) {
      expect(verifyCosignature(latticeKey, text, good.with(at, (good[at] ?? 0) ^ 1)), `byte ${at}`).toBeUndefined();
    }
    expect(verifyCosignature(latticeKey, text, good.subarray(0, -1))).toBeUndefined();
    expect(verifyCosignature(latticeKey, text, concatBytes(good, new Uint8Array(1)))).toBeUndefined();
    expect(verifyMlDsa44(new Uint8Array(1311), new Uint8Array(), new Uint8Array(2420))).toBe(false);
  });

  it("signs what the specification writes down, byte by byte", () => {
    const tree = utf8("o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    const message = subtreeMessage("w", 258, new TextDecoder().decode(tree));
    const head = Uint8Array.of(...utf8("subtree/v1\n\0"), 1, 0x77, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0x6f);
    expect(message?.subarray(0, -32)).toEqual(concatBytes(head, u64be(0), u64be(1)));
    expect(message?.length).toBe(12 + 2 + 8 + 2 + 16 + 32);
    expect(subtreeMessage("w".repeat(256), 1, new TextDecoder().decode(tree))).toBeUndefined();
  });

  it("time 0 counts for the quorum, and is no time", () => {
    const timeless = [...bare, ...log.witnesses.map((one) => one.sign(text)), lattice.sign(text, 0)];
    const shown = report(timeless);
    expect(said(shown, "witnesses")).toEqual(["pass witnesses/ok"]);
    expect(shown.findings.find(({ values }) => values["key"] === lattice.name)?.values["time"]).toBe("–");
    expect(said(shown, "time")).toEqual(["pass time/ok"]);
    const alone = report([...bare, lattice.sign(text, 0)], {
      ...NO_TRUST,
      policy: parsePolicy(`log ${log.key.vkey}\nwitness w ${lattice.vkey}\nquorum w\n`),
      maxAgeHours: 1,
    });
    expect(said(alone, "witnesses", "time")).toEqual([
      "pass witnesses/ok",
      "not-checked time/none",
      "not-checked time/no-age",
    ]);
  });

  it("may be a log's own key, as the checkpoint's specification recommends", () => {
    const key = makeSigner(log.origin, "log of tomorrow", 0x06);
    const policy = parsePolicy(`log ${key.vkey}\nquorum none\n`);
    const file = log.evidence({ ask: "lineage", entries, checkpoint: formatNote(text, [key.sign(text)]) });
    const bytes = log.evidenceFile({ ask: "lineage", entries, checkpoint: file.checkpoint });
    const renamed = new TextDecoder().decode(bytes).replace(log.key.vkey, key.vkey);
    expect(verifyEvidence(utf8(renamed), { ...NO_TRUST, policy })).toMatchObject({ signer: "trusted" });
  });

  it("is no checkpoint's line where the text is no checkpoint", () => {
    const note = parseNote(formatNote("text\n", [lattice.sign(text)]));
    expect(() => openNote(note, [latticeKey])).toThrow(expect.objectContaining({ code: "checkpoint/format" }));
  });
});

describe("policy and keys", () => {
  it("know which types sign as witnesses", () => {
    expect([1, 2, 4, 5, 6, 255].filter((type) => isCosigner({ type }))).toEqual([4, 6]);
    expect(trustFromVkeys([log.key.vkey, lattice.vkey])).toMatchObject({ policy: { quorum: "all-of-them" } });
    expect(() => parsePolicy(`witness w ${log.key.vkey}\nquorum w\n`)).toThrow("line 1");
    expect(() => parsePolicy(`log ${log.witnesses[0]?.vkey ?? ""}\nquorum none\n`)).toThrow("line 1");
  });

  it("refuse a key of another length", () => {
    const short = lattice.vkey.slice(0, -8);
    expect(() => parseVkey(short)).toThrow("note/vkey");
  });

  it("take 32 logs, 32 witnesses of each kind and 32 groups", () => {
    const names = Array.from({ length: 32 }, (_, i) => i);
    const lines = [
      ...names.map((i) => `log ${makeSigner(`log.example/${i}`, `log ${i}`).vkey} https://log.example/${i}`),
      ...names.map((i) => `witness e${i} ${makeSigner(`e.example/${i}`, `e ${i}`, 0x04).vkey}`),
      ...names.map((i) => `witness l${i} ${makeSigner(`l.example/${i}`, `l ${i}`, 0x06).vkey}`),
      ...names.map((i) => `group g${i} any e${i} l${i}`),
      `group all-g all ${names.map((i) => `g${i}`).join(" ")}`,
      "quorum all-g",
    ];
    const policy = parsePolicy(`${lines.join("\n")}\n`);
    expect([policy.logs.length, policy.witnesses.size, policy.groups.size]).toEqual([32, 64, 33]);
  });
});
