import { equalBytes } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { formatNote, parseNote, type NoteSignature } from "@spur/verifier/note/note";
import { EMPTY_ROOT, verifyConsistency } from "@spur/verifier/tlog/merkle";
import { OldSizeError, SpurError } from "./errors.ts";
import type { WitnessKey } from "./key.ts";
import type { DailyAllowance } from "./limits.ts";
import { parseAddCheckpoint, verifiedLines, type AddCheckpoint } from "./request.ts";
import type { KnownLog, State, Store } from "./store.ts";

/** Whoever repeats a checkpoint within these seconds gets the same cosignature again: a stranger's replays cost no write. */
const SAME_AGAIN_S = 5;

/** Requests that wait for the next transaction; more are told to come back. */
const MAX_WAITING = 1024;

/** A request whose signatures hold, and who waits for its end. */
interface Waiting {
  readonly request: AddCheckpoint;
  readonly log: KnownLog;
  readonly signatures: readonly NoteSignature[];
  resolve(lines: string): void;
  reject(error: unknown): void;
}

export interface WitnessOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly allowance: DailyAllowance;
  /** A write failed in a way that leaves unknown what is on disk. Nothing is signed any more. */
  readonly onFatal: (error: SpurError) => void;
}

/**
 * The judge of C2SP tlog-witness's add-checkpoint. Whatever arrived during the last commit is decided in one transaction: each request
 * sees what those before it wrote, and all are answered when that is durable.
 */
export class Witness {
  readonly keys: readonly WitnessKey[];
  readonly #store: Store;
  readonly #options: WitnessOptions;
  #waiting: Waiting[] = [];
  #broken = false;

  constructor(store: Store, keys: readonly WitnessKey[], options: WitnessOptions) {
    this.#store = store;
    this.keys = keys;
    this.#options = options;
  }

  /** False after a failed write. */
  get signs(): boolean {
    return !this.#broken;
  }

  /**
   * The witness's signature lines for the checkpoint in `body`; the state that they speak of is durable then. Rejects with
   * `witness/request` (400), `witness/unknown-log` (404), `witness/signature` (403), `OldSizeError` (409), `witness/proof` (422),
   * `witness/allowance` and `witness/busy` (429), `witness/stopped`, `data/busy`, `data/io` (503).
   */
  async addCheckpoint(body: Uint8Array): Promise<string> {
    if (this.#broken) throw stopped();
    if (this.#waiting.length >= MAX_WAITING)
      throw new SpurError("witness/busy", "too many requests wait", { status: 429 });
    const request = parseAddCheckpoint(body);
    const { origin, size } = request.checkpoint;
    const log = this.#store.log(origin);
    if (log === undefined) {
      throw new SpurError("witness/unknown-log", `${JSON.stringify(origin.slice(0, 200))} is not witnessed here`, {
        status: 404,
      });
    }
    const signatures = verifiedLines(request, log.keys);
    if (request.old > size) throw new SpurError("witness/request", `old size ${request.old} is above ${size}`);
    return new Promise<string>((resolve, reject) => {
      this.#waiting.push({ request, log, signatures, resolve, reject });
      // After all that the network has brought in this turn.
      if (this.#waiting.length === 1) setImmediate(() => this.#decide());
    });
  }

  #decide(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (this.#broken) {
      for (const { reject } of batch) reject(stopped());
      return;
    }
    let told: (() => void)[];
    try {
      told = this.#store.transaction(() => batch.map((one) => this.#outcome(one)));
    } catch (error) {
      const harmless = error instanceof SpurError;
      // Crash or error up to here: no signature has left, and what is on disk is read again at the next start.
      this.#broken ||= !harmless;
      for (const { reject } of batch) reject(harmless ? error : stopped());
      if (!harmless) this.#options.onFatal(stopped(error));
      return;
    }
    for (const tell of told) tell();
  }

  /** How the waiting one is told when the transaction is durable. A refusal is one's own; every other error ends the transaction. */
  #outcome({ request, log, signatures, resolve, reject }: Waiting): () => void {
    try {
      const lines = this.#cosign(request, log, signatures);
      return () => resolve(lines);
    } catch (error) {
      if (error instanceof SpurError) return () => reject(error);
      throw error;
    }
  }

  /** Inside a transaction: compares with what is stored, and stores. */
  #cosign(
    { old, proof, note, checkpoint }: AddCheckpoint,
    log: KnownLog,
    signatures: readonly NoteSignature[],
  ): string {
    const { origin, size, root } = checkpoint;
    const state = this.#store.state(origin);
    const nowS = Math.floor(this.#options.now() / 1000);
    const conflict = (held: string): void =>
      this.#store.addConflict({ origin, size, note: formatNote(note.text, signatures), held, seenS: nowS }, root);

    // The log's own key signed what can't be: kept, since it proves to anybody that the log misbehaves.
    const nonsense = size === 0 && !equalBytes(root, EMPTY_ROOT);
    if (nonsense) conflict("");
    else if (state !== undefined && size === state.size && !equalBytes(root, state.root)) conflict(state.note);

    if (old !== (state?.size ?? 0)) throw new OldSizeError(old, state?.size ?? 0);
    if (nonsense) throw refuted("size 0 with a root that is not that of the empty tree");
    checkProof(state, checkpoint, proof);

    const age = nowS - (state?.cosignedS ?? 0);
    if (state?.note.startsWith(`${note.text}\n`) === true && age >= 0 && age <= SAME_AGAIN_S)
      return this.#linesIn(state.note);

    this.#options.allowance.take(origin, log.perDay);
    const cosignatures = this.keys.flatMap((key) => key.cosign(note.text, nowS) ?? []);
    // Only what was verified is kept: a line that a stranger forged could pass for ours.
    const signed = formatNote(note.text, [...signatures, ...cosignatures]);
    this.#store.setState(origin, { size, root, note: signed, cosignedS: nowS });
    return formatNote("", cosignatures).slice(1);
  }

  /** Our lines in a note that we have stored. */
  #linesIn(note: string): string {
    const ours = parseNote(note).signatures.filter((one) =>
      this.keys.some(({ name, keyId }) => name === one.name && keyId === one.keyId),
    );
    return formatNote("", ours).slice(1);
  }
}

/** C2SP tlog-witness: every tree extends the empty one, so from size 0 there is nothing to prove, and nothing may be sent as a proof. */
function checkProof(
  state: State | undefined,
  { size, root }: AddCheckpoint["checkpoint"],
  proof: readonly Uint8Array[],
): void {
  if (state === undefined || state.size === 0) {
    if (proof.length > 0) throw refuted("a proof from size 0");
    return;
  }
  try {
    verifyConsistency(state.size, state.root, size, root, proof);
  } catch (error) {
    if (error instanceof VerifyError) throw refuted(`${error.code}: ${error.detail}`, error);
    throw error;
  }
}

function refuted(why: string, cause?: unknown): SpurError {
  return new SpurError("witness/proof", `the checkpoint is not shown to extend the last one: ${why}`, {
    status: 422,
    cause,
  });
}

function stopped(cause?: unknown): SpurError {
  const why = "a write to the disk failed: nothing is signed until the witness is started again";
  return new SpurError("witness/stopped", why, {
    status: 503,
    hint: "Look at the disk, then start it again: what it cosigned is there.",
    cause,
  });
}
