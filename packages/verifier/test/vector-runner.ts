// The vectors of /vectors as cases that throw where the verifier disagrees. No Node and no vitest in here: a browser runs the same file.
import { equalBytes, fromHex, fromUtf8, readU64be, toHex, utf8 } from "../src/bytes.ts";
import { VerifyError } from "../src/errors.ts";
import { verifyMlDsa44 } from "../src/note/ml-dsa.ts";
import { keyIdOf, parseVkey, formatVkey, openNote, parseNote, formatNote } from "../src/note/note.ts";
import { formatCheckpoint, parseCheckpoint } from "../src/note/checkpoint.ts";
import { cosignedMessage, subtreeMessage, useMlDsa44, verifyCosignature } from "../src/note/cosignature.ts";
import { verifyEd25519 } from "../src/note/ed25519.ts";
import {
  chunkDigest,
  CHUNK_BYTES,
  commitment,
  hashedForm,
  slotDigest,
  slotSalts,
  verifySlotOpening,
} from "../src/payload/commitment.ts";
import { rowsOf, rowsRoot, verifyRowOpening } from "../src/payload/rows.ts";
import { canonicalText, parseCanonical, type Json } from "../src/statement/canonical.ts";
import { preAuthEncoding } from "../src/statement/dsse.ts";
import { parseEntry } from "../src/statement/entry.ts";
import { PREDICATES } from "../src/statement/predicates.ts";
import { decimal } from "../src/statement/schema.ts";
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../src/tlog/merkle.ts";
import {
  policyCases,
  receiptCases,
  receiptFileCases,
  evidenceCases,
  misbehaviourCases,
  proofCases,
  trustCases,
} from "./vector-evidence.ts";
import { sealCases } from "./vector-sealing.ts";

export interface Case {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/** What a vector file holds; looked into without types, since a wrong guess fails the case. */
// As every program does that verifies cosignatures; what a page without it shows is tested elsewhere.
useMlDsa44(verifyMlDsa44);

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Vector = any;

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `${what}: ${a}, expected ${b}`);
}

/** The call must be refused with a VerifyError, with this code if the vector gives one: anything else thrown is a bug of ours. */
export function refused(code: string | undefined, call: () => unknown): void {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    if (code !== undefined) same(error.code, code, error.message);
    return;
  }
  throw new Error(`accepted: ${JSON.stringify(result)}`);
}

export const ruleText = (rule: Vector): string => rule.before + rule.repeat.repeat(rule.times) + rule.after;

function bytesOf(vector: Vector): Uint8Array {
  if (vector.hex !== undefined) return fromHex(vector.hex);
  return utf8(vector.rule === undefined ? vector.text : ruleText(vector.rule));
}

/** A slot's value: text, hex, so many bytes of the rule 31·i mod 256, or null = absent. */
export function valueOf(value: Vector): Uint8Array | undefined {
  if (value === null) return undefined;
  if (value.ruleBytes !== undefined) return new Uint8Array(value.ruleBytes as number).map((_, i) => i * 31);
  return bytesOf(value);
}

const hexes = (list: readonly string[]): Uint8Array[] => list.map(fromHex);
const label = (vector: Vector, good: boolean): string => `${good ? "valid" : "invalid"}: ${vector.name}`;

export type Run = (vector: Vector, file: Vector) => void | Promise<void>;
export function cases(file: Vector, valid: Run, invalid: Run): Case[] {
  return [
    ...file.valid.map((v: Vector) => ({ name: label(v, true), run: () => valid(v, file) })),
    ...file.invalid.map((v: Vector) => ({ name: label(v, false), run: () => invalid(v, file) })),
  ];
}

function merkleCases({ valid, invalid }: Vector): Case[] {
  const leaves = valid.leaves.map((_: string, i: number) => leafHash(utf8(`entry ${i}`)));
  const inclusion = (v: Vector) => verifyInclusion(fromHex(v.leaf), v.index, v.size, hexes(v.proof), fromHex(v.root));
  const consistency = (v: Vector) =>
    verifyConsistency(v.from, fromHex(v.root1), v.to, fromHex(v.root2), hexes(v.proof));
  const each = (list: Vector[], name: (v: Vector) => string, run: (v: Vector) => void): Case[] =>
    list.map((v) => ({ name: name(v), run: () => run(v) }));
  return [
    { name: "leaves", run: () => same(leaves.map(toHex), valid.leaves, "leaf hashes") },
    ...each(
      valid.roots,
      (v) => `root of ${v.size}`,
      (v) => same(toHex(rootOf(leaves.slice(0, v.size))), v.root, "root"),
    ),
    ...each(
      valid.inclusion,
      (v) => `entry ${v.index} of ${v.size}`,
      (v) => {
        inclusion(v);
        same(inclusionProof(leaves.slice(0, v.size), v.index).map(toHex), v.proof, "proof");
      },
    ),
    ...each(
      valid.consistency,
      (v) => `${v.from} to ${v.to}`,
      (v) => {
        consistency(v);
        same(consistencyProof(leaves.slice(0, v.to), v.from).map(toHex), v.proof, "proof");
      },
    ),
    ...each(
      invalid.inclusion,
      (v) => label(v, false),
      (v) => refused(v.code, () => inclusion(v)),
    ),
    ...each(
      invalid.consistency,
      (v) => label(v, false),
      (v) => refused(v.code, () => consistency(v)),
    ),
  ];
}

const entryBytes = (v: Vector): Uint8Array => utf8(v.rule === undefined ? v.entry : ruleText(v.rule));

function entryCases(file: Vector): Case[] {
  const valid: Run = (v) => {
    const bytes = entryBytes(v);
    const entry = parseEntry(bytes);
    if (v.leafHash !== undefined) same(toHex(leafHash(bytes)), v.leafHash, "leaf hash");
    const found = entry.references.map(({ role, target }) => ({ role, index: target.index, rec: target.rec }));
    same(found, v.references, "references");
  };
  const invalid: Run = (v) => {
    refused(v.code, () => {
      const entry = parseEntry(entryBytes(v));
      // The place in the log is not in the entry; what follows the edges holds it against these.
      if (entry.prev !== undefined && entry.prev >= v.index) throw new VerifyError("entry/prev", "not smaller");
      if (entry.references.some(({ target }) => target.index >= v.index)) {
        throw new VerifyError("reference/forward", "not smaller");
      }
      return entry;
    });
  };
  const every: Case = {
    name: "every predicate type has a valid vector, and no other",
    run: () => {
      const types = new Set(
        file.valid.flatMap((v: Vector) => parseEntry(entryBytes(v)).predicateType ?? []) as string[],
      );
      same([...types].sort(), [...PREDICATES.keys()].sort(), "predicate types");
    },
  };
  return [...cases(file, valid, invalid), every];
}

const commitmentRuns: [Run, Run] = [
  (v) => {
    const dek = fromHex(v.dek);
    const salts = slotSalts(dek, v.slots.length);
    const values = v.slots.map((slot: Vector) => valueOf(slot.value)) as (Uint8Array | undefined)[];
    const digests = values.map((value, i) => {
      const salt = salts[i] as Uint8Array;
      same(toHex(salt), v.slots[i].salt, `salt ${i}`);
      const { present, hashed } = hashedForm(salt, value);
      same(present, v.slots[i].present, `present ${i}`);
      const digest = slotDigest(salt, i, present, hashed);
      same(toHex(digest), v.slots[i].digest, `digest ${i}`);
      return digest;
    });
    same(toHex(commitment(digests)), v.commitment, "commitment");
    for (const { slot, head, chunks, firstHash, lastHash } of v.chunked ?? []) {
      const salt = salts[slot] as Uint8Array;
      const value = values[slot] as Uint8Array;
      same(toHex(hashedForm(salt, value).hashed), head, "chunk head");
      same(Math.ceil(value.length / CHUNK_BYTES), chunks, "chunks");
      const chunk = (j: number) => value.subarray(j * CHUNK_BYTES, (j + 1) * CHUNK_BYTES);
      same(toHex(chunkDigest(salt, 0, chunk(0))), firstHash, "first chunk");
      same(toHex(chunkDigest(salt, chunks - 1, chunk(chunks - 1))), lastHash, "last chunk");
    }
    for (const opening of v.openings)
      openSlot({ ...opening, value: v.slots[opening.slot].value }, v.slots.length, v.commitment);
  },
  (v) => refused(v.code, () => openSlot(v.opening, v.slots, v.commitment)),
];

function openSlot(opening: Vector, slots: number, expected: string): void {
  const value = valueOf(opening.value);
  verifySlotOpening(
    {
      slot: opening.slot,
      salt: fromHex(opening.salt),
      path: hexes(opening.path),
      ...(value === undefined ? {} : { value }),
    },
    slots,
    fromHex(expected),
  );
}

const openRow = (opening: Vector, rows: number, root: string): void =>
  verifyRowOpening({ row: opening.row, value: fromHex(opening.value), path: hexes(opening.path) }, rows, fromHex(root));

const rowsRuns: [Run, Run] = [
  (v) => {
    const payload = bytesOf(v);
    const { root, leaves } = rowsRoot(payload);
    same(rowsOf(payload).map(toHex), v.rows, "rows");
    same(leaves.map(toHex), v.leaves, "leaves");
    same(toHex(root), v.rowsRoot, "root");
    for (const opening of v.openings) openRow(opening, v.rows.length, v.rowsRoot);
  },
  (v) => refused(v.code, () => openRow(v.opening, v.rows, v.rowsRoot)),
];

const vkeyRuns: [Run, Run] = [
  (v) => {
    const key = parseVkey(v.vkey);
    same([key.name, key.type, toHex(key.publicKey)], [v.name, v.type, v.publicKey], "key");
    same(key.keyId, parseInt(v.keyId, 16), "key id");
    same(keyIdOf(v.name, v.type, fromHex(v.publicKey)), key.keyId, "key id");
    same(formatVkey(key), v.vkey, "vkey");
  },
  (v) => refused("note/vkey", () => parseVkey(v.vkey)),
];

const checkpointRuns: [Run, Run] = [
  (v) => {
    const checkpoint = parseCheckpoint(v.text);
    same([checkpoint.origin, checkpoint.size, toHex(checkpoint.root)], [v.origin, v.size, v.root], "checkpoint");
    same(checkpoint.extensions, v.extensions, "extensions");
    same(formatCheckpoint(checkpoint), v.text, "text");
  },
  (v) => refused(v.code, () => parseCheckpoint(v.text)),
];

const noteRuns: [Run, Run] = [
  (v) => {
    const note = parseNote(v.note);
    same(formatNote(note.text, note.signatures), v.note, "note");
    const opened = openNote(note, v.keys.map(parseVkey));
    const name = (key: { name: string; keyId: number }) => `${key.name} ${key.keyId.toString(16).padStart(8, "0")}`;
    const found = [
      ...opened.verified.map(({ key, timestamp }) => ({
        key: name(key),
        verdict: "verified",
        ...(timestamp === undefined ? {} : { timestamp }),
      })),
      ...opened.invalid.map(({ key }) => ({ key: name(key), verdict: "invalid" })),
      ...opened.unknown.map((key) => ({ key: name(key), verdict: "unknown" })),
    ];
    const sorted = (list: readonly object[]) => list.map((one) => JSON.stringify(one)).sort();
    same(sorted(found), sorted(v.outcome), "outcome");
  },
  (v) => refused(v.code, () => parseNote(v.rule === undefined ? v.note : ruleText(v.rule))),
];

const cosignatureRuns: [Run, Run] = [
  (v) => {
    const key = parseVkey(v.vkey);
    same(fromUtf8(cosignedMessage(v.seconds, v.text)), v.message, "message");
    const [line] = parseNote(`${v.text}\n${v.line}`).signatures;
    check(line !== undefined, "line");
    same(toHex(line.signature.subarray(8)), v.signature, "signature");
    same(readU64be(line.signature), v.seconds, "seconds");
    same(verifyCosignature(key, v.text, line.signature), { timestamp: v.seconds }, "timestamp");
  },
  (v) => same(verifyCosignature(parseVkey(v.vkey), v.text, fromHex(v.blob)), undefined, "timestamp"),
];

const mlDsaRuns: [Run, Run] = [
  (v) => {
    const key = parseVkey(v.vkey);
    same(toHex(subtreeMessage(key.name, v.seconds, v.text) ?? new Uint8Array()), v.message, "message");
    const [line] = parseNote(`${v.text}\n${v.line}`).signatures;
    same(line && verifyCosignature(key, v.text, line.signature), { timestamp: v.seconds }, "timestamp");
  },
  cosignatureRuns[1],
];

const ed25519 = (v: Vector): boolean => verifyEd25519(fromHex(v.publicKey), fromHex(v.message), fromHex(v.signature));

const dsseRuns: [Run, Run] = [
  (v) => {
    const pae = preAuthEncoding({ payload: fromHex(v.payload), payloadType: v.payloadType });
    same(toHex(pae), v.pae, "PAE");
    if (v.signature !== undefined) check(verifyEd25519(fromHex(v.publicKey), pae, fromHex(v.signature)), "signature");
  },
  (v) => {
    const pae = preAuthEncoding({ payload: fromHex(v.payload), payloadType: v.payloadType });
    check(!verifyEd25519(fromHex(v.publicKey), pae, fromHex(v.signature)), "signature accepted");
  },
];

const canonicalRuns: [Run, Run] = [
  (v) => {
    check(equalBytes(utf8(canonicalText(parseCanonical(utf8(v.text)))), utf8(v.text)), "does not come back");
    if (v.input !== undefined) same(canonicalText(JSON.parse(v.input) as Json), v.text, "canonical form");
  },
  (v) => refused(v.code, () => parseCanonical(bytesOf(v))),
];

/** The cases of one vector file, by the file's name without ".json"; undefined if nobody knows how to run it. */
export function casesOf(name: string, file: Vector): Case[] | undefined {
  switch (name) {
    case "canonical":
      return cases(file, ...canonicalRuns);
    case "decimal":
      return cases(
        file,
        (v) => same(decimal(v.value), undefined, "complaint"),
        (v) => check(decimal(v.value) !== undefined, "accepted"),
      );
    case "entry":
      return entryCases(file);
    case "commitment":
      return cases(file, ...commitmentRuns);
    case "sealed":
    case "wrapping":
    case "journal":
      return sealCases(name, file);
    case "rows":
      return cases(file, ...rowsRuns);
    case "merkle":
      return merkleCases(file);
    case "vkey":
      return cases(file, ...vkeyRuns);
    case "checkpoint":
      return cases(file, ...checkpointRuns);
    case "note":
      return cases(file, ...noteRuns);
    case "ed25519":
      return cases(
        file,
        (v) => check(ed25519(v), "does not verify"),
        (v) => check(!ed25519(v), "verifies"),
      );
    case "cosignature":
      return cases(file, ...cosignatureRuns);
    case "ml-dsa":
      return cases(file, ...mlDsaRuns);
    case "dsse":
      return cases(file, ...dsseRuns);
    case "receipt":
      return receiptCases(file);
    case "policy":
      return policyCases(file);
    case "trust":
      return trustCases(file);
    case "evidence":
      return evidenceCases(file);
    case "receipt-file":
      return receiptFileCases(file);
    case "tlog-proof":
      return proofCases(file);
    case "misbehaviour":
      return misbehaviourCases(file);
    default:
      return undefined;
  }
}
