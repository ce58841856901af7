import { describe, expect, it } from "vitest";
import { utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { parsePolicy, quorumMet } from "../src/trust/policy.ts";
import { formatTrust, NO_TRUST, parseTrust, trustFromVkeys } from "../src/trust/trust.ts";
import { makeSigner } from "./make-log.ts";

const log = makeSigner("log.example", "log").vkey;
const [x1, x2, x3, y1, y2] = ["x1", "x2", "x3", "y1", "y2"].map((name) => makeSigner(`w/${name}`, name, 0x04).vkey);
const receipts = makeSigner("log.example/receipts", "receipts").vkey;
const EXAMPLE = `# two organisations
log ${log} https://log.example/
  witness X1 ${x1}
witness\tX2 ${x2} https://x2.example
witness X3 ${x3}
group X 2 X1 X2 X3

witness Y1 ${y1}
witness Y2 ${y2}
group Y any Y1 Y2
group both all X Y
quorum both
`;

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof VerifyError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("tlog-policy", () => {
  const policy = parsePolicy(EXAMPLE);

  it("reads the specification's example", () => {
    expect(policy.logs.map(({ key, url }) => [key.name, url])).toEqual([["log.example", "https://log.example/"]]);
    expect([...policy.witnesses.keys()]).toEqual(["X1", "X2", "X3", "Y1", "Y2"]);
    expect(policy.groups.get("X")).toEqual({ threshold: 2, members: ["X1", "X2", "X3"] });
    expect(policy.text).toBe(EXAMPLE);
  });

  it.each([
    [["X1", "X2", "Y1"], true],
    [["X2", "X3", "Y2", "Y1"], true],
    [["X1", "X2", "X3"], false],
    [["X1", "Y1", "Y2"], false],
    [["X1", "X2", "nobody"], false],
    [[], false],
  ])("quorum of %j: %s", (cosigned, met) => {
    expect(quorumMet(policy, new Set(cosigned))).toBe(met);
  });

  it("wants no quorum where it says none", () => {
    expect(quorumMet(parsePolicy("quorum none\n"), new Set(["X1"]))).toBeUndefined();
  });

  it.each([
    ["no quorum", `log ${log}\n`],
    ["two quorums", "quorum none\nquorum none\n"],
    ["a quorum of an unknown name", "quorum X\n"],
    ["a quorum before its witness", `quorum X1\nwitness X1 ${x1}\n`],
    ["a group before its member", `group g any X1\nwitness X1 ${x1}\nquorum g\n`],
    ["a group of itself", "group g any g\nquorum g\n"],
    ["none as a name", `witness none ${x1}\nquorum none\n`],
    ["none as a member", `group g any none\nquorum g\n`],
    ["an empty group", "group g all\nquorum g\n"],
    ["a threshold of 0", `witness X1 ${x1}\ngroup g 0 X1\nquorum g\n`],
    ["a threshold above its members", `witness X1 ${x1}\ngroup g 2 X1\nquorum g\n`],
    ["a threshold with a leading zero", `witness X1 ${x1}\ngroup g 01 X1\nquorum g\n`],
    ["a member twice", `witness X1 ${x1}\ngroup g 2 X1 X1\nquorum g\n`],
    ["a member of two groups", `witness X1 ${x1}\ngroup g any X1\ngroup h any X1\nquorum g\n`],
    ["one key under two names", `witness X1 ${x1}\nwitness X2 ${x1}\nquorum X1\n`],
    ["a name twice", `witness X1 ${x1}\nwitness X1 ${x2}\nquorum X1\n`],
    ["one log twice", `log ${log}\nlog ${log}\nquorum none\n`],
    ["a witness's key as a log", `log ${x1}\nquorum none\n`],
    ["a log's key as a witness", `witness X ${log}\nquorum X\n`],
    ["an unknown word", "quorum none\nmirror x\n"],
    ["more words than there are", `log ${log} https://a https://b\nquorum none\n`],
    ["a carriage return", "quorum none\r\n"],
    ["a comment behind", "quorum none # really\n"],
  ])("refuses %s", (_, text) => {
    expect(codeOf(() => parsePolicy(text))).toBe("policy/format");
  });

  it("refuses a key that is none", () => {
    expect(codeOf(() => parsePolicy("log nonsense\nquorum none\n"))).toBe("note/vkey");
  });
});

describe("spur-trust/v1", () => {
  const file = {
    format: "spur-trust/v1",
    policy: EXAMPLE,
    statementKeys: [receipts],
    require: ["witnesses", "time"],
    maxAgeHours: 24,
    contracts: [{ chainId: 1, address: `0x${"ab".repeat(20)}`, codeHash: `0x${"cd".repeat(32)}` }],
    blocks: [{ chainId: 1, number: 7, hash: `0x${"ef".repeat(32)}` }],
  };

  it("is its owner's own: any order, any white space", () => {
    const trust = parseTrust(utf8(JSON.stringify(file, null, 4)));
    expect(trust.statementKeys[0]?.name).toBe("log.example/receipts");
    expect(trust.maxAgeHours).toBe(24);
    expect(trust.require).toEqual(["witnesses", "time"]);
    expect(parseTrust(formatTrust(trust))).toEqual(trust);
    expect(parseTrust(formatTrust(NO_TRUST))).toEqual(NO_TRUST);
  });

  it.each<[string, string, string]>([
    ["an unknown member", JSON.stringify({ ...file, requires: ["witnesses"] }), "trust/format"],
    ["a check that does not exist", JSON.stringify({ ...file, require: ["luck"] }), "trust/require"],
    ["another version", JSON.stringify({ ...file, format: "spur-trust/v2" }), "trust/version"],
    ["no policy", JSON.stringify({ format: "spur-trust/v1" }), "trust/format"],
    [
      "a member twice",
      `{"format":"spur-trust/v1","require":["witnesses"],"policy":"quorum none\\n","require":[]}`,
      "trust/format",
    ],
    [
      "a member twice, one with an escape",
      `{"format":"spur-trust/v1","policy":"quorum none\\n","\\u0070olicy":"quorum none\\n"}`,
      "trust/format",
    ],
    ["half an age", JSON.stringify({ ...file, maxAgeHours: 0 }), "trust/format"],
    [
      "an address in capitals",
      JSON.stringify({
        ...file,
        contracts: [{ chainId: 1, address: `0x${"AB".repeat(20)}`, codeHash: `0x${"cd".repeat(32)}` }],
      }),
      "trust/format",
    ],
    ["a broken policy", JSON.stringify({ ...file, policy: "quorum" }), "policy/format"],
    ["a broken key", JSON.stringify({ ...file, statementKeys: ["x"] }), "note/vkey"],
    ["text that is no JSON", "trust me", "trust/format"],
    ["a list", "[]", "trust/format"],
    ["100,000 levels", "[".repeat(100_000), "trust/format"],
    [
      "100,000 levels, closed",
      `{"format":"spur-trust/v1","policy":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      "trust/format",
    ],
  ])("refuses %s", (_, text, code) => {
    expect(codeOf(() => parseTrust(utf8(text)))).toBe(code);
  });

  it("makes trust of single keys by what they can sign", () => {
    const trust = trustFromVkeys([log, receipts, x1 as string, x2 as string]);
    expect(trust.policy.logs.map(({ key }) => key.name)).toEqual(["log.example"]);
    expect(trust.statementKeys.map((key) => key.name)).toEqual(["log.example/receipts"]);
    expect(quorumMet(trust.policy, new Set(["w1"]))).toBe(false);
    expect(quorumMet(trust.policy, new Set(["w1", "w2"]))).toBe(true);
    expect(quorumMet(trustFromVkeys([log]).policy, new Set())).toBeUndefined();
    expect(codeOf(() => trustFromVkeys(["x"]))).toBe("note/vkey");
  });
});
