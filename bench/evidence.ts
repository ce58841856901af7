import { useSha256 } from "@spur/verifier/hash";
import { nativeSha256 } from "@spur/ledger/native-sha256";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { parseTrust } from "@spur/verifier/trust/trust";
import { makeStory } from "../packages/verifier/test/make-log.ts";
import type { Bench } from "./bench.ts";
import { busy, coreShare } from "./calibration.ts";
import { judge, measured, percentile } from "./figures.ts";

const ENTRIES = 20;
const WITNESSES = 3;

export const evidence: Bench = {
  name: "evidence",
  about: `one evidence file verified: ${ENTRIES} entries with their proofs, ${WITNESSES + 1} signatures (the log's and ${WITNESSES} witnesses'), 3 openings; native SHA-256, warm`,
  run({ runs }) {
    useSha256(nativeSha256);
    const { log, output, policy } = makeStory({ witnesses: WITNESSES });
    for (let i = 0; log.entries.length < 1000; i++) {
      const predicate = { deployment: output.ref, outcome: "complete" };
      // A log of some size, so that proofs have their usual length.
      log.add({
        type: "spur:output/v1",
        predicate: { ...predicate, deployment: deploymentOf(log) },
        slots: { request: `${i}` },
      });
    }
    const entries = Array.from({ length: ENTRIES }, (_, i) => (i < 16 ? i : log.entries.length - 20 + i));
    const file = log.evidenceFile({ entries, open: [[policy.index, 0], [output.index, 0], [output.index, 1]], ask: "Q5" }); // prettier-ignore
    const trust = parseTrust(new TextEncoder().encode(log.trustText()));
    const report = verifyEvidence(file, trust);
    const failed = report.findings.filter(({ verdict }) => verdict === "fail");
    if (failed.length > 0 || report.signer !== "trusted")
      throw new Error(`the bench's own evidence does not verify: ${JSON.stringify(failed)}`);
    const once = (): number => {
      const times: number[] = [];
      for (let i = 0; i < 100; i++) {
        const before = performance.now();
        verifyEvidence(file, trust);
        times.push(performance.now() - before);
      }
      return percentile(times, 0.5);
    };
    once();
    const shares: number[] = [];
    const times = Array.from({ length: runs }, () => {
      shares.push(coreShare());
      return once();
    });
    const note = `${file.length} bytes, ${log.checkpoint().split("\n— ").length - 1} signatures, ${report.findings.length} findings`;
    return Promise.resolve([
      judge(
        "evidence, 20 entries, 4 signatures, warm",
        measured("ms", times),
        { words: "≤ 5 ms", limit: () => 5, better: "lower" },
        undefined,
        { note, ...busy(shares) },
      ),
    ]);
  },
};

function deploymentOf(log: ReturnType<typeof makeStory>["log"]) {
  const deployment = log.entries.find(({ bytes }) => Buffer.from(bytes).includes("spur:deployment/v1"));
  if (deployment === undefined) throw new Error("no deployment");
  return deployment.ref;
}
