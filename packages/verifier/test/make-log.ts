// Builds small, real logs in memory: sealed entries, a signed and cosigned checkpoint, evidence and receipts. It seals and signs with
// Node's crypto, not with the code that verifies. Everything follows from `seed`, so a failing test fails again.
import {
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  sign,
  type KeyObject,
} from "node:crypto";
import { fromHex, toBase64, toHex, utf8 } from "../src/bytes.ts";
import { formatEvidence, type Evidence, type Opened } from "../src/evidence/format.ts";
import { formatReceiptFile, receiptText } from "../src/evidence/receipt.ts";
import type { Ask } from "../src/evidence/report.ts";
import { formatCheckpoint } from "../src/note/checkpoint.ts";
import { cosignedMessage, subtreeMessage } from "../src/note/cosignature.ts";
import { formatNote, formatVkey, keyIdOf, type NoteSignature } from "../src/note/note.ts";
import { hashedForm, slotDigest, slotSalts } from "../src/payload/commitment.ts";
import { rowsRoot } from "../src/payload/rows.ts";
import { canonicalBytes, type Json, type JsonObject } from "../src/statement/canonical.ts";
import { STATEMENT_TYPE, type EvidenceLevel } from "../src/statement/entry.ts";
import { PREDICATES } from "../src/statement/predicates.ts";
import { inclusionProof, leafHash, rootOf, type LeafHash } from "../src/tlog/merkle.ts";

export const HOUR = "2026-11-22T04Z";
/** Ten minutes into HOUR, in seconds. */
export const SEEN_AT = Date.UTC(2026, 10, 22, 4, 10) / 1000;

export interface Signer {
  readonly name: string;
  readonly vkey: string;
  readonly publicKey: Uint8Array;
  /** A signature of type 0x01, or a cosignature with this time. */
  sign(noteText: string, timestamp?: number): Omit<NoteSignature, "line">;
}

/** A key from a seed text: Ed25519, of type 0x04 for a witness, or ML-DSA-44 (0x06). */
export function makeSigner(name: string, seed: string, type: 0x01 | 0x04 | 0x06 = 0x01): Signer {
  const key = privateKey(seed, type);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(type === 0x06 ? -1312 : -32));
  return {
    name,
    publicKey,
    vkey: formatVkey({ name, type, publicKey }),
    sign(noteText, timestamp = SEEN_AT) {
      const keyId = keyIdOf(name, type, publicKey);
      if (type === 0x01) return { name, keyId, signature: signed(key, utf8(noteText)) };
      const stamp = Buffer.alloc(8);
      stamp.writeBigUInt64BE(BigInt(timestamp));
      const subtree = type === 0x06 ? subtreeMessage(name, timestamp, noteText) : undefined;
      const signature = signed(key, subtree ?? cosignedMessage(timestamp, noteText));
      return { name, keyId, signature: new Uint8Array(Buffer.concat([stamp, signature])) };
    },
  };
}

/** PKCS #8 around a seed of 32 bytes: RFC 8410 §7, RFC 9881 §6. */
function privateKey(seed: string, type: number): KeyObject {
  const head = type === 0x06 ? "3034020100300b060960864801650304031104228020" : "302e020100300506032b657004220420";
  const der = Buffer.concat([Buffer.from(head, "hex"), sha256(utf8(seed))]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function signed(key: KeyObject, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, key));
}

export function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}

/** A stable stand-in for a digest of something that the test does not need. */
export function digest(of: string): string {
  return toHex(sha256(utf8(of)));
}

export interface MadeEntry {
  readonly index: number;
  readonly rec: string;
  /** As another predicate refers to it. */
  readonly ref: JsonObject;
  readonly bytes: Uint8Array;
  readonly leaf: LeafHash;
  readonly slots: readonly (Uint8Array | undefined)[];
  readonly dek: Uint8Array;
  readonly commitment?: Uint8Array;
  readonly ct?: Uint8Array;
  readonly payload?: Uint8Array;
}

export interface MakeEntry {
  readonly type: string;
  readonly predicate: JsonObject;
  /** Texts of the slots that are present, by name. */
  readonly slots?: { readonly [name: string]: string | Uint8Array };
  /** A plain payload: its digest, and where the predicate has rows its rows root, become the subject's. */
  readonly payload?: Uint8Array;
  readonly rows?: boolean;
  readonly at?: string;
  readonly evidence?: EvidenceLevel;
  readonly rec?: string;
  /** Last hand on the entry before it is hashed: for entries that are wrong. */
  readonly change?: (entry: { [name: string]: Json }) => void;
}

export interface EvidenceWish {
  readonly ask?: Ask;
  readonly entries: readonly number[];
  /** [index, slot] or, for a row, [index, "row", j]. */
  readonly open?: readonly (readonly [number, number] | readonly [number, "row", number])[];
  readonly registers?: readonly number[];
  readonly size?: number;
  /** The checkpoint's note, in place of one made now. */
  readonly checkpoint?: string;
}

export type MadeLog = ReturnType<typeof createLog>;

/** A log without entries. Entry 0 and 1 of a real one are its two keys: `addKeys` writes them. */
export function createLog(
  options: { readonly origin?: string; readonly seed?: string; readonly witnesses?: number } = {},
) {
  const { origin = "log.example/test", seed = "seed", witnesses: count = 1 } = options;
  const key = makeSigner(origin, `${seed} log`);
  const receipts = makeSigner(`${origin}/receipts`, `${seed} receipts`);
  const witnesses = Array.from({ length: count }, (_, i) =>
    makeSigner(`witness.example/${i}`, `${seed} witness ${i}`, 0x04),
  );
  const entries: MadeEntry[] = [];
  const registers = new Map<string, { seq: number; index: number }>();

  function add(wish: MakeEntry): MadeEntry {
    const predicate = PREDICATES.get(wish.type);
    if (predicate === undefined) throw new Error(wish.type);
    const index = entries.length;
    const rec = wish.rec ?? digest(`${seed} rec ${index}`).slice(0, 32);
    const last = registers.get(predicate.register);
    const dek = sha256(utf8(`${seed} dek ${index}`));
    const slots = predicate.slots.map((name) => {
      const value = wish.slots?.[name];
      return typeof value === "string" ? utf8(value) : value;
    });
    const sealed = slots.length === 0 ? undefined : seal(rec, dek, slots);
    const digests: { [name: string]: string } = {};
    if (wish.payload !== undefined) {
      digests["sha256"] = toHex(sha256(wish.payload));
      if (wish.rows === true) digests["spurRowsV1"] = toHex(rowsRoot(wish.payload).root);
    } else if (slots.length === 0) digests["sha256"] = toHex(sha256(canonicalBytes(wish.predicate)));
    if (sealed !== undefined) digests["spurCommitmentV1"] = toHex(sealed.commitment);
    const entry: { [name: string]: Json } = {
      v: "spur-entry/v1",
      rec,
      reg: predicate.register,
      seq: (last?.seq ?? 0) + 1,
      ...(last === undefined ? {} : { prev: last.index }),
      at: wish.at ?? HOUR,
      evidence: wish.evidence ?? "observed",
      retention: "system",
      ...(sealed === undefined ? {} : { sealed: { ct: toHex(sha256(sealed.ct)) } }),
      statement: {
        _type: STATEMENT_TYPE,
        subject: [{ name: rec, digest: digests }],
        predicateType: wish.type,
        predicate: wish.predicate,
      },
    };
    wish.change?.(entry);
    registers.set(predicate.register, { seq: (last?.seq ?? 0) + 1, index });
    return push(canonicalBytes(entry), rec, slots, dek, sealed, wish.payload);
  }

  function push(
    bytes: Uint8Array,
    rec: string,
    slots: MadeEntry["slots"] = [],
    dek: Uint8Array = new Uint8Array(32),
    sealed?: { commitment: Uint8Array; ct: Uint8Array },
    payload?: Uint8Array,
  ): MadeEntry {
    const index = entries.length;
    const made = { index, rec, ref: { rec, index }, bytes, leaf: leafHash(bytes), slots, dek };
    const whole = { ...made, ...sealed, ...(payload === undefined ? {} : { payload }) };
    entries.push(whole);
    return whole;
  }

  const addKeys = () =>
    [key, receipts].map((one, i) =>
      add({
        type: "spur:key/v1",
        predicate: { purpose: i === 0 ? "log" : "receipts", algorithm: "ed25519", state: "active" },
        payload: one.publicKey,
      }),
    );

  /** A closing of all registers as they are now. */
  const close = () => {
    const last = [...registers].filter(([name]) => name !== "registers").sort(([a], [b]) => (a < b ? -1 : 1));
    const predicate = { size: entries.length, last: last.map(([name, { seq, index }]) => ({ name, seq, index })) };
    return add({ type: "spur:registers/v1", predicate });
  };

  function checkpoint(
    size = entries.length,
    signers: readonly Signer[] = [key, ...witnesses],
    timestamp = SEEN_AT,
  ): string {
    const text = formatCheckpoint({ origin, size, root: rootOf(entries.slice(0, size).map((one) => one.leaf)) });
    return formatNote(
      text,
      signers.map((one) => one.sign(text, timestamp)),
    );
  }

  function at(index: number): MadeEntry {
    const entry = entries[index];
    if (entry === undefined) throw new Error(`no entry ${index}`);
    return entry;
  }

  function openSlot(index: number, slot: number): Opened {
    const { slots, dek } = at(index);
    const salts = slotSalts(dek, slots.length);
    const leaves = slotLeaves(dek, slots);
    const value = slots[slot];
    const salt = salts[slot] ?? new Uint8Array(32);
    return { index, slot, ...(value === undefined ? {} : { value }), salt, path: inclusionProof(leaves, slot) };
  }

  function openRow(index: number, row: number): Opened {
    const { payload = new Uint8Array(0) } = at(index);
    const value = new TextDecoder().decode(payload).split("\n")[row] ?? "";
    return { index, row, value: utf8(value), path: inclusionProof(rowsRoot(payload).leaves, row) };
  }

  function evidence(wish: EvidenceWish): Evidence {
    const size = wish.size ?? entries.length;
    const leaves = entries.slice(0, size).map((one) => one.leaf);
    const indexes = [...new Set(wish.entries)].sort((a, b) => a - b);
    return {
      log: { origin, vkey: key.vkey },
      checkpoint: wish.checkpoint ?? checkpoint(size),
      entries: indexes.map((index) => ({ index, entry: at(index).bytes, proof: inclusionProof(leaves, index) })),
      opened: (wish.open ?? []).map((one) => (one.length === 2 ? openSlot(one[0], one[1]) : openRow(one[0], one[2]))),
      registers: wish.registers ?? [],
      anchors: [],
      ask: wish.ask ?? "Q5",
    };
  }

  /** The receipt that the caller of an output gets, with his own request and response. */
  function receipt(index: number, signer = receipts): Uint8Array {
    const { rec, leaf, commitment = new Uint8Array(32) } = at(index);
    const text = receiptText({ origin, rec, index, leaf, commitment });
    return formatReceiptFile({
      note: formatNote(text, [signer.sign(text)]),
      vkey: signer.vkey,
      opened: [openSlot(index, 0), openSlot(index, 1)],
    });
  }

  /** A trust file's text: the log's key, and all witnesses required if there are any. */
  function trustText(more: JsonObject = {}): string {
    const lines = [`log ${key.vkey}`, ...witnesses.map((one, i) => `witness w${i} ${one.vkey}`)];
    const all = witnesses.map((_, i) => `w${i}`).join(" ");
    lines.push(...(witnesses.length === 0 ? ["quorum none"] : [`group all-w all ${all}`, "quorum all-w"]));
    return JSON.stringify({ format: "spur-trust/v1", policy: `${lines.join("\n")}\n`, ...more });
  }

  return {
    origin,
    key,
    receipts,
    witnesses,
    entries,
    add,
    push,
    addKeys,
    close,
    checkpoint,
    evidence,
    evidenceFile: (wish: EvidenceWish) => formatEvidence(evidence(wish)),
    receipt,
    trustText,
  };
}

function slotLeaves(dek: Uint8Array, slots: readonly (Uint8Array | undefined)[]): LeafHash[] {
  return slotSalts(dek, slots.length).map((salt, i) => {
    const { present, hashed } = hashedForm(salt, slots[i]);
    return slotDigest(salt, i, present, hashed);
  });
}

/** Formats §2, with Node's crypto. Values over 1 MiB would need chunks and are not made here. */
function seal(rec: string, dek: Uint8Array, slots: readonly (Uint8Array | undefined)[]) {
  const commitment = rootOf(slotLeaves(dek, slots));
  const info = Buffer.concat([Buffer.from("spur/v1/enc"), fromHex(rec), commitment]);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(hkdfSync("sha256", dek, "", info, 32)), Buffer.alloc(12));
  cipher.setAAD(Buffer.concat([Buffer.from("spur-sealed/v1"), fromHex(rec), commitment]));
  const parts: Buffer[] = [Buffer.from([slots.length])];
  slots.forEach((value, i) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(value?.length ?? 0));
    parts.push(Buffer.from([i, value === undefined ? 0 : 1]), length, Buffer.from(value ?? []));
  });
  const ct = Buffer.concat([cipher.update(Buffer.concat(parts)), cipher.final(), cipher.getAuthTag()]);
  return { commitment, ct: new Uint8Array(ct) };
}

/** The whole story in one log: data, training, service, an answer and its decision, a replay. */
export function makeStory(options: Parameters<typeof createLog>[0] & { readonly training?: EvidenceLevel } = {}) {
  const log = createLog(options);
  const evidence = options.training ?? "observed";
  const corpus = utf8("the first row\nthe second row\nthe third row\n");
  const [logKey, receiptsKey] = log.addKeys();
  const policy = log.add({
    type: "spur:policy/v1",
    predicate: { kind: "output", version: 1 },
    slots: { text: "allow all" },
  });
  const source = log.add({
    type: "spur:source/v1",
    predicate: { kind: "own", bytes: corpus.length },
    payload: corpus,
    slots: { name: "our own documents" },
    evidence,
  });
  const dataRun = log.add({
    type: "spur:data-run/v1",
    predicate: { inputs: [source.ref], code: digest("code"), outcome: "complete", rowsIn: 3, rowsOut: 3 },
    evidence,
  });
  const dataset = log.add({
    type: "spur:dataset/v1",
    predicate: { run: dataRun.ref, sources: [source.ref], bytes: corpus.length, rows: 3 },
    payload: corpus,
    rows: true,
    evidence,
  });
  const run = log.add({
    type: "spur:training-run/v1",
    predicate: { datasets: [dataset.ref], code: digest("code"), config: digest("config"), steps: 200, seed: 7 },
    evidence,
  });
  const weights = [utf8("weights at 100"), utf8("weights at 200")] as const;
  const checkpoint1 = log.add({
    type: "spur:checkpoint/v1",
    predicate: { run: run.ref, step: 100, state: digest("state 100"), bytes: 14 },
    payload: weights[0],
    evidence,
  });
  const checkpoint2 = log.add({
    type: "spur:checkpoint/v1",
    predicate: { run: run.ref, parent: checkpoint1.ref, step: 200, state: digest("state 200"), bytes: 14 },
    payload: weights[1],
    evidence,
  });
  const model = log.add({
    type: "spur:model/v1",
    predicate: { run: run.ref, checkpoint: checkpoint2.ref, format: "safetensors", bytes: 14 },
    payload: weights[1],
    evidence,
  });
  const deployment = log.add({
    type: "spur:deployment/v1",
    predicate: { model: model.ref, operator: "self", served: digest("served"), check: "matched", contentDays: 30 },
  });
  const output = log.add({
    type: "spur:output/v1",
    predicate: { deployment: deployment.ref, outcome: "complete" },
    slots: { request: '{"messages":[{"role":"user","content":"你好"}]}', response: '{"choices":[]}', caller: "key 1" },
  });
  const decision = log.add({
    type: "spur:decision/v1",
    predicate: { output: output.ref, actor: "rule", verdict: "released", policy: policy.ref, policyVersion: 1 },
    slots: { detail: "no rule objected" },
  });
  const replay = log.add({
    type: "spur:replay/v1",
    predicate: {
      run: run.ref,
      from: checkpoint1.ref,
      to: checkpoint2.ref,
      recomputed: toHex(sha256(weights[1])),
      result: "same",
    },
  });
  const names = {
    policy,
    source,
    dataRun,
    dataset,
    run,
    checkpoint1,
    checkpoint2,
    model,
    deployment,
    output,
    decision,
    replay,
  };
  return { log, logKey, receiptsKey, ...names };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON that a test takes apart
export type Loose = any;

/** The file as JSON, changed, and written again in canonical form: for what a liar with a text editor would do. */
export function edited(file: Uint8Array, change: (json: Loose) => void): Uint8Array {
  const json: Loose = JSON.parse(new TextDecoder().decode(file));
  change(json);
  return canonicalBytes(json);
}

export const base64 = (text: string) => toBase64(utf8(text));
