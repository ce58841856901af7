import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEntry } from "@spur/verifier/statement/entry";
import { leafHash, rootOf } from "@spur/verifier/tlog/merkle";
import type { CoreDraft } from "../src/core/types.ts";
import { plan, type LogState } from "../src/log/plan.ts";
import { EMPTY_TREE, rootOfTree } from "../src/log/tree.ts";
import { prepare } from "../src/prepare.ts";
import { auditEntries, linkedDraft, newRec, NOW_MS, plainDraft, sealedDraft } from "./log-support.ts";

const EMPTY: LogState = { tree: EMPTY_TREE, root: rootOfTree(EMPTY_TREE), registers: new Map(), at: "" };

/** Plans batch after batch, as the sequencer does, and keeps what was recorded. */
function log() {
  let state = EMPTY;
  const entries: Uint8Array[] = [];
  const index = new Map<string, number>();
  return {
    entries,
    index,
    add(groups: readonly (readonly CoreDraft[])[]) {
      const before = JSON.stringify([...state.registers]);
      const { plan: next, results } = plan(state, groups, (rec) => index.get(rec));
      expect(JSON.stringify([...state.registers])).toBe(before); // pure
      for (const { rec, bytes, index: at } of next.entries) {
        expect(at).toBe(entries.length);
        entries.push(bytes);
        index.set(rec, at);
      }
      state = next.next;
      return results;
    },
    root: () => state.root,
  };
}

const draftOf = (draft: Parameters<typeof prepare>[0], atMs = NOW_MS): CoreDraft => prepare(draft, atMs).draft;

describe("plan", () => {
  it("numbers any mixture of good and bad groups so that an outsider's audit passes", () => {
    const kind = fc.constantFrom("plain", "sealed", "back", "forward", "again", "self");
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.array(kind, { minLength: 1, maxLength: 4 }), { maxLength: 6 }), { maxLength: 6 }),
        (batches) => {
          const one = log();
          const known: string[] = [];
          for (const batch of batches) {
            const groups = batch.map((group) =>
              group.map((what) => {
                const rec = newRec();
                if (what === "sealed") return draftOf(sealedDraft(undefined, rec));
                if (what === "back" && known.length > 0)
                  return draftOf(linkedDraft(known[known.length - 1] as string, rec));
                if (what === "forward") return draftOf(linkedDraft(newRec(), rec));
                if (what === "self") return draftOf(linkedDraft(rec, rec));
                if (what === "again" && known.length > 0) return draftOf(plainDraft(known[0]));
                return draftOf(plainDraft(rec));
              }),
            );
            const results = one.add(groups);
            results.forEach((result, i) => {
              const bad = (batch[i] as string[]).some(
                (what) => what === "forward" || what === "self" || (what === "again" && known.length > 0),
              );
              // `known` grew only by earlier batches: inside a batch a group is judged by what stood before it.
              if (bad) expect("refused" in result).toBe(true);
              if ("entries" in result)
                expect(result.entries.map(({ rec }) => rec)).toEqual(groups[i]?.map(({ rec }) => rec));
            });
            results.forEach((result) => {
              if ("entries" in result) known.push(...result.entries.map(({ rec }) => rec));
            });
          }
          auditEntries(one.entries);
          expect(one.root()).toEqual(rootOf(one.entries.map(leafHash)));
        },
      ),
      { numRuns: 120 },
    );
  });

  it("records a group whole or not at all, and the groups beside it", () => {
    const one = log();
    const first = plainDraft();
    const lost = plainDraft();
    const results = one.add([
      [draftOf(first)],
      [draftOf(lost), draftOf(linkedDraft(newRec()))],
      [draftOf(linkedDraft(first.rec))],
    ]);
    expect(results.map((result) => ("refused" in result ? result.refused.code : result.entries.length))).toEqual([
      1,
      "reference/forward",
      1,
    ]);
    expect(one.index.has(lost.rec)).toBe(false);
    // What stood in the refused group is free again, in the same batch too.
    expect(one.add([[draftOf(linkedDraft(lost.rec))], [draftOf(lost)]]).map((result) => "refused" in result)).toEqual([
      true,
      false,
    ]);
    auditEntries(one.entries);
  });

  it("resolves references to earlier entries of the batch and of the log, never to itself or later ones", () => {
    const one = log();
    const old = plainDraft();
    one.add([[draftOf(old)]]);
    const a = plainDraft();
    const b = linkedDraft(a.rec);
    const later = linkedDraft(b.rec);
    const results = one.add([
      [draftOf(linkedDraft(b.rec)), draftOf(a), draftOf(b)],
      [draftOf(a), draftOf(b)],
      [draftOf(later), draftOf(linkedDraft(old.rec))],
    ]);
    expect(results.map((result) => ("refused" in result ? result.refused.code : "ok"))).toEqual([
      "reference/forward",
      "ok",
      "ok",
    ]);
    auditEntries(one.entries);
  });

  it("refuses a rec that is in the log, in the batch, or twice in one group", () => {
    const one = log();
    const a = plainDraft();
    one.add([[draftOf(a)]]);
    const twice = plainDraft();
    const b = plainDraft();
    const results = one.add([[draftOf(a)], [draftOf(twice), draftOf(twice)], [draftOf(b)], [draftOf(b)]]);
    expect(results.map((result) => ("refused" in result ? result.refused.code : "ok"))).toEqual([
      "record/rec-used",
      "record/rec-used",
      "ok",
      "record/rec-used",
    ]);
    expect(one.entries).toHaveLength(2);
  });

  it("refuses an entry over 65,535 bytes by name and goes on", () => {
    const one = log();
    const draft = draftOf(plainDraft());
    const padded: CoreDraft = { ...draft, tail: [`"x":"${"x".repeat(66_000)}",`] };
    const results = one.add([[padded], [draft]]);
    expect(results.map((result) => ("refused" in result ? result.refused.code : "ok"))).toEqual([
      "entry/too-long",
      "ok",
    ]);
  });

  it("never lets the hours go back, whatever the clock and the order of arrival", () => {
    const hours = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(hours, { minLength: 1, maxLength: 4 }), (batches) => {
        const one = log();
        for (const batch of batches) one.add(batch.map((hour) => [draftOf(plainDraft(), NOW_MS + hour * 3_600_000)]));
        auditEntries(one.entries);
        const ats = one.entries.map((bytes) => parseEntry(bytes).at);
        expect(ats).toEqual([...ats].sort());
      }),
      { numRuns: 50 },
    );
  });
});
