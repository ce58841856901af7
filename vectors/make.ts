// Writes every file of this folder that ends in .json. Deterministic: `node vectors/make.ts --check` fails if a committed file differs.
// Keys and ids come from fixed labels; nothing here may ever protect anything.
import { readFileSync, writeFileSync } from "node:fs";
import { canonicalVectors, decimalVectors } from "./make/canonical.ts";
import { entryVectors } from "./make/entries.ts";
import { evidenceVectors } from "./make/evidence.ts";
import { checkpointVectors, cosignatureVectors, dsseVectors, ed25519Vectors, merkleVectors, noteVectors, receiptVectors, vkeyVectors } from "./make/log.ts";
import { commitmentVectors, journalVectors, rowsVectors, sealedVectors, wrappingVectors } from "./make/payload.ts";
import { misbehaviourVectors } from "./make/misbehaviour.ts";
import { mlDsaVectors } from "./make/ml-dsa.ts";
import { proofVectors } from "./make/proofs.ts";
import { receiptFileVectors } from "./make/receipts.ts";
import { policyVectors, trustVectors } from "./make/trust.ts";

const files: { readonly [name: string]: object } = {
  canonical: canonicalVectors,
  decimal: decimalVectors,
  entry: entryVectors,
  commitment: commitmentVectors,
  sealed: sealedVectors,
  wrapping: wrappingVectors,
  journal: journalVectors,
  rows: rowsVectors,
  merkle: merkleVectors,
  vkey: vkeyVectors,
  checkpoint: checkpointVectors,
  note: noteVectors,
  ed25519: ed25519Vectors,
  cosignature: cosignatureVectors,
  "ml-dsa": mlDsaVectors,
  receipt: receiptVectors,
  dsse: dsseVectors,
  policy: policyVectors,
  trust: trustVectors,
  evidence: evidenceVectors,
  "receipt-file": receiptFileVectors,
  "tlog-proof": proofVectors,
  misbehaviour: misbehaviourVectors,
};

const check = process.argv.includes("--check");
let different = 0;
for (const [name, content] of Object.entries(files)) {
  const path = new URL(`${name}.json`, import.meta.url);
  const text = `${JSON.stringify(content, null, 1)}\n`;
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) {
    different++;
    console.error(`${name}.json is not what make.ts writes`);
  }
}
console.log(check ? `${Object.keys(files).length - different} as made, ${different} different` : `wrote ${Object.keys(files).length} files`);
process.exitCode = different === 0 ? 0 : 1;
