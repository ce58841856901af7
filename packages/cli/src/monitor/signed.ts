import { VerifyError } from "@spur/verifier/errors";
import { parseCheckpoint, type Checkpoint } from "@spur/verifier/note/checkpoint";
import { formatNote, formatVkey, openNote, parseNote, type Note, type VerifierKey } from "@spur/verifier/note/note";
import { quorumMet } from "@spur/verifier/trust/policy";
import type { Trust } from "@spur/verifier/trust/trust";

/** No honest checkpoint is that long, even with 64 signatures of the longest kind beside it. */
const MAX_NOTE = 262_144;

/** A checkpoint that the log's own, trusted key has signed: the log is bound by it. */
export interface Signed extends Checkpoint {
  /** With the lines of trusted keys that verify, and no others: what strangers added is worth nothing and could be without end. */
  readonly note: string;
  /** Of the log; at least one. */
  readonly keys: readonly VerifierKey[];
  /** When trusted witnesses say they saw it, in seconds since 1970, rising. */
  readonly seenAt: readonly number[];
  /** What is wrong with it all the same. */
  readonly flaws: readonly Omit<Refused, "origin">[];
}

/** Why what was shown is not a checkpoint that the log is bound by. */
export interface Refused {
  readonly code: string;
  readonly verdict: "fail" | "not-checked";
  readonly sentence: string;
  /** The first line of what was signed. */
  readonly origin?: string;
}

/** What was shown, under the caller's trust; `origin` is the log that it should be of, once that is known. Never throws for what it reads. */
export function judge(text: string, origin: string | undefined, trust: Trust): Signed | Refused {
  const refuse = (code: string, verdict: Refused["verdict"], sentence: string, of?: string): Refused => ({
    ...{ code, verdict, sentence },
    ...(of === undefined ? {} : { origin: of }),
  });
  let note: Note;
  try {
    note = parseNote(text);
  } catch (error) {
    return refuse("monitor/checkpoint", "not-checked", `What is shown as a checkpoint is none: ${said(error)}.`);
  }
  const name = note.text.slice(0, note.text.indexOf("\n"));
  if (origin !== undefined && name !== origin)
    return refuse("monitor/other-log", "fail", `The checkpoint is that of another log, ${name}.`, name);
  const logs = trust.policy.logs.map(({ key }) => key).filter((key) => key.name === name);
  if (logs.length === 0) return refuse("monitor/untrusted-key", "not-checked", `You trust no key of ${name}.`, name);
  try {
    return open(note, logs, trust, refuse, name);
  } catch (error) {
    return refuse("monitor/checkpoint", "fail", `The log signed what is no checkpoint: ${said(error)}.`, name);
  }
}

function open(
  note: Note,
  logs: readonly VerifierKey[],
  trust: Trust,
  refuse: (code: string, verdict: Refused["verdict"], sentence: string, of?: string) => Refused,
  name: string,
): Signed | Refused {
  const witnesses = new Map([...trust.policy.witnesses].map(([label, { key }]) => [key, label]));
  const { verified, invalid } = openNote(note, [...logs, ...witnesses.keys()]);
  const broken = invalid.find(({ key }) => logs.includes(key));
  if (broken !== undefined)
    return refuse("monitor/signature", "fail", `The signature of ${formatVkey(broken.key)} does not hold.`, name);
  const keys = verified.map(({ key }) => key).filter((key) => logs.includes(key));
  if (keys.length === 0) {
    const others = note.signatures.map((line) => line.name).slice(0, 5);
    const who = `no key that you trust for it has signed, but: ${others.join(", ")}`;
    return refuse("monitor/untrusted-key", "fail", `The log shows a checkpoint that ${who}.`, name);
  }
  const lines = formatNote(note.text, verified.map(({ signature }) => signature)); // prettier-ignore
  if (lines.length > MAX_NOTE) throw new VerifyError("note/too-large", `${lines.length} characters`);
  const cosigned = verified.filter(({ key }) => witnesses.has(key));
  const met = quorumMet(trust.policy, new Set(cosigned.map(({ key }) => witnesses.get(key) ?? "")));
  const flaws: Omit<Refused, "origin">[] = invalid.map(({ key }) => ({
    ...{ code: "monitor/signature", verdict: "fail" },
    sentence: `The cosignature of the witness ${key.name} does not hold.`,
  }));
  if (met === false) {
    const sentence = `Too few of your witnesses have cosigned the checkpoint (${cosigned.length}): your quorum is not met.`;
    flaws.push({ code: "monitor/quorum", verdict: "fail", sentence });
  }
  if (met === undefined && trust.require.includes("witnesses")) {
    const sentence = "You require witnesses, and your policy has no quorum that says how many.";
    flaws.push({ code: "monitor/quorum", verdict: "not-checked", sentence });
  }
  const times = cosigned.flatMap(({ timestamp = 0 }) => (timestamp === 0 ? [] : [timestamp]));
  return { ...parseCheckpoint(note.text), note: lines, keys, seenAt: times.sort((a, b) => a - b), flaws };
}

function said(error: unknown): string {
  if (error instanceof VerifyError) return `${error.code}: ${error.detail}`;
  throw error;
}
