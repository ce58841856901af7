import { join } from "node:path";
import { openNote, parseNote, parseVkey, type NoteSignature } from "@spur/verifier/note/note";
import { formatCheckpoint, parseCheckpoint } from "@spur/verifier/note/checkpoint";
import type { Root } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { utf8 } from "@spur/verifier/bytes";
import { hourMs } from "@spur/verifier/statement/entry";
import { Bug, SpurError } from "../errors.ts";
import { readTile } from "../log/read-log.ts";
import type { SigningKey } from "../log/signing-key.ts";
import { readIfThere } from "../storage/durable-file.ts";
import type { LogStore } from "../storage/log-store.ts";
import { createCandidate, earliestCosignature, type Candidate } from "../witness/candidate.ts";
import { systemClock } from "../witness/clock.ts";
import { LIMITS, type Surroundings } from "../witness/endpoint.ts";
import { operatorPolicy } from "../witness/policy.ts";
import { Witnesses, type Gathering, type WitnessesState } from "../witness/witnesses.ts";
import type { Checked } from "./open.ts";
import type { CoreOptions } from "./types.ts";

/** A log that rests is shown to its witnesses again after so long: their times say how fresh a checkpoint is. */
const REFRESH_MS = 3_600_000;

/** A head that the log has signed. */
export interface SignedHead {
  readonly size: number;
  readonly root: Root;
  /** The hour of its last entry. */
  readonly at: string;
  /** What was signed. */
  readonly text: string;
  readonly signature: Omit<NoteSignature, "line">;
}

/**
 * Between the one writer and its witnesses: makes candidates from the log's own files, knows which sizes were ever signed here, and says
 * when a checkpoint may be published. The candidate that was begun is gathered for until it has its quorum, however long that takes and
 * however much is committed meanwhile: cosignatures that were given stay valid, so witnesses need not be there at one time.
 */
export class Cosigning {
  readonly #witnesses: Witnesses;
  readonly #outside: Surroundings;
  readonly #log: LogStore;
  readonly #logKey: SigningKey;
  readonly #folder: string;
  readonly #seenAtStart: number;
  /** The last published checkpoint, as this process found it. */
  readonly #found: string | undefined;
  /** Enough have cosigned what is published. */
  #met: boolean;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #waiting: Gathering | undefined;

  /** Undefined where no policy is set. Throws `witnesses/…`. */
  static of(options: CoreOptions, checked: Checked): Cosigning | undefined {
    return options.witnesses === undefined ? undefined : new Cosigning(options, checked);
  }

  private constructor({ witnesses, witnessing, data, wallNow = Date.now }: CoreOptions, checked: Checked) {
    if (witnesses === undefined) throw new Bug("no policy");
    this.#logKey = checked.logKey;
    this.#log = checked.log;
    this.#folder = join(data, "log");
    this.#seenAtStart = checked.seen;
    this.#outside = {
      fetch: (url, init) => fetch(url, init),
      clock: { ...systemClock, wallMs: wallNow },
      random: Math.random,
      ...witnessing?.outside,
    };
    const policy = operatorPolicy(witnesses, parseVkey(checked.logKey.vkey));
    this.#witnesses = new Witnesses(policy, this.#outside, { ...LIMITS, ...witnessing?.limits });
    this.#found = readIfThere(join(this.#folder, "checkpoint"))?.toString("utf8");
    this.#met = this.#found !== undefined && this.#witnesses.recall(this.#found);
  }

  /**
   * Asks the witnesses, with the checkpoint that was published last, whether they know of anything beyond this copy. Throws `log/rolled-back`
   * or `log/forked` if one does. Who does not answer is asked again before the first signature ({@link demandCompared}).
   */
  async compare(): Promise<void> {
    if (this.#found === undefined) this.#witnesses.nothingToCompare();
    else await this.#witnesses.compare(this.#candidateOf(this.#found));
  }

  /** Returns once enough witnesses have answered: nothing may be signed before. Throws as {@link compare}, and `log/no-quorum`. */
  async demandCompared(): Promise<void> {
    if (this.#witnesses.compared) return;
    await this.compare();
    if (this.#witnesses.compared) return;
    throw noQuorum(
      `too few witnesses have said that they know of nothing newer: ${this.#witnesses.missing(new Set())}`,
    );
  }

  /** A signed candidate waits for its quorum. */
  get waiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** What is published has no quorum, or has not been shown to the witnesses for long. */
  get due(): boolean {
    return !this.#met || this.#outside.clock.now() - this.#attemptedAt >= REFRESH_MS;
  }

  begin(head: SignedHead): void {
    this.#attemptedAt = this.#outside.clock.now();
    this.#waiting = this.#witnesses.begin(this.#candidate(head, earliestCosignature(hourMs(head.at))));
  }

  /** The candidate with its cosignatures. Throws `log/no-quorum`, and goes on waiting then; and what stops the log. */
  async gather(): Promise<{ readonly size: number; readonly checkpoint: Uint8Array }> {
    const waiting = this.#waiting;
    if (waiting === undefined) throw new Bug("nothing waits for witnesses");
    const { size } = waiting.candidate;
    if (!(await this.#witnesses.gather(waiting))) {
      throw noQuorum(`size ${size} waits for witnesses: ${this.#witnesses.missing(waiting.names)}`);
    }
    this.#waiting = undefined;
    this.#met = true;
    return { size, checkpoint: utf8(waiting.checkpoint()) };
  }

  /** What is published has its quorum: fresher cosignatures that nobody gave are not waited for. */
  giveUpRefresh(): boolean {
    if (!this.#met) return false;
    this.#witnesses.drop();
    this.#waiting = undefined;
    return true;
  }

  state(): WitnessesState {
    return this.#witnesses.state();
  }

  /** Lets go of all that is being asked. */
  close(): void {
    this.#witnesses.close();
  }

  #candidateOf(checkpoint: string): Candidate {
    const note = parseNote(checkpoint);
    const [own] = openNote(note, [parseVkey(this.#logKey.vkey)]).verified;
    if (own === undefined) throw new Bug("a checkpoint that is not ours");
    const { size, root } = parseCheckpoint(note.text);
    return this.#candidate({ size, root, text: note.text, signature: own.signature }, 0);
  }

  #candidate(head: Omit<SignedHead, "at">, notBefore: number): Candidate {
    // From the published files alone: the database goes on committing.
    const prover = createProver(head.size, async (tile) => readTile(this.#folder, tile));
    return createCandidate({
      ...head,
      prover,
      notBefore,
      // What an earlier process signed is not all in the table after a recovery; but nothing beyond `seen` was.
      known: (size) => size === 0 || size <= this.#seenAtStart || this.#log.signedRoot(size) !== undefined,
      older: (size) => this.#signedBefore(size),
    });
  }

  /** One size may be signed again with the same root. */
  #signedBefore(size: number): Candidate | undefined {
    const root = this.#log.signedRoot(size) as Root | undefined;
    if (root === undefined) return undefined;
    const { name, keyId } = this.#logKey;
    const text = formatCheckpoint({ origin: name, size, root });
    return this.#candidate(
      { size, root, text, signature: { name, keyId, signature: this.#logKey.sign(utf8(text)) } },
      0,
    );
  }
}

function noQuorum(detail: string): SpurError {
  return new SpurError("log/no-quorum", detail, {
    status: 503,
    hint: "What was recorded is safe and waits. /health says which witness is missing and why; see docs/witnesses.md.",
  });
}
