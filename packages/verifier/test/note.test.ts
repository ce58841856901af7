import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromBase64, toBase64, u32be, u64be, utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { sha256 } from "../src/hash.ts";
import { formatCheckpoint, parseCheckpoint } from "../src/note/checkpoint.ts";
import { cosignedMessage, verifyCosignature } from "../src/note/cosignature.ts";
import { formatNote, formatVkey, keyIdOf, openNote, parseNote, parseVkey, type VerifierKey } from "../src/note/note.ts";
import { EMPTY_ROOT, leafHash } from "../src/tlog/merkle.ts";

const refused = (code: string) => expect.objectContaining({ constructor: VerifyError, code }) as VerifyError;

function newKey(name: string, type = 1, seed = sha256(utf8(`${name} ${type}`))) {
  const publicKey = ed25519.getPublicKey(seed);
  const key: VerifierKey = { name, type, publicKey, keyId: keyIdOf(name, type, publicKey) };
  const line = (signature: Uint8Array) => ({ name, keyId: key.keyId, signature });
  return {
    key,
    sign: (text: string) => line(ed25519.sign(utf8(text), seed)),
    cosign: (text: string, time: number) =>
      line(concatBytes(u64be(time), ed25519.sign(cosignedMessage(time, text), seed))),
  };
}

const log = newKey("log.example/1");
const witness = newKey("witness.example/w", 4);
const text = formatCheckpoint({ origin: log.key.name, size: 3, root: leafHash(utf8("x")) });

describe("a note", () => {
  it("is opened under the keys that are trusted, and the rest is unknown", () => {
    const note = parseNote(
      formatNote(text, [log.sign(text), witness.cosign(text, 1_790_000_000), newKey("other").sign(text)]),
    );
    expect(note.text).toBe(text);
    const opened = openNote(note, [log.key, witness.key]);
    expect(opened.verified.map((v) => [v.key.name, v.timestamp])).toEqual([
      ["log.example/1", undefined],
      ["witness.example/w", 1_790_000_000],
    ]);
    expect(Object.keys(opened.verified[0] ?? {})).not.toContain("timestamp");
    expect(opened.invalid).toEqual([]);
    expect(opened.unknown).toMatchObject([{ name: "other", keyId: newKey("other").key.keyId }]);
    expect(openNote(note, [])).toMatchObject({ verified: [], invalid: [], unknown: [{}, {}, {}] });
  });

  it("with a changed text, signature or time verifies under no key", () => {
    const lines = [log.sign(text), witness.cosign(text, 7)];
    const flip = (bytes: Uint8Array, at: number) => bytes.with(at, (bytes[at] ?? 0) ^ 1);
    const keys = [log.key, witness.key];
    const bad = [
      { text: text.replace("\n3\n", "\n4\n"), signatures: lines },
      { text, signatures: lines.map((s) => ({ ...s, signature: flip(s.signature, 0) })) },
      { text, signatures: lines.map((s) => ({ ...s, signature: flip(s.signature, s.signature.length - 1) })) },
      { text, signatures: lines.map((s) => ({ ...s, signature: s.signature.slice(0, -1) })) },
      { text, signatures: lines.map((s) => ({ ...s, signature: concatBytes(s.signature, Uint8Array.of(0)) })) },
      { text, signatures: [{ ...lines[0], signature: new Uint8Array(1) }, { ...lines[1], signature: new Uint8Array(1) }] },
    ]; // prettier-ignore
    for (const { text: t, signatures } of bad) {
      const opened = openNote(parseNote(formatNote(t, signatures as typeof lines)), keys);
      expect(opened).toEqual({ verified: [], invalid: [{ key: log.key }, { key: witness.key }], unknown: [] });
    }
  });

  it("counts a key once, and one bad line of it does not hide behind a good one", () => {
    const good = witness.cosign(text, 7);
    const later = witness.cosign(text, 8);
    const bad = { ...good, signature: good.signature.with(70, 255 - (good.signature[70] ?? 0)) };
    const open = (...lines: (typeof good)[]) =>
      openNote(parseNote(formatNote(text, lines)), [witness.key, { ...witness.key }]);
    expect(open(good, good, later).verified).toEqual([expect.objectContaining({ key: witness.key, timestamp: 7 })]);
    for (const lines of [[good, bad, bad], [bad, good, bad]]) {
      const opened = open(...lines);
      expect(opened.verified.length).toBe(1);
      expect(opened.invalid).toEqual([{ key: witness.key }]);
    } // prettier-ignore
  });

  it("keeps types apart: the same key under another type signs nothing", () => {
    const seed = sha256(utf8("shared"));
    const asLog = newKey("both", 1, seed);
    const asWitness = newKey("both", 4, seed);
    expect(asLog.key.keyId).not.toBe(asWitness.key.keyId);
    const swapped = { ...asWitness.key, keyId: asLog.key.keyId };
    expect(openNote(parseNote(formatNote(text, [asLog.sign(text)])), [swapped]).verified).toEqual([]);
    const mldsa: VerifierKey = { ...asLog.key, type: 6 };
    expect(openNote(parseNote(formatNote(text, [asLog.sign(text)])), [mldsa])).toMatchObject({
      verified: [],
      invalid: [],
      unknown: [{}],
    });
  });

  it("is not opened under two different keys of one name and id", () => {
    const note = parseNote(formatNote(text, [log.sign(text)]));
    const twin = { ...log.key, publicKey: witness.key.publicKey };
    expect(() => openNote(note, [log.key, twin])).toThrow(refused("note/ambiguous-key"));
    expect(openNote(note, [{ ...twin, name: "else" }, log.key]).verified.length).toBe(1);
  });

  it("comes back from its text, empty lines inside included", () => {
    const name = fc.string({ unit: fc.constantFrom("a", "é", "永", "/", ".", "—", "="), minLength: 1, maxLength: 9 });
    const body = fc.string({ unit: fc.constantFrom("a", "\n", " ", "—", "😀"), maxLength: 40 }).map((s) => `${s}\n`);
    const line = fc.record({
      name,
      keyId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      signature: fc.uint8Array({ minLength: 1 }),
    });
    fc.assert(
      fc.property(body, fc.array(line, { minLength: 1, maxLength: 64 }), (t, signatures) => {
        const parsed = parseNote(formatNote(t, signatures));
        expect(parsed.text).toBe(t);
        expect(parsed.signatures.map(({ line: _, ...s }) => s)).toEqual(signatures);
        expect(formatNote(parsed.text, parsed.signatures)).toBe(formatNote(t, signatures));
        expect(parsed.signatures.map((s) => s.line).join("\n")).toBe(formatNote("", signatures).slice(1, -1));
      }),
    );
  });

  const line = `— a ${toBase64(new Uint8Array(68))}`;
  it.each([
    ["nothing", ""],
    ["only newlines", "\n\n\n"],
    ["no signature", "text\n\n"],
    ["no blank line", `text\n${line}\n`],
    ["no final newline", `text\n\n${line}`],
    ["no newline after the text", `text${line}\n`],
    ["a blank line behind", `text\n\n${line}\n\n`],
    ["a blank line between signatures", `text\n\n${line}\n\n${line}`],
    ["text behind", `text\n\n${line}\nmore\n`],
    ["a hyphen for the dash", `text\n\n${line.replace("—", "-")}\n`],
    ["two spaces", `text\n\n${line.replace(" a ", "  a ")}\n`],
    ["a space at the end", `text\n\n${line} \n`],
    ["no name", `text\n\n${line.replace("a ", "")}\n`],
    ["an empty name", `text\n\n${line.replace(" a ", "  ")}\n`],
    ["a plus in the name", `text\n\n${line.replace(" a ", " a+b ")}\n`],
    ["a Unicode space in the name", `text\n\n${line.replace(" a ", " a\u2003b ")}\n`],
    ["a no-break space in the name", `text\n\n${line.replace(" a ", " a\u00a0b ")}\n`],
    ["a next-line in the name", `text\n\n${line.replace(" a ", " a\u0085b ")}\n`],
    ["a long name", `text\n\n${line.replace(" a ", ` ${"a".repeat(2000)} `)}\n`],
    ["no base64", "text\n\n— a !!!!\n"],
    ["base64 without padding", `text\n\n${line.replace(/=+$/, "")}\n`],
    ["base64 with unused bits", "text\n\n— a AAAAAAB=\n"],
    ["only a key id", `text\n\n— a ${toBase64(new Uint8Array(4))}\n`],
    ["an empty signature", "text\n\n— a \n"],
    ["a carriage return", `text\r\n\n${line}\n`],
    ["a tab", `te\txt\n\n${line}\n`],
    ["a zero", `te\0xt\n\n${line}\n`],
    ["a control character in a name", `text\n\n${line.replace(" a ", " a\u0001 ")}\n`],
    ["a lone surrogate", `te\ud800xt\n\n${line}\n`],
  ])("with %s is refused", (_, note) => {
    expect(() => parseNote(note)).toThrow(refused("note/format"));
  });

  it("is bounded", () => {
    expect(parseNote(`text\n\n${`${line}\n`.repeat(64)}`).signatures.length).toBe(64);
    expect(() => parseNote(`text\n\n${`${line}\n`.repeat(65)}`)).toThrow(refused("note/too-many-signatures"));
    expect(() => parseNote(`${"x".repeat(1_000_000)}\n\n${line}\n`)).toThrow(refused("note/too-large"));
  });
});

describe("a vkey", () => {
  it("comes back, whatever its type", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (type, bytes) => {
        const publicKey = type === 6 ? new Uint8Array(1312).fill(bytes[0] ?? 0) : bytes;
        const vkey = formatVkey({ name: "log.example/a-b_c", type, publicKey });
        expect(parseVkey(vkey)).toEqual({
          name: "log.example/a-b_c",
          type,
          publicKey,
          keyId: keyIdOf("log.example/a-b_c", type, publicKey),
        });
      }),
    );
  });

  it("has the key id of the specification", () => {
    const k = log.key.publicKey;
    const id = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    expect(keyIdOf("n", 1, k)).toBe(id(sha256(concatBytes(utf8("n\n"), Uint8Array.of(1), k)).slice()));
    expect(keyIdOf("n", 2, k)).toBe(id(sha256(k).slice())); // ECDSA: the SPKI alone
  });

  const vkey = formatVkey(log.key);
  const [, id = "", ...rest] = vkey.split("+");
  const b64 = rest.join("+");
  const encoded = fromBase64(b64);
  it.each([
    ["", "nothing"],
    ["name", "no parts"],
    ["name+00000000", "no key"],
    ["name+00000000+", "an empty key"],
    ["name+00000000+AQ==", "a type alone"],
    [`${log.key.name}+00000000+${b64}`, "another id"],
    [`${log.key.name}+${id.toUpperCase().replace(/^\d*$/, "X")}+${b64}`, "an upper-case id"],
    [`x${vkey}`, "another name"],
    [` ${vkey}`, "a space"],
    [`${vkey}\n`, "a newline"],
    [`${vkey}=`, "padding where none belongs"],
    [formatVkey({ name: "n", type: 9, publicKey: new Uint8Array(33) }).replace(/=+$/, ""), "no padding"],
    [`${vkey}+`, "more"],
    [`${log.key.name}+0${id}+${b64}`, "a longer id"],
    [formatVkey({ ...log.key, publicKey: encoded.slice(1, 32) }), "31 bytes"],
    [formatVkey({ ...log.key, type: 4, publicKey: concatBytes(encoded.slice(1), Uint8Array.of(0)) }), "33 bytes"],
    [formatVkey({ ...log.key, name: "" }), "no name"],
    [formatVkey({ ...log.key, name: "a b" }), "a space in the name"],
    [formatVkey({ ...log.key, name: "a\u0001b" }), "a control character in the name"],
    [formatVkey({ ...log.key, type: 9, publicKey: new Uint8Array(8000) }), "a huge key"],
  ])("%j is refused: %s", (bad) => {
    if (bad === vkey) throw new Error("test changes nothing");
    expect(() => parseVkey(bad)).toThrow(refused("note/vkey"));
  });
});

describe("a checkpoint", () => {
  it("comes back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, hash) => {
        const root = n === 0 ? EMPTY_ROOT : hash;
        const body = formatCheckpoint({ origin: "log.example/1", size: n, root });
        expect(parseCheckpoint(body)).toEqual({
          origin: "log.example/1",
          size: n,
          root: Uint8Array.from(root),
          extensions: [],
        });
      }),
    );
    const extended = { origin: "o", size: 1, root: leafHash(utf8("")), extensions: ["x", "y z"] };
    expect(parseCheckpoint(formatCheckpoint(extended))).toEqual(extended);
  });

  const root = toBase64(leafHash(utf8("x")));
  it.each([
    ["nothing", ""],
    ["a newline", "\n"],
    ["two lines", "o\n1\n"],
    ["no final newline", `o\n1\n${root}`],
    ["no origin", `\n1\n${root}\n`],
    ["an empty line at the end", `o\n1\n${root}\n\n`],
    ["an empty extension", `o\n1\n${root}\n\nx\n`],
    ["a size with a zero before it", `o\n01\n${root}\n`],
    ["a size with a sign", `o\n+1\n${root}\n`],
    ["a negative size", `o\n-1\n${root}\n`],
    ["a size with a space", `o\n1 \n${root}\n`],
    ["a fraction", `o\n1.0\n${root}\n`],
    ["an exponent", `o\n1e3\n${root}\n`],
    ["a hexadecimal size", `o\n0x1\n${root}\n`],
    ["no size", `o\n\n${root}\n`],
    ["size 2^53", `o\n9007199254740992\n${root}\n`],
    ["size 2^64", `o\n18446744073709551616\n${root}\n`],
    ["other digits", `o\n١\n${root}\n`],
    ["a root of 31 bytes", `o\n1\n${toBase64(new Uint8Array(31))}\n`],
    ["a root of 33 bytes", `o\n1\n${toBase64(new Uint8Array(33))}\n`],
    ["a root without padding", `o\n1\n${root.slice(0, -1)}\n`],
    ["a root in the URL alphabet", `o\n1\n${"-".repeat(43)}=\n`],
    ["a root with unused bits", `o\n1\n${"A".repeat(42)}B=\n`],
    ["a carriage return", `o\n1\n${root}\r\n`],
  ])("with %s is refused", (_, body) => {
    expect(() => parseCheckpoint(body)).toThrow(refused("checkpoint/format"));
  });

  it("of size 0 has the empty root", () => {
    expect(() => parseCheckpoint(`o\n0\n${root}\n`)).toThrow(refused("checkpoint/empty-root"));
    expect(parseCheckpoint(`o\n0\n${toBase64(EMPTY_ROOT)}\n`).size).toBe(0);
  });
});

describe("a cosignature", () => {
  it("signs the time and the whole text", () => {
    const bytes = cosignedMessage(1_679_315_147, text);
    expect(Buffer.from(bytes).toString()).toBe(`cosignature/v1\ntime 1679315147\n${text}`);
    const { signature } = witness.cosign(text, 1_679_315_147);
    expect(verifyCosignature(witness.key, text, signature)).toEqual({ timestamp: 1_679_315_147 });
    expect(verifyCosignature(witness.key, `${text}x\n`, signature)).toBeUndefined();
    expect(verifyCosignature(log.key, text, signature)).toBeUndefined();
    for (let at = 0; at < 8; at++) {
      expect(verifyCosignature(witness.key, text, signature.with(at, 255 - (signature[at] ?? 0)))).toBeUndefined();
    }
    expect(verifyCosignature(witness.key, text, signature.slice(8))).toBeUndefined();
  });

  it("takes times up to 2^53-1", () => {
    const last = Number.MAX_SAFE_INTEGER;
    expect(verifyCosignature(witness.key, text, witness.cosign(text, last).signature)).toEqual({ timestamp: last });
    expect(verifyCosignature(witness.key, text, witness.cosign(text, 0).signature)).toEqual({ timestamp: 0 });
    const above = concatBytes(u32be(2 ** 21), new Uint8Array(68));
    expect(verifyCosignature(witness.key, text, above)).toBeUndefined();
  });
});
