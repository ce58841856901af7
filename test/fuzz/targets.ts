// What is fuzzed: every parser that hostile bytes reach, and every verdict. A target throws Wrong when something must not be.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fromUtf8, utf8 } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { formatEvidence, parseEvidence } from "@spur/verifier/evidence/format";
import { verifyMisbehaviour } from "@spur/verifier/evidence/misbehaviour";
import { verifyTlogProof } from "@spur/verifier/evidence/proof";
import { formatReceiptFile, parseReceiptFile, verifyReceipt } from "@spur/verifier/evidence/receipt";
import type { Report } from "@spur/verifier/evidence/report";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { formatCheckpoint, parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote, parseNote } from "@spur/verifier/note/note";
import { formatVkey, parseVkey } from "@spur/verifier/note/vkey";
import { canonicalBytes, parseCanonical } from "@spur/verifier/statement/canonical";
import { parseEntry } from "@spur/verifier/statement/entry";
import { verifyConsistency, verifyInclusion } from "@spur/verifier/tlog/merkle";
import { formatTlogProof, parseTlogProof } from "@spur/verifier/tlog/proof";
import { formatBundle, formatBundlePath, formatTilePath, parseBundle, parseBundlePath, parseHashTile, parseTilePath } from "@spur/verifier/tlog/tile"; // prettier-ignore
import { parsePolicy, quorumMet } from "@spur/verifier/trust/policy";
import { formatTrust, parseTrust, type Trust } from "@spur/verifier/trust/trust";
import { root } from "../imports.ts";

/** Something that must never be. */
export class Wrong extends Error {
  override readonly name = "Wrong";
}

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Takes any bytes. VerifyError is how a parser refuses; every other error is a fault, and so is Wrong. */
  run(bytes: Uint8Array): void;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- vectors are read as they are
const vectors = (name: string): any => JSON.parse(readFileSync(join(root, "vectors", `${name}.json`), "utf8"));
/** Texts of one member, of valid and invalid cases. */
function textsOf(name: string, member: string): Uint8Array[] {
  const { valid, invalid } = vectors(name) as Record<"valid" | "invalid", Record<string, unknown>[]>;
  const texts = [...valid, ...invalid].map((one) => one[member]).filter((text) => typeof text === "string");
  return [...new Set(texts)].map((text) => Buffer.from(text, "utf8"));
}

/** Accepted bytes must be the ones that the accepted value is written as. */
function roundTrip<T>(name: string, seeds: readonly Uint8Array[], parse: (bytes: Uint8Array) => T, format: (value: T) => Uint8Array): Target {
  return {
    name,
    seeds,
    run(bytes) {
      const value = parse(bytes);
      if (!Buffer.from(format(value)).equals(bytes)) throw new Wrong("accepted, and written otherwise");
    },
  };
} // prettier-ignore

const text = <T>(parse: (text: string) => T) => (bytes: Uint8Array): T => parse(fromUtf8(bytes)); // prettier-ignore
const bytesOf = <T>(format: (value: T) => string) => (value: T): Uint8Array => utf8(format(value)); // prettier-ignore

/** Another trust for each input, and the same for the same. */
const oneOf = (trusts: readonly Trust[], { length }: Uint8Array): Trust => trusts[length % trusts.length] as Trust;

/** No report may be made by anything but reading: it holds together, whatever was read. */
function demandReport(report: Report): void {
  const failed = report.findings.some(({ verdict }) => verdict === "fail");
  if (failed !== (report.exit === 1)) throw new Wrong(`exit ${report.exit} with ${failed ? "a" : "no"} failed finding`);
  const open = report.findings.some(({ required, verdict }) => required && verdict === "not-checked");
  if (report.exit === 0 && open) throw new Wrong("exit 0 with a required finding not checked");
}

/** What the honest log of the vectors holds: a file that verifies may show nothing else. */
function evidenceTarget(): Target {
  const { trust, files } = vectors("evidence") as { trust: Record<string, string>; files: Record<string, string> };
  const trusts = ["log", "log and witness"].map((name) => parseTrust(utf8(trust[name] as string)));
  const seeds = Object.values(files).map((file) => utf8(file));
  const honest = new Set<string>();
  const name = (value: unknown): string => JSON.stringify(value, (_, one: unknown) => (one instanceof Uint8Array ? Buffer.from(one).toString("hex") : one)); // prettier-ignore
  for (const seed of seeds) {
    const { entries, opened } = parseEvidence(seed);
    for (const { index, entry } of entries) honest.add(name([index, entry]));
    for (const one of opened) honest.add(name(one));
  }
  return {
    name: "evidence",
    seeds,
    run(bytes) {
      const report = verifyEvidence(bytes, oneOf(trusts, bytes));
      demandReport(report);
      if (report.exit === 0) {
        const { entries, opened } = parseEvidence(bytes);
        if (entries.some(({ index, entry }) => !honest.has(name([index, entry])))) throw new Wrong("verified an entry that the log does not hold"); // prettier-ignore
        if (opened.some((shown) => !honest.has(name(shown)))) throw new Wrong("verified an opening of something else");
      }
      const evidence = parseEvidence(bytes);
      if (!Buffer.from(formatEvidence(evidence)).equals(bytes)) throw new Wrong("accepted, and written otherwise");
    },
  };
}

function receiptTarget(): Target {
  const { trust } = vectors("receipt-file") as { trust: Record<string, string> };
  const trusts = Object.values(trust).map((one) => parseTrust(utf8(one)));
  const seeds = textsOf("receipt-file", "text");
  const signed = new Set(seeds.flatMap((seed) => noteOf(() => parseReceiptFile(seed).note)));
  return {
    name: "receipt",
    seeds,
    run(bytes) {
      const report = verifyReceipt(bytes, oneOf(trusts, bytes));
      demandReport(report);
      if (report.exit === 0 && !noteOf(() => parseReceiptFile(bytes).note).every((note) => signed.has(note)))
        throw new Wrong("verified a receipt that nobody signed");
      const file = parseReceiptFile(bytes);
      if (!Buffer.from(formatReceiptFile(file)).equals(bytes)) throw new Wrong("accepted, and written otherwise");
    },
  };
}

/** The text under a note's signatures, if it can be read. */
function noteOf(read: () => string): string[] {
  try {
    return [parseNote(read()).text];
  } catch (error) {
    if (error instanceof VerifyError) return [];
    throw error;
  }
}

function proofTarget(): Target {
  const { trust, valid } = vectors("tlog-proof") as { trust: Record<string, string>; valid: { text: string; entry?: string }[] }; // prettier-ignore
  const trusts = Object.values(trust).map((one) => parseTrust(utf8(one)));
  const seeds = textsOf("tlog-proof", "text");
  const honest = new Set(valid.map((one) => placeOf(utf8(one.text))));
  return {
    name: "proof",
    seeds,
    run(bytes) {
      const report = verifyTlogProof(bytes, oneOf(trusts, bytes));
      demandReport(report);
      if (report.exit === 0 && !honest.has(placeOf(bytes)))
        throw new Wrong("verified a place that the log does not hold");
      const proof = parseTlogProof(fromUtf8(bytes));
      if (formatTlogProof(proof) !== fromUtf8(bytes)) throw new Wrong("accepted, and written otherwise");
    },
  };
}

/** What a proof says of the log, without extra data and without the lines of signatures. */
function placeOf(bytes: Uint8Array): string {
  const { index, hashes, checkpoint } = parseTlogProof(fromUtf8(bytes));
  return JSON.stringify([index, hashes.map((hash) => Buffer.from(hash).toString("hex")), parseNote(checkpoint).text]);
}

function misbehaviourTarget(): Target {
  const { trust } = vectors("misbehaviour") as { trust: Record<string, string> };
  const trusts = Object.values(trust).map((one) => parseTrust(utf8(one)));
  const seeds = textsOf("misbehaviour", "text");
  const notes = (bytes: Uint8Array): string[] => {
    const file = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>;
    return ["older", "newer", "checkpoint", "receipt"].flatMap((member) => {
      const value = file[member];
      const note = typeof value === "string" ? value : (value as { note?: unknown } | undefined)?.note;
      return typeof note === "string" ? noteOf(() => note) : [];
    });
  };
  const signed = new Set(seeds.flatMap((seed) => quietly(() => notes(seed)) ?? []));
  return {
    name: "misbehaviour",
    seeds,
    run(bytes) {
      const report = verifyMisbehaviour(bytes, oneOf(trusts, bytes));
      if (report.exit === 0) throw new Wrong("a proof of misbehaviour verified an honest log");
      const convicted = report.findings.some(({ check, verdict }) => check === "misbehaviour" && verdict === "fail");
      if (convicted && !notes(bytes).every((note) => signed.has(note)))
        throw new Wrong("convicted by what nobody signed");
    },
  };
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Sizes, indexes and hashes of a proof, all of them chosen by the sender: `{"index","size","proof","leaf","root"}` in hex. */
function merkleTarget(): Target {
  const seeds = [
    { index: 5, size: 13, first: 5 },
    { index: 0, size: 1, first: 1 },
    { index: 255, size: 70_000, first: 256 },
    { index: 2 ** 52, size: 2 ** 53 - 1, first: 2 ** 40 },
  ].map((one) => utf8(JSON.stringify({ ...one, leaf: "ab".repeat(32), root: "cd".repeat(32), proof: Array.from({ length: 20 }, (_, i) => i.toString(16).padStart(64, "0")) }))); // prettier-ignore
  return {
    name: "merkle",
    seeds,
    run(bytes) {
      const given = quietly(() => JSON.parse(fromUtf8(bytes)) as Record<string, unknown>);
      if (given === undefined || typeof given !== "object") return;
      const hex = (value: unknown): Uint8Array => Buffer.from(typeof value === "string" ? value : "", "hex");
      const number = (value: unknown): number => (typeof value === "number" ? value : NaN);
      const proof = (Array.isArray(given["proof"]) ? given["proof"] : []).map(hex);
      for (const verify of [
        () => { verifyInclusion(hex(given["leaf"]), number(given["index"]), number(given["size"]), proof, hex(given["root"])); },
        () => { verifyConsistency(number(given["first"]), hex(given["leaf"]), number(given["size"]), hex(given["root"]), proof); },
      ]) {
        try {
          verify();
        } catch (error) {
          if (error instanceof VerifyError) continue;
          throw error;
        }
        // Equal sizes and equal roots need no hash; nothing else of made-up hashes may hold.
        if (given["first"] !== given["size"] && given["size"] !== 1) throw new Wrong("a proof of made-up hashes holds");
      }
    },
  }; // prettier-ignore
}

function paths(): Target {
  const seeds = ["tile/0/000", "tile/1/x001/x234/067", "tile/0/x999/999.p/255", "tile/entries/x012/345", "tile/entries/000.p/1"].map((path) => utf8(path)); // prettier-ignore
  return {
    name: "tile path",
    seeds,
    run(bytes) {
      const path = fromUtf8(bytes);
      const bundle = path.startsWith("tile/entries/");
      const written = bundle ? formatBundlePath(parseBundlePath(path)) : formatTilePath(parseTilePath(path));
      if (written !== path) throw new Wrong("accepted, and written otherwise");
    },
  };
}

function bundles(): Target {
  const entries = [utf8("one"), utf8(""), new Uint8Array(65_535).fill(7), utf8("four")];
  const seeds = [formatBundle(entries), formatBundle(entries.slice(0, 2)), formatBundle(Array.from({ length: 256 }, (_, i) => utf8(`${i}`)))]; // prettier-ignore
  return {
    name: "bundle",
    seeds,
    run(bytes) {
      for (const width of [1, 2, 4, 256]) {
        const read = quietlyRefused(() => parseBundle(bytes, width));
        if (read !== undefined && (read.length !== width || !Buffer.from(formatBundle(read)).equals(bytes)))
          throw new Wrong("accepted, and written otherwise");
        const tile = quietlyRefused(() => parseHashTile(bytes, width));
        if (tile !== undefined && tile.length !== width) throw new Wrong("a tile of another width");
      }
    },
  };
}

function quietlyRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof VerifyError) return undefined;
    throw error;
  }
}

function policies(): Target {
  return {
    name: "policy",
    seeds: textsOf("policy", "policy"),
    run(bytes) {
      const policy = parsePolicy(fromUtf8(bytes));
      if (quorumMet(policy, new Set()) === true) throw new Wrong("a quorum of nobody");
      const all = quorumMet(policy, new Set(policy.witnesses.keys()));
      if ((all === undefined) !== (policy.quorum === undefined)) throw new Wrong("a quorum that is none");
      if (all === false) throw new Wrong("a quorum that all witnesses together do not meet");
    },
  };
}

function trusts(): Target {
  return {
    name: "trust",
    seeds: textsOf("trust", "text"),
    run(bytes) {
      const trust = parseTrust(bytes);
      const again: Trust = parseTrust(formatTrust(trust));
      if (!isDeepStrictEqual(again, trust)) throw new Wrong("written, it says something else");
    },
  };
}

/** Every target, by name. */
export const TARGETS: readonly Target[] = [
  roundTrip("note", textsOf("note", "note"), text(parseNote), (note) => utf8(formatNote(note.text, note.signatures))),
  roundTrip("checkpoint", textsOf("checkpoint", "text"), text(parseCheckpoint), bytesOf(formatCheckpoint)),
  roundTrip("vkey", textsOf("vkey", "vkey"), text(parseVkey), bytesOf(formatVkey)),
  paths(),
  bundles(),
  merkleTarget(),
  proofTarget(),
  policies(),
  trusts(),
  roundTrip("canonical", textsOf("canonical", "text"), (bytes) => parseCanonical(bytes), canonicalBytes),
  { name: "entry", seeds: textsOf("entry", "entry"), run: (bytes) => void parseEntry(bytes) },
  evidenceTarget(),
  receiptTarget(),
  misbehaviourTarget(),
];
