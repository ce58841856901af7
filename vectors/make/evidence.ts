import { commit, openingOf, seal, valueBytes, type Sealed, type Value } from "./payload.ts";
import { b64, canonical, cosignatureLine, fake, fakeDigest, fakeRec, flip, hex, inclusionPath, leafHash, logKey, ORIGIN, otherKey, receiptsKey, sha256, signatureLine, treeRoot, unhex, utf8, witnessKey, type Json, type Signer } from "./lib.ts";
import { set } from "./entries.ts";
import { receiptText } from "./log.ts";
import { trustText } from "./trust.ts";

type Members = { readonly [name: string]: Json };
/** 2026-11-22T04:00:00Z is SEEN − 20 min: a witness saw the log after its entries. */
const SEEN = 1_795_321_200;

/** One entry before it is numbered. References are labels of entries that stand in the same log. */
interface Draft {
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
const rows = corpus.toString().trimEnd().split("\n").map(utf8);
const rowLeaves = rows.map(leafHash);
const request: Value = { text: '{"model":"spur-small","messages":[{"role":"user","content":"Es war einmal"}]}' };
const response: Value = { text: '{"choices":[{"message":{"role":"assistant","content":" ein Log."}}]}' };

const drafts: readonly Draft[] = [
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

interface Log {
  readonly entries: readonly Buffer[];
  readonly sealed: ReadonlyMap<string, Sealed>;
  readonly values: ReadonlyMap<string, readonly Value[]>;
  readonly leaves: readonly Buffer[];
  readonly indexOf: (label: string) => number;
}

function makeLog(from: readonly Draft[]): Log {
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

const log = makeLog(drafts);
const checkpointText = (of: Log, origin = ORIGIN): string => `${origin}\n${of.leaves.length}\n${b64(treeRoot(of.leaves))}\n`;
const witnessed = (of: Log, key: Signer = logKey): string => {
  const text = checkpointText(of);
  return `${text}\n${signatureLine(key, text)}${cosignatureLine(witnessKey, text, SEEN)}`;
};

const entryMember = (of: Log, index: number): Members => ({
  index,
  entry: b64(of.entries[index]!),
  proof: inclusionPath(index, of.leaves).map(b64),
});
function slotMember(of: Log, label: string, slot: number): Members {
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
const rowMember = (of: Log, label: string, row: number): Members => ({
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
function makeFile({ of = log, labels, opened = [], ask = "Q5", key = logKey, checkpoint }: FileOptions): Members {
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

const Q5 = ["deployment", "policy", "output", "decision", "closing"];
const answer = makeFile({ labels: Q5, opened: [slotMember(log, "output", 0), slotMember(log, "output", 1), slotMember(log, "output", 5)] });
const lineage = makeFile({ opened: [slotMember(log, "dataset", 0), rowMember(log, "dataset", 2), slotMember(log, "output", 1)], ask: "lineage" });

const trust = {
  none: trustText("quorum none\n"),
  log: trustText(`log ${logKey.vkey}\nquorum none\n`),
  "another key of the log": trustText(`log ${otherKey.vkey}\nquorum none\n`),
  "log and witness": trustText(`log ${logKey.vkey}\nwitness one ${witnessKey.vkey}\nquorum one\n`, { require: ["witnesses"] }),
};
type TrustName = keyof typeof trust;

const bases = { answer: canonical(answer), lineage: canonical(lineage) };
type Base = keyof typeof bases;

/** What lies between the common beginning and the common end of two texts. */
function editOf(from: string, to: string) {
  let at = 0;
  while (at < Math.min(from.length, to.length) && from[at] === to[at]) at++;
  let end = 0;
  while (end < Math.min(from.length, to.length) - at && from[from.length - 1 - end] === to[to.length - 1 - end]) end++;
  return { at, cut: from.length - at - end, insert: to.slice(at, to.length - end) };
}

const EXIT = { pass: 0, fail: 1, "not-checked": 2 } as const;
type Expected = keyof typeof EXIT;
/** A twin of a valid file: `to` is its text, or its members. `check` names a finding that must have that verdict. */
function twin(name: string, why: string, verdict: Expected, check: string, to: string | Json, trusted: TrustName = "log", base: Base = "answer") {
  const edit = editOf(bases[base], typeof to === "string" ? to : canonical(to));
  return { name, why, file: base, edit, trust: trusted, verdict, exit: EXIT[verdict], ...(check === "" ? {} : { check }) };
}
/** A file of its own, honestly made from a dishonest log. */
function whole(name: string, why: string, verdict: Expected, check: string, file: Json, trusted: TrustName = "log") {
  return { name, why, text: canonical(file), trust: trusted, verdict, exit: EXIT[verdict], ...(check === "" ? {} : { check }) };
}

const list = (file: Members, name: string): Members[] => file[name] as unknown as Members[];
const swapped = (file: Members, name: string, a: number, b: number): Json => {
  const copy = [...list(file, name)];
  [copy[a], copy[b]] = [copy[b]!, copy[a]!];
  return set(file, [name], copy);
};
const without = (file: Members, name: string, at: number): Json => set(file, [name], list(file, name).filter((_, i) => i !== at));
const at = (file: Members, name: string, i: number, member: string): string => list(file, name)[i]![member] as string;
const bitOf = (text: string, byte = 0): string => b64(flip(Buffer.from(text, "base64"), byte));
const proofOf = (i: number): string[] => list(answer, "entries")[i]!["proof"] as unknown as string[];
const text = bases.answer;
const note = answer["checkpoint"] as string;
const body = checkpointText(log);
const [logLine, witnessLine] = note.split("\n").slice(4, 6) as [string, string];

/** The log with one draft changed. */
const dishonest = (label: string, change: Partial<Draft>): Log =>
  makeLog(drafts.map((draft) => (draft.label === label ? { ...draft, ...change } : draft)));
const q5Of = (of: Log, opened: Members[] = []): Members => makeFile({ of, labels: Q5, opened });
const statementOf = (entry: Members, path: (string | number)[], value: Json): Json => set(entry, ["statement", ...path], value);

const invalid = [
  // Format
  twin("unknown member", "the file is closed", "fail", "format", set(answer, ["note"], "x")),
  twin("an answer in the file", "the verifier recomputes the answer and reads none", "fail", "format", set(answer, ["answer"], "proven")),
  twin("unknown member of an entry", "closed", "fail", "format", set(answer, ["entries", 0, "verified"], true)),
  twin("unknown member of an opening", "closed", "fail", "format", set(answer, ["opened", 0, "name"], "request")),
  twin("unknown member of the log", "closed", "fail", "format", set(answer, ["log", "url"], "https://spur.example")),
  twin("anchors missing", "empty, not absent, until there is a chain", "fail", "format", set(answer, ["anchors"], undefined)),
  twin("format missing", "not even a version", "fail", "format", set(answer, ["format"], undefined)),
  twin("a later version", "this version cannot judge it", "not-checked", "format", set(answer, ["format"], "spur-evidence/v2")),
  twin("white space", "canonical", "fail", "format", text.replace(",", ", ")),
  twin("final newline", "canonical", "fail", "format", `${text}\n`),
  twin("a member twice", "canonical", "fail", "format", text.replace('"ask":"Q5"', '"ask":"Q5","ask":"Q5"')),
  twin("cut", "canonical", "fail", "format", text.slice(0, 5000)),
  twin("entries unsorted", "rising by index", "fail", "format", swapped(answer, "entries", 0, 1)),
  twin("an entry twice", "each index once", "fail", "format", set(answer, ["entries"], [...list(answer, "entries").slice(0, 1), ...list(answer, "entries")])),
  twin("openings unsorted", "rising by index and slot", "fail", "format", swapped(answer, "opened", 0, 1)),
  twin("an opening twice", "each slot once", "fail", "format", set(answer, ["opened"], [...list(answer, "opened").slice(0, 1), ...list(answer, "opened")])),
  twin("rows before slots", "slots of an entry first, then its rows", "fail", "format", swapped(lineage, "opened", 0, 1), "log", "lineage"),
  twin("an opening of slot and row", "one of both", "fail", "format", set(answer, ["opened", 0, "row"], 0)),
  twin("a row with a salt", "rows have none", "fail", "format", set(lineage, ["opened", 1, "salt"], at(lineage, "opened", 0, "salt")), "log", "lineage"),
  twin("base64 not padded", "one text for one value", "fail", "format", set(answer, ["opened", 0, "salt"], at(answer, "opened", 0, "salt").replace("=", ""))),
  twin("base64 with unused bits", "one text for one value", "fail", "format", set(answer, ["entries", 0, "proof", 0], proofOf(0)[0]!.replace(/.=$/, (end) => `${"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".indexOf(end[0]!) + 1]!}=`))),
  twin("a proof hash of 31 bytes", "32 bytes", "fail", "format", set(answer, ["entries", 0, "proof", 0], b64(Buffer.from(proofOf(0)[0]!, "base64").subarray(1)))),
  twin("a value as a number", "base64", "fail", "format", set(answer, ["opened", 0, "value"], 1)),
  twin("the checkpoint as a list of lines", "a text", "fail", "format", set(answer, ["checkpoint"], note.split("\n"))),
  twin("an opening as a text", "an object", "fail", "format", set(answer, ["opened", 0], "request")),
  twin("a negative index", "an index", "fail", "format", set(answer, ["entries", 0, "index"], -1)),
  twin("an unknown question", "a fixed list", "fail", "format", set(answer, ["ask"], "Q10")),
  twin("a closing named twice", "rising", "fail", "format", set(answer, ["registers"], [12, 12])),
  twin("17 levels", "at most 16", "fail", "format", set(answer, ["anchors"], JSON.parse(`${"[".repeat(16)}${"]".repeat(16)}`) as Json)),
  // Log signature
  twin("another vkey", "the file's own key did not sign", "fail", "log signature", set(answer, ["log", "vkey"], otherKey.vkey)),
  twin("another vkey, nobody trusted", "the file's own key did not sign", "fail", "log signature", set(answer, ["log", "vkey"], otherKey.vkey), "none"),
  twin("the vkey of a witness", "a log's key has the log's name", "fail", "log signature", set(answer, ["log", "vkey"], witnessKey.vkey)),
  twin("another origin", "the checkpoint names its log", "fail", "log signature", set(answer, ["log", "origin"], "other.example/log")),
  twin("a flipped bit in the log's signature", "a trusted key's signature is invalid", "fail", "log signature", set(answer, ["checkpoint"], note.replace(logLine, `— ${ORIGIN} ${bitOf(logLine.split(" ")[2]!, 20)}`))),
  twin("a flipped bit in the log's signature, nobody trusted", "the file claims that its key signed", "fail", "log signature", set(answer, ["checkpoint"], note.replace(logLine, `— ${ORIGIN} ${bitOf(logLine.split(" ")[2]!, 20)}`)), "none"),
  twin("size changed", "it is signed", "fail", "log signature", set(answer, ["checkpoint"], note.replace("\n13\n", "\n14\n"))),
  twin("the log's line left out", "the file's own key did not sign", "fail", "log signature", set(answer, ["checkpoint"], `${body}\n${witnessLine}\n`)),
  twin("signed by another key than the file names", "the file's own key did not sign", "fail", "log signature", set(answer, ["checkpoint"], `${body}\n${signatureLine(otherKey, body)}${witnessLine}\n`)),
  twin("no signature at all", "not a note", "fail", "log signature", set(answer, ["checkpoint"], body)),
  twin("signed by a stranger throughout", "key not trusted: signer unknown", "not-checked", "log signature", set(set(answer, ["checkpoint"], `${body}\n${signatureLine(otherKey, body)}${witnessLine}\n`), ["log", "vkey"], otherKey.vkey)),
  twin("two keys of the log, the trusted one's line invalid", "a trusted key's signature is invalid", "fail", "log signature", set(set(answer, ["checkpoint"], `${note.replace(logLine, `— ${ORIGIN} ${bitOf(logLine.split(" ")[2]!, 20)}`)}${signatureLine(otherKey, body)}`), ["log", "vkey"], otherKey.vkey)),
  twin("two keys of the log signed, the file names the one that is not trusted", "log.vkey is not the trusted key that verified", "fail", "log signature", set(set(answer, ["checkpoint"], `${note}${signatureLine(otherKey, body)}`), ["log", "vkey"], otherKey.vkey)),
  // Witnesses
  twin("a flipped bit in a trusted witness's signature", "invalid signature by a trusted key", "fail", "witnesses", set(answer, ["checkpoint"], note.replace(witnessLine, `— ${witnessKey.name} ${bitOf(witnessLine.split(" ")[2]!, 40)}`)), "log and witness"),
  twin("the witness's time changed", "the time is signed", "fail", "witnesses", set(answer, ["checkpoint"], note.replace(witnessLine, `— ${witnessKey.name} ${bitOf(witnessLine.split(" ")[2]!, 11)}`)), "log and witness"),
  twin("the required witness left out", "the quorum is not met", "not-checked", "witnesses", set(answer, ["checkpoint"], `${body}\n${logLine}\n`), "log and witness"),
  // Inclusion
  twin("a bit of an entry", "its leaf hash is another", "fail", "inclusion", set(answer, ["entries", 2, "entry"], bitOf(at(answer, "entries", 2, "entry"), 8))),
  twin("an entry of another record", "its leaf hash is another", "fail", "inclusion", set(answer, ["entries", 2, "entry"], at(answer, "entries", 3, "entry"))),
  twin("an index changed", "the place is in the proof", "fail", "inclusion", set(answer, ["entries", 0, "index"], 7)),
  twin("an index beyond the tree", "no such leaf", "fail", "inclusion", set(answer, ["entries", 4, "index"], 13)),
  twin("a flipped bit in a proof", "does not recompute", "fail", "inclusion", set(answer, ["entries", 1, "proof", 1], bitOf(proofOf(1)[1]!))),
  twin("proofs swapped", "does not recompute", "fail", "inclusion", set(set(answer, ["entries", 1, "proof"], proofOf(2)), ["entries", 2, "proof"], proofOf(1))),
  twin("a proof cut", "its length follows from index and size", "fail", "inclusion", set(answer, ["entries", 1, "proof"], proofOf(1).slice(1))),
  twin("a proof without end", "its length follows from index and size", "fail", "inclusion", set(answer, ["entries", 1, "proof"], Array.from({ length: 70 }, () => proofOf(1)[0]!))),
  twin("no entries", "nothing was looked at", "not-checked", "inclusion", set(set(set(answer, ["entries"], []), ["opened"], []), ["registers"], [])),
  // Openings
  twin("another response", "one value per slot", "fail", "opening", set(answer, ["opened", 1, "value"], b64(utf8('{"choices":[]}')))),
  twin("one bit of the response", "one value per slot", "fail", "opening", set(answer, ["opened", 1, "value"], bitOf(at(answer, "opened", 1, "value"), 30))),
  twin("values of two openings swapped", "the slot's number is hashed", "fail", "opening", set(set(answer, ["opened", 0, "value"], at(answer, "opened", 1, "value")), ["opened", 1, "value"], at(answer, "opened", 0, "value"))),
  twin("two openings swapped whole", "the slot's number is hashed", "fail", "opening", set(answer, ["opened"], [{ ...list(answer, "opened")[1]!, slot: 0 }, { ...list(answer, "opened")[0]!, slot: 1 }, list(answer, "opened")[2]!])),
  twin("an empty slot opened as an empty text", "absent and empty differ", "fail", "opening", set(answer, ["opened", 2, "value"], "")),
  twin("the request opened as absent", "absent and empty differ", "fail", "opening", set(answer, ["opened", 0, "value"], undefined)),
  twin("a salt with a flipped bit", "the salt is hashed", "fail", "opening", set(answer, ["opened", 0, "salt"], bitOf(at(answer, "opened", 0, "salt")))),
  twin("a path with a flipped bit", "does not recompute", "fail", "opening", set(answer, ["opened", 0, "path", 0], bitOf((list(answer, "opened")[0]!["path"] as unknown as string[])[0]!))),
  twin("slot 8", "an output has slots 0 to 7", "fail", "opening", set(answer, ["opened", 2, "slot"], 8)),
  twin("an opening moved to another record", "the commitment is another", "fail", "opening", set(answer, ["opened", 2, "index"], log.indexOf("decision"))),
  twin("an opening of a record without slots", "a closing seals nothing", "fail", "opening", set(answer, ["opened", 2, "index"], log.indexOf("closing"))),
  twin("the opened entry left out", "an opening without its entry says nothing", "not-checked", "opening", without(answer, "entries", 2)),
  // Rows
  twin("another row's text", "does not recompute", "fail", "row", set(lineage, ["opened", 1, "value"], b64(rows[1]!)), "log", "lineage"),
  twin("another row's number", "the place is in the path", "fail", "row", set(lineage, ["opened", 1, "row"], 1), "log", "lineage"),
  twin("a row beyond the dataset", "it has 3", "fail", "row", set(lineage, ["opened", 1, "row"], 3), "log", "lineage"),
  twin("a row of a record without rows", "an output has none", "fail", "row", set(lineage, ["opened", 1, "index"], log.indexOf("model")), "log", "lineage"),
  // Coverage
  { ...twin("the decision left out", "the file leaves its own question open", "not-checked", "", set(without(answer, "entries", 3), ["registers"], [12])), state: "not-checked" },
  { ...twin("the policy left out", "the file leaves its own question open", "not-checked", "", without(answer, "entries", 1)), state: "not-checked" },
  { ...twin("the dataset left out of a lineage", "a step is missing", "not-checked", "", set(without(lineage, "entries", 4), ["opened"], []), "log", "lineage"), state: "not-checked" },
  { ...twin("an answer asked for another question", "the file shows nothing on it", "not-checked", "", set(answer, ["ask"], "Q3")), state: "not-recorded" },
  // Registers as the file names them
  twin("a closing that is none", "entry 11 is a decision", "fail", "closing", set(answer, ["registers"], [11, 12])),
  // What an honest file shows of a dishonest log
  whole("a reference to a later entry", "references go back", "fail", "reference", q5Of(dishonest("output", { forge: (e) => statementOf(e, ["predicate", "deployment", "index"], 11) }))),
  whole("a reference to another record", "index and rec must fit", "fail", "reference", q5Of(dishonest("decision", { forge: (e) => statementOf(e, ["predicate", "output", "rec"], fakeRec("nobody")) }))),
  whole("a reference to a record of another type", "a decision decides on an output", "fail", "reference", q5Of(dishonest("decision", { forge: (e) => statementOf(e, ["predicate", "output"], { index: 8, rec: fakeRec("log deployment") }) }))),
  whole("a free text in a leaf", "only words of a list", "fail", "entry", q5Of(dishonest("output", { forge: (e) => statementOf(e, ["predicate", "outcome"], "he asked about his illness") }))),
  whole("an outer name in a predicate", "it could pass for the operator's word", "fail", "entry", q5Of(dishonest("output", { forge: (e) => statementOf(e, ["predicate", "evidence"], "observed") }))),
  whole("two records of one name", "rec is unique", "fail", "entry", q5Of(dishonest("policy", { forge: (e) => set(set(e, ["rec"], fakeRec("log output")), ["statement", "subject", 0, "name"], fakeRec("log output")) }))),
  whole("a number twice in a register", "gapless from 1", "fail", "register", makeFile({ of: dishonest("receipts key", { forge: (e) => set(set(e, ["seq"], 1), ["prev"], undefined) }) })),
  whole("a predecessor that is another register's", "prev is the register's entry before", "fail", "register", q5Of(dishonest("decision", { forge: (e) => set(set(e, ["seq"], 2), ["prev"], 10) }))),
  whole("a closing that leaves an entry out", "every other register", "fail", "closing", q5Of(dishonest("closing", { predicate: (_, index, last) => ({ size: index, last: last.filter((one) => one["name"] !== "outputs") }) }))),
  whole("a closing that tells another number", "last seq of each register", "fail", "closing", q5Of(dishonest("closing", { predicate: (_, index, last) => ({ size: index, last: last.map((one) => (one["name"] === "outputs" ? { ...one, seq: 2 } : one)) }) }))),
  whole("a closing of another size", "it closes what stands before it", "fail", "closing", q5Of(dishonest("closing", { predicate: (_, index, last) => ({ size: index + 1, last }) }))),
  whole("an entry an hour after a witness saw it", "at is later than the first cosignature + 5 min", "fail", "time", q5Of(dishonest("output", { at: "2026-11-22T05Z" })), "log and witness"),
  whole("a predicate of a later version", "unknown is not wrong, and never good", "not-checked", "entry", q5Of(dishonest("policy", { forge: (e) => statementOf(e, ["predicateType"], "spur:policy/v2") }))),
  whole("opening of a record of an unknown kind", "the number of slots is unknown", "not-checked", "opening", makeFile({ of: dishonest("policy", { forge: (e) => statementOf(e, ["predicateType"], "spur:policy/v2") }), labels: Q5, opened: [slotMember(log, "policy", 0)] })),
];

const valid = (name: string, file: Base, trusted: TrustName, verdict: Expected) => ({
  name, file, trust: trusted, verdict, exit: EXIT[verdict], state: verdict === "pass" ? "proven" : "not-checked",
}); // prettier-ignore

export const evidenceVectors = {
  format: "spur-evidence/v1",
  about:
    "`files` holds whole files; an invalid one is a file with `cut` characters at `at` replaced by `insert`, or a `text` of its own. Verified under the trust file named by `trust`, the report's verdict and exit code are as said; a finding of `check`, where it is named, has that verdict; the asked question has the `state` that is given. Nothing trusted is never a pass.",
  trust,
  files: bases,
  valid: [
    valid("an answer, log trusted", "answer", "log", "pass"),
    valid("an answer, log and witness trusted", "answer", "log and witness", "pass"),
    valid("an answer, nobody trusted: signer unknown", "answer", "none", "not-checked"),
    valid("an answer, another key of that name trusted", "answer", "another key of the log", "not-checked"),
    valid("a lineage, log trusted", "lineage", "log", "pass"),
    valid("a lineage, nobody trusted: signer unknown", "lineage", "none", "not-checked"),
    { ...whole("a lineage with a run that a client reported", "claimed, and unchanged since", "pass", "", makeFile({ of: dishonest("training-run", { evidence: "reported" }), ask: "lineage" })), state: "recorded" },
    twin("an answer without its openings: less is shown", "nothing is wrong", "pass", "", set(answer, ["opened"], [])),
    twin("a bit flipped in the line of a witness whom nobody trusts", "a stranger's line says nothing", "pass", "", set(answer, ["checkpoint"], note.replace(witnessLine, `— ${witnessKey.name} ${bitOf(witnessLine.split(" ")[2]!, 40)}`))),
  ],
  invalid,
};

const outputIndex = log.indexOf("output");
const receiptOf = (index: number, leaf: Buffer, commitment: Buffer, key: Signer = receiptsKey): string => {
  const receipt = receiptText(fakeRec("log output"), index, leaf, commitment);
  return `${receipt}\n${signatureLine(key, receipt)}`;
};
const outputCommitment = log.sealed.get("output")!.commitment;
const receiptFile = (receiptNote: string, opened: readonly Members[] = [slotMember(log, "output", 0), slotMember(log, "output", 1)], vkey = receiptsKey.vkey): Members => ({
  format: "spur-receipt-file/v1",
  note: receiptNote,
  vkey,
  opened,
});
const goodReceipt = receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment));
const receiptNote = goodReceipt["note"] as string;
const otherLog = dishonest("output", { slots: [request, { text: "something else" }, null, null, null, null, null, null] });
const retired = makeLog([...drafts.slice(0, 2), { ...drafts[1]!, label: "receipts key retired", predicate: () => ({ purpose: "receipts", algorithm: "ed25519", state: "retired" }) }, ...drafts.slice(2)]);
const shown = {
  answer: bases.answer,
  lineage: bases.lineage,
  "another answer at its place": canonical(q5Of(otherLog)),
  "receipts key retired before": canonical(makeFile({ of: retired, ask: "lineage" })),
};
const retiredReceipt = receiptFile(receiptOf(retired.indexOf("output"), retired.leaves[retired.indexOf("output")]!, outputCommitment), []);
const logLineTrust = `log ${logKey.vkey}\nquorum none\n`;
const receiptTrust = {
  none: trust.none,
  log: trust.log,
  "log and receipts": trustText(logLineTrust, { statementKeys: [receiptsKey.vkey] }),
  receipts: trustText("quorum none\n", { statementKeys: [receiptsKey.vkey] }),
};
type ReceiptOptions = { readonly evidence?: keyof typeof shown; readonly trust?: keyof typeof receiptTrust };
function receiptVector(name: string, why: string, verdict: Expected, file: Json | string, options: ReceiptOptions = {}) {
  const { evidence, trust: trusted = "log and receipts" } = options;
  const text = typeof file === "string" ? file : canonical(file);
  return { name, ...(why === "" ? {} : { why }), text, trust: trusted, ...(evidence === undefined ? {} : { evidence }), verdict, exit: EXIT[verdict] };
}
const badReceipt = (name: string, why: string, file: Json | string, verdict: Expected = "fail", options: ReceiptOptions = { evidence: "answer" }) =>
  receiptVector(name, why, verdict, file, options);

export const receiptFileVectors = {
  format: "spur-receipt-file/v1",
  about:
    "A caller's receipt with openings of his own request and response, verified under the trust file named by `trust` and, where `evidence` names one of `files`, against what that evidence shows at the receipt's index.",
  trust: receiptTrust,
  files: shown,
  valid: [
    receiptVector("receipt, and evidence that the log kept it", "", "pass", goodReceipt, { evidence: "answer" }),
    receiptVector("the log announced the receipts key", "", "pass", goodReceipt, { evidence: "lineage", trust: "log" }),
    receiptVector("receipt without openings", "", "pass", receiptFile(receiptNote, []), { evidence: "answer" }),
    receiptVector("receipt alone: whether the log kept it is not shown", "", "pass", goodReceipt),
  ],
  invalid: [
    badReceipt("nobody trusted", "signer unknown", goodReceipt, "not-checked", { evidence: "lineage", trust: "none" }),
    badReceipt("receipts key neither trusted nor announced in the file", "signer unknown", goodReceipt, "not-checked", { evidence: "answer", trust: "log" }),
    badReceipt("receipts key retired before it signed", "the log took it back", retiredReceipt, "not-checked", { evidence: "receipts key retired before", trust: "log" }),
    badReceipt("evidence of a log that nobody trusts", "it shows nothing, and was handed in to show that the log kept its word", goodReceipt, "not-checked", { evidence: "answer", trust: "receipts" }),
    badReceipt("the log holds another answer at that place", "operator signed both: proof of misbehaviour", receiptFile(receiptNote, []), "fail", { evidence: "another answer at its place" }),
    badReceipt("another response", "one value per slot", set(goodReceipt, ["opened", 1, "value"], b64(utf8("x")))),
    badReceipt("openings unsorted", "rising by slot", swapped(goodReceipt, "opened", 0, 1)),
    badReceipt("an opening of another record", "a receipt is for one record", set(goodReceipt, ["opened", 1, "index"], outputIndex + 1)),
    badReceipt("a row", "a receipt opens slots", receiptFile(receiptNote, [{ ...rowMember(log, "dataset", 0), index: outputIndex }])),
    badReceipt("unknown member", "closed", set(goodReceipt, ["name"], "x")),
    badReceipt("vkey missing", "the file says who signed", set(goodReceipt, ["vkey"], undefined)),
    badReceipt("white space", "canonical", canonical(goodReceipt).replace(",", ", ")),
    badReceipt("index changed after signing", "it is signed", set(goodReceipt, ["note"], receiptNote.replace("\n10\n", "\n11\n"))),
    badReceipt("a vkey that did not sign", "the file's own key did not sign", set(goodReceipt, ["vkey"], logKey.vkey)),
    badReceipt("commitment of another record", "openings do not fit", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, fake("other commitment")))),
    badReceipt("signed by the log's own key", "receipts have a key of their own", receiptFile(receiptOf(outputIndex, log.leaves[outputIndex]!, outputCommitment, logKey), [], logKey.vkey)),
    badReceipt("two signature lines", "one key signs a receipt", set(goodReceipt, ["note"], `${receiptNote}${receiptNote.split("\n\n")[1]!}`)),
    badReceipt("a later version of the file", "this version cannot judge it", set(goodReceipt, ["format"], "spur-receipt-file/v2"), "not-checked"),
  ],
};
