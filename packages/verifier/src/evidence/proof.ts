import { equalBytes, fromUtf8, toHex } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { leafHash, verifyInclusion } from "../tlog/merkle.ts";
import { parseTlogProof } from "../tlog/proof.ts";
import type { Trust } from "../trust/trust.ts";
import { checkCheckpoint } from "./checks/checkpoint.ts";
import { checkAge } from "./checks/time.ts";
import { createFindings } from "./findings.ts";
import type { Report } from "./report.ts";
import { readFile, reporting, requiredBy, type VerifyOptions } from "./verify.ts";

/**
 * Verifies a C2SP tlog-proof, of any log. What entry it is about does not stand in the format: it is the caller's `entry`, or else the extra
 * data, if their hash is what the tree holds. Never throws.
 */
export function verifyTlogProof(
  bytes: Uint8Array,
  trust: Trust,
  options: VerifyOptions & { readonly entry?: Uint8Array } = {},
): Report {
  const findings = createFindings(requiredBy(trust));
  return reporting(bytes, findings, () => {
    const proof = readFile(() => parseTlogProof(fromUtf8(bytes)), findings);
    const checkpoint = proof && checkCheckpoint(proof.checkpoint, undefined, trust, findings);
    if (proof === undefined || checkpoint === undefined) return {};
    findings.pass("format", "format/ok");
    const { origin, size, root, seenAt } = checkpoint;
    const { index, hashes, extra } = proof;
    const entry = options.entry ?? extra ?? new Uint8Array();
    try {
      verifyInclusion(leafHash(entry), index, size, hashes, root);
      findings.pass("inclusion", "inclusion/ok", { index, size });
    } catch (error) {
      // Extra data claim nothing: only what the caller says is refuted if it does not stand there.
      const other = options.entry === undefined && error instanceof VerifyError && error.code === "proof/wrong-root";
      if (other) findings.notChecked("inclusion", "proof/no-entry", { index }, "npx spur verify PROOF --entry FILE");
      else findings.refute("inclusion", "inclusion/refuted", { index }, error);
    }
    if (extra !== undefined && !equalBytes(extra, entry))
      findings.notChecked("claim", "proof/extra", { bytes: extra.length, digest: toHex(sha256(extra)) });
    checkAge(seenAt, trust, options.nowMs, findings);
    findings.absent(trust.require);
    return { origin, size, whole: ["proof/whole", { index, origin, size }] };
  }).report;
}
