import type { JsonObject } from "../statement/canonical.ts";
import type { Outer } from "../statement/entry.ts";
import type { SentenceCode, Values } from "./sentences.ts";

/** Three verdicts. Unknown is never shown as good. */
export type Verdict = "pass" | "fail" | "not-checked";

/** What a finding is about. Stable: the page translates by these names, scripts select by them, a trust file requires them. */
export const CHECKS = [
  "format", // the file parses, re-encodes to the same bytes, has a known version
  "log signature", // the checkpoint is signed by a key that the caller trusts
  "signature line", // a witness's line of the checkpoint, or one that no trusted key verifies
  "witnesses", // quorum of the caller's policy
  "entry", // an entry parses and fits its predicate
  "inclusion", // an entry stands in the tree of the checkpoint
  "opening", // a slot's content is what was committed
  "row", // a row stands in its dataset
  "dsse signer",
  "reference", // an edge of the trace
  "register", // numbers without gaps, held against a closing
  "closing", // the newest closing in the file, and how far it reaches
  "time",
  "anchor",
  "receipt",
  "claim", // what a client reported or imported: was claimed, unchanged
  "successor", // the log goes on in another one, or goes on from one
  "misbehaviour", // a log's key has signed what excludes each other
  "answer", // what a question needs: a decision, a removal, a source, …
] as const;
export type CheckName = (typeof CHECKS)[number];

/** How far a finding reaches. */
export type Coverage =
  | { readonly kind: "entries" }
  | { readonly kind: "register"; readonly name: string; readonly to: number }
  | { readonly kind: "log"; readonly size: number };

/** What is said, in every language. */
export interface Said {
  /** Names the sentence. Of a finding that fails, `values.error` is the error code and `values.detail` what led to it. */
  readonly code: SentenceCode;
  /** Values of the sentence: entry index, slot, register, key name, predicate type, … */
  readonly values: Values;
  /** The sentence in English. */
  readonly sentence: string;
}

/** One thing that was looked at. */
export interface Finding extends Said {
  readonly check: CheckName;
  readonly verdict: Verdict;
  /** Counts for the exit code: exit 2 if a required check is not checked. */
  readonly required: boolean;
  readonly coverage: Coverage;
  /** On "not-checked": the command that would check it. */
  readonly how?: string;
}

export const QUESTIONS = ["Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9"] as const;
export type Question = (typeof QUESTIONS)[number];
/** What a file can ask: one of the nine questions, or the trace of one record back to its sources. */
export type Ask = Question | "lineage";

/** State of a question (formats §3). "recorded" = recorded, not proven. */
export type QuestionState = "refuted" | "proven" | "recorded" | "not-checked" | "not-recorded";

/** A question as the verifier answers it from the entries it has checked. It reads no answer from the file. */
export interface Answer extends Said {
  readonly ask: Ask;
  readonly state: QuestionState;
  readonly coverage: Coverage;
  /** Positions in `Report.findings` that it rests on. */
  readonly findings: readonly number[];
  /** Indexes of the entries it walked, in reading order (output, decision, deployment, model, …). */
  readonly trace: readonly number[];
}

/** An entry of the file, for showing. */
export interface ShownEntry extends Pick<Outer, "rec" | "seq" | "at" | "evidence"> {
  readonly index: number;
  readonly type: string;
  readonly register: string;
  /** The public part of the statement. */
  readonly predicate: JsonObject;
  /** What it refers to; whether such an edge holds says the "reference" finding with its values `index` and `target`. */
  readonly references: readonly { readonly role: string; readonly rec: string; readonly index: number }[];
  /** Slot name (or "row j") -> what was opened; only openings that were verified. Text if it is UTF-8, else absent. */
  readonly opened: readonly {
    readonly name: string;
    readonly text?: string;
    readonly bytes: number;
    readonly absent?: true;
  }[];
}

/** What the verifier says of one file, in one sentence and in full. */
export interface Report extends Said {
  readonly format: "spur-report/v1";
  /** SHA-256 of the file, hex. Left out when reports are compared. */
  readonly file: string;
  readonly origin?: string;
  readonly size?: number;
  readonly signer: "trusted" | "unknown" | "refuted";
  readonly verdict: Verdict;
  /** 0 verified, 1 refuted, 2 could not check. */
  readonly exit: 0 | 1 | 2;
  readonly findings: readonly Finding[];
  /** The asked question first, then the rest of the nine and the lineage, from what the file shows ("not-recorded" where it has nothing). */
  readonly answers: readonly Answer[];
  readonly entries: readonly ShownEntry[];
}
