import { VerifyError } from "../../errors.ts";
import type { Checkpoint } from "../../note/checkpoint.ts";
import { parseEntry, parseOuter, UNKNOWN_CODES, type Entry, type Outer } from "../../statement/entry.ts";
import { leafHash, verifyInclusion } from "../../tlog/merkle.ts";
import type { Evidence, EvidenceEntry } from "../format.ts";
import type { Findings } from "../findings.ts";
import type { Held } from "./checked.ts";

/** Each entry's place in the tree, its form, and what is only claimed in it. Entries that are not in the tree are held for nothing else. */
export function checkEntries(
  evidence: Evidence,
  checkpoint: Checkpoint,
  findings: Findings,
): ReadonlyMap<number, Held> {
  const held = new Map<number, Held>();
  const byRec = new Map<string, { index: number; positions: number[] }>();
  // Or leaving out the only entry would leave a file in which nothing is wrong.
  if (evidence.entries.length === 0) findings.notChecked("inclusion", "inclusion/none");
  for (const one of evidence.entries) {
    const { index } = one;
    const leaf = leafHash(one.entry);
    const positions: number[] = [];
    try {
      verifyInclusion(leaf, index, checkpoint.size, one.proof, checkpoint.root);
      positions.push(findings.pass("inclusion", "inclusion/ok", { index, size: checkpoint.size }));
    } catch (error) {
      findings.refute("inclusion", "inclusion/refuted", { index }, error);
      continue;
    }
    const { outer, entry } = read(one, findings, positions);
    if (outer !== undefined) {
      const other = byRec.get(outer.rec);
      byRec.set(outer.rec, { index, positions });
      if (other !== undefined) {
        const twice = findings.fail("entry", "entry/twice", { index, other: other.index, rec: outer.rec });
        positions.push(twice);
        other.positions.push(twice); // neither of them is to be built on
      }
      if (outer.evidence === "reported") findings.notChecked("claim", "claim/reported", { index });
      if (outer.evidence === "imported") findings.notChecked("claim", "claim/imported", { index });
    }
    held.set(index, { index, leaf, findings: positions, ...(outer && { outer }), ...(entry && { entry }) });
  }
  return held;
}

function read(one: EvidenceEntry, findings: Findings, positions: number[]): { outer?: Outer; entry?: Entry } {
  const { index } = one;
  try {
    const entry = parseEntry(one.entry);
    positions.push(findings.pass("entry", "entry/ok", { index, type: entry.predicateType ?? "dsse" }));
    return { outer: entry, entry };
  } catch (error) {
    if (!(error instanceof VerifyError && UNKNOWN_CODES.includes(error.code))) {
      positions.push(findings.refute("entry", "entry/refuted", { index }, error));
      return {};
    }
    const { detail } = error;
    positions.push(findings.notChecked("entry", "entry/unknown", { index, detail }));
    if (error.code === "entry/version") return {};
    try {
      return { outer: parseOuter(one.entry) };
    } catch (inner) {
      positions.push(findings.refute("entry", "entry/refuted", { index }, inner));
      return {};
    }
  }
}
