import { concatBytes, equalBytes } from "../bytes.ts";
import { Bug, VerifyError } from "../errors.ts";
import { wrong } from "../evidence/checks/references.ts";
import { createFindings, exitOf } from "../evidence/findings.ts";
import type { CheckName, Coverage, Finding, Report, Verdict } from "../evidence/report.ts";
import { ENGLISH, type SentenceCode, type Values } from "../evidence/sentences.ts";
import type { JsonObject } from "../statement/canonical.ts";
import { hourMs, parseEntry, parseOuter, UNKNOWN_CODES, type Entry, type Outer } from "../statement/entry.ts";
import { PREDICATES } from "../statement/predicates.ts";
import type { Reference } from "../statement/schema.ts";
import { EMPTY_ROOT, leafHash, nodeHash, type LeafHash, type Root } from "../tlog/merkle.ts";
import { foldRange } from "../tlog/range.ts";
import { createRecIndex, type RecIndex } from "./rec-index.ts";
import { AUDIT_ENGLISH } from "./sentences.ts";

/** Of one kind of failure so many are told; the rest is counted. */
const TOLD = 20;
const HOUR_MS = 3_600_000;
/** By number, for a byte an entry; 0 is a type that this version does not know. */
export const TYPES = ["", "dsse", ...PREDICATES.keys()];
const TYPE_NUMBERS = new Map(TYPES.map((type, i) => [type, i]));
/** A closing can list no more, beside its own; names of a log's own making could be without end, and closings compare them all. */
const MAX_REGISTERS = 257;
/** Types whose predicate the fold reads itself, as it does entry 0's. */
const READ_WHOLE = new Set(["spur:registers/v1", "spur:removal/v1", "spur:key/v1", "spur:alert/v1"]);

export interface AuditResult {
  readonly origin: string;
  readonly findings: readonly Finding[];
  readonly verdict: Verdict;
  readonly exit: 0 | 1 | 2;
  /** Root over the leaf hashes that were added. */
  readonly root: Root;
  readonly entries: number;
  /** By register: how many entries, and the index of the last. */
  readonly registers: Readonly<Record<string, { readonly entries: number; readonly last: number }>>;
  /** Entries whose bytes were withheld, and those of a kind that this version does not know. */
  readonly withheld: number;
  readonly unknown: number;
  /** `pending`: indexes of orders that have not ended. */
  readonly removals: { readonly completed: number; readonly failed: number; readonly pending: readonly number[] };
  /** Keys that the log announced; entry 0 is its own. */
  readonly keys: readonly {
    readonly index: number;
    readonly purpose: string;
    readonly state: string;
    readonly sha256: Uint8Array;
  }[];
}

/** All that the fold looks at in an entry of which `isPlain` holds. */
export type Plain = Pick<Entry, "rec" | "reg" | "seq" | "prev" | "at" | "evidence" | "predicateType" | "references">;

/** True unless the fold needs the predicate too. */
export function isPlain(index: number, { predicateType = "dsse" }: Pick<Entry, "predicateType">): boolean {
  return index > 0 && !READ_WHOLE.has(predicateType);
}

/** Checks a whole log, entry by entry from 0, in memory that grows by some 80 bytes an entry. Pure: the caller fetches. */
export interface Audit {
  /** The next entry. `leaf` saves hashing it again where the caller has. Never throws for what an entry holds. */
  add(index: number, bytes: Uint8Array, leaf?: LeafHash): void;
  /** The next `width` (1, 2, 4 …) entries at once, by the hash of their subtree: `index` is a multiple of `width`. Then `read` each. */
  take(index: number, hash: Uint8Array, width?: number): void;
  /** What stands in an entry that was taken: its bytes, or what `parseEntry` has made of them where that is plain. Never throws for it. */
  read(index: number, entry: Uint8Array | Plain): void;
  /** The next entry where the log serves its leaf hash, but not its bytes. */
  withheld(index: number, leaf: LeafHash): void;
  /** Holds what was added against a checkpoint; `signer` says what the caller found of its signature. Call once, last. */
  finish(size: number, checkpoint: { readonly root: Uint8Array; readonly signer: Report["signer"] }): AuditResult;
}

/** What an audit carries from one entry to the next. Whoever keeps it can go on another day, with a new audit of the entries since. */
export type AuditState = ReturnType<typeof createAuditState>;

export function createAuditState(recs: RecIndex = createRecIndex()) {
  return {
    recs,
    types: new Uint8Array(1024) as Uint8Array, // position in TYPES, by index
    opaque: new Map<number, "withheld" | "unknown">(),
    entryRemovals: new Set<number>(),
    registers: new Map<string, { seq: number; index: number }>(),
    orders: new Map<number, { order: number; state: string }>(), // by target
    keys: [] as AuditResult["keys"][number][],
    subtrees: [] as Uint8Array[],
    counts: { next: 0, references: 0, closings: 0, unknown: 0, bridged: 0, completed: 0, failed: 0 },
    latest: { ms: 0, at: "" },
  };
}

/** `state` is changed as entries are added. */
export function createAudit(origin: string, state = createAuditState()): Audit {
  const findings = createFindings([], { ...ENGLISH, ...AUDIT_ENGLISH });
  const told = new Map<SentenceCode, number>();
  const { recs, opaque, entryRemovals, registers, orders, keys, subtrees, counts } = state;

  const fail = (check: CheckName, code: SentenceCode, values: Values): void => {
    const before = told.get(code) ?? 0;
    told.set(code, before + 1);
    if (before < TOLD) findings.fail(check, code, values);
  };

  function take(index: number, hash: Uint8Array, width = 1): void {
    if (index !== counts.next || index % width !== 0) throw new Bug(`entry ${index} where ${counts.next} is next`);
    counts.next += width;
    // RFC 9162 §2.1.1, from left to right: two subtrees of one size become one.
    for (let n = index / width; n % 2 === 1; n = (n - 1) / 2) hash = nodeHash(subtrees.pop() ?? EMPTY_ROOT, hash);
    subtrees.push(hash);
  }

  function add(index: number, bytes: Uint8Array, leaf: LeafHash = leafHash(bytes)): void {
    take(index, leaf);
    read(index, bytes);
  }

  function read(index: number, entry: Uint8Array | Plain): void {
    try {
      if (entry instanceof Uint8Array) parse(index, entry);
      else judge(index, entry);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      fail("entry", "entry/refuted", { index, error: error.code, detail: error.detail });
    }
  }

  function parse(index: number, bytes: Uint8Array): void {
    let entry: Entry;
    try {
      entry = parseEntry(bytes);
    } catch (error) {
      if (!(error instanceof VerifyError && UNKNOWN_CODES.includes(error.code))) throw error;
      counts.unknown++;
      if (error.code === "entry/version") opaque.set(index, "unknown");
      else number(index, parseOuter(bytes));
      return;
    }
    judge(index, entry);
    if (!isPlain(index, entry)) checkPredicate(index, entry);
  }

  function judge(index: number, entry: Plain): void {
    number(index, entry);
    while (index >= state.types.length) state.types = concatBytes(state.types, new Uint8Array(state.types.length));
    state.types[index] = TYPE_NUMBERS.get(entry.predicateType ?? "dsse") ?? 0;
    for (const { role, target } of entry.references) checkReference(index, entry, role, target);
  }

  /** The operator's word: record id, place in its register, hour. */
  function number(index: number, outer: Omit<Outer, "retention">): void {
    const refute = (detail: string): void =>
      fail("register", "register/refuted", { register: outer.reg, index, detail });
    const other = recs.add(outer.rec, index);
    if (other !== undefined) fail("entry", "entry/twice", { index, other, rec: outer.rec });

    const last = registers.get(outer.reg) ?? { seq: 0, index: -1 };
    const gap = outer.seq - last.seq - 1;
    const prev = outer.prev ?? -1;
    // Numbers that entries which can't be read may have taken, each of them one. Their own predecessor is such an entry then.
    const bridged = gap > 0 && counts.bridged + gap <= opaque.size && prev > last.index && opaque.has(prev);
    if (bridged) counts.bridged += gap;
    else if (gap !== 0 || prev !== last.index)
      refute(`number ${outer.seq} with predecessor ${prev}, after number ${last.seq} at ${last.index}`);
    if (registers.has(outer.reg) || registers.size < MAX_REGISTERS) registers.set(outer.reg, { seq: outer.seq, index });
    else refute("more registers than a closing holds");

    if (outer.evidence === "imported") return; // the hour of what is imported is history's
    const ms = hourMs(outer.at);
    if (ms < state.latest.ms - HOUR_MS) fail("time", "audit/hour", { index, at: outer.at, before: state.latest.at });
    if (ms > state.latest.ms) state.latest = { ms, at: outer.at };
  }

  /** What the entry says of the log itself. */
  function checkPredicate(index: number, entry: Entry): void {
    const { predicateType: type, predicate } = entry;
    if (index === 0 && (type !== "spur:key/v1" || predicate["purpose"] !== "log")) {
      fail("entry", "entry/refuted", { index, error: "audit/first-entry", detail: "entry 0 is the log's own key" });
    }
    if (type === "spur:registers/v1") checkClosing(index, predicate);
    else if (type === "spur:removal/v1") checkRemoval(index, predicate);
    else if (type === "spur:key/v1" && entry.sha256 !== undefined && entry.evidence === "observed") {
      const { purpose, state } = predicate as Record<string, string>;
      keys.push({ index, purpose: purpose ?? "", state: state ?? "", sha256: entry.sha256 });
    } else if (type === "spur:alert/v1" && predicate["kind"] === "clock") {
      // The ledger has said itself that its clock went back: from here on it counts anew.
      state.latest = { ms: hourMs(entry.at), at: entry.at };
    }
  }

  function checkReference(index: number, entry: Plain, role: string, target: Reference): void {
    counts.references++;
    if (opaque.has(target.index)) return;
    // An entry of an unknown kind has a record id all the same; type 0 is judged no further.
    const there = recs.get(target.rec) === target.index;
    const type = TYPES[state.types[target.index] ?? 0] ?? "";
    const known = type === "" ? undefined : { entry: { predicateType: type } };
    const error = there ? wrong(entry, index, role, target, known) : "reference/rec";
    if (error !== undefined) fail("reference", "reference/refuted", { index, role, target: target.index, error });
  }

  function checkClosing(index: number, predicate: JsonObject): void {
    counts.closings++;
    const said = predicate["last"] as readonly Readonly<{ name: string; seq: number; index: number }>[];
    const wanted = new Map([...registers].filter(([name]) => name !== "registers"));
    const refute = (detail: string): void => fail("closing", "closing/refuted", { index, detail });
    if (predicate["size"] !== index) refute("it closes another size than its own index");
    for (const one of said) {
      const last = wanted.get(one.name);
      wanted.delete(one.name);
      if (last?.seq === one.seq && last.index === one.index) continue;
      if (opaque.has(one.index) && one.seq > (last?.seq ?? 0)) continue; // the last one can't be read
      refute(
        `${one.name}: it says ${one.seq} up to ${one.index}; the log has ${last?.seq ?? 0} up to ${last?.index ?? -1}`,
      );
    }
    for (const [name, { seq }] of wanted) refute(`${name}: it is silent; the log has ${seq}`);
  }

  function checkRemoval(index: number, predicate: JsonObject): void {
    const { state, target, order } = predicate as unknown as { state: string; target: Reference; order?: Reference };
    if (predicate["kind"] === "entry") entryRemovals.add(target.index);
    const before = orders.get(target.index);
    if (state === "ordered") {
      // One that has failed may be ordered again.
      if (before !== undefined && before.state !== "failed")
        fail("entry", "audit/second-order", { index, other: before.order });
      orders.set(target.index, { order: index, state });
      return;
    }
    if (order !== undefined && opaque.has(order.index)) return;
    if (before?.state !== "ordered" || before.order !== order?.index) fail("entry", "audit/order", { index });
    orders.set(target.index, { order: order?.index ?? index, state });
    if (state === "completed") counts.completed++;
    else counts.failed++;
  }

  function withheld(index: number, leaf: LeafHash): void {
    take(index, leaf);
    opaque.set(index, "withheld");
  }

  const finish: Audit["finish"] = (size, checkpoint) => {
    findings.signer = checkpoint.signer;
    const root = (subtrees.length === 0 ? EMPTY_ROOT : foldRange(subtrees)) as Root;
    const coverage: Coverage = { kind: "log", size };
    const count = counts.next;
    const signed = count === size && equalBytes(checkpoint.root, root);
    if (signed) findings.pass("inclusion", "audit/root", { size }, coverage);
    else if (count === size) findings.fail("inclusion", "audit/root-refuted", { size });
    else findings.notChecked("inclusion", "audit/short", { count, size });

    const silent = [...opaque].filter(([index, why]) => why === "withheld" && !entryRemovals.has(index));
    for (const [index] of silent) fail("entry", "audit/withheld-silently", { index });
    const lawful = [...opaque.values()].filter((why) => why === "withheld").length - silent.length;
    if (lawful > 0) findings.notChecked("entry", "audit/withheld", { count: lawful });
    if (counts.unknown > 0) findings.notChecked("entry", "audit/unknown", { count: counts.unknown });

    const pending = [...orders.values()].filter(({ state }) => state === "ordered").map(({ order }) => order);
    const [first] = pending;
    if (first !== undefined)
      findings.notChecked("answer", "audit/removals-open", { count: pending.length, index: first });
    const own = keys[0]?.sha256 ?? new Uint8Array();
    const back = keys.find((one) => one.purpose === "log" && one.state !== "active" && equalBytes(one.sha256, own));
    if (back !== undefined && (back.index < count - 1 || back.state === "compromised"))
      findings.notChecked("log signature", "audit/taken-back", { index: back.index });
    for (const [code, times] of told)
      if (times > TOLD) findings.fail("entry", "audit/more", { count: times - TOLD, like: code });

    const passes: readonly [CheckName, SentenceCode, Values][] = [
      ["entry", "audit/entries", { count }],
      ["reference", "audit/references", { count: counts.references }],
      ["register", "audit/registers", { count: registers.size, closings: counts.closings }],
      ["time", "audit/hours", {}],
    ];
    // "Every" is said of what was signed, when all of it could be read.
    const whole = signed && opaque.size === 0 && counts.unknown === 0;
    for (const [check, code, values] of passes) {
      const clean = !findings.list.some(
        (one) => (one.check === check || one.check === "closing") && one.verdict !== "pass",
      );
      if (clean && whole) findings.pass(check, code, values, coverage);
    }
    return {
      origin,
      findings: findings.list,
      ...exitOf(findings.list),
      root,
      entries: count,
      registers: Object.fromEntries(
        [...registers].map(([name, { seq, index }]) => [name, { entries: seq, last: index }]),
      ),
      withheld: [...opaque.values()].filter((why) => why === "withheld").length,
      unknown: counts.unknown,
      removals: { completed: counts.completed, failed: counts.failed, pending },
      keys,
    };
  };

  return { add, take, read, withheld, finish };
}
