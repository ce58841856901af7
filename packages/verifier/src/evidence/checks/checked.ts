import type { Entry, Outer } from "../../statement/entry.ts";
import type { Trust } from "../../trust/trust.ts";
import type { LeafHash } from "../../tlog/merkle.ts";
import type { Evidence } from "../format.ts";
import type { Findings } from "../findings.ts";

/** An entry that stands in the tree. `entry` is absent where this version does not know its kind, `outer` where not even its frame. */
export interface Held {
  readonly index: number;
  readonly leaf: LeafHash;
  readonly outer?: Outer;
  readonly entry?: Entry;
  /** Positions of the findings on it. */
  readonly findings: number[];
}

/** A reference of one entry of the file to another. */
export interface Edge {
  readonly from: number;
  readonly role: string;
  readonly to: number;
  /** Position of its finding. */
  readonly finding: number;
  /** The target is in the file, and is the record that was meant, of a type that may stand there. */
  readonly holds: boolean;
}

/** Looked up by either end: a file may hold a hundred thousand of them. */
export interface Edges {
  from(index: number): readonly Edge[];
  to(index: number): readonly Edge[];
}

/** A register of which the file holds every entry, as a closing says. */
export interface CompleteRegister {
  readonly name: string;
  readonly to: number;
  /** Index of the closing: the register is complete below it. */
  readonly closing: number;
  readonly finding: number;
}

/** What the checks have established: all that the questions may build on. */
export interface Checked {
  readonly evidence: Evidence;
  readonly trust: Trust;
  readonly origin: string;
  readonly size: number;
  readonly held: ReadonlyMap<number, Held>;
  readonly edges: Edges;
  readonly registers: ReadonlyMap<string, CompleteRegister>;
  readonly findings: Findings;
}

/** Adds to the list that stands under a key. */
export function put<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** The entries of one predicate type, by rising index. */
export function entriesOf(held: ReadonlyMap<number, Held>, type: string): (Held & { entry: Entry })[] {
  return [...held.values()].filter((one): one is Held & { entry: Entry } => one.entry?.predicateType === type);
}

/**
 * A command that audits the whole log. The origin comes from the file and the command is there to be pasted into a shell, so it stands in
 * it only if it is nothing but an address.
 */
export function auditCommand(origin: string): string {
  const plain =
    /^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(\/[A-Za-z0-9._-]+)*$/.test(origin) && !/\.invalid(:|\/|$)/.test(origin);
  return `npx spur audit ${plain ? `https://${origin}` : "URL"}`;
}
