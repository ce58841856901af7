import { join } from "node:path";
import { equalBytes, utf8 } from "@spur/verifier/bytes";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote } from "@spur/verifier/note/note";
import { leafHash, type Root } from "@spur/verifier/tlog/merkle";
import { Bug, SpurError } from "../errors.ts";
import { TILE_WIDTH } from "../log/constants.ts";
import { dropPartials, Materialiser } from "../log/materialise.ts";
import type { LogState } from "../log/plan.ts";
import { treeFromFiles } from "../log/recover.ts";
import { writeSeen } from "../log/seen.ts";
import type { SigningKey } from "../log/signing-key.ts";
import { outgrownPartials, partialFiles } from "../log/tiles.ts";
import { append, type FullTile, type Tree } from "../log/tree.ts";
import { writeImmutable } from "../log/write-files.ts";
import { writeDurable } from "../storage/durable-file.ts";
import type { LogStore } from "../storage/log-store.ts";
import type { WitnessesState } from "../witness/witnesses.ts";
import type { Cosigning, SignedHead } from "./cosigning.ts";
import type { Handle } from "./handle.ts";
import type { Checked } from "./open.ts";
import type { ReceiptsKeys } from "./receipts-keys.ts";
import type { CoreOptions } from "./types.ts";

/** A receipt's note, and the key that signed it. */
export interface SignedReceipt {
  readonly note: string;
  readonly vkey: string;
}

/** From what is committed to what the world sees: files, `seen`, signed checkpoints, receipts (formats §4, steps 5 and 6). */
export class Publication {
  readonly #handle: Handle;
  readonly #log: LogStore;
  readonly #logKey: SigningKey;
  readonly #receiptsKeys: ReceiptsKeys;
  readonly #keys: string;
  readonly #folder: string;
  readonly #now: () => number;
  readonly #state: () => LogState;
  readonly #cosigning: Cosigning | undefined;
  readonly #materialiser: Materialiser;
  /** Entries behind the last full bundle. */
  #tail: Buffer[];
  #published: { size: number; atMs: number };
  #seen: number;
  #pruned: number;
  /** Why the last publication failed. */
  #unpublishable: Error | undefined;

  /** `state`: where the log stands, by the last commit. */
  constructor(
    options: CoreOptions,
    checked: Checked,
    handle: Handle,
    state: () => LogState,
    cosigning: Cosigning | undefined,
  ) {
    this.#handle = handle;
    this.#log = checked.log;
    this.#logKey = checked.logKey;
    this.#receiptsKeys = checked.receiptsKeys;
    this.#keys = options.keys;
    this.#folder = join(options.data, "log");
    this.#now = options.now;
    this.#state = state;
    this.#cosigning = cosigning;
    this.#materialiser = new Materialiser(this.#folder, checked.done, options.writeFiles ?? writeImmutable);
    this.#tail = checked.tail;
    this.#published = { size: checked.published, atMs: options.now() };
    this.#seen = checked.seen;
    this.#pruned = checked.done;
  }

  /** Size of the last published checkpoint, and when it was the newest of all for the last time. */
  get published(): { readonly size: number; readonly atMs: number } {
    return this.#published;
  }

  /** Why nothing can be published at present. */
  get failed(): Error | undefined {
    return this.#materialiser.failed ?? this.#unpublishable;
  }

  /** Why files cannot be written at present. */
  get filesFailed(): Error | undefined {
    return this.#materialiser.failed;
  }

  /** True while appends should wait for the files. */
  get behind(): boolean {
    return this.#materialiser.behind;
  }

  /** Waits for files; an error stands in {@link failed}. */
  async settled(): Promise<void> {
    await this.#materialiser.settled().catch(() => undefined);
  }

  /** At a start: writes again what an earlier process may not have finished. */
  async mend(): Promise<void> {
    await this.#materialiseRows(this.#materialiser.done);
    await this.mendPartials();
  }

  /** What a commit brought: full bundles go to their files. */
  took(entries: readonly Buffer[], full: readonly FullTile[]): void {
    const bundles: Buffer[][] = [];
    for (const bytes of entries) {
      this.#tail.push(bytes);
      if (this.#tail.length < TILE_WIDTH) continue;
      bundles.push(this.#tail);
      this.#tail = [];
    }
    this.#materialiser.enqueue(full, bundles);
  }

  /** Makes all that is committed visible under a signed checkpoint (formats §4, step 6). */
  async publish(): Promise<{ size: number; checkpoint: Uint8Array | undefined }> {
    try {
      const published = await this.#publish();
      this.#unpublishable = undefined;
      return published;
    } catch (error) {
      this.#unpublishable = error as Error;
      throw error;
    }
  }

  // Crash or error anywhere: the next call does it again, for the size as it is then.
  async #publish(): Promise<{ size: number; checkpoint: Uint8Array | undefined }> {
    this.#handle.alive();
    const wanted = this.#state().tree.size;
    // What waits for its quorum comes first, whatever was committed since: else a log that never rests would never be published.
    let checkpoint = this.#cosigning?.waiting === true ? await this.#gathered() : undefined;
    if (this.#published.size < wanted) checkpoint = await this.#publishHead();
    else if (wanted > 0 && this.#cosigning?.due === true) checkpoint = (await this.#showAgain()) ?? checkpoint;
    else this.#published = { ...this.#published, atMs: this.#now() };
    return { size: this.#published.size, checkpoint };
  }

  async #publishHead(): Promise<Uint8Array> {
    if (this.#materialiser.failed !== undefined) {
      await this.#materialiser.restart();
      await this.#materialiseRows(this.#materialiser.done);
    }
    const { tree, root, at } = this.#state();
    const tail = this.#tail.slice(0, tree.size % TILE_WIDTH);
    await this.#materialiser.settled();
    await this.#materialiser.write(partialFiles(this.#folder, tree, tail));
    // No signature before enough witnesses have said that they know of nothing that this copy does not.
    if (this.#cosigning !== undefined) await this.#asking(this.#cosigning.demandCompared());
    this.#handle.alive(); // a commit may have failed while the files were written
    const head = this.#signed(tree.size, root, at);
    if (this.#cosigning !== undefined) {
      this.#cosigning.begin(head);
      return this.#gathered();
    }
    const checkpoint = utf8(formatNote(head.text, [head.signature]));
    await this.#replace(tree.size, checkpoint);
    return checkpoint;
  }

  /** `seen` and the table know of the head before its signature exists. */
  #signed(size: number, root: Root, at: string): SignedHead {
    this.advanceSeen(size, root);
    const before = this.#log.signedRoot(size);
    if (before === undefined) {
      this.#handle.fatal(() => {
        this.#log.sign(size, root, this.#logKey.vkey);
      });
    } else if (!equalBytes(before, root)) {
      this.#handle.fatal(() => {
        throw new Bug(`size ${size} was signed with another root`);
      });
    }
    const { name, keyId } = this.#logKey;
    const text = formatCheckpoint({ origin: name, size, root });
    return { size, root, at, text, signature: { name, keyId, signature: this.#logKey.sign(utf8(text)) } };
  }

  // Crash: what was cosigned stays with the witnesses; the next start signs and shows them a size that is at least this one.
  async #gathered(): Promise<Uint8Array> {
    const { size, checkpoint } = await this.#asking((this.#cosigning as Cosigning).gather());
    this.#handle.alive();
    await this.#replace(size, checkpoint);
    return checkpoint;
  }

  /** Of a log that rests: the same head, cosigned anew. */
  async #showAgain(): Promise<Uint8Array | undefined> {
    try {
      return await this.#publishHead();
    } catch (error) {
      const unheard = error instanceof SpurError && error.code === "log/no-quorum";
      if (!unheard || this.#cosigning?.giveUpRefresh() !== true) throw error;
      return undefined;
    }
  }

  /** A witness that knows more than this copy, or another history, stops it for good. */
  async #asking<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const stops = error instanceof SpurError && (error.code === "log/rolled-back" || error.code === "log/forked");
      throw stops ? this.#handle.end(error) : error;
    }
  }

  async #replace(size: number, checkpoint: Uint8Array): Promise<void> {
    writeDurable(join(this.#folder, "checkpoint"), checkpoint);
    const outgrown = outgrownPartials(this.#folder, this.#published.size, size);
    this.#published = { size, atMs: this.#now() };
    await dropPartials(outgrown).catch(() => undefined); // what stays does no harm
  }

  /** The witnesses as health shows them; undefined where no policy is set. */
  witnesses(): WitnessesState | undefined {
    return this.#cosigning?.state();
  }

  /** Nobody waits for witnesses any more: the ledger closes. */
  letGoOfWitnesses(): void {
    this.#cosigning?.close();
  }

  /** Drops rows whose entries are published and in full bundles; a little at a time, so that commits do not wait long. */
  prune(limit = 2048): boolean {
    const below = TILE_WIDTH * Math.floor(Math.min(this.#published.size, this.#materialiser.done) / TILE_WIDTH);
    if (below <= this.#pruned || this.#handle.dead !== undefined) return false;
    this.#handle.fatal(() => {
      this.#log.prune(below, limit);
    });
    const first = this.#log.firstRow() ?? this.#state().tree.size;
    this.#pruned = Math.min(first, below);
    return this.#pruned < below;
  }

  /** Durable when it returns: an older copy of the data folder will be noticed from here on. */
  advanceSeen(size = this.#state().tree.size, root: Uint8Array = this.#state().root): void {
    this.#handle.alive();
    if (size <= this.#seen) return;
    writeSeen(this.#keys, { size, root });
    this.#seen = size;
  }

  /** Signs receipts, after `seen` covers every entry committed so far: each with the key that the log vouches for at its index. */
  signReceipts(texts: readonly string[]): SignedReceipt[] {
    this.advanceSeen();
    return texts.map((text) => {
      const { name, keyId, vkey, sign } = this.#receiptsKeys.at(Number(text.split("\n", 4)[3]));
      return { note: formatNote(text, [{ name, keyId, signature: sign(utf8(text)) }]), vkey };
    });
  }

  /** The partial tiles of the published size: written again where they are missing, `log/tile-differs` where they hold other bytes. */
  async mendPartials(): Promise<void> {
    const { size } = this.#published;
    const from = Math.floor(size / TILE_WIDTH) * TILE_WIDTH;
    if (size === 0) return;
    const entries = this.#log.rows(from, size - from).map(({ bytes }) => Buffer.from(bytes));
    const { tree } = append(treeFromFiles(this.#folder, from), entries.map(leafHash));
    await this.#materialiser.write(partialFiles(this.#folder, tree, entries));
  }

  /** Writes the full tiles again whose entries are still rows. */
  async #materialiseRows(from: number): Promise<void> {
    if (from + TILE_WIDTH > this.#state().tree.size) return;
    // From the tree up to `from`, so that upper tiles that become full over the rows are found again.
    let tree: Tree = treeFromFiles(this.#folder, from);
    // To the size as it is after every wait: what is committed meanwhile comes after a gap, and is not counted as done by itself.
    for (let at = from; at + TILE_WIDTH <= this.#state().tree.size; at += TILE_WIDTH) {
      const entries = this.#log.rows(at, TILE_WIDTH).map(({ bytes }) => Buffer.from(bytes));
      const grown = append(tree, entries.map(leafHash));
      tree = grown.tree;
      this.#materialiser.enqueue(grown.full, [entries]);
      if (this.#materialiser.behind) await this.#materialiser.settled();
    }
    await this.#materialiser.settled();
  }
}
