import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote, openNote, parseNote } from "@spur/verifier/note/note";
import type { Cosigned } from "./answer.ts";
import type { Candidate } from "./candidate.ts";
import { Endpoint, LIMITS, type Failing, type Limits, type Surroundings } from "./endpoint.ts";
import type { OperatorPolicy } from "./policy.ts";

/** One witness as health shows it. */
export interface WitnessState {
  /** In the policy. */
  readonly name: string;
  /** Name of its key. */
  readonly key: string;
  readonly url?: string;
  /** Run by the operator: never counted. */
  readonly own?: true;
  /** Size that it last cosigned, and when by its clock (milliseconds since 1970), as far as this process has seen. */
  readonly size?: number;
  readonly atMs?: number;
  /** Why it is no use at present. */
  readonly failing?: Failing;
}

/** The witnesses of a log, as health shows them. */
export interface WitnessesState {
  /** The last candidate: enough cosigned it; not enough did; or the policy wants no quorum. */
  readonly quorum: "met" | "not-met" | "none";
  readonly detectOnly?: true;
  /** The size that waits for a quorum, and since when (milliseconds since 1970). */
  readonly waiting?: { readonly size: number; readonly sinceMs: number };
  readonly witnesses: readonly WitnessState[];
}

/** Cosignatures of one candidate, gathered in as many rounds as it takes. */
export class Gathering {
  readonly candidate: Candidate;
  readonly sinceMs: number;
  readonly #cosigned = new Map<string, Cosigned>();

  constructor(candidate: Candidate, nowMs: number) {
    this.candidate = candidate;
    this.sinceMs = nowMs;
  }

  add(cosigned: readonly Cosigned[]): void {
    for (const one of cosigned) this.#cosigned.set(one.name, one);
  }

  get names(): ReadonlySet<string> {
    return new Set(this.#cosigned.keys());
  }

  /** The checkpoint with the log's signature and all cosignatures, in the order of their names. */
  checkpoint(): string {
    const { text, signatures } = parseNote(this.candidate.note);
    const names = [...this.#cosigned.keys()].sort();
    return formatNote(text, [...signatures, ...names.map((name) => (this.#cosigned.get(name) as Cosigned).signature)]);
  }
}

/**
 * The client of a log's witnesses: asks all at once, believes no answer that it has not verified, and says when enough have cosigned. It
 * keeps nothing on disk: where a witness stands, the witness itself says.
 */
export class Witnesses {
  readonly policy: OperatorPolicy;
  readonly #outside: Surroundings;
  readonly #limits: Limits;
  readonly #endpoints: readonly Endpoint[];
  readonly #closed = new AbortController();
  /** Who has told, since this process started, that it knows of no more than this copy. */
  readonly #compared = new Set<string>();
  readonly #last = new Map<string, { size: number; atMs: number }>();
  #gathering: Gathering | undefined;
  #met: boolean | undefined;

  constructor(policy: OperatorPolicy, outside: Surroundings, limits: Limits = LIMITS) {
    this.policy = policy;
    this.#outside = outside;
    this.#limits = limits;
    this.#endpoints = policy.endpoints.map((one) => new Endpoint(one, outside, limits));
  }

  /**
   * Enough witnesses know of nothing beyond this copy: before that, nothing may be signed. Any two quorums of the policy share an honest
   * witness (else it is `detectOnly`), so whatever was published before is known to one of those that answered; and whoever did not answer
   * could not have helped to publish either.
   */
  get compared(): boolean {
    return this.policy.enough(this.#compared);
  }

  /** Shows the last published checkpoint to those that have not been asked yet. Throws `log/rolled-back`, `log/forked`. */
  async compare(published: Candidate): Promise<void> {
    await this.#round(
      (endpoint) => endpoint.due && !endpoint.witnesses.every(({ name }) => this.#compared.has(name)),
      async (endpoint, signal) => {
        const cosigned = await endpoint.submit(published, signal);
        if (cosigned === undefined) return;
        for (const { name } of endpoint.witnesses) this.#compared.add(name);
        this.#saw(cosigned, published.size);
      },
    );
  }

  /** Nothing was published or signed yet: there is nothing that a witness could know better. */
  nothingToCompare(): void {
    for (const { name } of this.policy.witnesses) this.#compared.add(name);
  }

  /** Reads who cosigned a checkpoint that was published. True if they are enough. */
  recall(checkpoint: string): boolean {
    const { policy } = this;
    const keys = policy.witnesses.map(({ key }) => key);
    const note = parseNote(checkpoint);
    const { size } = parseCheckpoint(note.text);
    const cosigned = openNote(note, keys).verified.map(({ key, signature, timestamp = 0 }) => {
      return { name: policy.witnesses.find((one) => one.key === key)?.name ?? "", signature, timestamp };
    });
    this.#saw(cosigned, size);
    for (const endpoint of this.#endpoints) {
      if (endpoint.witnesses.every(({ name }) => cosigned.some((one) => one.name === name))) endpoint.stood(size);
    }
    this.#met = policy.enough(new Set(cosigned.map(({ name }) => name)));
    return this.#met;
  }

  /** A candidate, to be gathered for. */
  begin(candidate: Candidate): Gathering {
    this.#gathering = new Gathering(candidate, this.#outside.clock.wallMs());
    return this.#gathering;
  }

  /** Nobody waits for the candidate any more. */
  drop(): void {
    this.#gathering = undefined;
    this.#met = true;
  }

  /**
   * One round: asks all who have not cosigned, and waits for a quorum, and then a moment longer for the others. True if there is one. Those
   * who failed lately are left alone for a while. Throws `log/rolled-back`, `log/forked`: nothing may be signed after that.
   */
  async gather(gathering: Gathering): Promise<boolean> {
    const { candidate } = gathering;
    const enough = (): boolean => this.policy.enough(gathering.names);
    const wanted = (endpoint: Endpoint): boolean =>
      endpoint.due && !endpoint.witnesses.every(({ name }) => gathering.names.has(name));
    await this.#round(
      wanted,
      async (endpoint, signal) => {
        const cosigned = (await endpoint.submit(candidate, signal)) ?? [];
        gathering.add(cosigned);
        this.#saw(cosigned, candidate.size);
      },
      enough,
    );
    this.#met = enough();
    if (this.#met) this.#gathering = undefined;
    return this.#met;
  }

  /** Runs `work` for the endpoints at once; ends when all have ended, or a while after `enough`. The first error ends it for all. */
  async #round(
    wanted: (endpoint: Endpoint) => boolean,
    work: (endpoint: Endpoint, signal: AbortSignal) => Promise<void>,
    enough: () => boolean = () => false,
  ): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#closed.signal]);
    let error: unknown;
    let waiting = false;
    const waitForTheRest = (): void => {
      if (waiting || !enough()) return;
      waiting = true;
      void this.#outside.clock.sleep(this.#limits.graceMs, signal).then(() => {
        over.abort();
      });
    };
    waitForTheRest(); // where no quorum is wanted
    await Promise.all(
      this.#endpoints.filter(wanted).map(async (endpoint) => {
        try {
          await work(endpoint, signal);
        } catch (thrown) {
          error ??= thrown;
          over.abort();
        }
        waitForTheRest();
      }),
    );
    over.abort();
    if (error !== undefined) throw error as Error;
  }

  #saw(cosigned: readonly Cosigned[], size: number): void {
    for (const { name, timestamp } of cosigned) this.#last.set(name, { size, atMs: timestamp * 1000 });
  }

  /** Ends what is under way: those who wait are told that there is no quorum. */
  close(): void {
    this.#closed.abort();
  }

  state(): WitnessesState {
    const { policy } = this;
    const waiting = this.#gathering;
    return {
      quorum: policy.policy.quorum === undefined ? "none" : this.#met === true ? "met" : "not-met",
      ...(policy.detectOnly ? { detectOnly: true } : {}),
      ...(waiting === undefined ? {} : { waiting: { size: waiting.candidate.size, sinceMs: waiting.sinceMs } }),
      witnesses: policy.witnesses.map(({ name, key, own }): WitnessState => {
        const endpoint = this.#endpoints.find((one) => one.witnesses.some((witness) => witness.name === name));
        const last = this.#last.get(name);
        return {
          name,
          key: key.name,
          ...(endpoint === undefined ? {} : { url: endpoint.url }),
          ...(own ? { own } : {}),
          ...last,
          ...(endpoint?.failing === undefined ? {} : { failing: endpoint.failing }),
        };
      }),
    };
  }

  /** Who is missing and why, in a line for diagnostics. */
  missing(cosigned: ReadonlySet<string>): string {
    const missing = this.policy.witnesses.filter(({ name }) => !cosigned.has(name));
    const states = new Map(this.state().witnesses.map((one) => [one.name, one]));
    return missing
      .map(({ name }) => {
        const state = states.get(name);
        if (state?.url === undefined) return `${name} has no URL`;
        return `${name}: ${state.failing === undefined ? "not asked yet" : `${state.failing.reason}, ${state.failing.detail}`}`;
      })
      .join("; ");
  }
}
