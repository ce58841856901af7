import { toHex, u32be, utf8 } from "../../bytes.ts";
import { VerifyError } from "../../errors.ts";
import { sha256 } from "../../hash.ts";
import { parseCheckpoint, type Checkpoint } from "../../note/checkpoint.ts";
import { openNote, parseNote, type Note } from "../../note/note.ts";
import { formatVkey, parseVkey, TYPE_COSIGNATURE_V1, type VerifierKey } from "../../note/vkey.ts";
import { quorumMet } from "../../trust/policy.ts";
import type { Trust } from "../../trust/trust.ts";
import type { Evidence } from "../format.ts";
import type { Findings } from "../findings.ts";
import { utc } from "./time.ts";

export interface SignedCheckpoint extends Checkpoint {
  /** When trusted witnesses say they saw it, in seconds since 1970, rising. */
  readonly seenAt: readonly number[];
  /** The trusted key of the log that signed it, if one did. */
  readonly key?: VerifierKey;
}

/**
 * Who signed the checkpoint. `log` is what the file says of its log, where its format says anything. Undefined if there is no telling what
 * was signed: then nothing else can be checked.
 */
export function checkCheckpoint(
  text: string,
  log: Evidence["log"] | undefined,
  trust: Trust,
  findings: Findings,
): SignedCheckpoint | undefined {
  try {
    const note = parseNote(text);
    const checkpoint = parseCheckpoint(note.text);
    const hint = log && parseVkey(log.vkey);
    if (log !== undefined && checkpoint.origin !== log.origin) throw new VerifyError("log/origin", checkpoint.origin);
    if (hint !== undefined && (hint.name !== checkpoint.origin || hint.type === TYPE_COSIGNATURE_V1))
      throw new VerifyError("log/vkey", formatVkey(hint));
    return { ...checkpoint, ...checkSignatures(note, checkpoint, hint, trust, findings) };
  } catch (error) {
    findings.signer = "refuted";
    findings.refute("log signature", "log-signature/refuted", {}, error);
    return undefined;
  }
}

function checkSignatures(
  note: Note,
  { origin, size }: Checkpoint,
  hint: VerifierKey | undefined,
  trust: Trust,
  findings: Findings,
): Pick<SignedCheckpoint, "seenAt" | "key"> {
  // A key that is trusted for another log says nothing about this one.
  const logs = trust.policy.logs.map(({ key }) => key).filter((key) => key.name === origin);
  const witnesses = new Map([...trust.policy.witnesses].map(([name, { key }]) => [key, name]));
  const trusted = [...logs, ...witnesses.keys()];
  const opened = openNote(note, trusted);
  const isHint = (key: VerifierKey) => hint === undefined || formatVkey(key) === formatVkey(hint);

  const signers = opened.verified.flatMap(({ key }) => (logs.includes(key) ? [key] : []));
  const signer = signers.find(isHint);
  const own = openNote(note, hint === undefined || signer !== undefined ? [] : [hint]);
  const broken = [...opened.invalid, ...own.invalid].find(({ key }) => !witnesses.has(key));
  const lines = note.signatures.map(lineId);
  const refuse = (code: string, key: VerifierKey) => {
    findings.signer = "refuted";
    findings.refute("log signature", "log-signature/refuted", {}, new VerifyError(code, formatVkey(key)));
  };
  if (broken !== undefined) refuse("log/signature", broken.key);
  else if (signer !== undefined) {
    findings.signer = "trusted";
    findings.pass("log signature", "log-signature/ok", { origin, size, key: formatVkey(signer) });
  } else if (hint !== undefined && signers.length > 0) refuse("log/vkey", hint);
  // Nobody trusted signed. The file still claims that its own key did, and a false claim is a failure.
  else if (hint !== undefined && !lines.includes(lineId(hint))) refuse("log/unsigned", hint);
  else {
    const key = hint === undefined ? (lines.find((line) => line.startsWith(`${origin}+`)) ?? "–") : formatVkey(hint);
    findings.notChecked("log signature", "log-signature/unknown", { origin, size, key }, "npx spur trust add URL");
  }

  const judged = [...opened.verified, ...opened.invalid, ...own.verified, ...own.invalid].map(({ key }) => lineId(key));
  for (const line of note.signatures) {
    if (judged.includes(lineId(line))) continue;
    const values = { key: line.name, keyId: toHex(u32be(line.keyId)), digest: toHex(sha256(utf8(line.line))) };
    const known = trusted.some((key) => lineId(key) === lineId(line));
    findings.notChecked("signature line", known ? "signature-line/type" : "signature-line/unknown", values);
  }
  for (const { key } of opened.invalid) {
    if (witnesses.has(key)) findings.fail("witnesses", "witnesses/refuted", { key: key.name });
  }
  const seen = opened.verified.filter(({ key }) => witnesses.has(key));
  for (const { key, timestamp = 0 } of seen) {
    const time = timestamp === 0 ? "–" : utc(timestamp);
    findings.pass("signature line", "signature-line/witness", { key: key.name, time });
  }
  const count = seen.length;
  const met = quorumMet(trust.policy, new Set(seen.map(({ key }) => witnesses.get(key) ?? "")));
  if (met === undefined) findings.notChecked("witnesses", "witnesses/no-quorum", { count });
  else if (met) findings.pass("witnesses", "witnesses/ok", { count });
  else findings.notChecked("witnesses", "witnesses/not-met", { count });
  // An ML-DSA-44 cosigner that says 0 vouches for the tree, and for no time.
  const seenAt = seen.flatMap(({ timestamp = 0 }) => (timestamp === 0 ? [] : [timestamp])).sort((a, b) => a - b);
  return { seenAt, ...(signer && { key: signer }) };
}

function lineId(line: { readonly name: string; readonly keyId: number }): string {
  return `${line.name}+${toHex(u32be(line.keyId))}`;
}
