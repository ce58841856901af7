/** How much of what was never synced has reached the disk all the same. */
export interface BytesLuck {
  /** How many bytes of each change are on the disk; of a new length, 0 for nothing and any other number for all. */
  bytes(changes: readonly (Change & { readonly lost: boolean })[]): readonly number[];
}

/** A change of a file's bytes: some at a place, or (without bytes) a new length. */
export interface Change {
  /** In the order of everything that was ever done to this disk. */
  readonly nth: number;
  readonly at: number;
  readonly bytes?: Buffer;
}

type State = "pending" | "synced" | "lost";

/** Bytes that grow in place. */
class Bytes {
  #room: Buffer;
  #length: number;

  constructor(bytes: Buffer) {
    this.#room = Buffer.from(bytes);
    this.#length = bytes.length;
  }

  /** `count`: so many bytes of the change; of a new length, anything but 0. */
  apply({ at, bytes }: Change, count: number): void {
    if (count === 0) return;
    const end = bytes === undefined ? at : Math.max(this.#length, at + count);
    if (end > this.#room.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#room.length));
      this.#room.copy(grown, 0, 0, this.#length);
      this.#room = grown;
    }
    if (end > this.#length) this.#room.fill(0, this.#length, end);
    bytes?.copy(this.#room, at, 0, count);
    this.#length = end;
  }

  get all(): Buffer {
    return this.#room.subarray(0, this.#length);
  }
}

const lengthOf = ({ bytes }: Change): number => bytes?.length ?? 1;

/** A file: bytes that are on the disk, and what came after them. */
export class FileNode {
  readonly #disk: Bytes;
  /** Everything from the first change on that is not synced, in order. */
  #after: { readonly change: Change; state: State }[] = [];

  constructor(bytes: Buffer) {
    this.#disk = new Bytes(bytes);
  }

  change(change: Change): void {
    this.#after.push({ change, state: "pending" });
  }

  /** All that was changed before `nth` is on the disk. */
  synced(nth: number): void {
    for (const one of this.#after) if (one.change.nth < nth && one.state === "pending") one.state = "synced";
    const first = this.#after.findIndex(({ state }) => state !== "synced");
    for (const { change } of this.#after.splice(0, first < 0 ? this.#after.length : first))
      this.#disk.apply(change, lengthOf(change));
  }

  /** The sync failed. The system takes the bytes for clean from now on, and no later sync writes them. */
  failed(nth: number): void {
    for (const one of this.#after) if (one.change.nth < nth && one.state === "pending") one.state = "lost";
  }

  /** What every reader sees. */
  get seen(): Buffer {
    if (this.#after.length === 0) return this.#disk.all;
    const bytes = new Bytes(this.#disk.all);
    for (const { change } of this.#after) bytes.apply(change, lengthOf(change));
    return bytes.all;
  }

  /** What is there after a power loss. */
  left(luck: BytesLuck): Buffer {
    const open = this.#after.filter(({ state }) => state !== "synced");
    if (open.length === 0) return this.#disk.all;
    const kept = luck.bytes(open.map(({ change, state }) => ({ ...change, lost: state === "lost" })));
    const bytes = new Bytes(this.#disk.all);
    let nth = 0;
    for (const { change, state } of this.#after)
      bytes.apply(change, state === "synced" ? lengthOf(change) : (kept[nth++] as number));
    return bytes.all;
  }
}
