import { equalBytes } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { isCosigner, parseVkey, TYPE_COSIGNATURE_V1, type VerifierKey } from "../note/vkey.ts";

/** Room for far more than the 32 logs, witnesses and groups that the specification asks for. */
const MAX_POLICY = 1_000_000;
const MAX_LINES = 4_096;

export interface PolicyKey {
  readonly key: VerifierKey;
  readonly url?: string;
}

/** At least `threshold` of the members, each the name of a witness or of another group. */
export interface Group {
  readonly threshold: number;
  readonly members: readonly string[];
}

/** A C2SP tlog-policy: which logs and witnesses the caller knows, and which witnesses together are enough. */
export interface Policy {
  /** As the caller wrote it. */
  readonly text: string;
  /** A log's key name is its origin. */
  readonly logs: readonly PolicyKey[];
  /** By the name that the policy gives them, which is not the name of their key. */
  readonly witnesses: ReadonlyMap<string, PolicyKey>;
  readonly groups: ReadonlyMap<string, Group>;
  /** Name of a witness or group, or absent for `quorum none`. */
  readonly quorum?: string;
}

/** Throws `policy/format` for a line that is wrong, naming it: a policy that is half understood would trust other people than its writer. */
export function parsePolicy(text: string): Policy {
  const logs: PolicyKey[] = [];
  const witnesses = new Map<string, PolicyKey>();
  const groups = new Map<string, Group>();
  const grouped = new Set<string>();
  let quorum: string | undefined;
  const lines = text.split("\n");
  if (text.length > MAX_POLICY || lines.length > MAX_LINES) throw new VerifyError("policy/format", "too long");

  lines.forEach((line, i) => {
    const bad = (why: string) => new VerifyError("policy/format", `line ${i + 1}: ${why}`);
    // The specification allows tab and newline and no other control character.
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) throw bad("control character");
    const [word = "", ...items] = line.split(/[ \t]+/).filter((item) => item !== "");
    const newName = (name: string | undefined): string => {
      if (name === undefined || name === "none" || witnesses.has(name) || groups.has(name))
        throw bad(`name ${name ?? ""}`);
      return name;
    };
    const known = (name: string) => {
      if (!witnesses.has(name) && !groups.has(name)) throw bad(`${name} is not defined above`);
    };
    if (word === "" || word.startsWith("#")) return;
    if (word === "log") {
      logs.push(readKey(items, signsLogs, logs, bad));
    } else if (word === "witness") {
      const name = newName(items[0]);
      witnesses.set(name, readKey(items.slice(1), isCosigner, [...witnesses.values()], bad));
    } else if (word === "group") {
      const name = newName(items[0]);
      const members = items.slice(2);
      for (const member of members) {
        known(member);
        // So that one witness counts once, however groups are nested.
        if (grouped.has(member)) throw bad(`${member} is in a group already`);
        grouped.add(member);
      }
      groups.set(name, { threshold: readThreshold(items[1] ?? "", members.length, bad), members });
    } else if (word === "quorum") {
      const [name, ...more] = items;
      if (name === undefined || more.length > 0 || quorum !== undefined) throw bad("one quorum, one name");
      if (name !== "none") known(name);
      quorum = name;
    } else {
      throw bad(`unknown word ${word}`);
    }
  });
  if (quorum === undefined) throw new VerifyError("policy/format", "no quorum line");
  return { text, logs, witnesses, groups, ...(quorum === "none" ? {} : { quorum }) };
}

/** A log may sign as a witness does with ML-DSA-44 (C2SP tlog-checkpoint), but not with the older type, which is the witnesses' alone. */
const signsLogs = ({ type }: VerifierKey): boolean => type !== TYPE_COSIGNATURE_V1;

function readKey(
  [vkey, url, ...more]: readonly string[],
  signsHere: (key: VerifierKey) => boolean,
  others: readonly PolicyKey[],
  bad: (why: string) => VerifyError,
): PolicyKey {
  if (vkey === undefined || more.length > 0) throw bad("one key and at most one URL");
  const key = parseVkey(vkey);
  if (!signsHere(key)) throw bad("a key of this type does not sign here");
  // By the key itself: a name costs nothing, and one witness under two names would count twice.
  if (others.some((other) => equalBytes(other.key.publicKey, key.publicKey))) throw bad("this key stands here twice");
  return url === undefined ? { key } : { key, url };
}

function readThreshold(word: string, members: number, bad: (why: string) => VerifyError): number {
  const threshold = word === "any" ? 1 : word === "all" ? members : /^[1-9][0-9]{0,4}$/.test(word) ? Number(word) : 0;
  if (threshold < 1 || threshold > members) throw bad(`${word} of ${members}`);
  return threshold;
}

/** Whether the witnesses that cosigned (by their names in the policy) are a quorum; undefined where the policy wants none. */
export function quorumMet(policy: Policy, cosigned: ReadonlySet<string>): boolean | undefined {
  if (policy.quorum === undefined) return undefined;
  // A group holds names defined above it, so one pass in order is enough, however deep they stand in one another.
  const met = new Set(cosigned);
  for (const [name, { threshold, members }] of policy.groups) {
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
  }
  return met.has(policy.quorum);
}
