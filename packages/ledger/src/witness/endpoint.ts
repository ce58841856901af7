import { toHex } from "@spur/verifier/bytes";
import { SpurError } from "../errors.ts";
import { readAnswer, type Cosigned, type Meaning } from "./answer.ts";
import type { Candidate } from "./candidate.ts";
import { within, type Clock } from "./clock.ts";
import type { PolicyWitness } from "./policy.ts";
import { ask, formatRequest, printable, Trouble, type Fetch, type Reason } from "./request.ts";

/** What the client of the witnesses takes from outside. */
export interface Surroundings {
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** 0 ≤ number < 1. */
  readonly random: () => number;
}

/** Bounds of time, in milliseconds. */
export interface Limits {
  /** One request and its answer. */
  readonly requestMs: number;
  /** All that one witness is asked in one round. */
  readonly roundMs: number;
  /** How long a quorum waits for the cosignatures beyond it. */
  readonly graceMs: number;
}

export const LIMITS: Limits = { requestMs: 5_000, roundMs: 10_000, graceMs: 1_000 };

const TRIES = 3;
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 250;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Why a witness is no use at present, and since when (milliseconds since 1970). */
export interface Failing {
  readonly reason: Reason;
  readonly detail: string;
  readonly sinceMs: number;
}

/** One witness, or several at one address: where it stands, as far as it told us. Nothing of it is kept over a start: it tells again. */
export class Endpoint {
  readonly url: string;
  readonly witnesses: readonly PolicyWitness[];
  readonly #outside: Surroundings;
  readonly #limits: Limits;
  /** The size that it last cosigned; 0 also if we do not know. */
  #stands = 0;
  #failing: Failing | undefined;
  #failures = 0;
  #notBefore = 0;

  constructor(
    at: { readonly url: string; readonly witnesses: readonly PolicyWitness[] },
    outside: Surroundings,
    limits: Limits,
  ) {
    this.url = at.url;
    this.witnesses = at.witnesses;
    this.#outside = outside;
    this.#limits = limits;
  }

  get failing(): Failing | undefined {
    return this.#failing;
  }

  /** False while it is left alone after a failure. */
  get due(): boolean {
    return this.#outside.clock.now() >= this.#notBefore;
  }

  /** A published checkpoint says that it stood there. */
  stood(size: number): void {
    this.#stands = size;
  }

  /**
   * Brings the witness up to the candidate; none if it stands beyond it. Undefined if it can't be had at present: `failing` says why. Throws
   * what must stop the log: `log/rolled-back` if the witness has cosigned a size that this copy never signed, `log/forked` if it holds another
   * root than ours.
   */
  async submit(candidate: Candidate, signal: AbortSignal): Promise<readonly Cosigned[] | undefined> {
    const { clock } = this.#outside;
    try {
      const cosigned = await within(clock, this.#limits.roundMs, signal, (inTime) => this.#bringUp(candidate, inTime));
      this.#failing = undefined;
      this.#failures = 0;
      this.#notBefore = 0;
      return cosigned;
    } catch (error) {
      if (isFatal(error)) throw error;
      if (error instanceof Ahead) {
        this.#remember("ahead", error.message);
        return [];
      }
      // A round that was called off says nothing about the witness; one that it was too slow for does.
      if (!signal.aborted) this.#failed(error);
      else if (error instanceof Trouble) this.#remember("timeout", "the others were a quorum before it answered");
      return undefined;
    }
  }

  async #bringUp(candidate: Candidate, signal: AbortSignal): Promise<readonly Cosigned[]> {
    for (let tries = 1; ; tries++) {
      const old = Math.min(this.#stands, candidate.size);
      const meaning = await this.#ask(candidate, old, signal).catch((error: unknown) => {
        // A connection that was kept since the last checkpoint may have been closed just now at the other end.
        if (tries > 1 || !(error instanceof Trouble) || error.reason !== "unreachable") throw error;
      });
      if (meaning === undefined) continue;
      if (meaning.kind === "cosigned") {
        this.#stands = candidate.size;
        return meaning.cosigned;
      }
      if (meaning.kind === "other-root") throw forked(this.url, candidate, meaning.said);
      if (meaning.kind === "proof-refused") return this.#compare(candidate, old, signal);
      const { size } = meaning;
      if (!candidate.known(size)) throw rolledBack(this.url, candidate, meaning.said);
      this.#stands = size;
      if (size > candidate.size) throw new Ahead(`it has cosigned ${size} entries already`);
      if (size === old || tries === TRIES)
        throw new Trouble("conflict", `it says that it stands at ${size}, again and again`);
      const wait = Math.min(FIRST_WAIT_MS * 5 ** (tries - 1), LONGEST_WAIT_MS);
      await this.#outside.clock.sleep(wait * (0.5 + this.#outside.random()), signal);
    }
  }

  /** It refuses a proof that we have verified: whether it holds another root than ours there is asked before it is believed. */
  async #compare(candidate: Candidate, old: number, signal: AbortSignal): Promise<never> {
    const older = candidate.older(old);
    const meaning = older === undefined ? undefined : await this.#ask(older, old, signal);
    if (older !== undefined && meaning?.kind === "other-root") throw forked(this.url, older, meaning.said);
    throw new Trouble("proof", `it refuses a valid proof from ${old} to ${candidate.size}`);
  }

  #ask(candidate: Candidate, old: number, signal: AbortSignal): Promise<Meaning> {
    const { fetch, clock } = this.#outside;
    return within(clock, this.#limits.requestMs, signal, async (inTime) => {
      const body = formatRequest(old, await candidate.proof(old), candidate.note);
      const answer = await ask(fetch, clock, `${this.url}/add-checkpoint`, body, inTime);
      return readAnswer(answer, candidate, old, this.witnesses);
    });
  }

  #failed(error: unknown): void {
    const trouble = error instanceof Trouble ? error : new Trouble("proof", printable((error as Error).message));
    this.#remember(trouble.reason, trouble.message);
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS) * (0.5 + this.#outside.random());
    this.#notBefore = this.#outside.clock.now() + Math.max(pause, trouble.retryAfterMs ?? 0);
  }

  #remember(reason: Reason, detail: string): void {
    this.#failing = { reason, detail, sinceMs: this.#failing?.sinceMs ?? this.#outside.clock.wallMs() };
  }
}

function isFatal(error: unknown): error is SpurError {
  return error instanceof SpurError && (error.code === "log/rolled-back" || error.code === "log/forked");
}

const AFTER_STOP =
  "Nothing was published. Find out whether another copy of this ledger runs or ran: its folders hold the history that the witness saw; see docs/witnesses.md.";

// What the witness said goes into the detail: it is the operator's evidence, and holds sizes only.
function rolledBack(url: string, candidate: Candidate, said: string): SpurError {
  const detail = `the witness at ${url} has cosigned a size that this copy never signed; asked at ${candidate.size}, ${said}`;
  return new SpurError("log/rolled-back", detail, { status: 503, hint: AFTER_STOP });
}

function forked(url: string, candidate: Candidate, said: string): SpurError {
  const detail = `the witness at ${url} holds another root of size ${candidate.size} than ${toHex(candidate.root)}; ${said}`;
  return new SpurError("log/forked", detail, { status: 503, hint: AFTER_STOP });
}

/** It knows more than it was asked about, and nothing that it could not know. */
class Ahead extends Error {
  override readonly name = "Ahead";
}
