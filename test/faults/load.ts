import { randomBytes } from "node:crypto";
import { Agent, request as httpRequest } from "node:http";
import type { Random } from "./random.ts";

/** What callers were told, over all lives of one ledger. */
export interface Told {
  /** Acknowledged records: place and leaf hash (base64). */
  readonly acknowledged: Map<string, { index: number; leafHash: string }>;
  /** Records of answers whose id the caller has seen, whatever came after. */
  readonly answers: Set<string>;
  /** Answers that came to a normal end, by the marker of their request. */
  readonly ended: Map<string, string>;
  /** Sealed records of ours that can be removed. */
  readonly removable: string[];
  /** Records whose removal was acknowledged as completed. */
  readonly removed: Set<string>;
  readonly receipts: Map<string, number>;
  /** Every checkpoint that anybody saw. */
  readonly checkpoints: Set<string>;
  /** Answers of the server by status and code, to see what a fault looked like. */
  readonly statuses: Map<string, number>;
  /** Drafts whose outcome is unknown: they are sent again, with the same rec. */
  readonly unknown: Drafts[];
}

interface Drafts {
  readonly recs: readonly string[];
  readonly body: string;
}

export const nothingTold = (): Told => ({
  acknowledged: new Map(),
  answers: new Set(),
  ended: new Map(),
  removable: [],
  removed: new Set(),
  receipts: new Map(),
  checkpoints: new Set(),
  statuses: new Map(),
  unknown: [],
});

const newRec = (): string => randomBytes(16).toString("hex");

interface Answered {
  readonly status: number;
  readonly body: string;
  readonly rec?: string;
  /** The body came to its orderly end. */
  readonly whole: boolean;
}

/** Callers of one life of the ledger. They go on until `stop`, or until nobody answers. */
export class Load {
  readonly #url: string;
  readonly #key: string;
  readonly #told: Told;
  readonly #random: Random;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #callers: Promise<void>[];
  #over = false;

  /** `heavy`: mostly large contents, to fill a disk. */
  constructor(
    url: string,
    key: string,
    told: Told,
    random: Random,
    options: { callers?: number; heavy?: boolean } = {},
  ) {
    this.#url = url;
    this.#key = key;
    this.#told = told;
    this.#random = random;
    const heavy = options.heavy === true;
    this.#callers = Array.from({ length: options.callers ?? 10 }, () => this.#call(heavy));
    this.#callers.push(this.#watch());
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#callers);
    this.#agent.destroy();
  }

  async #call(heavy: boolean): Promise<void> {
    while (!this.#over) {
      try {
        const dice = this.#random.below(100);
        if (heavy && dice < 70) await this.#record(true);
        else if (dice < 40) await this.#record(false);
        else if (dice < 85) await this.#ask(dice < 65);
        else if (dice < 90) await this.#receipt();
        else if (dice < 93) await this.#remove();
        else if (dice < 96) await this.#send("POST", "/spur/v1/publish", "{}");
        else await this.#again();
      } catch {
        if (!this.#over) await new Promise((resolve) => setTimeout(resolve, 5)); // nobody answers: it was killed
      }
    }
  }

  /** Looks at the published checkpoint all the time. */
  async #watch(): Promise<void> {
    while (!this.#over) {
      try {
        const { status, body, whole } = await this.#send("GET", "/log/checkpoint");
        if (status === 200 && whole) this.#told.checkpoints.add(body);
      } catch {
        // it was killed
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #record(heavy: boolean): Promise<void> {
    const large = heavy || this.#random.below(8) === 0;
    const recs = Array.from({ length: 1 + this.#random.below(3) }, newRec);
    const drafts = recs.map((rec, i) => ({
      rec,
      predicateType: "spur:source/v1",
      predicate: { kind: "own", bytes: i },
      slots: { name: `name of ${rec}`, note: large ? randomBytes(heavy ? 60_000 : 45_000).toString("hex") : "short" },
    }));
    await this.#send3({ recs, body: JSON.stringify({ drafts }) });
  }

  async #again(): Promise<void> {
    const drafts = this.#told.unknown.pop();
    if (drafts !== undefined) await this.#send3(drafts);
  }

  async #send3(drafts: Drafts): Promise<void> {
    let answer: Answered;
    try {
      answer = await this.#send("POST", "/spur/v1/records", drafts.body);
    } catch (error) {
      this.#told.unknown.push(drafts);
      throw error;
    }
    if (answer.status !== 201 || !answer.whole) {
      if (answer.status >= 500 || !answer.whole) this.#told.unknown.push(drafts);
      return;
    }
    const { records } = JSON.parse(answer.body) as { records: { rec: string; index: number; leafHash: string }[] };
    for (const { rec, index, leafHash } of records) {
      const before = this.#told.acknowledged.get(rec);
      if (before !== undefined && before.leafHash !== leafHash)
        throw new Error(`${rec} was acknowledged twice, differently`);
      this.#told.acknowledged.set(rec, { index, leafHash });
    }
    this.#told.removable.push(...drafts.recs);
  }

  async #ask(stream: boolean): Promise<void> {
    const marker = `marker-${newRec()}`;
    const answer = await this.#send("POST", "/v1/chat/completions", JSON.stringify({ model: "m", stream, messages: [{ role: "user", content: marker }] }), (rec) => {
      this.#told.answers.add(rec);
    }); // prettier-ignore
    const ended =
      answer.whole &&
      answer.status === 200 &&
      (stream ? answer.body.includes("[DONE]") : answer.body.includes("an answer"));
    if (answer.rec !== undefined && ended) this.#told.ended.set(marker, answer.rec);
  }

  async #receipt(): Promise<void> {
    const all = [...this.#told.ended.values()];
    if (all.length === 0) return;
    const rec = this.#random.pick(all.slice(-20));
    const answer = await this.#send("GET", `/spur/v1/records/${rec}/receipt`);
    if (answer.status !== 200 || !answer.whole) return;
    const index = Number((JSON.parse(answer.body) as { note: string }).note.split("\n")[3]);
    this.#told.receipts.set(rec, index);
  }

  async #remove(): Promise<void> {
    const rec = this.#told.removable.shift();
    if (rec === undefined) return;
    const answer = await this.#send("POST", "/spur/v1/removals", JSON.stringify({ rec, basis: "erasure-request" }));
    if (answer.status === 200 && answer.whole && answer.body.includes('"completed"')) this.#told.removed.add(rec);
  }

  #send(method: string, path: string, body?: string, onRec?: (rec: string) => void): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#key}`, "content-type": "application/json" };
      const request = httpRequest(
        `${this.#url}${path}`,
        { method, headers, agent: this.#agent, timeout: 20_000 },
        (response) => {
          const rec = response.headers["x-spur-record"] as string | undefined;
          if (rec !== undefined) onRec?.(rec);
          let text = "";
          response.on("data", (bytes: Buffer) => (text += bytes.toString()));
          response.on("error", () => undefined);
          response.on("close", () => {
            const status = response.statusCode ?? 0;
            const code = /"code":"([^"]*)"/.exec(text)?.[1];
            const name = `${status}${status >= 400 ? ` ${code ?? ""}` : ""}`;
            this.#told.statuses.set(name, (this.#told.statuses.get(name) ?? 0) + 1);
            resolve({ status, body: text, whole: response.complete, ...(rec === undefined ? {} : { rec }) });
          });
        },
      );
      request.on("timeout", () => request.destroy(new Error("no answer for 20 s")));
      request.on("error", reject);
      request.end(body);
    });
  }
}
