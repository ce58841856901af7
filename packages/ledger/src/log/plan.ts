import { createHash } from "node:crypto";
import { canonicalBytes, canonicalText } from "@spur/verifier/statement/canonical";
import { STATEMENT_TYPE } from "@spur/verifier/statement/entry";
import { prefixedLeafHash, type LeafHash, type Root } from "@spur/verifier/tlog/merkle";
import { SpurError } from "../errors.ts";
import { append, rootOfTree, type FullTile, type Tree } from "./tree.ts";

/** A draft as the sequencer gets it: sealed and checked, its text cut where an index must be filled in. */
export interface Numbered {
  /** 32 hex digits. */
  readonly rec: string;
  readonly reg: string;
  readonly owner: string;
  /** The hour by the clock of the machine: "2026-11-22T04Z". */
  readonly at: string;
  /** Canonical text from behind `"at"` up to where `prev` goes. */
  readonly head: string;
  /** Canonical text from `"rec"` up to where `seq` goes. */
  readonly middle: string;
  /** Canonical text of `"statement":…` or, for an envelope, nothing; cut before each reference's index. */
  readonly tail: readonly string[];
  /** The rec of each reference, in the order of the cuts. */
  readonly references: readonly string[];
  /** A closing: its statement is written here, where its own index is known. */
  readonly closes?: true;
}

/** Where the log stands. `registers`: last number and index of each. */
export interface LogState {
  readonly tree: Tree;
  readonly root: Root;
  /** The hour of the last entry: no later one may be earlier, whatever the clock says. "" for an empty log. */
  readonly at: string;
  readonly registers: ReadonlyMap<string, { readonly seq: number; readonly idx: number }>;
}

export interface PlannedEntry {
  readonly rec: string;
  readonly owner: string;
  readonly index: number;
  readonly bytes: Buffer;
  readonly leaf: LeafHash;
}

/** What one commit will write. */
export interface Plan {
  readonly next: LogState;
  readonly entries: readonly PlannedEntry[];
  /** Registers that moved. */
  readonly moved: ReadonlySet<string>;
  readonly full: readonly FullTile[];
}

/** One group of drafts that is recorded whole or not at all. */
export type Group = readonly Numbered[];

/** Why a group is refused, or the indexes it got. */
export type GroupResult = { readonly entries: readonly PlannedEntry[] } | { readonly refused: SpurError };

const MAX_ENTRY_BYTES = 65_535;

/**
 * Pure: numbers the groups after `state`, resolves references against the log (`indexOf`) and against what stands earlier in
 * the batch, and computes the next tree. A group that cannot be recorded is refused alone; the others go on.
 */
export function plan(
  state: LogState,
  groups: readonly Group[],
  indexOf: (rec: string) => number | undefined,
): { plan: Plan; results: GroupResult[] } {
  const entries: PlannedEntry[] = [];
  const registers = new Map(state.registers);
  const inBatch = new Map<string, number>();
  const moved = new Set<string>();
  let hour = state.at;
  const results = groups.map((group): GroupResult => {
    const before = {
      entries: entries.length,
      hour,
      registers: group.map(({ reg }) => [reg, registers.get(reg)] as const),
    };
    try {
      for (const draft of group) entries.push(number(draft, state.tree.size + entries.length));
      return { entries: entries.slice(before.entries) };
    } catch (error) {
      for (const { rec } of entries.splice(before.entries)) inBatch.delete(rec);
      hour = before.hour;
      for (const [reg, value] of before.registers) {
        if (value === undefined) registers.delete(reg);
        else registers.set(reg, value);
      }
      if (error instanceof SpurError) return { refused: error };
      throw error;
    }
  });

  function number(draft: Numbered, index: number): PlannedEntry {
    if (inBatch.has(draft.rec) || indexOf(draft.rec) !== undefined) {
      throw new SpurError("record/rec-used", `rec ${draft.rec} is taken`, { status: 409 });
    }
    const last = registers.get(draft.reg);
    let tail = draft.closes === true ? closingText(draft.rec, index, registers) : (draft.tail[0] as string);
    for (let i = 0; i < draft.references.length; i++) {
      const target = draft.references[i] as string;
      const found = inBatch.get(target) ?? indexOf(target);
      if (found === undefined) {
        throw new SpurError("reference/forward", `${target} is not on record before this entry`, {
          status: 422,
          hint: "Record what you refer to first, or put it earlier in the same request.",
        });
      }
      tail += String(found) + (draft.tail[i + 1] as string);
    }
    const seq = (last?.seq ?? 0) + 1;
    const prev = last === undefined ? "" : `"prev":${last.idx},`;
    // Hours written the same way compare as text. A clock that went back, or a draft that came late, gets the hour of its neighbour.
    const at = draft.at > hour ? draft.at : hour;
    // With the prefix of a leaf in front, so that neither is copied to be hashed.
    const prefixed = Buffer.from(
      `\0{"at":"${at}",${draft.head}${prev}${draft.middle}"seq":${seq},${tail}"v":"spur-entry/v1"}`,
      "utf8",
    );
    const bytes = prefixed.subarray(1);
    if (bytes.length > MAX_ENTRY_BYTES) {
      throw new SpurError("entry/too-long", `${bytes.length} bytes; at most ${MAX_ENTRY_BYTES}`, {
        status: 422,
        hint: "Put long content into a sealed slot or a payload; the entry itself holds digests and references.",
      });
    }
    hour = at;
    registers.set(draft.reg, { seq, idx: index });
    moved.add(draft.reg);
    inBatch.set(draft.rec, index);
    return { rec: draft.rec, owner: draft.owner, index, bytes, leaf: prefixedLeafHash(prefixed) };
  }

  const { tree, full } = append(
    state.tree,
    entries.map((entry) => entry.leaf),
  );
  return { plan: { next: { tree, root: rootOfTree(tree), at: hour, registers }, entries, moved, full }, results };
}

/** The statement of a `registers` entry: the last number and index of every other register below its own index (formats §1). */
function closingText(rec: string, size: number, registers: LogState["registers"]): string {
  const last = [...registers]
    .filter(([name]) => name !== "registers")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { seq, idx }]) => ({ index: idx, name, seq }));
  const predicate = { last, size };
  const sha256 = createHash("sha256").update(canonicalBytes(predicate)).digest("hex");
  const statement = {
    _type: STATEMENT_TYPE,
    predicate,
    predicateType: "spur:registers/v1",
    subject: [{ digest: { sha256 }, name: rec }],
  };
  return `"statement":${canonicalText(statement)},`;
}
