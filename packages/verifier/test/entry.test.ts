import { describe, expect, it } from "vitest";
import { utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { canonicalText, parseCanonical, type Json } from "../src/statement/canonical.ts";
import { hourMs, parseEntry, parseOuter } from "../src/statement/entry.ts";
import { makeStory, type Loose } from "./make-log.ts";

const { log, output, dataset, decision } = makeStory();
const closing = log.close();
const text = (made: { bytes: Uint8Array }) => new TextDecoder().decode(made.bytes);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof VerifyError) return error.code;
    throw error;
  }
  return "accepted";
}

/** The code with which an entry is refused after `change`. */
function changed(made: { bytes: Uint8Array }, change: (entry: Loose) => void): string {
  const entry = JSON.parse(text(made));
  change(entry);
  return codeOf(() => parseEntry(utf8(canonicalText(entry as Json))));
}

describe("canonical JSON", () => {
  it.each([
    '{"a":1,"b":[true,false,null,"x"]}',
    '{"10":1,"9":2}',
    '"\\u0001\\"\\\\/ é 你 😀 \\u001f"',
    "[]",
    "{}",
    "-9007199254740991",
    '{"__proto__":1}',
    '{"a":"\\\\"}',
    '["\\\\\\""]',
  ])("accepts %s", (json) => {
    const value = parseCanonical(utf8(json));
    expect(canonicalText(value)).toBe(json);
  });

  it.each<[string, string, string]>([
    ["a name twice", '{"a":1,"a":2}', "canonical/form"],
    ["names out of order", '{"b":1,"a":2}', "canonical/form"],
    ["numbers as names in numeric order", '{"9":1,"10":2}', "canonical/form"],
    ["white space", '{"a": 1}', "canonical/form"],
    ["white space behind", "1\n", "canonical/form"],
    ["an escape that needs none", '"\\u0061"', "canonical/form"],
    ["an escaped slash", '"\\/"', "canonical/form"],
    ["an escape in capitals", '"\\u001F"', "canonical/form"],
    ["an escaped name", '{"\\u0061":1}', "canonical/form"],
    ["a float", "1.5", "canonical/number"],
    ["a float that is whole", "1.0", "canonical/form"],
    ["an exponent", "1e2", "canonical/form"],
    ["minus zero", "-0", "canonical/number"],
    ["a number above 2^53-1", "9007199254740992", "canonical/number"],
    ["a lone high surrogate", '"\\ud800"', "canonical/surrogate"],
    ["a lone low surrogate", '["\\udc00x"]', "canonical/surrogate"],
    ["an escaped pair", '"\\ud83d\\ude00"', "canonical/form"],
    ["a name beyond ASCII", '{"é":1}', "canonical/name"],
    ["a name with a quote", '{"\\"":1}', "canonical/name"],
    ["an empty name", '{"":1}', "canonical/name"],
    ["33 levels", "[".repeat(33) + "]".repeat(33), "canonical/depth"],
    ["100,000 levels", "[".repeat(100_000), "canonical/depth"],
    ["100,000 objects", '{"a":'.repeat(100_000), "canonical/depth"],
    ["a cut", '{"a":', "canonical/json"],
    ["nothing", "", "canonical/json"],
    ["two values", "1 2", "canonical/json"],
    ["a byte order mark", "\ufeff1", "canonical/json"],
  ])("refuses %s", (_, json, code) => {
    expect(codeOf(() => parseCanonical(utf8(json)))).toBe(code);
  });

  it("accepts 32 levels and writes no more", () => {
    const deep = "[".repeat(32) + "]".repeat(32);
    expect(canonicalText(parseCanonical(utf8(deep)))).toBe(deep);
    expect(codeOf(() => canonicalText(JSON.parse(`[${deep}]`) as Json))).toBe("canonical/depth");
  });

  it("refuses bytes that are no UTF-8", () => {
    expect(codeOf(() => parseCanonical(Uint8Array.of(0x22, 0xff, 0x22)))).toBe("bytes/utf8");
    expect(codeOf(() => parseCanonical(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)))).toBe("bytes/utf8");
  });

  it("agrees with the writer on every cut and every change of a byte", () => {
    const good = text(dataset);
    for (let i = 0; i < good.length; i++) {
      for (const c of ["", " ", '"', "\\", "0", "a", "}"]) {
        const bad = good.slice(0, i) + c + good.slice(i + 1);
        const mine = codeOf(() => parseCanonical(utf8(bad))) === "accepted";
        let slow = false;
        try {
          slow = canonicalText(JSON.parse(bad) as Json) === bad;
        } catch {
          // neither JSON nor canonical
        }
        expect(mine, bad).toBe(slow);
      }
    }
  });
});

describe("an entry", () => {
  it("parses with its slots, digests and references", () => {
    const entry = parseEntry(output.bytes);
    expect(entry).toMatchObject({ rec: output.rec, reg: "outputs", seq: 1, slots: 8, predicateType: "spur:output/v1" });
    expect(entry.commitment).toEqual(output.commitment);
    expect(entry.references).toEqual([{ role: "deployment", target: { rec: log.entries[10]?.rec, index: 10 } }]);
    expect(parseEntry(dataset.bytes).rowsRoot).toBeDefined();
  });

  it.each<[string, { bytes: Uint8Array }, (entry: Loose) => void, string]>([
    ["another version", output, (e) => (e["v"] = "spur-entry/v2"), "entry/version"],
    ["no version", output, (e) => delete e["v"], "entry/version"],
    [
      "an unknown predicate type",
      output,
      (e) => (e["statement"].predicateType = "spur:consent/v1"),
      "entry/predicate-type",
    ],
    [
      "an unknown predicate type in an unknown register",
      output,
      (e) => [(e["statement"].predicateType = "spur:consent/v1"), (e["reg"] = "consents")],
      "entry/predicate-type",
    ],
    ["an unknown member", output, (e) => (e["note"] = 1), "entry/member"],
    ["a rec in capitals", output, (e) => (e["rec"] = e["rec"].toUpperCase().replace(/[0-9]/g, "A")), "entry/member"],
    ["the register of another predicate", output, (e) => (e["reg"] = "decisions"), "entry/register"],
    ["an unknown register", output, (e) => (e["reg"] = "answers"), "entry/register"],
    ["number 0", output, (e) => (e["seq"] = 0), "entry/member"],
    ["a predecessor of the first", output, (e) => (e["prev"] = 3), "entry/prev"],
    ["a second without predecessor", output, (e) => (e["seq"] = 2), "entry/prev"],
    ["an hour of no calendar", output, (e) => (e["at"] = "2026-02-30T04Z"), "entry/hour"],
    ["hour 24", output, (e) => (e["at"] = "2026-02-20T24Z"), "entry/hour"],
    ["a minute", output, (e) => (e["at"] = "2026-02-20T04:05Z"), "entry/hour"],
    ["an unknown evidence level", output, (e) => (e["evidence"] = "sworn"), "entry/member"],
    ["statement and envelope", output, (e) => (e["dsse"] = {}), "entry/member"],
    ["neither", output, (e) => delete e["statement"], "entry/member"],
    [
      "an outer name in the predicate",
      output,
      (e) => (e["statement"].predicate.evidence = "observed"),
      "statement/outer-name",
    ],
    [
      "an outer name in the predicate: dsse",
      output,
      (e) => (e["statement"].predicate.dsse = 1),
      "statement/outer-name",
    ],
    ["a free text", output, (e) => (e["statement"].predicate.outcome = "all went well"), "statement/schema"],
    ["an unknown member of the predicate", output, (e) => (e["statement"].predicate.name = "x"), "statement/schema"],
    [
      "a reference with a third member",
      output,
      (e) => (e["statement"].predicate.deployment.at = 1),
      "statement/schema",
    ],
    ["two subjects", output, (e) => e["statement"].subject.push(e["statement"].subject[0]), "statement/subject"],
    ["a subject of another name", output, (e) => (e["statement"].subject[0].name = decision.rec), "statement/subject"],
    [
      "a plain digest of what is sealed",
      output,
      (e) => (e["statement"].subject[0].digest.sha256 = "0".repeat(64)),
      "statement/subject",
    ],
    ["no ciphertext digest", output, (e) => delete e["sealed"], "entry/sealed"],
    [
      "a blob of a slot that is none",
      output,
      (e) => (e["sealed"].blobs = [{ slot: 8, sha256: "0".repeat(64) }]),
      "entry/sealed",
    ],
    ["a short digest", output, (e) => (e["sealed"].ct = "00"), "entry/sealed"],
    ["a digest in capitals", output, (e) => (e["sealed"].ct = "A".repeat(64)), "entry/sealed"],
    ["a rows root alone", dataset, (e) => delete e["statement"].subject[0].digest.sha256, "statement/subject"],
    [
      "another statement type",
      output,
      (e) => (e["statement"]._type = "https://in-toto.io/Statement/v0.1"),
      "statement/form",
    ],
    ["a closing out of order", closing, (e) => e["statement"].predicate.last.reverse(), "statement/schema"],
    [
      "a closing of an unknown register",
      closing,
      (e) => (e["statement"].predicate.last[0].name = "zzz"),
      "entry/unknown-register",
    ],
    [
      "a closing of its future",
      closing,
      (e) => (e["statement"].predicate.last[0].index = closing.index),
      "statement/schema",
    ],
    [
      "a closing with more numbers than places",
      closing,
      (e) => (e["statement"].predicate.last[0].seq = 99),
      "statement/schema",
    ],
  ])("is refused with %s", (_, made, change, code) => {
    expect(changed(made, change)).toBe(code);
  });

  it("is refused over 65,535 bytes", () => {
    expect(codeOf(() => parseEntry(new Uint8Array(65_536)))).toBe("entry/too-long");
  });

  it("with an envelope seals nothing, and the envelope has no other members", () => {
    const dsse = { payload: "e30=", payloadType: "application/json", signatures: [{ keyid: "k", sig: "AAAA" }] };
    const envelope = (e: Loose, more: object) => {
      delete e["statement"];
      [e["reg"], e["dsse"]] = ["foreign", { ...dsse, ...more }];
    };
    expect(changed(output, (e) => envelope(e, {}))).toBe("entry/sealed");
    expect(changed(dataset, (e) => envelope(e, {}))).toBe("entry/sealed");
    const key = log.entries[0] as { bytes: Uint8Array };
    expect(changed(key, (e) => envelope(e, {}))).toBe("accepted");
    expect(changed(key, (e) => envelope(e, { note: 1 }))).toBe("dsse/form");
    expect(changed(key, (e) => envelope(e, { signatures: [] }))).toBe("dsse/form");
    expect(changed(key, (e) => envelope(e, { signatures: [{ sig: "AAAA", cert: "x" }] }))).toBe("dsse/form");
    expect(changed(key, (e) => [envelope(e, {}), (e["reg"] = "keys")])).toBe("entry/register");
  });

  it("tells its outer members even where its predicate is unknown", () => {
    const entry = JSON.parse(text(output));
    [entry["statement"], entry["reg"]] = [{ what: "ever" }, "consents"];
    expect(parseOuter(utf8(canonicalText(entry as Json)))).toMatchObject({ rec: output.rec, reg: "consents", seq: 1 });
  });
});

it("hours begin where the calendar says", () => {
  expect(hourMs("2028-02-29T23Z")).toBe(Date.UTC(2028, 1, 29, 23));
  for (const at of ["2027-02-29T00Z", "2026-04-31T00Z", "0022-01-01T00Z", "x"])
    expect(codeOf(() => hourMs(at))).toBe("entry/hour");
});
