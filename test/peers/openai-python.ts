// The official OpenAI client for Python, unchanged, before the gateway; then what it left on record, verified.
import { join } from "node:path";
import { cleanUp, startTestLedger, type TestLedger } from "../support/ledger.ts";
import { startUpstream } from "../support/upstream.ts";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { verifyReceipt } from "@spur/verifier/evidence/receipt";
import { trustFromVkeys } from "@spur/verifier/trust/trust";
import { good, holds, pythonWith, type Suite } from "./peer.ts";

const OPENAI = "openai==3.54.0";

export const openaiPython: Suite = {
  name: "openai-python",
  about: "the official OpenAI client for Python through the gateway",
  async run(say) {
    const python = await pythonWith("openai", [OPENAI]);
    const upstream = await startUpstream();
    try {
      const spur = await startTestLedger({ upstream: upstream.url });
      const ran = await good(python, [
        join(import.meta.dirname, "python", "openai_client.py"),
        `${spur.url}/v1`,
        spur.key,
      ]);
      const { version, records, broken } = JSON.parse(ran.out) as {
        version: string;
        records: string[];
        broken: string;
      };
      say(`models, JSON, streaming, tool calls, 401 and 404; a broken stream raises ${broken}`);
      await verifyRecords(spur, records);
      return `openai ${version}: ${records.length} answers with x-spur-record, their evidence and receipts verify`;
    } finally {
      await cleanUp();
      await upstream.close();
    }
  },
};

/** Each record's evidence passes under the log's key, with the request and the answer opened, and so does its receipt. */
export async function verifyRecords(spur: TestLedger, records: readonly string[]): Promise<void> {
  holds("there are records", records.length > 0);
  const trust = trustFromVkeys([spur.ledger.vkey, spur.ledger.receiptsVkey]);
  for (const rec of records) {
    const { bytes } = await spur.call("GET", `/spur/v1/records/${rec}/evidence?ask=Q5&open=request,response`);
    const report = verifyEvidence(bytes, trust);
    holds(`evidence of ${rec}: ${report.sentence}`, report.exit === 0);
    const opened = report.entries.flatMap((entry) => entry.opened.map(({ name }) => name));
    holds(
      `request and response of ${rec} are opened`,
      ["request", "response"].every((name) => opened.includes(name)),
    );
    const receipt = await spur.call("GET", `/spur/v1/records/${rec}/receipt`);
    holds(`receipt of ${rec}`, verifyReceipt(receipt.bytes, trust, { evidence: bytes }).exit === 0);
  }
}
