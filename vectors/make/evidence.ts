import { set } from "./entries.ts";
import { b64, canonical, fakeDigest, fakeRec, flip, hex, logKey, ORIGIN, otherKey, receiptsKey, sha256, signatureLine, signer, utf8, witnessKey, type Json } from "./lib.ts";
import { latticeKey, latticeLine } from "./ml-dsa.ts";
import { checkpointText, dishonest, EXIT, keyDraft, list, log, makeFile, Q5, q5Of, rowMember, rows, SEEN, slotMember, swapped, withEntry, type Draft, type Expected, type Members } from "./small-log.ts";
import { trustText } from "./trust.ts";

const answer = makeFile({ labels: Q5, opened: [slotMember(log, "output", 0), slotMember(log, "output", 1), slotMember(log, "output", 5)] });
const lineage = makeFile({ opened: [slotMember(log, "dataset", 0), rowMember(log, "dataset", 2), slotMember(log, "output", 1)], ask: "lineage" });

/** The log that went before, of which a `successor` entry tells. */
const formerKey = signer("spur.example/before", 1, Buffer.alloc(32, 7));
export const trust = {
  none: trustText("quorum none\n"),
  log: trustText(`log ${logKey.vkey}\nquorum none\n`),
  "another key of the log": trustText(`log ${otherKey.vkey}\nquorum none\n`),
  "log and witness": trustText(`log ${logKey.vkey}\nwitness one ${witnessKey.vkey}\nquorum one\n`, { require: ["witnesses"] }),
  "log and both kinds of witness": trustText(`log ${logKey.vkey}\nwitness one ${witnessKey.vkey}\nwitness lattice ${latticeKey.vkey}\ngroup both all one lattice\nquorum both\n`),
  "log and a witness with ML-DSA-44": trustText(`log ${logKey.vkey}\nwitness lattice ${latticeKey.vkey}\nquorum lattice\n`, { require: ["time"] }),
  "log and the one before it": trustText(`log ${logKey.vkey}\nlog ${formerKey.vkey}\nquorum none\n`),
};
type TrustName = keyof typeof trust;

export const bases = { answer: canonical(answer), lineage: canonical(lineage) };
type Base = keyof typeof bases;

/** What lies between the common beginning and the common end of two texts. */
function editOf(from: string, to: string) {
  let at = 0;
  while (at < Math.min(from.length, to.length) && from[at] === to[at]) at++;
  let end = 0;
  while (end < Math.min(from.length, to.length) - at && from[from.length - 1 - end] === to[to.length - 1 - end]) end++;
  return { at, cut: from.length - at - end, insert: to.slice(at, to.length - end) };
}

/** A twin of a valid file: `to` is its text, or its members. `check` names a finding that must have that verdict. */
function twin(name: string, why: string, verdict: Expected, check: string, to: string | Json, trusted: TrustName = "log", base: Base = "answer") {
  const edit = editOf(bases[base], typeof to === "string" ? to : canonical(to));
  return { name, why, file: base, edit, trust: trusted, verdict, exit: EXIT[verdict], ...(check === "" ? {} : { check }) };
}
/** A file of its own, honestly made from a dishonest log. */
function whole(name: string, why: string, verdict: Expected, check: string, file: Json, trusted: TrustName = "log") {
  return { name, why, text: canonical(file), trust: trusted, verdict, exit: EXIT[verdict], ...(check === "" ? {} : { check }) };
}

const without = (file: Members, name: string, at: number): Json => set(file, [name], list(file, name).filter((_, i) => i !== at));
const at = (file: Members, name: string, i: number, member: string): string => list(file, name)[i]![member] as string;
const bitOf = (text: string, byte = 0): string => b64(flip(Buffer.from(text, "base64"), byte));
const proofOf = (i: number): string[] => list(answer, "entries")[i]!["proof"] as unknown as string[];
const text = bases.answer;
const note = answer["checkpoint"] as string;
const body = checkpointText(log);
const [logLine, witnessLine] = note.split("\n").slice(4, 6) as [string, string];

const lattice = latticeLine(latticeKey, body, SEEN);
const timeless = latticeLine(latticeKey, body, 0);
const successor: Draft = {
  label: "successor", type: "successor", reg: "successors", retention: "system",
  predicate: () => ({ direction: "from", keyId: hex(formerKey.keyId), size: 400, root: fakeDigest("root of the log before") }),
  digests: { sha256: hex(sha256(utf8(formerKey.vkey))) },
}; // prettier-ignore
/** Evidence on the answer, and on what the log says of a key. */
function told(draft: Draft, before?: string): Members {
  const of = withEntry(draft, before);
  return makeFile({ of, labels: [...Q5, draft.label].sort((a, b) => of.indexOf(a) - of.indexOf(b)) });
}

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
  twin("entries as an object", "a list", "fail", "format", set(answer, ["entries"], {})),
  twin("an entry as a text", "an object", "fail", "format", set(answer, ["entries", 0], "x")),
  twin("the log as a text", "an object", "fail", "format", set(answer, ["log"], ORIGIN)),
  twin("a negative index", "an index", "fail", "format", set(answer, ["entries", 0, "index"], -1)),
  twin("an unknown question", "a fixed list", "fail", "format", set(answer, ["ask"], "Q10")),
  twin("a closing named twice", "rising", "fail", "format", set(answer, ["registers"], [12, 12])),
  twin("17 levels", "at most 16", "fail", "format", set(answer, ["anchors"], JSON.parse(`${"[".repeat(16)}${"]".repeat(16)}`) as Json)),
  // Log signature
  twin("another vkey", "the file's own key did not sign", "fail", "log signature", set(answer, ["log", "vkey"], otherKey.vkey)),
  twin("another vkey, nobody trusted", "the file's own key did not sign", "fail", "log signature", set(answer, ["log", "vkey"], otherKey.vkey), "none"),
  twin("the vkey of a witness", "a log's key has the log's name", "fail", "log signature", set(answer, ["log", "vkey"], witnessKey.vkey)),
  twin("a key of another name that did sign", "a log's key has the log's name", "fail", "log signature", set(set(answer, ["checkpoint"], `${note}${signatureLine(receiptsKey, body)}`), ["log", "vkey"], receiptsKey.vkey), "none"),
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
  twin("a bit of a trusted witness's ML-DSA-44 signature", "invalid signature by a trusted key", "fail", "witnesses", set(answer, ["checkpoint"], `${note}${lattice.replace(/ ([^ ]+)\n$/, (_, blob: string) => ` ${bitOf(blob, 1_000)}\n`)}`), "log and both kinds of witness"),
  { ...twin("one of two required witnesses left out", "the quorum is not met", "not-checked", "witnesses", set(answer, ["opened"], []), "log and both kinds of witness") },
  twin("a witness that names no time, where a time is required", "0 is no time", "not-checked", "time", set(answer, ["checkpoint"], `${body}\n${logLine}\n${timeless}`), "log and a witness with ML-DSA-44"),
  // Keys
  whole("the log's key retired before the answer", "what came after is under no key", "not-checked", "log signature", told(keyDraft("log key retired", "log", logKey, "retired"), "output")),
  whole("the log's key compromised, as became known later", "nothing is under it any more", "not-checked", "log signature", told(keyDraft("log key compromised", "log", logKey, "compromised"))),
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
  whole("a reference to a record that stands elsewhere in the file", "index and rec must fit, whether or not that index is shown", "fail", "reference", q5Of(dishonest("decision", { forge: (e) => statementOf(e, ["predicate", "output", "index"], 4) }))),
  whole("a reference to a record of another type", "a decision decides on an output", "fail", "reference", q5Of(dishonest("decision", { forge: (e) => statementOf(e, ["predicate", "output"], { index: 8, rec: fakeRec("log deployment") }) }))),
  whole("a free text in a leaf", "only words of a list", "fail", "entry", q5Of(dishonest("output", { forge: (e) => statementOf(e, ["predicate", "outcome"], "he asked about his illness") }))),
  whole("an outer name in a predicate", "it could pass for the operator's word", "fail", "entry", q5Of(dishonest("output", { forge: (e) => statementOf(e, ["predicate", "evidence"], "observed") }))),
  whole("two records of one name", "rec is unique", "fail", "entry", q5Of(dishonest("policy", { forge: (e) => set(set(e, ["rec"], fakeRec("log output")), ["statement", "subject", 0, "name"], fakeRec("log output")) }))),
  whole("a number twice in a register", "gapless from 1", "fail", "register", makeFile({ of: dishonest("receipts key", { forge: (e) => set(set(e, ["seq"], 1), ["prev"], undefined) }) })),
  whole("a predecessor that is another register's", "prev is the register's entry before", "fail", "register", q5Of(dishonest("decision", { forge: (e) => set(set(e, ["seq"], 2), ["prev"], 10) }))),
  whole("a closing that leaves an entry out", "every other register", "fail", "closing", q5Of(dishonest("closing", { predicate: (_, index, last) => ({ size: index, last: last.filter((one) => one["name"] !== "outputs") }) }))),
  whole("a closing that tells another number", "last seq of each register", "fail", "closing", q5Of(dishonest("closing", { predicate: (_, index, last) => ({ size: index, last: last.map((one) => (one["name"] === "outputs" ? { ...one, seq: 2 } : one)) }) }))),
  whole("a closing whose subject is another predicate", "sha256 is that of its own canonical predicate", "fail", "entry", q5Of(dishonest("closing", { forge: (e) => statementOf(e, ["subject", 0, "digest", "sha256"], "00".repeat(32)) }))),
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
    twin("an answer, seen by witnesses of both kinds", "", "pass", "witnesses", set(answer, ["checkpoint"], `${note}${lattice}`), "log and both kinds of witness"),
    twin("an answer, seen by a witness with ML-DSA-44 at a time", "", "pass", "time", set(answer, ["checkpoint"], `${body}\n${logLine}\n${lattice}`), "log and a witness with ML-DSA-44"),
    whole("the log's key retired after the answer", "what it signed before is no worse for that", "pass", "log signature", told(keyDraft("log key retired", "log", logKey, "retired"))),
    whole("the log's key compromised, as a client says", "only what the log says itself counts", "pass", "log signature", told(keyDraft("log key compromised", "log", logKey, "compromised", "reported"))),
    whole("another key of the log's name compromised", "another key", "pass", "log signature", told(keyDraft("another key compromised", "log", otherKey, "compromised"))),
    whole("a log that goes on from another one, both trusted", "the other log is known by its key's digest", "pass", "successor", told(successor, "closing"), "log and the one before it"),
    whole("a log that goes on from another one, which nobody trusts", "told, and not required", "pass", "", told(successor, "closing")),
    { ...whole("a lineage with a run that a client reported", "claimed, and unchanged since", "pass", "", makeFile({ of: dishonest("training-run", { evidence: "reported" }), ask: "lineage" })), state: "recorded" },
    twin("an answer without its openings: less is shown", "nothing is wrong", "pass", "", set(answer, ["opened"], [])),
    twin("a bit flipped in the line of a witness whom nobody trusts", "a stranger's line says nothing", "pass", "", set(answer, ["checkpoint"], note.replace(witnessLine, `— ${witnessKey.name} ${bitOf(witnessLine.split(" ")[2]!, 40)}`))),
  ],
  invalid,
};
