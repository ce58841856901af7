// C2SP tlog-proof: read and written byte for byte, and verified under the caller's trust and nobody else's.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toBase64, utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { verifyTlogProof } from "../src/evidence/proof.ts";
import type { Report } from "../src/evidence/report.ts";
import { formatCheckpoint } from "../src/note/checkpoint.ts";
import { formatNote } from "../src/note/note.ts";
import { inclusionProof, leafHash, rootOf } from "../src/tlog/merkle.ts";
import { formatTlogProof, parseTlogProof, type TlogProof } from "../src/tlog/proof.ts";
import { NO_TRUST, parseTrust, trustFromVkeys } from "../src/trust/trust.ts";
import { makeSigner, makeStory, SEEN_AT } from "./make-log.ts";

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;
const story = makeStory({ witnesses: 2 });
const { log, output } = story;
const trust = parseTrust(utf8(log.trustText()));
const leaves = log.entries.map((one) => one.leaf);

function proofOf(index: number, more: Partial<TlogProof> = {}): TlogProof {
  return { index, hashes: inclusionProof(leaves, index), checkpoint: log.checkpoint(), ...more };
}
const bytesOf = (proof: TlogProof): Uint8Array => utf8(formatTlogProof(proof));
const codes = (report: Report) => report.findings.map((one) => `${one.verdict} ${one.code}`);
const entry = output.bytes;
const whole = bytesOf(proofOf(output.index, { extra: entry }));

describe("the file", () => {
  it("is written as the specification has it", () => {
    const [hash] = [leafHash(utf8("x"))];
    const checkpoint = "o\n1\nAAAA\n\n— o AAAAAAAA\n";
    expect(formatTlogProof({ index: 5, hashes: [hash, hash], checkpoint })).toBe(
      `c2sp.org/tlog-proof@v1\nindex 5\n${toBase64(hash)}\n${toBase64(hash)}\n\n${checkpoint}`,
    );
    expect(formatTlogProof({ extra: utf8("extra"), index: 0, hashes: [], checkpoint })).toBe(
      `c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 0\n\n${checkpoint}`,
    );
  });

  it("comes back, whatever it holds", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const any = fc.record(
      {
        extra: fc.uint8Array({ maxLength: 200 }),
        index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        hashes: fc.array(hash, { maxLength: 63 }),
        checkpoint: fc.string(),
      },
      { requiredKeys: ["index", "hashes", "checkpoint"] },
    );
    fc.assert(
      fc.property(any, (proof) => {
        expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof);
      }),
    );
  });

  const good = formatTlogProof(proofOf(3));
  it.each<[string, string, string]>([
    ["another header", good.replace("@v1", "@v2"), "file/version"],
    ["no header", good.slice(good.indexOf("\n") + 1), "file/version"],
    ["no blank line", good.replaceAll("\n\n", "\n"), "file/version"],
    ["nothing", "", "file/version"],
    ["no index", good.replace("index 3\n", ""), "proof/format"],
    ["an index that is no number", good.replace("index 3", "index notanumber"), "proof/format"],
    ["a negative index", good.replace("index 3", "index -3"), "proof/format"],
    ["an index with a zero before it", good.replace("index 3", "index 03"), "proof/format"],
    ["an index with a sign", good.replace("index 3", "index +3"), "proof/format"],
    ["an index with a space behind it", good.replace("index 3", "index 3 "), "proof/format"],
    ["an index above 2^53-1", good.replace("index 3", "index 9007199254740992"), "proof/format"],
    ["an index without its word", good.replace("index 3", "3"), "proof/format"],
    ["extra data that are no base64", good.replace("index", "extra !!notbase64!!\nindex"), "bytes/base64"],
    ["extra data behind the index", good.replace("index 3", "index 3\nextra AAAA"), "bytes/base64"],
    ["extra data twice", good.replace("index", "extra AAAA\nextra AAAA\nindex"), "bytes/base64"],
    ["a hash that is no base64", good.replace("index 3\n", "index 3\n!!notbase64!!\n"), "bytes/base64"],
    ["a hash of 64 bytes", good.replace("index 3\n", `index 3\n${toBase64(new Uint8Array(64))}\n`), "proof/format"],
    ["64 hashes", good.replace("index 3\n", `index 3\n${`${toBase64(new Uint8Array(32))}\n`.repeat(60)}`), "proof/format"],
    ["carriage returns", good.replaceAll("\n", "\r\n"), "file/version"],
    ["more than any proof holds", good + "x".repeat(2_000_000), "proof/format"],
  ])("is refused with %s", (_, text, code) => {
    expect(() => parseTlogProof(text)).toThrow(refused(code));
  }); // prettier-ignore
});

describe("verified", () => {
  it("with the entry in the file, or handed in, under the policy's log and quorum", () => {
    const report = verifyTlogProof(whole, trust);
    expect(report).toMatchObject({ exit: 0, signer: "trusted", code: "proof/whole", origin: log.origin });
    expect(report.values).toMatchObject({ index: output.index, size: log.entries.length });
    expect(codes(report)).toEqual([
      "pass log-signature/ok",
      "pass signature-line/witness",
      "pass signature-line/witness",
      "pass witnesses/ok",
      "pass format/ok",
      "pass inclusion/ok",
    ]);
    const bare = bytesOf(proofOf(output.index));
    expect(verifyTlogProof(bare, trust, { entry })).toMatchObject({ exit: 0, code: "proof/whole" });
    // An entry is bytes: any log's proof is verified, not only one of ours.
    const key = makeSigner("else.example/log", "else");
    const text = formatCheckpoint({
      origin: key.name,
      size: 2,
      root: rootOf(["a", "b"].map((one) => leafHash(utf8(one)))),
    });
    const foreign = bytesOf({
      index: 1,
      hashes: [leafHash(utf8("a"))],
      checkpoint: formatNote(text, [key.sign(text)]),
    });
    expect(verifyTlogProof(foreign, trustFromVkeys([key.vkey]), { entry: utf8("b") })).toMatchObject({ exit: 0 });
  });

  it("without the entry it is not checked", () => {
    const report = verifyTlogProof(bytesOf(proofOf(output.index)), trust);
    expect(report).toMatchObject({ exit: 2, code: "report/incomplete" });
    expect(codes(report)).toContain("not-checked proof/no-entry");
    const strange = verifyTlogProof(bytesOf(proofOf(output.index, { extra: utf8("else") })), trust);
    expect(codes(strange)).toContain("not-checked proof/no-entry");
    expect(strange.exit).toBe(2);
  });

  it("with another entry, index or hash it is refuted", () => {
    const proof = proofOf(output.index);
    const [first = new Uint8Array(32), ...more] = proof.hashes;
    const bad: [TlogProof, Uint8Array][] = [
      [proof, utf8("another entry")],
      [{ ...proof, index: output.index - 1 }, entry],
      [{ ...proof, hashes: [first.with(3, (first[3] ?? 0) ^ 1), ...more] }, entry],
      [{ ...proof, hashes: more }, entry],
      [{ ...proof, index: 4_000 }, entry],
    ];
    for (const [one, about] of bad) expect(verifyTlogProof(bytesOf(one), trust, { entry: about }).exit).toBe(1);
    // A proof that fits no tree of this size is refuted, whatever it is about.
    expect(verifyTlogProof(bytesOf({ ...proof, index: 4_000 }), trust).exit).toBe(1);
    expect(verifyTlogProof(bytesOf({ ...proof, hashes: more }), trust).exit).toBe(1);
  });

  it("says of extra data beside an entry handed in that nobody vouches for them", () => {
    const report = verifyTlogProof(bytesOf(proofOf(output.index, { extra: utf8("a note") })), trust, { entry });
    expect(report.exit).toBe(0);
    expect(codes(report)).toContain("not-checked proof/extra");
  });

  it("under nobody's key, another's, or too few witnesses it is not checked; under a broken line refuted", () => {
    expect(verifyTlogProof(whole, NO_TRUST)).toMatchObject({ exit: 2, signer: "unknown" });
    expect(verifyTlogProof(whole, NO_TRUST).findings.some(({ verdict }) => verdict === "pass")).toBe(false);
    expect(verifyTlogProof(whole, trustFromVkeys([makeSigner(log.origin, "x").vkey])).exit).toBe(2);
    expect(verifyTlogProof(whole, trustFromVkeys([makeSigner("else", "x").vkey])).exit).toBe(2);
    const [one] = log.witnesses;
    const few = log.checkpoint(log.entries.length, one === undefined ? [log.key] : [log.key, one]);
    const report = verifyTlogProof(bytesOf(proofOf(output.index, { extra: entry, checkpoint: few })), trust);
    expect(report.exit).toBe(2);
    expect(codes(report)).toContain("not-checked witnesses/not-met");
    const later = log.checkpoint(5);
    const mixed = later.split("\n\n")[0] + "\n\n" + (log.checkpoint().split("\n\n")[1] ?? "");
    expect(verifyTlogProof(bytesOf({ ...proofOf(3), checkpoint: mixed }), trust)).toMatchObject({
      exit: 1,
      signer: "refuted",
    });
  });

  it("is as old as the caller allows", () => {
    const demanding = { ...trust, maxAgeHours: 24 };
    const at = (hours: number) => verifyTlogProof(whole, demanding, { nowMs: (SEEN_AT + hours * 3600) * 1000 }).exit;
    expect([at(1), at(23), at(25)]).toEqual([0, 0, 2]);
    expect(verifyTlogProof(whole, demanding).exit).toBe(2);
  });

  it("with one byte changed anywhere never gives the same report", () => {
    const wanted = JSON.stringify({ ...verifyTlogProof(whole, trust), file: "" });
    for (let at = 0; at < whole.length; at++) {
      const changed = whole.with(at, (whole[at] ?? 0) ^ (1 << ((at * 5) % 8)));
      const report = verifyTlogProof(changed, trust);
      expect(JSON.stringify({ ...report, file: "" }) === wanted, `byte ${at}`).toBe(false);
      expect(report.exit, `byte ${at}`).not.toBe(0);
    }
  }, 30_000);

  it("is not UTF-8, or no proof at all, without a throw", () => {
    expect(verifyTlogProof(Uint8Array.of(0xff, 0xfe), trust).exit).toBe(1);
    expect(verifyTlogProof(new Uint8Array(), trust)).toMatchObject({ exit: 2, code: "format/unknown" });
  });
});
