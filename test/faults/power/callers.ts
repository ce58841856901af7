import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toBase64 } from "@spur/verifier/bytes";
import { parseEntry } from "@spur/verifier/statement/entry";
import { putPayload } from "@spur/ledger/api/payloads";
import { removeContents } from "@spur/ledger/api/removals";
import { deploymentOf, policyInForce } from "@spur/ledger/deployments";
import type { Draft, JournalInfo, Recorded } from "@spur/ledger/draft";
import type { RunningLedger } from "@spur/ledger/main";
import type { Random } from "../random.ts";
import { headIn, type Claim } from "./claims.ts";

interface World {
  readonly data: string;
  readonly keys: string;
  readonly random: Random;
  readonly tell: (claim: Claim) => void;
}

/** Errors that callers hear while a disk fails under the ledger; every other is a fault of ours. */
const DISK = new Set([
  "data/io", "log/commit-unknown", "log/not-published", "log/no-quorum", "removal/busy", "removal/already", "record/removed", "ledger/closed",
]); // prettier-ignore

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What callers want of a ledger, in an order that a seed decides. */
export class Callers {
  readonly #ledger: RunningLedger;
  readonly #world: World;
  /** Sealed records of ours. */
  readonly #sealed: string[] = [];
  /** What receipts can be asked for. */
  readonly #known: Recorded[] = [];
  readonly #keyIds: string[] = [];
  #left = 0;

  constructor(ledger: RunningLedger, world: World) {
    this.#ledger = ledger;
    this.#world = world;
  }

  /** `cut`: returns in the middle of what is under way. */
  async go(operations: number, callers: number, cut: boolean): Promise<void> {
    const { thread } = this.#ledger.ledger;
    for (const bytes of await thread.call("read", 0, (await thread.call("head")).size)) {
      const { predicateType, rec } = parseEntry(bytes);
      if (predicateType === "spur:source/v1") this.#sealed.push(rec);
    }
    this.#left = operations;
    const all = Array.from({ length: callers }, () => this.#call(cut));
    await (cut ? Promise.race(all) : Promise.all(all));
  }

  async #call(cut: boolean): Promise<void> {
    for (; this.#left > 0; this.#left--) {
      if (cut && this.#left === 1) return;
      try {
        await this.#once(this.#world.random.below(100));
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        if (code === undefined || !DISK.has(code)) throw error;
        if (message.includes("the process ends") || code === "log/commit-unknown") return;
      }
    }
  }

  async #once(dice: number): Promise<void> {
    if (dice < 30) await this.#record(1 + this.#world.random.below(3), 300);
    else if (dice < 40) await this.#many(20 + this.#world.random.below(80));
    else if (dice < 52) await this.#record(1, 70_000 + this.#world.random.below(9_000));
    else if (dice < 54) await this.#record(1, 1_050_000);
    else if (dice < 66) await this.#ask();
    else if (dice < 74) await this.#receipt();
    else if (dice < 82) await this.#remove();
    else if (dice < 88) await this.#publish();
    else if (dice < 93) await this.#payload();
    else await this.#accessKey();
  }

  #acked(recorded: readonly Recorded[], contents: readonly (Uint8Array | undefined)[]): void {
    this.#world.tell({
      acked: recorded.map(({ rec, index, leafHash }, i) => {
        const content = contents[i];
        return [rec, index, toBase64(leafHash), content === undefined ? null : sha256(content)];
      }),
    });
    this.#known.push(...recorded);
  }

  async #record(count: number, bytes: number): Promise<void> {
    const contents = Array.from({ length: count }, () => randomBytes(bytes));
    const drafts = contents.map((content): Draft => ({
      rec: this.#newRec(),
      predicateType: "spur:source/v1",
      predicate: { kind: "own", bytes },
      slots: [content],
      evidence: "reported", retention: "data", owner: "caller",
    })); // prettier-ignore
    this.#acked(await this.#ledger.ledger.record(drafts), contents);
    this.#sealed.push(...drafts.map(({ rec }) => rec));
  }

  /** Over bundles and tiles. */
  async #many(count: number): Promise<void> {
    const drafts = Array.from({ length: count }, (): Draft => {
      const rec = this.#newRec();
      return {
        rec,
        predicateType: "spur:key/v1",
        predicate: { purpose: "statements", algorithm: "ed25519", state: "active" },
        digests: { sha256: createHash("sha256").update(rec).digest() },
        evidence: "reported", retention: "data", owner: "caller",
      }; // prettier-ignore
    });
    this.#acked(await this.#ledger.ledger.record(drafts), []);
  }

  /** As the gateway does it: nothing is forwarded before the journal row, nothing ends before the record. */
  async #ask(): Promise<void> {
    const { ledger } = this.#ledger;
    const rec = this.#newRec();
    const deployment = await deploymentOf(ledger, { modelName: "m", upstream: "http://127.0.0.1:9/v1", contentDays: 30, operator: "self" }); // prettier-ignore
    const policy = await policyInForce(ledger);
    const info: JournalInfo = { deployment, policy: policy.rec, policyVersion: policy.version, contentDays: 30, keepNothing: false, caller: "caller", startedAtMs: 1 }; // prettier-ignore
    const request = randomBytes(200 + this.#world.random.below(4000));
    await ledger.begin(rec, "caller", request, info);
    this.#world.tell({ begun: rec, request: sha256(request) });
    if (this.#world.random.below(3) === 0) return; // the client waits for ever
    const both = { evidence: "observed", retention: "output", owner: "caller" } as const;
    const recorded = await ledger.record(
      [
        { ...both, rec, predicateType: "spur:output/v1", predicate: { deployment: { rec: deployment }, outcome: "complete" }, slots: [request] },
        { ...both, rec: this.#newRec(), predicateType: "spur:decision/v1", predicate: { output: { rec }, actor: "rule", verdict: "released", policy: { rec: policy.rec }, policyVersion: 1 }, slots: [] },
      ],
      rec,
    ); // prettier-ignore
    this.#acked(recorded, [request]);
  }

  async #receipt(): Promise<void> {
    const sealed = this.#known.filter(({ commitment }) => commitment !== undefined);
    if (sealed.length === 0) return;
    const { rec, index, leafHash, commitment } = this.#world.random.pick(sealed);
    await this.#ledger.ledger.receiptNote(rec, index, leafHash, commitment as Uint8Array);
    this.#world.tell({ receipt: [rec, index, toBase64(leafHash)] });
  }

  async #remove(): Promise<void> {
    const { data, keys, random, tell } = this.#world;
    const recs = this.#sealed.splice(random.below(Math.max(1, this.#sealed.length - 1)), 1 + random.below(2));
    if (recs.length === 0) return;
    const files = readdirSync(keys).filter((name) => name.startsWith("root.") && !name.endsWith(".tmp"));
    const found = await Promise.all(recs.map((rec) => this.#ledger.ledger.thread.call("unwrap", rec)));
    const bytes = found.map(({ ct, file }) => {
      const all = Buffer.from(ct ?? readFileSync(join(data, file as string)));
      return all.toString("hex", all.length >> 1, (all.length >> 1) + 24);
    });
    tell({ removing: recs });
    await removeContents(this.#ledger.ledger, { recs, basis: "erasure-request", who: "caller" });
    tell({ removed: recs, files, bytes });
  }

  async #publish(): Promise<void> {
    await this.#ledger.publish();
    const published = headIn(readFileSync(join(this.#world.data, "log", "checkpoint")));
    if (published !== undefined) this.#world.tell({ published });
  }

  async #payload(): Promise<void> {
    const bytes = Buffer.from(`public ${this.#world.random.below(12)}\n`.repeat(20));
    this.#world.tell({ payload: (await putPayload(this.#world.data, bytes)).sha256 });
  }

  async #accessKey(): Promise<void> {
    const { thread } = this.#ledger.ledger;
    const id = this.#keyIds.pop();
    if (id !== undefined) {
      await thread.call("revokeAccessKey", id, 2);
      this.#world.tell({ keyRevoked: id });
      return;
    }
    const made = randomBytes(6).toString("hex");
    await thread.call("addAccessKey", { id: made, hash: randomBytes(32), scopes: "write", label: "of the story", createdMs: 1 }); // prettier-ignore
    this.#world.tell({ keyAdded: made });
    this.#keyIds.push(made);
  }

  /** Few folders of payloads, so that records meet in them. */
  #newRec(): string {
    return `0${this.#world.random.below(6)}${randomBytes(15).toString("hex")}`;
  }
}
