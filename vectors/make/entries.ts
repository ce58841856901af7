import { canonical, fakeDigest, fakeRec, hex, leafHash, sha256, utf8, type Json } from "./lib.ts";

type Members = { readonly [name: string]: Json };
const STATEMENT = "https://in-toto.io/Statement/v1";

/** What stands in register `reg` for predicate type `spur:<name>/v1`, with a subject that fits. */
interface Example {
  readonly name: string;
  readonly reg: string;
  readonly retention: string;
  readonly sealed: boolean;
  readonly digests?: readonly string[];
  readonly predicate: Members;
  readonly evidence?: string;
  readonly seq?: number;
  readonly prev?: number;
}

const ref = (label: string, index: number): Members => ({ index, rec: fakeRec(label) });
const OWN_INDEX = 500;

export function entryOf(example: Example): Members {
  const rec = fakeRec(example.name);
  const digest: { [name: string]: Json } = {};
  if (example.sealed) digest["spurCommitmentV1"] = fakeDigest(`commitment ${example.name}`);
  for (const name of example.digests ?? []) digest[name] = fakeDigest(`${name} ${example.name}`);
  if (example.name === "registers") digest["sha256"] = hex(sha256(utf8(canonical(example.predicate))));
  const seq = example.seq ?? 2;
  return {
    v: "spur-entry/v1",
    rec,
    reg: example.reg,
    seq,
    ...(seq === 1 ? {} : { prev: example.prev ?? 41 }),
    at: "2026-11-22T04Z",
    evidence: example.evidence ?? "observed",
    retention: example.retention,
    ...(example.sealed ? { sealed: { ct: fakeDigest(`ct ${example.name}`) } } : {}),
    statement: {
      _type: STATEMENT,
      subject: [{ name: rec, digest }],
      predicateType: `spur:${example.name}/v1`,
      predicate: example.predicate,
    },
  };
}

const examples: readonly Example[] = [
  { name: "access", reg: "accesses", retention: "people", sealed: true, predicate: { purpose: "open" } },
  { name: "alert", reg: "alerts", retention: "system", sealed: true, predicate: { kind: "lost-by-restore", count: 12 } },
  {
    name: "checkpoint",
    reg: "checkpoints",
    retention: "training",
    sealed: false,
    digests: ["sha256"],
    predicate: { run: ref("training-run", 44), parent: ref("earlier checkpoint", 51), step: 200, state: fakeDigest("state"), bytes: 1_048_576 },
  },
  {
    name: "data-run",
    reg: "data-runs",
    retention: "data",
    sealed: true,
    evidence: "reported",
    predicate: { inputs: [ref("source", 5), ref("source two", 6)], code: fakeDigest("code"), outcome: "complete", rowsIn: 1000, rowsOut: 990 },
  },
  {
    name: "dataset",
    reg: "datasets",
    retention: "data",
    sealed: true,
    digests: ["sha256", "spurRowsV1"],
    predicate: { run: ref("data-run", 7), sources: [ref("source", 5)], bytes: 65_000, rows: 990, heldOut: 99 },
  },
  {
    name: "decision",
    reg: "decisions",
    retention: "output",
    sealed: true,
    predicate: { output: ref("output", 402), actor: "rule", verdict: "released", policy: ref("policy", 3), policyVersion: 1 },
  },
  {
    name: "deployment",
    reg: "deployments",
    retention: "service",
    sealed: true,
    predicate: { model: ref("model", 60), operator: "self", served: fakeDigest("served"), check: "matched", contentDays: 30 },
  },
  {
    name: "foreign",
    reg: "foreign",
    retention: "training",
    sealed: true,
    evidence: "reported",
    predicate: { form: "dsse", predicateType: "https://slsa.dev/provenance/v1", signer: "530d903a", bytes: 2048 },
  },
  { name: "key", reg: "keys", retention: "system", sealed: false, digests: ["sha256"], seq: 1, predicate: { purpose: "log", algorithm: "ed25519", state: "active" } },
  {
    name: "model",
    reg: "models",
    retention: "training",
    sealed: true,
    digests: ["sha256"],
    predicate: { run: ref("training-run", 44), checkpoint: ref("checkpoint", 55), format: "safetensors", bytes: 1_048_576 },
  },
  { name: "output", reg: "outputs", retention: "output", sealed: true, seq: 17, prev: 402, predicate: { deployment: ref("deployment", 61), outcome: "complete" } },
  { name: "policy", reg: "policies", retention: "service", sealed: true, seq: 1, predicate: { kind: "output", version: 1 } },
  {
    name: "registers",
    reg: "registers",
    retention: "system",
    sealed: false,
    digests: ["sha256"],
    predicate: { size: OWN_INDEX, last: [{ name: "keys", seq: 2, index: 1 }, { name: "outputs", seq: 17, index: 499 }] },
  },
  {
    name: "removal",
    reg: "removals",
    retention: "people",
    sealed: true,
    predicate: { target: ref("output", 402), kind: "content", basis: "erasure-request", state: "ordered" },
  },
  {
    name: "replay",
    reg: "replays",
    retention: "training",
    sealed: true,
    predicate: {
      run: ref("training-run", 44),
      from: ref("earlier checkpoint", 51),
      to: ref("checkpoint", 55),
      recomputed: fakeDigest("weights"),
      result: "same",
    },
  },
  { name: "source", reg: "sources", retention: "data", sealed: true, evidence: "imported", digests: ["sha256"], predicate: { kind: "own", bytes: 65_000 } },
  {
    name: "successor",
    reg: "successors",
    retention: "system",
    sealed: false,
    digests: ["sha256"],
    seq: 1,
    predicate: { direction: "from", keyId: "530d903a", size: 402, root: fakeDigest("last root") },
  },
  {
    name: "training-log",
    reg: "training-logs",
    retention: "training",
    sealed: false,
    evidence: "reported",
    digests: ["sha256", "spurRowsV1"],
    predicate: { run: ref("training-run", 44), fromStep: 0, toStep: 200, rows: 200, loss: "2.125", heldOutLoss: "2.5", state: "running" },
  },
  {
    name: "training-run",
    reg: "training-runs",
    retention: "training",
    sealed: true,
    evidence: "reported",
    predicate: {
      datasets: [ref("dataset", 20)],
      base: ref("base model", 9),
      code: fakeDigest("code"),
      config: fakeDigest("config"),
      steps: 400,
      seed: 7,
    },
  },
];

const example = (name: string): Members => {
  const found = examples.find((one) => one.name === name);
  if (found === undefined) throw new Error(name);
  return entryOf(found);
};

/** A copy of a value with the member at a path set, or taken out where `value` is undefined. */
export function set(from: Json, path: readonly (string | number)[], value: Json | undefined): Json {
  const [first, ...rest] = path;
  if (first === undefined) throw new Error("empty path");
  const copy = structuredClone(from) as { [name: string | number]: Json };
  if (rest.length > 0) copy[first] = set(copy[first] as Json, rest, value);
  else if (value === undefined) delete copy[first];
  else copy[first] = value;
  return copy;
}

const predicate = (...path: (string | number)[]) => ["statement", "predicate", ...path];
const digests = (...path: (string | number)[]) => ["statement", "subject", 0, "digest", ...path];
const envelope = (): Members => ({
  ...(set(set(example("foreign"), ["statement"], undefined), ["sealed"], undefined) as Members),
  dsse: {
    payload: "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
    payloadType: "application/vnd.in-toto+json",
    signatures: [{ keyid: "530d903a", sig: Buffer.alloc(64, 7).toString("base64") }],
  },
});
/** An envelope entry of exactly `bytes` bytes: its payload is a run of "A". */
function longEnvelope(bytes: number) {
  // base64 comes in fours; the payload type takes what is left.
  for (let type = 1; type <= 4; type++) {
    const text = canonical(set(set(envelope(), ["dsse", "payload"], "@"), ["dsse", "payloadType"], "t".repeat(type)));
    const times = bytes - (text.length - 1);
    const [before = "", after = ""] = text.split("@");
    if (times % 4 === 0) return { before, repeat: "A", times, after };
  }
  throw new Error("no fit");
}

/** A data-run with so many inputs. */
function manyReferences(count: number) {
  const one = canonical(ref("source", 5));
  const [before = "", after = ""] = canonical(set(example("data-run"), predicate("inputs"), ["@"])).split('"@"');
  return { before, repeat: `${one},`, times: count - 1, after: `${one}${after}` };
}

const completed = set(
  set(set(example("removal"), predicate("state"), "completed"), predicate("order"), ref("order", 450)),
  predicate("custodians"),
  { vault: "destroyed" },
);

function valid(name: string, entry: Json, more: { about?: string } = {}) {
  const text = canonical(entry);
  const outer = entry as Members;
  const statement = outer["statement"] as Members | undefined;
  return {
    name,
    ...more,
    index: OWN_INDEX,
    entry: text,
    leafHash: hex(leafHash(utf8(text))),
    references: statement === undefined ? [] : referencesOf(statement["predicate"] as Members),
  };
}

function referencesOf(members: Members): Json[] {
  const found: Json[] = [];
  const walk = (value: Json, role: string): void => {
    if (value === null || typeof value !== "object") return;
    if (Array.isArray(value)) return value.forEach((one) => walk(one as Json, role));
    const object = value as Members;
    if ("rec" in object && "index" in object) found.push({ role, ...object });
    else for (const name of Object.keys(object).sort()) walk(object[name] as Json, name);
  };
  for (const name of Object.keys(members).sort()) walk(members[name] as Json, name);
  return found;
}

type Wrong = { name: string; why: string; code: string; verdict?: "not-checked"; index?: number } & (
  | { entry: string }
  | { rule: { before: string; repeat: string; times: number; after: string } }
);
const wrong = (name: string, why: string, code: string, entry: Json): Wrong => ({ name, why, code, entry: canonical(entry) });
const output = example("output");
const text = canonical(output);

const schema = "statement/schema";
const invalid: Wrong[] = [
  // Outer object
  wrong("unknown outer member", "the outer object is closed", "entry/member", set(output, ["note"], 1)),
  wrong("rec too short", "128 bits in hex", "entry/member", set(output, ["rec"], fakeRec("output").slice(2))),
  wrong("rec in upper case", "hex is lower case", "entry/member", set(output, ["rec"], fakeRec("output").toUpperCase())),
  wrong("rec missing", "every record has a name", "entry/member", set(output, ["rec"], undefined)),
  wrong("unknown register for a known predicate", "the register follows from the predicate type", "entry/register", set(output, ["reg"], "secrets")),
  wrong("register name in upper case", "lower-case letters, digits and hyphens", "entry/member", set(output, ["reg"], "Outputs")),
  wrong("register of another predicate", "the register follows from the predicate type", "entry/register", set(output, ["reg"], "decisions")),
  wrong("seq 0", "numbers begin at 1", "entry/member", set(output, ["seq"], 0)),
  wrong("seq as text", "a number", "entry/member", set(output, ["seq"], "17")),
  wrong("seq missing", "every entry is numbered in its register", "entry/member", set(output, ["seq"], undefined)),
  wrong("seq 1 with prev", "the first has none before it", "entry/prev", set(output, ["seq"], 1)),
  wrong("seq 17 without prev", "only the first has none before it", "entry/prev", set(output, ["prev"], undefined)),
  wrong("prev negative", "an index", "entry/member", set(output, ["prev"], -1)),
  wrong("time with minutes", "public time is the hour", "entry/hour", set(output, ["at"], "2026-11-22T04:30Z")),
  wrong("month 13", "no such month", "entry/hour", set(output, ["at"], "2026-13-22T04Z")),
  wrong("February 30th", "no such day", "entry/hour", set(output, ["at"], "2026-02-30T04Z")),
  wrong("year 0099", "years from 0100: date libraries take smaller ones for the last century", "entry/hour", set(output, ["at"], "0099-12-31T23Z")),
  wrong("hour 24", "no such hour", "entry/hour", set(output, ["at"], "2026-11-22T24Z")),
  wrong("time without zone", "UTC is written Z", "entry/hour", set(output, ["at"], "2026-11-22T04")),
  wrong("time as a number", "a text", "entry/member", set(output, ["at"], 1795320000)),
  wrong("evidence level of nobody's", "observed, reported or imported", "entry/member", set(output, ["evidence"], "proven")),
  wrong("evidence level missing", "how we know is always said", "entry/member", set(output, ["evidence"], undefined)),
  wrong("retention class unknown", "a fixed list", "entry/member", set(output, ["retention"], "forever")),
  wrong("statement and envelope", "exactly one of both", "entry/member", set(output, ["dsse"], envelope()["dsse"] as Json)),
  wrong("neither statement nor envelope", "exactly one of both", "entry/member", set(output, ["statement"], undefined)),
  // Sealed
  wrong("sealed missing", "the predicate has slots", "entry/sealed", set(output, ["sealed"], undefined)),
  wrong("sealed without slots", "the predicate seals nothing", "entry/sealed", set(example("key"), ["sealed"], { ct: fakeDigest("x") })),
  wrong("sealed with an unknown member", "closed", "entry/sealed", set(output, ["sealed", "iv"], 0)),
  wrong("digest of the ciphertext too short", "32 bytes in hex", "entry/sealed", set(output, ["sealed", "ct"], "00")),
  wrong("digest of the ciphertext in upper case", "hex is lower case", "entry/sealed", set(output, ["sealed", "ct"], fakeDigest("x").toUpperCase())),
  wrong("empty list of blobs", "absent is absent", "entry/sealed", set(output, ["sealed", "blobs"], [])),
  wrong("blobs unsorted", "sorted by slot", "entry/sealed", set(output, ["sealed", "blobs"], [{ slot: 1, sha256: fakeDigest("b1") }, { slot: 0, sha256: fakeDigest("b0") }])),
  wrong("two blobs for a slot", "one value per slot", "entry/sealed", set(output, ["sealed", "blobs"], [{ slot: 1, sha256: fakeDigest("b1") }, { slot: 1, sha256: fakeDigest("b0") }])),
  wrong("blob of slot 8", "output/v1 has slots 0 to 7", "entry/sealed", set(output, ["sealed", "blobs"], [{ slot: 8, sha256: fakeDigest("b8") }])),
  wrong("blob of slot -1", "output/v1 has slots 0 to 7", "entry/sealed", set(output, ["sealed", "blobs"], [{ slot: -1, sha256: fakeDigest("b8") }])),
  wrong("blob with a name", "closed", "entry/sealed", set(output, ["sealed", "blobs"], [{ slot: 1, sha256: fakeDigest("b1"), name: "x" }])),
  // Statement
  wrong("statement of another kind", "_type is in-toto's v1", "statement/form", set(output, ["statement", "_type"], "https://in-toto.io/Statement/v0.1")),
  wrong("statement with another member", "closed", "statement/form", set(output, ["statement", "note"], 1)),
  wrong("statement without predicate", "all four members", "statement/form", set(output, ["statement", "predicate"], undefined)),
  wrong("statement is a list", "an object", "statement/form", set(output, ["statement"], [])),
  wrong("predicate is a list", "an object", "statement/form", set(output, ["statement", "predicate"], [])),
  wrong("predicate type is a number", "a text", "statement/form", set(output, ["statement", "predicateType"], 1)),
  wrong("digests are a list", "an object", "statement/subject", set(output, digests(), [fakeDigest("c")])),
  wrong("no subject", "exactly one", "statement/subject", set(output, ["statement", "subject"], [])),
  wrong("two subjects", "exactly one", "statement/subject", set(output, ["statement", "subject"], [0, 0].map(() => ((output["statement"] as Members)["subject"] as Json[])[0] as Json))),
  wrong("subject named otherwise", "the subject is the record", "statement/subject", set(output, ["statement", "subject", 0, "name"], fakeRec("another"))),
  wrong("subject with another member", "closed", "statement/subject", set(output, ["statement", "subject", 0, "uri"], "x")),
  wrong("commitment missing", "the predicate has slots", "statement/subject", set(output, digests(), {})),
  wrong("plain digest in place of the commitment", "a digest of private content would be a fingerprint", "statement/subject", set(output, digests(), { sha256: fakeDigest("plain") })),
  wrong("plain digest beside the commitment", "output/v1 allows none", "statement/subject", set(output, digests("sha256"), fakeDigest("plain"))),
  wrong("model with its file's digest but no commitment", "the predicate has slots", "entry/sealed", set(example("model"), digests("spurCommitmentV1"), undefined)),
  wrong("commitment without slots", "the predicate seals nothing", "statement/subject", set(example("key"), digests("spurCommitmentV1"), fakeDigest("c"))),
  wrong("unknown digest", "a fixed list", "statement/subject", set(example("key"), digests("md5"), "00")),
  wrong("commitment of 31 bytes", "32 bytes", "statement/subject", set(output, digests("spurCommitmentV1"), fakeDigest("c").slice(2))),
  wrong("commitment in upper case", "hex is lower case", "statement/subject", set(output, digests("spurCommitmentV1"), fakeDigest("c").toUpperCase())),
  wrong("rows root without the payload's digest", "the payload is found by it", "statement/subject", set(example("dataset"), digests("sha256"), undefined)),
  wrong("envelope null", "absent is absent", "dsse/form", set(envelope(), ["dsse"], null)),
  wrong("rows root without the number of rows", "a row's proof needs the tree's size", "statement/subject", set(example("source"), digests("spurRowsV1"), fakeDigest("rows"))),
  // Outer names inside
  ...["v", "rec", "reg", "seq", "prev", "at", "evidence", "retention", "sealed", "statement", "dsse"].map((name) =>
    wrong(`outer name ${name} in the predicate`, "it could pass for the operator's word", "statement/outer-name", set(output, predicate(name), 1)),
  ),
  // Predicate
  wrong("free string", "a leaf is public for ever: only words of a list", schema, set(output, predicate("outcome"), "the user asked about his illness")),
  wrong("free string in a member of its own", "the predicate is closed", schema, set(output, predicate("note"), "hello")),
  wrong("member missing", "an output has an outcome", schema, set(output, predicate("outcome"), undefined)),
  wrong("null for absent", "absent is absent", schema, set(example("model"), predicate("run"), null)),
  wrong("reference without index", "both, rec and index", schema, set(output, predicate("deployment"), { rec: fakeRec("deployment") })),
  wrong("reference without rec", "both, rec and index", schema, set(output, predicate("deployment"), { index: 61 })),
  wrong("reference with a third member", "closed", schema, set(output, predicate("deployment", "type"), "x")),
  wrong("reference with a short rec", "32 hex digits", schema, set(output, predicate("deployment", "rec"), "00")),
  wrong("reference with rec in upper case", "hex is lower case", schema, set(output, predicate("deployment", "rec"), fakeRec("deployment").toUpperCase())),
  wrong("reference with negative index", "an index", schema, set(output, predicate("deployment", "index"), -1)),
  wrong("reference with index as text", "a number", schema, set(output, predicate("deployment", "index"), "61")),
  wrong("reference as text", "an object", schema, set(output, predicate("deployment"), fakeRec("deployment"))),
  wrong("list of references holds something else", "references only", schema, set(example("data-run"), predicate("inputs", 1), 6)),
  { name: "1,025 references", why: "at most 1,024", code: schema, rule: manyReferences(1025) },
  wrong("integer above its bound", "at most 36,500 days", schema, set(example("deployment"), predicate("contentDays"), 36_501)),
  wrong("integer below its bound", "counts are not negative", schema, set(example("alert"), predicate("count"), -1)),
  wrong("policy version 0", "versions begin at 1", schema, set(example("policy"), predicate("version"), 0)),
  wrong("decimal as a number of units", "a decimal is a string", schema, set(example("training-log"), predicate("loss"), 2)),
  wrong("decimal with exponent", "no exponents", schema, set(example("training-log"), predicate("loss"), "2e0")),
  wrong("decimal minus zero", "zero has no sign", schema, set(example("training-log"), predicate("loss"), "-0.0")),
  wrong("digest too long", "64 hex digits", schema, set(example("replay"), predicate("recomputed"), `${fakeDigest("w")}00`)),
  wrong("key id in upper case", "8 lower-case hex digits", schema, set(example("foreign"), predicate("signer"), "530D903A")),
  wrong("foreign statement type that is no listed one", "else it is `other`", schema, set(example("foreign"), predicate("predicateType"), "https://example.com/my/type")),
  wrong("removal completed without its order", "completed and failed name the order", schema, set(example("removal"), predicate("state"), "completed")),
  wrong("removal ordered with a result", "nothing is destroyed yet", schema, set(example("removal"), predicate("custodians"), { vault: "destroyed" })),
  wrong("removal completed where the custodian failed", "it has failed exactly where a custodian has", schema, set(completed, predicate("custodians", "vault"), "failed")),
  wrong("removal failed where the custodian destroyed", "it has failed exactly where a custodian has", schema, set(completed, predicate("state"), "failed")),
  wrong("removal with an unknown custodian", "closed", schema, set(completed, predicate("custodians", "cloud"), "destroyed")),
  wrong("custodians as a word", "an object", schema, set(completed, predicate("custodians"), "destroyed")),
  wrong("closing lists itself", "every other register", schema, set(example("registers"), predicate("last", 1, "name"), "registers")),
  wrong("closing unsorted", "sorted by name", schema, set(example("registers"), predicate("last", 0, "name"), "sources")),
  wrong("closing lists a register twice", "once", schema, set(example("registers"), predicate("last", 0, "name"), "outputs")),
  wrong("closing lists a register with an impossible name", "lower-case letters, digits and hyphens", schema, set(example("registers"), predicate("last", 0, "name"), "Keys")),
  wrong("closing lists an index that is not below its own", "it closes what stands before it", schema, set(example("registers"), predicate("last", 1, "index"), OWN_INDEX)),
  wrong("closing lists more entries than fit", "17 entries end at index 16 or later", schema, set(example("registers"), predicate("last", 1, "index"), 15)),
  wrong("closing with seq 0", "empty registers are left out", schema, set(example("registers"), predicate("last", 0, "seq"), 0)),
  wrong("closing whose subject is another predicate", "sha256 is that of its own canonical predicate", "statement/subject", set(example("registers"), digests("sha256"), fakeDigest("another closing"))),
  wrong("closing lists the index as text", "a number", schema, set(example("registers"), predicate("last", 0, "index"), "1")),
  // Envelope
  wrong("envelope in another register", "envelopes stand in register foreign", "entry/register", set(envelope(), ["reg"], "models")),
  wrong("envelope with another member", "closed", "dsse/form", set(envelope(), ["dsse", "note"], 1)),
  wrong("envelope without signature", "1 to 16", "dsse/form", set(envelope(), ["dsse", "signatures"], [])),
  wrong("envelope with 17 signatures", "1 to 16", "dsse/form", set(envelope(), ["dsse", "signatures"], Array.from({ length: 17 }, () => ({ keyid: "", sig: "AA==" })))),
  wrong("envelope whose signature has a certificate", "closed: keyid and sig", "dsse/form", set(envelope(), ["dsse", "signatures", 0, "cert"], "x")),
  wrong("envelope with sealed content", "an envelope seals nothing", "entry/sealed", set(envelope(), ["sealed"], { ct: fakeDigest("x") })),
  wrong("envelope whose payload is base64url", "standard alphabet", "bytes/base64", set(envelope(), ["dsse", "payload"], "_-8=")),
  wrong("envelope whose payload is not padded", "padded", "bytes/base64", set(envelope(), ["dsse", "payload"], "AAA")),
  wrong("envelope whose signature has unused bits set", "one text for one value", "bytes/base64", set(envelope(), ["dsse", "signatures", 0, "sig"], "AB==")),
  // Text
  { name: "white space", why: "canonical", code: "canonical/form", entry: text.replace(":", ": ") },
  { name: "duplicate member", why: "canonical", code: "canonical/form", entry: text.replace('"reg":', '"reg":"outputs","reg":') },
  { name: "members unsorted", why: "canonical", code: "canonical/form", entry: JSON.stringify(output) },
  { name: "a number with a fraction", why: "canonical", code: "canonical/number", entry: text.replace('"seq":17', '"seq":17.5') },
  { name: "cut in the middle", why: "not JSON", code: "canonical/json", entry: text.slice(0, 100) },
  { name: "a list", why: "an entry is an object", code: "canonical/type", entry: "[]" },
  { name: "65,536 bytes", why: "at most 65,535", code: "entry/too-long", rule: longEnvelope(65_536) },
  // Unknown, which is not the same as wrong
  { ...wrong("a later version of the entry", "this version cannot judge it", "entry/version", set(output, ["v"], "spur-entry/v2")), verdict: "not-checked" },
  { ...wrong("an unknown predicate type", "this version cannot judge it", "entry/predicate-type", set(output, ["statement", "predicateType"], "spur:output/v2")), verdict: "not-checked" },
  { ...wrong("a later predicate in a register of its own", "this version cannot judge it", "entry/predicate-type", set(set(output, ["statement", "predicateType"], "spur:consent/v1"), ["reg"], "consents")), verdict: "not-checked" },
  { ...wrong("a closing that lists a register of a later version", "this version cannot judge it", "entry/unknown-register", set(example("registers"), predicate("last", 0, "name"), "consents")), verdict: "not-checked" },
  wrong("an unknown predicate type with ciphertext digests that are wrong", "the outer members are the operator's word, and known", "entry/sealed", set(set(output, ["statement", "predicateType"], "spur:output/v2"), ["sealed", "iv"], 0)),
  // What only the place in the log shows
  { ...wrong("reference forward", "an entry refers to earlier ones only", "reference/forward", set(output, predicate("deployment", "index"), OWN_INDEX + 1)), index: OWN_INDEX },
  { ...wrong("reference to itself", "an entry refers to earlier ones only", "reference/forward", set(output, predicate("deployment", "index"), OWN_INDEX)), index: OWN_INDEX },
  { ...wrong("prev not smaller than its own index", "the previous entry of the register stands before it", "entry/prev", set(output, ["prev"], OWN_INDEX)), index: OWN_INDEX },
];

export const entryVectors = {
  format: "spur-entry/v1",
  about:
    "`entry` is the text of an entry (or `rule` = before + repeat × times + after), `index` its place in the log. An invalid one must be refused, or told as not checked where `verdict` says so. `code` is the error code of the TypeScript verifier.",
  valid: [
    ...examples.map((one) => valid(one.name, entryOf(one))),
    valid("removal completed", completed),
    valid("removal failed", set(set(completed, predicate("state"), "failed"), predicate("custodians", "vault"), "failed")),
    valid("removal of a record whose content nobody had", set(completed, predicate("custodians", "vault"), "had-none")),
    valid("output of an instant without an answer", set(set(output, predicate("outcome"), "interrupted"), ["at"], "2026-01-01T00Z")),
    valid("output whose response is chunked", set(output, ["sealed", "blobs"], [{ slot: 1, sha256: fakeDigest("blob") }])),
    valid("model without a run", set(set(example("model"), predicate("run"), undefined), predicate("checkpoint"), undefined)),
    valid("deployment of somebody else's model", set(set(set(example("deployment"), predicate("model"), undefined), predicate("served"), undefined), predicate("operator"), "third-party")),
    valid("dataset without sources", set(example("dataset"), predicate("sources"), [])),
    valid("source with rows", set(set(example("source"), predicate("rows"), 3), digests("spurRowsV1"), fakeDigest("rows"))),
    valid("foreign statement of an unlisted type", set(set(example("foreign"), predicate("predicateType"), "other"), predicate("signer"), undefined)),
    valid("closing of an empty log", set(set(example("registers"), ["statement", "predicate"], { size: 0, last: [] }), digests("sha256"), hex(sha256(utf8(canonical({ size: 0, last: [] })))))),
    valid("foreign envelope", envelope()),
    { name: "65,535 bytes", index: OWN_INDEX, rule: longEnvelope(65_535), references: [] },
  ],
  invalid,
};

/** Digest of an entry's text, for places that only need one. */
export const digestOf = (entry: string): string => hex(sha256(utf8(entry)));
