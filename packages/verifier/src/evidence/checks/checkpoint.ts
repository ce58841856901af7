import { toHex, u32be, utf8 } from "../../bytes.ts";
import { VerifyError } from "../../errors.ts";
import { sha256 } from "../../hash.ts";
import { parseCheckpoint, type Checkpoint } from "../../note/checkpoint.ts";
import {
  formatVkey,
  openNote,
  parseNote,
  parseVkey,
  TYPE_COSIGNATURE_V1,
  type Note,
  type VerifierKey,
} from "../../note/note.ts";
import { quorumMet } from "../../trust/policy.ts";
import type { Trust } from "../../trust/trust.ts";
import type { Evidence } from "../format.ts";
import type { Findings } from "../findings.ts";

export interface SignedCheckpoint extends Checkpoint {
  /** When trusted witnesses say they saw it, in seconds since 1970, rising. */
  readonly seenAt: readonly number[];
}

/** Who signed the checkpoint. Undefined if there is no telling what was signed: then nothing else can be checked. */
export function checkCheckpoint(evidence: Evidence, trust: Trust, findings: Findings): SignedCheckpoint | undefined {
  try {
    const note = parseNote(evidence.checkpoint);
    const checkpoint = parseCheckpoint(note.text);
    const hint = parseVkey(evidence.log.vkey);
    if (checkpoint.origin !== evidence.log.origin) throw new VerifyError("log/origin", checkpoint.origin);
    if (hint.name !== checkpoint.origin || hint.type === TYPE_COSIGNATURE_V1)
      throw new VerifyError("log/vkey", evidence.log.vkey);
    return { ...checkpoint, seenAt: checkSignatures(note, checkpoint, hint, trust, findings) };
  } catch (error) {
    findings.signer = "refuted";
    findings.refute("log signature", "log-signature/refuted", {}, error);
    return undefined;
  }
}

function checkSignatures(
  note: Note,
  checkpoint: Checkpoint,
  hint: VerifierKey,
  trust: Trust,
  findings: Findings,
): number[] {
  const { origin, size } = checkpoint;
  // A key that is trusted for another log says nothing about this one.
  const logs = trust.policy.logs.map(({ key }) => key).filter((key) => key.name === origin);
  const witnesses = new Map([...trust.policy.witnesses].map(([name, { key }]) => [key, name]));
  const opened = openNote(note, [...logs, ...witnesses.keys()]);
  const seen = opened.verified.filter(({ key }) => witnesses.has(key));
  const known = [...opened.verified, ...opened.invalid].map(({ key }) => lineId(key));

  if (checkLog()) known.push(lineId(hint));
  for (const line of note.signatures) {
    if (known.includes(lineId(line))) continue;
    const values = { key: line.name, keyId: toHex(u32be(line.keyId)), digest: toHex(sha256(utf8(line.line))) };
    findings.notChecked("signature line", "signature-line/unknown", values);
  }
  for (const { key } of opened.invalid) {
    if (witnesses.has(key)) findings.fail("witnesses", "witnesses/refuted", { key: key.name });
  }
  const count = seen.length;
  const met = quorumMet(trust.policy, new Set(seen.map(({ key }) => witnesses.get(key) ?? "")));
  if (met === undefined) findings.notChecked("witnesses", "witnesses/no-quorum", { count });
  else if (met) findings.pass("witnesses", "witnesses/ok", { count });
  else findings.notChecked("witnesses", "witnesses/not-met", { count });
  return seen.flatMap(({ timestamp }) => (timestamp === undefined ? [] : [timestamp])).sort((a, b) => a - b);

  /** True if the hint's own line was judged here. */
  function checkLog(): boolean {
    const refuse = (code: string, key: VerifierKey) => {
      findings.signer = "refuted";
      findings.refute("log signature", "log-signature/refuted", {}, new VerifyError(code, formatVkey(key)));
    };
    const broken = opened.invalid.find(({ key }) => logs.includes(key));
    const signers = opened.verified.filter(({ key }) => logs.includes(key));
    const named = signers.find(({ key }) => formatVkey(key) === formatVkey(hint));
    if (broken !== undefined) refuse("log/signature", broken.key);
    else if (named !== undefined) {
      findings.signer = "trusted";
      findings.pass("log signature", "log-signature/ok", { origin, size, key: formatVkey(named.key) });
    } else if (signers.length > 0) refuse("log/vkey", hint);
    else return checkHint(refuse);
    return false;
  }

  /** Nobody trusted signed. The file still claims that its own key did, and a false claim is a failure. */
  function checkHint(refuse: (code: string, key: VerifierKey) => void): boolean {
    const own = openNote(note, [hint]);
    if (own.invalid.length > 0) refuse("log/signature", hint);
    else if (
      own.unknown.length === note.signatures.length &&
      !note.signatures.some((line) => lineId(line) === lineId(hint))
    ) {
      refuse("log/unsigned", hint);
    } else {
      const how = "npx spur trust add URL";
      findings.notChecked("log signature", "log-signature/unknown", { origin, size, key: formatVkey(hint) }, how);
      return own.verified.length > 0;
    }
    return true;
  }
}

function lineId(line: { readonly name: string; readonly keyId: number }): string {
  return `${line.name}+${line.keyId}`;
}
