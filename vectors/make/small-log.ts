// A small log, honest or not, and files about it.
import { set } from "./entries.ts";
import { commit, openingOf, seal, valueBytes, type Sealed, type Value } from "./payload.ts";
import { b64, canonical, cosignatureLine, fake, fakeDigest, fakeRec, hex, inclusionPath, leafHash, logKey, ORIGIN, receiptsKey, sha256, signatureLine, treeRoot, unhex, utf8, witnessKey, type Json, type Signer } from "./lib.ts";

export type Members = { readonly [name: string]: Json };
/** 2026-11-22T04:00:00Z is SEEN − 20 min: a witness saw the log after its entries. */
export const SEEN = 1_795_321_200;

/** One entry before it is numbered. References are labels of entries that stand in the same log. */
export interface Draft {
  readonly label: string;
  readonly type: string;
  readonly reg: string;
  readonly retention: string;
  readonly evidence?: string;
  readonly predicate: (ref: (label: string) => Members, index: number, last: Members[]) => Members;
  readonly slots?: readonly Value[];
  readonly digests?: Members;
  readonly at?: string;
  /** What a dishonest operator writes instead. */
  readonly forge?: (entry: Members) => Json;
}

const corpus = utf8('{"text":"Es war einmal ein Log."}\n{"text":"Once upon a time there was a log."}\n{"text":"从前有一个日志。"}\n');
export const rows = corpus.toString().trimEnd().split("\n").map(utf8);
const rowLeaves = rows.map(leafHash);
export const request: Value = { text: '{"model":"spur-small","messages":[{"role":"user","content":"Es war einmal"}]}' };
const response: Value = { text: '{"choices":[{"message":{"role":"assistant","content":" ein Log."}}]}' };

export const drafts: readonly Draft[] = [
  {
    label: "log key", type: "key", reg: "keys", retention: "system",
    predicate: () => ({ purpose: "log", algorithm: "ed25519", state: "active" }),
    digests: { sha256: hex(sha256(logKey.publicKey)) },
  },
  {
    label: "receipts key", type: "key", reg: "keys", retention: "system",
    predicate: () => ({ purpose: "receipts", algorithm: "ed25519", state: "active" }),
    digests: { sha256: hex(sha256(receiptsKey.publicKey)) },
  },
  {
    label: "source", type: "source", reg: "sources", retention: "data",
    predicate: () => ({ kind: "own", bytes: corpus.length, rows: rows.length }),
    slots: [{ text: "three beginnings" }, null, { text: "Apache-2.0" }, null],
    digests: { sha256: hex(sha256(corpus)), spurRowsV1: hex(treeRoot(rowLeaves)) },
  },
  {
    label: "data-run", type: "data-run", reg: "data-runs", retention: "data",
    predicate: (ref) => ({ inputs: [ref("source")], code: fakeDigest("code"), outcome: "complete", rowsIn: 3, rowsOut: 3 }),
    slots: [{ text: "deduplicate" }, null, null],
  },
  {
    label: "dataset", type: "dataset", reg: "datasets", retention: "data",
    predicate: (ref) => ({ run: ref("data-run"), sources: [ref("source")], bytes: corpus.length, rows: rows.length }),
    slots: [{ text: "beginnings, deduplicated" }, null],
    digests: { sha256: hex(sha256(corpus)), spurRowsV1: hex(treeRoot(rowLeaves)) },
  },
  {
    label: "training-run", type: "training-run", reg: "training-runs", retention: "training",
    predicate: (ref) => ({ datasets: [ref("dataset")], code: fakeDigest("code"), config: fakeDigest("config"), steps: 400, seed: 7 }),
    slots: [{ text: "spur-small" }, null, { text: '{"width":64}' }],
  },
  {
    label: "checkpoint", type: "checkpoint", reg: "checkpoints", retention: "training",
    predicate: (ref) => ({ run: ref("training-run"), step: 400, state: fakeDigest("state"), bytes: 4096 }),
    digests: { sha256: fakeDigest("weights") },
  },
  {
    label: "model", type: "model", reg: "models", retention: "training",
    predicate: (ref) => ({ run: ref("training-run"), checkpoint: ref("checkpoint"), format: "safetensors", bytes: 4096 }),
    slots: [{ text: "spur-small" }, null, null],
    digests: { sha256: fakeDigest("weights") },
  },
  {
    label: "deployment", type: "deployment", reg: "deployments", retention: "service",
    predicate: (ref) => ({ model: ref("model"), operator: "self", served: fakeDigest("weights"), check: "matched", contentDays: 30 }),
    slots: [{ text: "spur-small" }, { text: "http://127.0.0.1:7788" }, null],
  },
  {
    label: "policy", type: "policy", reg: "policies", retention: "service",
    predicate: () => ({ kind: "output", version: 1 }),
    slots: [{ text: "allow all" }],
  },
  {
    label: "output", type: "output", reg: "outputs", retention: "output",
    predicate: (ref) => ({ deployment: ref("deployment"), outcome: "complete" }),
    slots: [request, response, { text: "key-7" }, { text: '{"total_tokens":9}' }, { text: "1795320123456" }, null, null, null],
  },
  {
    label: "decision", type: "decision", reg: "decisions", retention: "output",
    predicate: (ref) => ({ output: ref("output"), actor: "rule", verdict: "released", policy: ref("policy"), policyVersion: 1 }),
    slots: [{ text: '{"rule":"allow all"}' }],
  },
  {
    label: "closing", type: "registers", reg: "registers", retention: "system",
    predicate: (_, index, last) => ({ size: index, last }),
  },
]; // prettier-ignore

export interface Log {
  readonly entries: readonly Buffer[];
  readonly sealed: ReadonlyMap<string, Sealed>;
  readonly values: ReadonlyMap<string, readonly Value[]>;
  readonly leaves: readonly Buffer[];
  readonly indexOf: (label: string) => number;
}

export function makeLog(from: readonly Draft[]): Log {
  const indexes = new Map(from.map(({ label }, index) => [label, index]));
  const indexOf = (label: string): number => {
    const index = indexes.get(label);
    if (index === undefined) throw new Error(label);
    return index;
  };
  const ref = (label: string): Members => ({ index: indexOf(label), rec: fakeRec(`log ${label}`) });
  const last = new Map<string, { seq: number; index: number }>();
  const sealed = new Map<string, Sealed>();
  const entries = from.map((draft, index): Buffer => {
    const { label, type, reg, retention, slots } = draft;
    const rec = fakeRec(`log ${label}`);
    const before = last.get(reg);
    const listed = [...last].filter(([name]) => name !== "registers").sort(([a], [b]) => (a < b ? -1 : 1));
    const predicate = draft.predicate(ref, index, listed.map(([name, one]) => ({ name, ...one })));
    const digest: { [name: string]: Json } = { ...draft.digests };
    if (type === "registers") digest["sha256"] = hex(sha256(utf8(canonical(predicate))));
    if (slots !== undefined) {
      const one = commit(rec, fake(`dek log ${label}`), slots);
      sealed.set(label, one);
      digest["spurCommitmentV1"] = hex(one.commitment);
    }
    const seq = (before?.seq ?? 0) + 1;
    last.set(reg, { seq, index });
    const entry: Members = {
      v: "spur-entry/v1", rec, reg, seq,
      ...(before === undefined ? {} : { prev: before.index }),
      at: draft.at ?? "2026-11-22T04Z",
      evidence: draft.evidence ?? "observed",
      retention,
      ...(slots === undefined ? {} : { sealed: { ct: hex(sha256(seal(sealed.get(label)!))) } }),
      statement: {
        _type: "https://in-toto.io/Statement/v1",
        subject: [{ name: rec, digest }],
        predicateType: `spur:${type}/v1`,
        predicate,
      },
    }; // prettier-ignore
    return utf8(canonical(draft.forge === undefined ? entry : draft.forge(entry)));
  });
  const values = new Map(from.flatMap(({ label, slots }) => (slots === undefined ? [] : [[label, slots] as const])));
  return { entries, sealed, values, leaves: entries.map(leafHash), indexOf };
}

export const log = makeLog(drafts);

/** What the log says of a key of its own. */
export const keyDraft = (label: string, purpose: string, key: Signer, state: string, evidence = "observed"): Draft => ({
  label, type: "key", reg: "keys", retention: "system", evidence,
  predicate: () => ({ purpose, algorithm: "ed25519", state }),
  digests: { sha256: hex(sha256(key.publicKey)) },
}); // prettier-ignore
/** The log with one more entry, before the one with this label or as its last. */
export function withEntry(draft: Draft, before?: string): Log {
  const at = drafts.findIndex(({ label }) => label === before);
  return makeLog(at === -1 ? [...drafts, draft] : [...drafts.slice(0, at), draft, ...drafts.slice(at)]);
}
export const checkpointText = (of: Log, origin = ORIGIN): string => `${origin}\n${of.leaves.length}\n${b64(treeRoot(of.leaves))}\n`;
const witnessed = (of: Log, key: Signer = logKey): string => {
  const text = checkpointText(of);
  return `${text}\n${signatureLine(key, text)}${cosignatureLine(witnessKey, text, SEEN)}`;
};

export const entryMember = (of: Log, index: number): Members => ({
  index,
  entry: b64(of.entries[index]!),
  proof: inclusionPath(index, of.leaves).map(b64),
});
export function slotMember(of: Log, label: string, slot: number): Members {
  const { salt, path } = openingOf(of.sealed.get(label)!, slot);
  const value = of.values.get(label)![slot]!;
  return {
    index: of.indexOf(label),
    slot,
    ...(value === null ? {} : { value: b64(valueBytes(value)) }),
    salt: b64(unhex(salt)),
    path: path.map((one) => b64(unhex(one))),
  };
}
export const rowMember = (of: Log, label: string, row: number): Members => ({
  index: of.indexOf(label),
  row,
  value: b64(rows[row]!),
  path: inclusionPath(row, rowLeaves).map(b64),
});

interface FileOptions {
  readonly of?: Log;
  readonly labels?: readonly string[];
  readonly opened?: readonly Members[];
  readonly ask?: string;
  readonly key?: Signer;
  readonly checkpoint?: string;
}
export function makeFile({ of = log, labels, opened = [], ask = "Q5", key = logKey, checkpoint }: FileOptions): Members {
  const indexes = labels?.map(of.indexOf) ?? of.entries.map((_, i) => i);
  const closing = of.indexOf("closing");
  return {
    format: "spur-evidence/v1",
    log: { origin: ORIGIN, vkey: key.vkey },
    checkpoint: checkpoint ?? witnessed(of, key),
    entries: indexes.map((index) => entryMember(of, index)),
    opened,
    registers: indexes.includes(closing) ? [closing] : [],
    anchors: [],
    ask,
  };
}

export const EXIT = { pass: 0, fail: 1, "not-checked": 2 } as const;
export type Expected = keyof typeof EXIT;

export const list = (file: Members, name: string): Members[] => file[name] as unknown as Members[];
export const swapped = (file: Members, name: string, a: number, b: number): Json => {
  const copy = [...list(file, name)];
  [copy[a], copy[b]] = [copy[b]!, copy[a]!];
  return set(file, [name], copy);
};

export const Q5 = ["deployment", "policy", "output", "decision", "closing"];
/** The log with one draft changed. */
export const dishonest = (label: string, change: Partial<Draft>): Log =>
  makeLog(drafts.map((draft) => (draft.label === label ? { ...draft, ...change } : draft)));
export const q5Of = (of: Log, opened: Members[] = []): Members => makeFile({ of, labels: Q5, opened });
