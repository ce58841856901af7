import { equalBytes } from "@spur/verifier/bytes";
import { verifyConsistency, type Root } from "@spur/verifier/tlog/merkle";
import type { Prover } from "@spur/verifier/tlog/prover";
import { formatNote, type NoteSignature } from "@spur/verifier/note/note";
import { SpurError } from "../errors.ts";

/** A checkpoint that the log has signed, and what is needed to bring a witness up to it. */
export interface Candidate {
  readonly size: number;
  readonly root: Root;
  /** The text that is signed, with its final newline. */
  readonly text: string;
  /** The note with the log's own signature and no other: what witnesses get. */
  readonly note: string;
  /** Cosignatures of an earlier second (since 1970) are worse than none: they would contradict the hours in the log's own entries. */
  readonly notBefore: number;
  /** The consistency proof from an older size, made once for all witnesses that stand there. */
  proof(from: number): Promise<readonly Uint8Array[]>;
  /** Whether this log can have shown a witness a checkpoint of this size: if not, another copy of it has. */
  known(size: number): boolean;
  /** The checkpoint of an older size that was signed, to be signed again; undefined where that is not known. */
  older(size: number): Candidate | undefined;
}

export interface CandidateParts {
  readonly size: number;
  readonly root: Root;
  readonly text: string;
  readonly signature: Omit<NoteSignature, "line">;
  /** Over the tiles of a tree of at least this size. */
  readonly prover: Prover;
  readonly notBefore?: number;
  readonly known: (size: number) => boolean;
  readonly older?: (size: number) => Candidate | undefined;
}

/** How far a witness's clock may be behind the hours in the log before it refutes them (as `checkTime` of the verifier has it). */
const TOLERANCE_SECONDS = 300;

/** The earliest second of a cosignature under which an entry of this hour (in milliseconds since 1970) can stand. */
export function earliestCosignature(lastHourMs: number): number {
  return Math.max(0, lastHourMs / 1000 - TOLERANCE_SECONDS);
}

export function createCandidate(parts: CandidateParts): Candidate {
  const { size, root, text, signature, prover, notBefore = 0, known, older = () => undefined } = parts;
  const proofs = new Map<number, Promise<readonly Uint8Array[]>>();

  /** Held against our own roots before it leaves: tiles that were damaged must not make us look like a log that forks. */
  async function prove(from: number): Promise<readonly Uint8Array[]> {
    const [before, whole, proof] = await Promise.all([
      prover.root(from),
      prover.root(size),
      prover.consistency(from, size),
    ]);
    if (!equalBytes(whole, root)) throw new SpurError("log/damaged", `the tiles do not hash to the head of size ${size}`, { status: 503 }); // prettier-ignore
    verifyConsistency(from, before, size, root, proof);
    return proof;
  }

  return {
    size,
    root,
    text,
    note: formatNote(text, [signature]),
    notBefore,
    proof(from) {
      if (from === 0 || from === size) return Promise.resolve([]);
      const proof = proofs.get(from) ?? prove(from);
      proofs.set(from, proof);
      // What failed for a disk that was busy is tried again for the next who asks.
      proof.catch(() => proofs.delete(from));
      return proof;
    },
    known,
    older,
  };
}
