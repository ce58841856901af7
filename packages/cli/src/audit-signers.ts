import { toHex, u32be } from "@spur/verifier/bytes";
import { createFindings } from "@spur/verifier/evidence/findings";
import type { Finding, Report } from "@spur/verifier/evidence/report";
import { formatVkey, openNote, type Note, type VerifierKey } from "@spur/verifier/note/note";
import { quorumMet } from "@spur/verifier/trust/policy";
import type { Trust } from "@spur/verifier/trust/trust";

export interface Signers {
  readonly signer: Report["signer"];
  /** The trusted key of the log that verified. */
  readonly key?: VerifierKey;
  readonly findings: readonly Finding[];
}

/** Who signed a checkpoint, under what the caller trusts. Here no file claims a key: what no trusted key verifies is just unknown. */
export function checkSigners(note: Note, { origin, size }: { origin: string; size: number }, trust: Trust): Signers {
  const findings = createFindings([
    ...trust.require,
    ...(trust.policy.quorum === undefined ? [] : ["witnesses" as const]),
  ]);
  // A key that is trusted for another log says nothing about this one.
  const logs = trust.policy.logs.map(({ key }) => key).filter((key) => key.name === origin);
  const witnesses = new Map([...trust.policy.witnesses].map(([name, { key }]) => [key, name]));
  const opened = openNote(note, [...logs, ...witnesses.keys()]);
  const broken = opened.invalid.find(({ key }) => logs.includes(key));
  const signed = opened.verified.find(({ key }) => logs.includes(key));

  if (broken !== undefined) {
    findings.signer = "refuted";
    findings.fail("log signature", "log-signature/refuted", { error: "log/signature", detail: formatVkey(broken.key) });
  } else if (signed !== undefined) {
    findings.signer = "trusted";
    findings.pass("log signature", "log-signature/ok", { origin, size, key: formatVkey(signed.key) });
  } else {
    const own = note.signatures.find(({ name }) => name === origin) ?? note.signatures[0];
    const key = own === undefined ? "nobody" : `${own.name}+${toHex(u32be(own.keyId))}`;
    findings.notChecked("log signature", "log-signature/unknown", { origin, size, key }, "npx spur trust add URL");
  }
  for (const { key } of opened.invalid) {
    if (witnesses.has(key)) findings.fail("witnesses", "witnesses/refuted", { key: key.name });
  }
  const seen = opened.verified.filter(({ key }) => witnesses.has(key));
  const met = quorumMet(trust.policy, new Set(seen.map(({ key }) => witnesses.get(key) ?? "")));
  const values = { count: seen.length };
  if (met === undefined) findings.notChecked("witnesses", "witnesses/no-quorum", values);
  else if (met) findings.pass("witnesses", "witnesses/ok", values);
  else findings.notChecked("witnesses", "witnesses/not-met", values);
  return {
    signer: findings.signer,
    findings: findings.list,
    ...(signed === undefined || broken !== undefined ? {} : { key: signed.key }),
  };
}
