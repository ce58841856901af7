import { toBase64 } from "@spur/verifier/bytes";
import type { Trust } from "@spur/verifier/trust/trust";
import type { ReadTile } from "../misbehaviour.ts";
import { many } from "../text.ts";
import type { Alarms } from "./alarms.ts";
import { faultOf } from "./faults.ts";
import type { Memory } from "./memory.ts";
import { relate, type Relation } from "./relate.ts";
import type { Waiting } from "./saved.ts";
import { judge, type Signed } from "./signed.ts";

/** Checkpoints that wait for somebody to serve their tiles, and proofs of misbehaviour: one is enough, and none says more than the first. */
const MAX_WAITING = 256;
const MAX_PROOFS = 16;
/** Waiting ones that are looked at in one round, all in turn: each may cost requests to every place. */
const TRIED = 16;
const REMEMBERED = 10_000;

/** Holds what is shown, wherever it is shown, against the newest checkpoint that is known. */
export class Comparison {
  readonly #memory: Memory;
  readonly #alarms: Alarms;
  readonly #now: () => number;
  /** What agreed once agrees for ever: what is held only grows. */
  readonly #agreed = new Set<string>();
  #turn = 0;

  constructor(memory: Memory, alarms: Alarms, now: () => number) {
    this.#memory = memory;
    this.#alarms = alarms;
    this.#now = now;
  }

  /** What the log itself shows. Whether it is now the newest that is known. */
  async own(signed: Signed, sources: readonly ReadTile[]): Promise<boolean> {
    const { held } = this.#memory;
    if (held === undefined) {
      this.#memory.hold(signed, this.#now());
      return true;
    }
    const relation = await this.#relate(held, signed, sources);
    if (relation.kind === "conflicts") return false;
    if (relation.kind === "open") {
      this.#wait(signed, "the log");
      this.#alarms.raise({ id: "monitor/look", ...faultOf(relation.error), scope: "look" });
    } else if (signed.size > held.size || (signed.size === held.size && betterSigned(signed, held))) {
      this.#memory.hold(signed, this.#now());
    }
    if (signed.size >= held.size) return relation.kind === "agrees";
    const sentence = `The log went back: it had shown ${many(held.size, "entry", "entries")}, and now shows ${signed.size.toLocaleString("en-US")}.`;
    for (const { note } of [held, signed]) this.#memory.keep(note, "checkpoint");
    this.#alarms.raise({ id: "monitor/shrank", code: "monitor/shrank", verdict: "fail", sentence, scope: "look" });
    return false;
  }

  /** What somebody else shows of the log. That he is behind is no fault; that he is ahead is one if it lasts. */
  async other(signed: Signed, where: string, sources: readonly ReadTile[]): Promise<void> {
    const { held } = this.#memory;
    if (held === undefined) return this.#wait(signed, where);
    const relation = await this.#relate(held, signed, sources);
    if (relation.kind === "open" || (relation.kind === "agrees" && signed.size > held.size)) this.#wait(signed, where);
  }

  /** Those that could not be compared before. `aheadMs`: how long the log may show less than it has signed elsewhere. */
  async waiting(sources: readonly ReadTile[], trust: Trust, aheadMs: number): Promise<void> {
    const { state } = this.#memory;
    const left: Waiting[] = [];
    const turns = Math.ceil(state.waiting.length / TRIED);
    this.#turn++;
    for (const [at, one] of state.waiting.entries()) {
      const { held } = this.#memory;
      const signed = judge(one.note, state.origin, trust);
      if (!("root" in signed)) continue; // the caller has taken back his trust in that key
      const turn = (at + this.#turn) % turns === 0;
      const relation = held && turn ? await this.#relate(held, signed, sources) : undefined;
      if (relation?.kind === "conflicts") continue;
      const ahead = held === undefined || signed.size > held.size;
      if (relation?.kind === "agrees" && !ahead) continue;
      left.push(one);
      const since = new Date(one.atMs).toISOString();
      const size = signed.size.toLocaleString("en-US");
      if (!ahead) {
        const sentence = `Whether the checkpoint of size ${size} from ${one.where} fits could not be checked: nobody serves the tiles.`;
        const id = `monitor/open:${one.tree}`;
        this.#alarms.raise({ id, code: "monitor/open", verdict: "not-checked", sentence, scope: "waiting" });
      } else if (this.#now() - one.atMs > aheadMs) {
        const sentence = `The log has signed size ${size}, as ${one.where} has shown since ${since}, and shows less here.`;
        this.#alarms.raise({
          id: "monitor/behind",
          code: "monitor/behind",
          verdict: "fail",
          sentence,
          scope: "waiting",
        });
      }
    }
    state.waiting = left;
    this.#alarms.looked("waiting");
  }

  async #relate(held: Signed, signed: Signed, sources: readonly ReadTile[]): Promise<Relation> {
    const name = treeOf(signed);
    const fork = `monitor/split-view:${name}`;
    if (this.#alarms.has(fork)) return { kind: "conflicts" };
    if (this.#agreed.has(name)) return { kind: "agrees" };
    // What was read is at hand; for the rest somebody must be asked.
    const own: ReadTile = async (tile) => Promise.resolve(this.#memory.hashes.tile(tile));
    const relation = await relate(held, signed, signed.size <= held.size ? [own, ...sources] : sources);
    if (relation.kind === "agrees" && signed.size <= held.size && this.#agreed.size < REMEMBERED)
      this.#agreed.add(name);
    if (relation.kind === "conflicts") this.#convict(fork, held, signed, relation.proof);
    return relation;
  }

  #convict(id: string, held: Signed, signed: Signed, proof: Uint8Array | undefined): void {
    const found = this.#alarms.list.filter(({ code }) => code === "monitor/split-view").length;
    const rest = { code: "monitor/split-view", verdict: "fail", scope: "", lasting: true } as const;
    const what = `The log has signed two histories that exclude each other (sizes ${held.size} and ${signed.size})`;
    if (found >= MAX_PROOFS) {
      const sentence = `${what}, and more than ${MAX_PROOFS} such.`;
      return this.#alarms.raise({ id: "monitor/split-view:more", sentence, ...rest });
    }
    const file = proof && this.#memory.keep(proof, "misbehaviour.json");
    for (const { note } of [held, signed]) this.#memory.keep(note, "checkpoint");
    const shown = file === undefined ? "both checkpoints are kept" : `${file} proves it to anybody`;
    this.#alarms.raise({ id, sentence: `${what}; ${shown}.`, ...(file === undefined ? {} : { file }), ...rest });
  }

  #wait(signed: Signed, where: string): void {
    const { state } = this.#memory;
    const tree = treeOf(signed);
    if (state.waiting.some((one) => one.tree === tree)) return;
    const one = { note: signed.note, tree, atMs: this.#now(), where };
    if (state.waiting.length < MAX_WAITING) state.waiting = [...state.waiting, one];
    else this.#memory.keep(signed.note, "checkpoint");
  }
}

function treeOf({ size, root }: Signed): string {
  return `${size}:${toBase64(root)}`;
}

/** Of one tree, the checkpoint that says more is kept: what was cosigned does not get lost because a copy without it is shown. */
function betterSigned(now: Signed, before: Signed): boolean {
  if (now.note === before.note || now.flaws.length > before.flaws.length) return false;
  return now.flaws.length < before.flaws.length || (now.seenAt.at(-1) ?? 0) > (before.seenAt.at(-1) ?? 0);
}
