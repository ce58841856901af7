import { equalBytes } from "@spur/verifier/bytes";
import { openNote, type VerifierKey } from "@spur/verifier/note/note";
import { parsePolicy, quorumMet, type Policy } from "@spur/verifier/trust/policy";
import { SpurError } from "../errors.ts";

/** What the operator says about witnesses. */
export interface WitnessSettings {
  /** Text of a C2SP tlog-policy, as it is. */
  readonly policy: string;
  /** Names (in the policy) of witnesses that the operator runs himself. */
  readonly own: readonly string[];
  /** Accept a quorum that two heads can have at once: witnesses then detect a split view, and do not prevent it. */
  readonly detectOnly: boolean;
}

export interface PolicyWitness {
  /** In the policy; the name of its key may be another. */
  readonly name: string;
  readonly key: VerifierKey;
  /** Run by the operator: asked like all others, and never counted. */
  readonly own: boolean;
}

/** A policy as this log keeps to it. */
export interface OperatorPolicy {
  readonly policy: Policy;
  readonly detectOnly: boolean;
  readonly witnesses: readonly PolicyWitness[];
  /** Submission prefixes, and whose cosignatures come from there. Witnesses without a URL are asked by nobody. */
  readonly endpoints: readonly { readonly url: string; readonly witnesses: readonly PolicyWitness[] }[];
  /** Whether these witnesses (by their names in the policy) are enough to publish; always, where the policy wants no quorum. */
  enough(cosigned: ReadonlySet<string>): boolean;
}

/** A note holds 64 signatures; some are the log's own. */
const MAX_WITNESSES = 60;

/**
 * Reads the policy by which a log publishes. With `log`, the log's own key, it is also held against this log: a policy that names logs
 * must name this one, and witnesses under its name or key are the operator's. Throws `witnesses/…`.
 */
export function operatorPolicy(settings: WitnessSettings, log?: VerifierKey): OperatorPolicy {
  const policy = parse(settings.policy);
  const known = policy.logs.some(({ key }) => log !== undefined && sameKey(key, log));
  // The specification lets a policy name no log where it is known from elsewhere: here it is.
  if (log !== undefined && policy.logs.length > 0 && !known) {
    throw new SpurError("witnesses/other-log", `the policy names other logs than ${log.name}`, {
      hint: "Add the line `log` with this log's key, or leave all log lines out.",
    });
  }
  for (const name of settings.own) {
    if (policy.witnesses.has(name)) continue;
    throw new SpurError("witnesses/own-unknown", `the policy has no witness ${JSON.stringify(name)}`, {
      hint: "Name it as its line in the policy does.",
    });
  }
  const witnesses = [...policy.witnesses].map(([name, { key }]): PolicyWitness => {
    return { name, key, own: settings.own.includes(name) || (log !== undefined && belongsTo(key, log)) };
  });
  if (witnesses.length > MAX_WITNESSES) {
    throw new SpurError(
      "witnesses/policy",
      `${witnesses.length} witnesses; a checkpoint has room for ${MAX_WITNESSES}`,
    );
  }
  const own = new Set(witnesses.filter((one) => one.own).map(({ name }) => name));
  const endpoints = endpointsOf(policy, witnesses);
  const enough = (cosigned: ReadonlySet<string>): boolean =>
    quorumMet(policy, new Set([...cosigned].filter((name) => !own.has(name)))) ?? true;
  const usable = endpoints.flatMap((one) => one.witnesses).filter(({ key }) => verifiable(key));
  if (!enough(new Set(usable.map(({ name }) => name)))) {
    throw new SpurError("witnesses/quorum-out-of-reach", "the quorum cannot be met", {
      hint: "Only witnesses with a URL count that are not the operator's own: give them URLs, name more of them, or lower the threshold.",
    });
  }
  if (!settings.detectOnly && policy.quorum !== undefined && splits(policy, own)) {
    throw new SpurError(
      "witnesses/quorum-splits",
      "two different heads could have a quorum each, with no witness in both",
      {
        hint: "Demand more than half of each group; a witness of the operator's own stands on both sides. Or say --detect-only.",
      },
    );
  }
  return { policy, detectOnly: settings.detectOnly, witnesses, endpoints, enough };
}

function parse(text: string): Policy {
  try {
    return parsePolicy(text);
  } catch (cause) {
    throw new SpurError("witnesses/policy", (cause as Error).message, {
      hint: "The file is a C2SP tlog-policy; the message names the line.",
      cause,
    });
  }
}

const sameKey = (a: VerifierKey, b: VerifierKey): boolean =>
  a.name === b.name && a.type === b.type && equalBytes(a.publicKey, b.publicKey);

/** Under the log's own name or key: nobody else signs there. */
function belongsTo(key: VerifierKey, log: VerifierKey): boolean {
  return key.name === log.name || key.name.startsWith(`${log.name}/`) || equalBytes(key.publicKey, log.publicKey);
}

/** Whether the verifier can judge a signature of this key at all: a line that is wrong for sure is then found to be wrong. */
function verifiable(key: VerifierKey): boolean {
  const line = { name: key.name, keyId: key.keyId, signature: new Uint8Array(1), line: "" };
  return openNote({ text: "\n", signatures: [line] }, [key]).invalid.length > 0;
}

/** Witnesses at one address are asked once: each of its keys signs. */
function endpointsOf(policy: Policy, witnesses: readonly PolicyWitness[]): OperatorPolicy["endpoints"] {
  const endpoints = new Map<string, PolicyWitness[]>();
  for (const witness of witnesses) {
    const url = policy.witnesses.get(witness.name)?.url;
    if (url === undefined) continue;
    const prefix = submissionPrefix(witness.name, url);
    endpoints.set(prefix, [...(endpoints.get(prefix) ?? []), witness]);
  }
  return [...endpoints].map(([url, members]) => ({ url, witnesses: members }));
}

/** Without a slash at the end. */
function submissionPrefix(name: string, text: string): string {
  const url = URL.parse(text);
  const plain = url !== null && ["http:", "https:"].includes(url.protocol);
  if (!plain || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new SpurError("witnesses/url", `${name}: ${JSON.stringify(text.slice(0, 200))}`, {
      hint: "A witness has an http or https address without credentials, query or fragment: its submission prefix.",
    });
  }
  return url.href.replace(/\/+$/, "");
}

/**
 * Whether two disjoint sets of honest witnesses can be a quorum each, so that two conflicting heads could be published. A group of n
 * with threshold k splits if 2k ≤ n + s, where s of its members can themselves stand on both sides: groups that split, and the operator's
 * own witnesses, who sign what he wants.
 */
function splits(policy: Policy, own: ReadonlySet<string>): boolean {
  const both = new Set(own);
  for (const [name, { threshold, members }] of policy.groups) {
    const twice = members.filter((member) => both.has(member)).length;
    if (2 * threshold <= members.length + twice) both.add(name);
  }
  return policy.quorum !== undefined && both.has(policy.quorum);
}
