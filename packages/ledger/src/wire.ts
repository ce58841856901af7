import type { CoreDraft, Op, SealedPart } from "./core/types.ts";

// Operations and their results as they cross threads: flat lists, and all their bytes in one piece. Of objects, each name of each member
// would be written and read again for each of them; of many pieces of memory, each would be made, copied and collected on both sides.

const LEAF_BYTES = 32;
const DEK_BYTES = 32;

/** Operations of one message. */
export interface Packed {
  readonly items: readonly unknown[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Of a draft, what most drafts do not have. */
type Rare = Pick<CoreDraft, "orders" | "completes" | "closes">;

/** Gathers operations for one message. */
export class Packer {
  readonly #items: unknown[] = [];
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Puts an operation behind others. */
  add(id: number, op: Op): void {
    const out = this.#items;
    if (op.kind === "journal") {
      out.push(id, -1, op.rec, op.owner, this.#put(op.ct));
      this.#put(op.dek);
      return;
    }
    out.push(id, op.drafts.length, op.finishes, op.essential);
    for (const draft of op.drafts) {
      const { rec, reg, owner, at, head, middle, tail, references, sealed } = draft;
      out.push(rec, reg, owner, at, head, middle, references.length, ...tail, ...references, rareOf(draft));
      if (sealed === undefined) {
        out.push(undefined);
        continue;
      }
      const { dek, ct, file, blobs, dueMs } = sealed;
      out.push(ct === undefined ? -1 : this.#put(ct), file, blobs, dueMs);
      this.#put(dek);
    }
  }

  #put(bytes: Uint8Array): number {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return bytes.length;
  }

  packed(): Packed {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { items: this.#items, bytes };
  }
}

function rareOf({ orders, completes, closes }: CoreDraft): Rare | undefined {
  if (orders === undefined && completes === undefined && closes === undefined) return undefined;
  return {
    ...(orders === undefined ? {} : { orders }),
    ...(completes === undefined ? {} : { completes }),
    ...(closes === undefined ? {} : { closes }),
  };
}

/** Undoes {@link Packer} for all that were put there. */
export function unpackOps({ items, bytes }: Packed): { id: number; op: Op }[] {
  const ops: { id: number; op: Op }[] = [];
  let at = 0;
  let byte = 0;
  const next = <T>(): T => items[at++] as T;
  const take = (length: number): Uint8Array => bytes.subarray(byte, (byte += length));

  const draft = (): CoreDraft => {
    const [rec, reg, owner, hour] = [next<string>(), next<string>(), next<string>(), next<string>()];
    const [head, middle, count] = [next<string>(), next<string>(), next<number>()];
    const tail = items.slice(at, at + count + 1) as string[];
    const references = items.slice(at + count + 1, (at += 2 * count + 1)) as string[];
    const rare = next<Rare | undefined>();
    const sealed = sealedPart();
    return {
      rec, reg, owner, at: hour, head, middle, tail, references, ...rare,
      ...(sealed === undefined ? {} : { sealed }),
    }; // prettier-ignore
  };
  const sealedPart = (): SealedPart | undefined => {
    const length = next<number | undefined>();
    if (length === undefined) return undefined;
    const [file, blobs, dueMs] = [next<string | undefined>(), next<string | undefined>(), next<number | undefined>()];
    const ct = length < 0 ? undefined : take(length);
    return {
      dek: take(DEK_BYTES),
      ...(ct === undefined ? {} : { ct }),
      ...(file === undefined ? {} : { file }),
      ...(blobs === undefined ? {} : { blobs }),
      ...(dueMs === undefined ? {} : { dueMs }),
    };
  };

  while (at < items.length) {
    const [id, count] = [next<number>(), next<number>()];
    if (count < 0) {
      const [rec, owner, length] = [next<string>(), next<string>(), next<number>()];
      ops.push({ id, op: { kind: "journal", rec, owner, ct: take(length), dek: take(DEK_BYTES) } });
      continue;
    }
    const [finishes, essential] = [next<string | undefined>(), next<true | undefined>()];
    const drafts: CoreDraft[] = [];
    for (let i = 0; i < count; i++) drafts.push(draft());
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
