import { b64, concat, hex, logKey, otherKey, receiptsKey, sha256, signer, u8, utf8, witness2Key, witnessKey, type Json, type Signer } from "./lib.ts";
import { latticeKey } from "./ml-dsa.ts";

/** A trust file as a person would write it. */
export function trustText(policy: string, more: { readonly [name: string]: Json } = {}): string {
  return JSON.stringify({ format: "spur-trust/v1", policy, ...more }, null, 2);
}

const one = witnessKey.vkey;
const two = witness2Key.vkey;
const retyped = (key: Signer, type: number): string => {
  const id = sha256(utf8(`${key.name}\n`), u8(type), key.publicKey).subarray(0, 4);
  return `${key.name}+${hex(id)}+${b64(concat(u8(type), key.publicKey))}`;
};
const renamed = (key: Signer, name: string): string => {
  const id = sha256(utf8(`${name}\n`), u8(key.type), key.publicKey).subarray(0, 4);
  return `${name}+${hex(id)}+${b64(concat(u8(key.type), key.publicKey))}`;
};

const named = (name: string, first: number): string => signer(`witness.example/${name}`, 4, Buffer.alloc(32, first)).vkey;
const twoLevels = `log ${logKey.vkey}\n\n${["X1", "X2", "X3"].map((name, i) => `witness ${name} ${named(name, i + 1)}\n`).join("")}group X-witnesses 2 X1 X2 X3\n\n${["Y1", "Y2", "Y3"].map((name, i) => `witness ${name} ${named(name, i + 4)}\n`).join("")}group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n`;
const group = `# whom I trust\nlog ${logKey.vkey} https://${logKey.name}\n\nwitness one ${one} https://witness.example/one\nwitness\ttwo\t${two}\ngroup both all one two\nquorum both\n`;
const nested = `witness one ${one}\nwitness two ${two}\ngroup inner any one\ngroup outer 2 inner two\nquorum outer\n`;
const wrong = (name: string, why: string, policy: string) => ({ name, why, policy });

export const policyVectors = {
  format: "tlog-policy",
  about: "`quorum` lists sets of witnesses (by their names in the policy) that cosigned, and whether they are enough; null = the policy asks for none.",
  valid: [
    { name: "nobody", policy: "quorum none\n", logs: [], witnesses: [], quorum: [{ cosigned: [], met: null }] },
    { name: "a log", policy: `log ${logKey.vkey}\nquorum none\n`, logs: [logKey.vkey], witnesses: [], quorum: [{ cosigned: [], met: null }] },
    { name: "no final newline", policy: "quorum none", logs: [], witnesses: [], quorum: [{ cosigned: [], met: null }] },
    { name: "one witness", policy: `witness w ${one}\nquorum w\n`, logs: [], witnesses: ["w"], quorum: [{ cosigned: [], met: false }, { cosigned: ["w"], met: true }] },
    { name: "all of two, comments, URLs, tabs", policy: group, logs: [logKey.vkey], witnesses: ["one", "two"], quorum: [{ cosigned: ["one"], met: false }, { cosigned: ["two"], met: false }, { cosigned: ["one", "two"], met: true }] },
    { name: "any of two", policy: group.replace("both all", "both any"), logs: [logKey.vkey], witnesses: ["one", "two"], quorum: [{ cosigned: [], met: false }, { cosigned: ["two"], met: true }] },
    { name: "2 of two", policy: group.replace("both all", "both 2"), logs: [logKey.vkey], witnesses: ["one", "two"], quorum: [{ cosigned: ["one"], met: false }, { cosigned: ["one", "two"], met: true }] },
    { name: "a witness with ML-DSA-44", policy: `witness w ${latticeKey.vkey}\nwitness v ${one}\ngroup g all w v\nquorum g\n`, logs: [], witnesses: ["w", "v"], quorum: [{ cosigned: ["w"], met: false }, { cosigned: ["v", "w"], met: true }] },
    { name: "a log with ML-DSA-44", policy: `log ${latticeKey.vkey}\nquorum none\n`, logs: [latticeKey.vkey], witnesses: [], quorum: [{ cosigned: [], met: null }] },
    { name: "the example of the specification: two of three, and any of three", policy: twoLevels, logs: [logKey.vkey], witnesses: ["X1", "X2", "X3", "Y1", "Y2", "Y3"], quorum: [{ cosigned: ["X1", "X2"], met: false }, { cosigned: ["X1", "Y1", "Y2", "Y3"], met: false }, { cosigned: ["X1", "X3", "Y2"], met: true }] },
    { name: "names of other than ASCII characters, and a # inside a line", policy: `witness K ${one}\nwitness \u212a ${two} https://witness.example/#two\ngroup 两个 2 K \u212a\nquorum 两个\n`, logs: [], witnesses: ["K", "\u212a"], quorum: [{ cosigned: ["K"], met: false }, { cosigned: ["K", "\u212a"], met: true }] },
    { name: "groups of groups", policy: nested, logs: [], witnesses: ["one", "two"], quorum: [{ cosigned: ["two"], met: false }, { cosigned: ["one", "two"], met: true }] },
  ],
  invalid: [
    wrong("no quorum line", "what is enough must be said", `log ${logKey.vkey}\n`),
    wrong("two quorum lines", "which one?", "quorum none\nquorum none\n"),
    wrong("an unknown word", "half understood would be trusting others than its writer", "trust everybody\nquorum none\n"),
    wrong("a quorum of nobody known", "not defined above", "quorum w\n"),
    wrong("a quorum defined below", "not defined above", `quorum w\nwitness w ${one}\n`),
    wrong("a group with an unknown member", "not defined above", `witness one ${one}\ngroup g all one two\nquorum g\n`),
    wrong("3 of two", "never met", group.replace("both all", "both 3")),
    wrong("0 of two", "always met", group.replace("both all", "both 0")),
    wrong("01 of two", "one text for one number", group.replace("both all", "both 01")),
    wrong("an empty group", "all of nobody", "group g all\nquorum g\n"),
    wrong("a witness in two groups", "it would count twice", `witness one ${one}\nwitness two ${two}\ngroup a any one\ngroup b any one\ngroup c all a b\nquorum c\n`),
    wrong("a name twice", "which one?", `witness w ${one}\nwitness w ${two}\nquorum w\n`),
    wrong("a witness named none", "quorum none has a meaning", `witness none ${one}\nquorum none\n`),
    wrong("one key under two names", "it would count twice", `witness a ${one}\nwitness b ${renamed(witnessKey, "witness.example/another")}\ngroup g all a b\nquorum g\n`),
    wrong("a witness with a log's kind of key", "type 0x04", `witness w ${retyped(witnessKey, 1)}\nquorum w\n`),
    wrong("a witness with a key of a type that is no cosignature", "type 0x04 or 0x06", `witness w ${retyped(witnessKey, 2)}\nquorum w\n`),
    wrong("one ML-DSA-44 key under two names", "it would count twice", `witness a ${latticeKey.vkey}\nwitness b ${latticeKey.vkey}\ngroup g all a b\nquorum g\n`),
    wrong("a log twice", "one line for one key", `log ${logKey.vkey}\nlog ${logKey.vkey}\nquorum none\n`),
    wrong("none as a member of a group", "it means nothing there", `witness w ${one}\ngroup g any w none\nquorum g\n`),
    wrong("a group that is its own member", "not defined above", `witness w ${one}\ngroup g any w g\nquorum g\n`),
    wrong("other white space than space and tab", "no such character parts items", `witness\u00a0w ${one}\nquorum none\n`),
    wrong("a log with a witness's kind of key", "type 0x01", `log ${one}\nquorum none\n`),
    wrong("a key id of another key", "not a vkey", `log ${logKey.vkey.replace(/\+[0-9a-f]{8}\+/, "+00000000+")}\nquorum none\n`),
    wrong("two URLs", "at most one", `log ${logKey.vkey} https://a.example https://b.example\nquorum none\n`),
    wrong("a control character in a comment", "no control characters but tab and newline", "# \u0001\nquorum none\n"),
    wrong("a witness without a name", "name and key", "witness\nquorum none\n"),
    wrong("a witness without a key", "name and key", "witness w\nquorum w\n"),
    wrong("a log without a key", "a key", "log\nquorum none\n"),
    wrong("a group without a threshold", "name, threshold, members", "group g\nquorum g\n"),
    wrong("a quorum without a name", "a name", "quorum\n"),
    wrong("a carriage return", "no control characters but tab and newline", `log ${logKey.vkey}\r\nquorum none\n`),
  ],
};

const policy = `log ${logKey.vkey}\nquorum none\n`;
const full = {
  statementKeys: [receiptsKey.vkey],
  require: ["witnesses", "time"],
  maxAgeHours: 24,
  contracts: [{ chainId: 1, address: `0x${"ab".repeat(20)}`, codeHash: `0x${"cd".repeat(32)}` }],
  blocks: [{ chainId: 1, number: 21_000_000, hash: `0x${"ef".repeat(32)}` }],
};
const file = (name: string, why: string, text: string, verdict: "fail" | "not-checked" = "fail") => ({ name, why, text, verdict });
const changed = (more: { readonly [name: string]: Json }): string => trustText(policy, more);

export const trustVectors = {
  format: "spur-trust/v1",
  about: "A trust file is its owner's own: white space and order are free, unknown or doubled members are refused.",
  valid: [
    { name: "the least", text: trustText("quorum none\n") },
    { name: "a log", text: trustText(policy) },
    { name: "everything", text: changed(full) },
    { name: "in one line, in another order", text: JSON.stringify({ policy, format: "spur-trust/v1" }) },
  ],
  invalid: [
    file("unknown member", "what was meant to protect would be ignored", changed({ requires: [] })),
    file("a member twice", "one of both would be ignored", trustText(policy).replace('"policy"', '"policy": "quorum none\\n", "policy"')),
    file("no policy", "who is trusted?", JSON.stringify({ format: "spur-trust/v1" })),
    file("no format", "not a trust file", JSON.stringify({ policy }), "not-checked"),
    file("a later version", "this version cannot follow it", trustText(policy).replace("v1", "v2"), "not-checked"),
    file("an unknown check required", "it would never be made", changed({ require: ["truth"] })),
    file("a policy that is wrong", "see policy.json", trustText("quorum w\n")),
    file("a statement key that is none", "not a vkey", changed({ statementKeys: [otherKey.name] })),
    file("a policy that is a list", "a text", JSON.stringify({ format: "spur-trust/v1", policy: [] })),
    file("a statement key that is a number", "a vkey", changed({ statementKeys: [1] })),
    file("age of nothing", "at least one hour", changed({ maxAgeHours: 0 })),
    file("age as a fraction", "whole hours", changed({ maxAgeHours: 1.5 })),
    file("address in upper case", "lower-case hex", changed({ contracts: [{ chainId: 1, address: `0x${"AB".repeat(20)}`, codeHash: `0x${"cd".repeat(32)}` }] })),
    file("block hash too short", "32 bytes", changed({ blocks: [{ chainId: 1, number: 1, hash: "0xef" }] })),
    file("block with another member", "closed", changed({ blocks: [{ chainId: 1, number: 1, hash: `0x${"ef".repeat(32)}`, note: "x" }] })),
    file("not JSON", "cut", trustText(policy).slice(0, -2)),
    file("a list", "an object", "[]"),
  ],
};
