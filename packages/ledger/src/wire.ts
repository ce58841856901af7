import type { CoreDraft, Op } from "./core/types.ts";

// Operations and their results as they cross threads: flat lists. Of objects, each name of each member would be written and read again
// for each of them.

const LEAF_BYTES = 32;

/** Of a draft, what most drafts do not have. */
type Rare = Pick<CoreDraft, "sealed" | "orders" | "completes" | "closes">;

/** Puts an operation behind others. */
export function packOp(out: unknown[], id: number, op: Op): void {
  if (op.kind === "journal") {
    out.push(id, op);
    return;
  }
  out.push(id, op.drafts.length, op.finishes, op.essential);
  for (const draft of op.drafts) {
    const { rec, reg, owner, at, head, middle, tail, references } = draft;
    out.push(rec, reg, owner, at, head, middle, references.length, ...tail, ...references, rareOf(draft));
  }
}

function rareOf({ sealed, orders, completes, closes }: CoreDraft): Rare | undefined {
  if (sealed === undefined && orders === undefined && completes === undefined && closes === undefined) return undefined;
  return {
    ...(sealed === undefined ? {} : { sealed }),
    ...(orders === undefined ? {} : { orders }),
    ...(completes === undefined ? {} : { completes }),
    ...(closes === undefined ? {} : { closes }),
  };
}

/** Undoes {@link packOp} for all that were put there. */
export function unpackOps(packed: readonly unknown[]): { id: number; op: Op }[] {
  const ops: { id: number; op: Op }[] = [];
  for (let at = 0; at < packed.length;) {
    const id = packed[at++] as number;
    const count = packed[at++] as number | Extract<Op, { kind: "journal" }>;
    if (typeof count !== "number") {
      ops.push({ id, op: count });
      continue;
    }
    const finishes = packed[at++] as string | undefined;
    const essential = packed[at++] as true | undefined;
    const drafts: CoreDraft[] = [];
    for (let i = 0; i < count; i++) {
      const text = (offset: number): string => packed[at + offset] as string;
      const [rec, reg, owner, hour, head, middle] = [text(0), text(1), text(2), text(3), text(4), text(5)];
      const references = packed[at + 6] as number;
      const tail = packed.slice(at + 7, at + 8 + references) as string[];
      const targets = packed.slice(at + 8 + references, at + 8 + 2 * references) as string[];
      const rare = packed[at + 8 + 2 * references] as Rare | undefined;
      at += 9 + 2 * references;
      drafts.push({ rec, reg, owner, at: hour, head, middle, tail, references: targets, ...rare });
    }
    ops.push({
      id,
      op: {
        kind: "append",
        drafts,
        ...(finishes === undefined ? {} : { finishes }),
        ...(essential === undefined ? {} : { essential }),
      },
    });
  }
  return ops;
}

/** What was committed: id, first index and number of entries of each operation, and all their leaf hashes. */
export interface Committed {
  readonly numbers: readonly number[];
  readonly leaves: Uint8Array<ArrayBuffer>;
}

export function packCommitted(
  results: readonly { readonly id: number; readonly entries: readonly { index: number; leaf: Uint8Array }[] }[],
): Committed {
  const numbers: number[] = [];
  const leaves = new Uint8Array(LEAF_BYTES * results.reduce((sum, { entries }) => sum + entries.length, 0));
  let at = 0;
  for (const { id, entries } of results) {
    numbers.push(id, entries[0]?.index ?? 0, entries.length);
    for (const { leaf } of entries) {
      leaves.set(leaf, at);
      at += LEAF_BYTES;
    }
  }
  return { numbers, leaves };
}

/** Calls back for each operation; entries of one operation follow on one another. */
export function unpackCommitted(
  { numbers, leaves }: Committed,
  done: (id: number, entries: { index: number; leaf: Uint8Array }[]) => void,
): void {
  let at = 0;
  for (let i = 0; i < numbers.length; i += 3) {
    const [id, first, count] = numbers.slice(i, i + 3) as [number, number, number];
    const entries = Array.from({ length: count }, (_, k) => {
      const leaf = leaves.slice(at, at + LEAF_BYTES);
      at += LEAF_BYTES;
      return { index: first + k, leaf };
    });
    done(id, entries);
  }
}
