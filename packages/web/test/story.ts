// A log like the demo's, with the content of a real conversation in it, and the files that a reader may be handed.
import { createLog, digest, edited, sha256 } from "../../verifier/test/make-log.ts";

const REQUEST = JSON.stringify({
  model: "spur-small",
  stream: true,
  messages: [
    { role: "system", content: "Continue the sentence." },
    { role: "user", content: "Every step of an AI leaves a trace that" },
  ],
});
/** A stream as it was sent, with a keep-alive comment, and markup that must stay text. */
const RESPONSE = [
  ": keep-alive",
  'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"nobody can silently remove"}}]}',
  'data: {"choices":[{"index":0,"delta":{"content":" or change. <img src=x onerror=alert(1)> 谁也无法悄悄移除或更改。"}}]}',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
  "data: [DONE]",
  "",
].join("\n\n");

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function makeFiles(options: { readonly origin?: string; readonly seed?: string } = {}) {
  const log = createLog({ origin: "demo.spur.invalid/7d2f", witnesses: 0, ...options });
  log.addKeys();
  const policy = log.add({
    type: "spur:policy/v1",
    predicate: { kind: "output", version: 1 },
    slots: { text: "allow all" },
  });
  const sources = ["README", "design", "formats", "fables"].map((name) =>
    log.add({
      type: "spur:source/v1",
      predicate: { kind: "own", bytes: 42 },
      payload: utf8(name),
      slots: { name },
      evidence: "reported",
    }),
  );
  const dataRun = log.add({
    type: "spur:data-run/v1",
    predicate: {
      inputs: sources.map((one) => one.ref),
      code: digest("code"),
      outcome: "complete",
      rowsIn: 3,
      rowsOut: 3,
    },
    evidence: "reported",
  });
  const corpus = utf8("the first row\nthe second row\nthe third row\n");
  const dataset = log.add({
    type: "spur:dataset/v1",
    predicate: { run: dataRun.ref, sources: sources.map((one) => one.ref), bytes: corpus.length, rows: 3 },
    payload: corpus,
    rows: true,
    evidence: "reported",
  });
  const run = log.add({
    type: "spur:training-run/v1",
    predicate: { datasets: [dataset.ref], code: digest("code"), config: digest("config"), steps: 400, seed: 7 },
    evidence: "reported",
  });
  const checkpoints: ReturnType<typeof log.add>[] = [];
  for (let step = 100; step <= 400; step += 100) {
    const parent = checkpoints.at(-1);
    checkpoints.push(
      log.add({
        type: "spur:checkpoint/v1",
        predicate: {
          run: run.ref,
          ...(parent === undefined ? {} : { parent: parent.ref }),
          step,
          state: digest(`state ${step}`),
          bytes: 14,
        },
        payload: utf8(`weights at ${step}`),
        evidence: "reported",
      }),
    );
  }
  const last = checkpoints.at(-1);
  if (last === undefined) throw new Error("no checkpoint");
  const model = log.add({
    type: "spur:model/v1",
    predicate: { run: run.ref, checkpoint: last.ref, format: "safetensors", bytes: 14 },
    payload: utf8("weights at 400"),
    evidence: "reported",
  });
  const served = Buffer.from(sha256(utf8("weights at 400"))).toString("hex");
  const deployment = log.add({
    type: "spur:deployment/v1",
    predicate: { model: model.ref, operator: "self", served, check: "matched", contentDays: 30 },
  });
  const output = log.add({
    type: "spur:output/v1",
    predicate: { deployment: deployment.ref, outcome: "complete" },
    slots: { request: REQUEST, response: RESPONSE, caller: "key 1" },
  });
  const decision = log.add({
    type: "spur:decision/v1",
    predicate: { output: output.ref, actor: "rule", verdict: "released", policy: policy.ref, policyVersion: 1 },
    slots: { detail: "no rule objected" },
  });
  const closing = log.close();
  const all = log.entries.map((one) => one.index);
  const good = log.evidenceFile({
    ask: "Q5",
    entries: all,
    open: [
      [output.index, 0],
      [output.index, 1],
    ],
    registers: [closing.index],
  });
  const lineage = log.evidenceFile({ ask: "lineage", entries: all, registers: [closing.index] });
  return {
    log,
    output,
    decision,
    vkey: log.key.vkey,
    receiptsVkey: log.receipts.vkey,
    trustFile: log.trustText(),
    good,
    lineage,
    receipt: log.receipt(output.index),
    /** One letter of the answer is another. */
    altered: edited(good, (file) => {
      const opened = file["opened"][1];
      const text = Buffer.from(opened.value as string, "base64")
        .toString()
        .replace("nobody", "nobodi");
      opened.value = Buffer.from(text).toString("base64");
    }),
    /** One hash of one proof is another. */
    wrongProof: edited(good, (file) => {
      const proof = file["entries"].find((entry: { index: number }) => entry.index === output.index).proof as string[];
      proof[0] = Buffer.alloc(32, 1).toString("base64");
    }),
    /** Cut in the middle. */
    cut: good.subarray(0, good.length >> 1),
  };
}
