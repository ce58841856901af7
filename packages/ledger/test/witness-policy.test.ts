import { describe, expect, it } from "vitest";
import { parseVkey } from "@spur/verifier/note/note";
import { operatorPolicy } from "@spur/ledger/witness/policy";
import { codeOf } from "./log-support.ts";
import { cosigner, MemoryLog } from "./witness-support.ts";

const log = new MemoryLog(0, "example.com/log").signer;
const KEY = parseVkey(log.vkey);
const keys = new Map<string, string>();
const vkey = (name: string): string => {
  const known = keys.get(name) ?? cosigner(`${name}.example/w`).vkey;
  keys.set(name, known);
  return known;
};
const witness = (name: string, url = ` https://${name}.example/`): string => `witness ${name} ${vkey(name)}${url}`;
const read = (lines: readonly string[], more: { own?: string[]; detectOnly?: boolean } = {}, key = KEY) =>
  operatorPolicy({ policy: `${lines.join("\n")}\n`, own: more.own ?? [], detectOnly: more.detectOnly ?? false }, key);
const of = (...names: string[]): string[] => names.map((name) => witness(name));

describe("which policies a log publishes by", () => {
  it.each<[string, string[]]>([
    ["one witness", [...of("a"), "quorum a"]],
    ["2 of 3", [...of("a", "b", "c"), "group g 2 a b c", "quorum g"]],
    ["all of 2", [...of("a", "b"), "group g all a b", "quorum g"]],
    // The specification's own example: one group may be weak where the other, which must agree too, is not.
    ["2 of 3 and any of 3", [...of("a", "b", "c", "d", "e", "f"), "group x 2 a b c", "group y any d e f", "group g all x y", "quorum g"]],
    ["3 of 5 with groups in it", [...of("a", "b", "c", "d", "e", "f"), "group x 2 a b c", "group g 3 x d e f", "quorum g"]],
    ["its own log among others", [`log ${log.vkey}`, `log ${new MemoryLog(0, "other.example").signer.vkey}`, ...of("a"), "quorum a"]],
    ["no quorum", [...of("a", "b"), "quorum none"]],
    ["no witness", ["quorum none"]],
    ["a witness without URL that is not needed", [...of("a", "b"), witness("c", ""), "group g 2 a b c", "quorum g"]],
  ])("%s is taken", (_name, lines) => {
    expect(read(lines).policy.text).toBe(`${lines.join("\n")}\n`);
  }); // prettier-ignore

  it.each<[string, string, string[]]>([
    ["1 of 2", "witnesses/quorum-splits", [...of("a", "b"), "group g any a b", "quorum g"]],
    ["2 of 4", "witnesses/quorum-splits", [...of("a", "b", "c", "d"), "group g 2 a b c d", "quorum g"]],
    ["two weak groups", "witnesses/quorum-splits", [...of("a", "b", "c", "d"), "group x any a b", "group y any c d", "group g all x y", "quorum g"]],
    ["3 of 4 with two weak groups in it", "witnesses/quorum-splits", [...of("a", "b", "c", "d", "e", "f"), "group x any a b", "group y any c d", "group g 3 x y e f", "quorum g"]],
    ["other logs only", "witnesses/other-log", [`log ${new MemoryLog(0, "other.example").signer.vkey}`, ...of("a"), "quorum a"]],
    ["the log's name with another key", "witnesses/other-log", [`log ${new MemoryLog(0, "example.com/log").signer.vkey}`, ...of("a"), "quorum a"]],
    ["a needed witness without URL", "witnesses/quorum-out-of-reach", [...of("a", "b"), witness("c", ""), "group g 3 a b c", "quorum g"]],
    ["a misspelt line", "witnesses/policy", [...of("a"), "quorums a"]],
    ["no quorum line", "witnesses/policy", of("a")],
    ["a log's key as witness", "witnesses/policy", [`witness a ${log.vkey} https://a.example/`, "quorum a"]],
    ["an address of another kind", "witnesses/url", [witness("a", " ftp://a.example/"), "quorum a"]],
    ["an address with credentials", "witnesses/url", [witness("a", " https://me:secret@a.example/"), "quorum a"]],
    ["an address with a query", "witnesses/url", [witness("a", " https://a.example/?x=1"), "quorum a"]],
    ["more witnesses than a note holds", "witnesses/policy", [...of(...Array.from({ length: 61 }, (_, i) => `n${i}`)), "quorum n0"]],
  ])("%s is refused: %s", async (_name, code, lines) => {
    expect(await codeOf(() => read(lines))).toBe(code);
  }); // prettier-ignore

  it("takes a quorum that splits where it is to detect only", () => {
    expect(read([...of("a", "b"), "group g any a b", "quorum g"], { detectOnly: true }).detectOnly).toBe(true);
  });

  it("agrees with trying every pair of disjoint sets, whatever the groups", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const seen = { taken: 0, split: 0 };
    for (let round = 0; round < 300; round++) {
      const random = lcg(round);
      const free = [...names];
      const groups: string[] = [];
      for (let g = 0; g < 3 && free.length > 1; g++) {
        const members = free.splice(0, 2 + Math.floor(random() * (free.length - 1)));
        groups.push(`group g${g} ${1 + Math.floor(random() * members.length)} ${members.join(" ")}`);
        free.push(`g${g}`);
      }
      const lines = [...of(...names), ...groups, `quorum ${free.at(-1) as string}`];
      const own = random() < 0.3 ? ["a"] : [];
      const policy = (() => {
        try {
          return read(lines, { own, detectOnly: true });
        } catch {
          return undefined; // out of reach without his own
        }
      })();
      if (policy === undefined) continue;
      const met = (set: number): boolean =>
        policyMet(
          lines,
          names.filter((_, i) => (set >> i) % 2 === 1),
        );
      const everybody = 2 ** names.length - 1;
      const mine = own.length === 0 ? 0 : 1;
      let twice = false;
      for (let one = 0; one <= everybody; one++) if (met(one | mine) && met((everybody & ~one) | mine)) twice = true;
      const code = (() => {
        try {
          read(lines, { own });
          return "taken";
        } catch (error) {
          return (error as { code: string }).code;
        }
      })();
      seen[twice ? "split" : "taken"]++;
      expect([lines.slice(names.length), own, code]).toEqual([lines.slice(names.length), own, twice ? "witnesses/quorum-splits" : "taken"]); // prettier-ignore
    }
    expect(Math.min(seen.taken, seen.split)).toBeGreaterThan(50);
  });
});

describe("witnesses of the operator's own", () => {
  const three = [...of("a", "b", "c"), "group g all a b c", "quorum g"];

  it("do not count, so that a quorum that needs them is refused", async () => {
    expect(await codeOf(() => read(three, { own: ["a"] }))).toBe("witnesses/quorum-out-of-reach");
    expect(await codeOf(() => read(three, { own: ["nobody"] }))).toBe("witnesses/own-unknown");
  });

  it("stand on both sides of a split: two of three is one honest witness on each", async () => {
    const two = [...of("a", "b", "c"), "group g 2 a b c", "quorum g"];
    expect(await codeOf(() => read(two, { own: ["a"] }))).toBe("witnesses/quorum-splits");
    const policy = read(two, { own: ["a"], detectOnly: true });
    expect(policy.enough(new Set(["a", "b"]))).toBe(false);
    expect(policy.enough(new Set(["b", "c"]))).toBe(true);
  });

  it("are known by the log's name", () => {
    const mine = cosigner("example.com/log/witness");
    const other = cosigner("example.com/logs");
    const policy = read([
      `witness m ${mine.vkey} https://m.example`,
      `witness o ${other.vkey} https://o.example`,
      "quorum o",
    ]);
    expect(policy.witnesses.map(({ name, own }) => [name, own])).toEqual([
      ["m", true],
      ["o", false],
    ]);
  });
});

describe("where witnesses are asked", () => {
  it("once at one address, for all keys that sign there", () => {
    const policy = read([witness("a", " https://x.example/w/"), witness("b", " https://x.example/w"), "quorum none"]);
    expect(policy.endpoints.map(({ url, witnesses }) => [url, witnesses.map(({ name }) => name)])).toEqual([
      ["https://x.example/w", ["a", "b"]],
    ]);
  });
});

/** The rule of the specification, once more and slowly. */
function policyMet(lines: readonly string[], cosigned: readonly string[]): boolean {
  const groups = new Map(
    lines
      .filter((line) => line.startsWith("group "))
      .map((line) => line.split(" "))
      .map(([, name = "", k, ...members]) => [name, { k: Number(k), members }]),
  );
  const met = (name: string): boolean => {
    const group = groups.get(name);
    return group === undefined ? cosigned.includes(name) : group.members.filter(met).length >= group.k;
  };
  return met((lines.at(-1) as string).split(" ")[1] as string);
}

/** Numbers that look random and are the same in every run. */
function lcg(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
