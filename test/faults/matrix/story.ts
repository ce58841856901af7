import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toBase64 } from "@spur/verifier/bytes";
import { leafHash } from "@spur/verifier/tlog/merkle";
import type { Core } from "../../../packages/ledger/src/core.ts";
import type { CoreDraft } from "../../../packages/ledger/src/core/types.ts";
import type { Draft } from "../../../packages/ledger/src/draft.ts";
import { Bug } from "../../../packages/ledger/src/errors.ts";
import { prepare } from "../../../packages/ledger/src/prepare.ts";
import { sealJournal } from "../../../packages/ledger/src/vault/seal.ts";
import {
  NOW_MS,
  plainDraft,
  ready,
  removalDraft,
  sealedDraft,
  type Pair,
} from "../../../packages/ledger/test/log-support.ts";
import type { Claim } from "../power/claims.ts";

/** What a story needs of the world. */
export interface World {
  readonly pair: Pair;
  open(): Promise<Core>;
  /** Time goes on: those who were left alone after a failure are asked again. */
  later(): void;
  readonly claims: Claim[];
}

const TRIES = 8;
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Callers of one ledger in this thread: whatever fails they try again, in the same process as long as it may go on, else in the next. */
export class Story {
  readonly #world: World;
  #core: Core | undefined;
  /** Processes so far. */
  starts = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** From nothing to a first checkpoint. */
  async creation(): Promise<void> {
    await this.#append([plainDraft(), plainDraft()]);
    await this.#publish();
    await this.#append([sealedDraft([randomBytes(300)])]);
    await this.#end();
    await this.#publish();
    await this.#end();
  }

  /** Over the end of a bundle, with contents in rows and files, an answer, keys, and removals; then once more. */
  async life(): Promise<void> {
    const [kept, small, large] = [sealedDraft([randomBytes(300)]), sealedDraft([randomBytes(300)]), sealedDraft([randomBytes(80_000)])]; // prettier-ignore
    for (const draft of [kept, small, large]) await this.#append([draft]);
    for (const count of [2, 20]) await this.#append(Array.from({ length: count }, () => plainDraft()));
    await this.#publish();
    await this.#attempt((core) => {
      while (core.publication.prune());
    });
    await this.#append([plainDraft()]);
    await this.#receipt(kept.rec);
    await this.#answer(true);
    await this.#accessKey();
    await this.#remove([small.rec, large.rec]);
    await this.#answer(false);
    await this.#attempt((core) => {
      core.tidy();
    });
    await this.#publish();
    await this.#end();
    await this.#append([plainDraft()]);
    await this.#publish();
    await this.#end();
  }

  /** Tries until it is done: one fault, even a lasting one, must not be the end of it. */
  async #attempt<T>(work: (core: Core) => T | Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        this.#core ??= await this.#start();
        return await work(this.#core);
      } catch (error) {
        if (error instanceof Bug || (error as { code?: string }).code === undefined) throw error;
        if (tries === TRIES) throw new Error(`it does not go on: ${(error as Error).message}`, { cause: error });
        this.#world.later();
        if (this.#core?.dead !== undefined) await this.#end();
      }
    }
  }

  async #start(): Promise<Core> {
    this.starts++;
    const core = await this.#world.open();
    this.#world.claims.push({ vkey: core.info.vkey });
    return core;
  }

  async #end(): Promise<void> {
    const core = this.#core;
    this.#core = undefined;
    await core?.close().catch((error: unknown) => {
      if (error instanceof Bug) throw error;
    });
  }

  async #publish(): Promise<void> {
    await this.#attempt((core) => core.publication.publish());
  }

  async #append(drafts: readonly Draft[], marks: Partial<CoreDraft> = {}, finishes?: string): Promise<void> {
    const prepared = await this.#attempt(() => Promise.all(drafts.map((draft) => ready(this.#world.pair, draft, marks)))); // prettier-ignore
    await this.#attempt((core) => {
      // One try that failed may have been recorded all the same.
      if (drafts.every(({ rec }) => core.vault.locate(rec) !== undefined)) return;
      const [result] = core.commit([{ kind: "append", drafts: prepared, essential: true, ...(finishes === undefined ? {} : { finishes }) }]); // prettier-ignore
      if (result === undefined || "refused" in result) throw result?.refused ?? new Bug("no result");
    });
    await this.#attempt((core) => {
      const acked = drafts.map(({ rec, slots }) => {
        const index = core.vault.locate(rec)?.index as number;
        const content = slots?.[0];
        return [rec, index, toBase64(leafHash(core.read(index, 1)[0] as Uint8Array)), content === undefined ? null : sha256(content)] as const; // prettier-ignore
      });
      this.#world.claims.push({ acked });
    });
  }

  async #receipt(rec: string): Promise<void> {
    await this.#attempt((core) => {
      const index = core.vault.locate(rec)?.index as number;
      core.publication.signReceipts([`spur-receipt/v1\n${core.info.origin}\n${rec}\n${index}\n\n\n`]);
      this.#world.claims.push({ receipt: [rec, index, toBase64(leafHash(core.read(index, 1)[0] as Uint8Array))] });
    });
  }

  /** `ends`: or its client waits for ever. */
  async #answer(ends: boolean): Promise<void> {
    const draft = sealedDraft([randomBytes(500)]);
    const { rec } = draft;
    const [request] = draft.slots as [Uint8Array];
    const header = Buffer.from("\0\0\0\u0002{}", "latin1");
    const { ct, dek } = sealJournal(Buffer.from(rec, "hex"), Buffer.concat([header, request]));
    await this.#attempt((core) => {
      if (core.vault.openJournal().some((row) => row.rec === rec)) return;
      const [result] = core.commit([{ kind: "journal", rec, owner: "tester", ct, dek }]);
      if (result === undefined || "refused" in result) throw result?.refused ?? new Bug("no result");
    });
    this.#world.claims.push({ begun: rec, request: sha256(request) });
    if (ends) await this.#append([draft], {}, rec);
  }

  async #accessKey(): Promise<void> {
    const id = randomBytes(6).toString("hex");
    const hash = randomBytes(32);
    await this.#attempt((core) => {
      if (core.accessKeys.all().every((key) => key.id !== id))
        core.accessKeys.add({ id, hash, scopes: "write", label: "of the story", createdMs: 1 });
    });
    this.#world.claims.push({ keyAdded: id });
    await this.#attempt((core) => core.accessKeys.revoke(id, 2));
    this.#world.claims.push({ keyRevoked: id });
  }

  async #remove(recs: readonly string[]): Promise<void> {
    const { pair, claims } = this.#world;
    const files = readdirSync(pair.keys).filter((name) => /^root\.[0-9a-f]{16}$/.test(name));
    const bytes = await this.#attempt((core) =>
      recs.map((rec) => {
        const { ct, file } = core.vault.unwrap(rec);
        const all = Buffer.from(ct ?? readFileSync(join(pair.data, file as string)));
        return all.toString("hex", all.length >> 1, (all.length >> 1) + 24);
      }),
    );
    claims.push({ removing: recs });
    const orders = recs.map((rec) => ({ rec, draft: removalDraft(rec) }));
    for (const { rec, draft } of orders) await this.#append([draft], { orders: rec });
    await this.#publish();
    await this.#attempt((core) => core.destroy(recs));
    for (const { rec, draft } of orders) await this.#append([removalDraft(rec, draft.rec)], { completes: rec });
    claims.push({ removed: recs, files, bytes });
  }
}

/** Entries to begin a life with: nearly a bundle full. */
export const almostFull = (): CoreDraft[] => Array.from({ length: 250 }, () => prepare(plainDraft(), NOW_MS).draft);
