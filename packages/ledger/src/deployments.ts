import { createHash } from "node:crypto";
import type { Draft } from "./draft.ts";
import { newRec, type Ledger } from "./record.ts";

/** The one policy of this version: every output is let through, by a rule. */
const POLICY_TEXT = "allow all: every output is released; the accountable actor is this rule";

const system = { evidence: "observed", retention: "system", owner: "" } as const;

/** The first two entries of every log: its own key, and the key of its receipts, each before its first use. */
export async function recordOwnKeys(ledger: Ledger): Promise<void> {
  const { logPublicKey, receiptsPublicKey } = ledger.thread.info;
  await ledger.record([keyDraft("log", "active", logPublicKey), keyDraft("receipts", "active", receiptsPublicKey)]);
}

/** What the log says of a key of its own. */
export function keyDraft(
  purpose: "log" | "receipts",
  state: "active" | "retired" | "compromised",
  publicKey: Uint8Array,
  rec = newRec(),
): Draft {
  return {
    ...system,
    rec,
    predicateType: "spur:key/v1",
    predicate: { purpose, algorithm: "ed25519", state },
    digests: { sha256: createHash("sha256").update(publicKey).digest() },
  };
}

/** rec of a standing record, found by name in the operational state; recorded now if there is none or its text has changed. */
async function standing(ledger: Ledger, name: string, text: string, draft: () => Draft): Promise<string> {
  const digest = createHash("sha256").update(text).digest("hex");
  const [rec, known] = ((await ledger.thread.call("meta", name)) ?? "").split(" ");
  if (rec !== undefined && known === digest) return rec;
  const made = draft();
  await ledger.record([made]);
  await ledger.thread.call("setMeta", name, `${made.rec} ${digest}`);
  return made.rec;
}

/** The policy in force, on record. */
export async function policyInForce(ledger: Ledger): Promise<{ rec: string; version: number }> {
  const rec = await standing(ledger, "policy", POLICY_TEXT, () => ({
    ...system,
    rec: newRec(),
    predicateType: "spur:policy/v1",
    predicate: { kind: "output", version: 1 },
    slots: [Buffer.from(POLICY_TEXT)],
  }));
  return { rec, version: 1 };
}

export interface DeploymentWanted {
  readonly modelName: string;
  readonly upstream: string;
  readonly contentDays: number;
  readonly operator: "self" | "third-party" | "unknown";
  /** rec of a `model` entry, where what is served is on record. */
  readonly model?: string;
  /** SHA-256 of the file that the server says it serves, and what the comparison with the record gave. */
  readonly served?: string;
  readonly check?: "matched" | "mismatch";
}

/** The deployment entry of a model behind the gateway: a new one whenever anything about it has changed. */
export async function deploymentOf(ledger: Ledger, wanted: DeploymentWanted): Promise<string> {
  const { modelName, upstream, contentDays, operator, model, served, check } = wanted;
  const name = `deployment:${createHash("sha256").update(`${upstream}\n${modelName}`).digest("hex").slice(0, 32)}`;
  return standing(ledger, name, JSON.stringify(wanted), () => ({
    ...system,
    retention: "service",
    rec: newRec(),
    predicateType: "spur:deployment/v1",
    predicate: {
      ...(model === undefined ? {} : { model: { rec: model } }),
      operator,
      ...(served === undefined ? {} : { served }),
      check: check ?? "not-checked",
      contentDays,
    },
    slots: [Buffer.from(modelName), Buffer.from(upstream)],
  }));
}
