import { hash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { concatBytes, utf8 } from "@spur/verifier/bytes";
import { useSha256 } from "@spur/verifier/hash";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote } from "@spur/verifier/note/note";
import { canonicalBytes } from "@spur/verifier/statement/canonical";
import { leafHash } from "@spur/verifier/tlog/merkle";
import { formatBundle, formatBundlePath, formatTilePath, subtreeRoot } from "@spur/verifier/tlog/tile";
import { rootOf } from "@spur/verifier/tlog/merkle";
import { createLog } from "../../verifier/test/make-log.ts";
useSha256((d) => hash("sha256", d, "buffer"));
const N = Number(process.argv[3]); const dir = process.argv[2]!;
const log = createLog({ witnesses: 0 });
log.addKeys();
const policy = log.add({ type: "spur:policy/v1", predicate: { kind: "output", version: 1 } });
const dep = log.add({ type: "spur:deployment/v1", predicate: { operator: "self", check: "not-checked", contentDays: 30 } });
const put = (p: string, b: any) => { mkdirSync(dirname(join(dir, p)), { recursive: true }); writeFileSync(join(dir, p), b); };
const last: Record<string, { seq: number; index: number }> = {};
let bytes = 0;
function entry(i: number, prevRec: string): [Uint8Array, string] {
  if (i < log.entries.length) return [log.entries[i]!.bytes, ""];
  const rec = randomBytes(16).toString("hex");
  const out = i % 2 === 0;
  const reg = out ? "outputs" : "decisions";
  const l = last[reg]; 
  const predicate = out ? { deployment: dep.ref, outcome: "complete" } : { actor: "rule", output: { index: i - 1, rec: prevRec }, policy: policy.ref, policyVersion: 1, verdict: "released" };
  const e: any = { v: "spur-entry/v1", rec, reg, seq: (l?.seq ?? 0) + 1, ...(l ? { prev: l.index } : {}), at: "2026-11-22T04Z", evidence: "observed", retention: "output",
    sealed: { ct: randomBytes(32).toString("hex") },
    statement: { _type: "https://in-toto.io/Statement/v1", subject: [{ name: rec, digest: { spurCommitmentV1: randomBytes(32).toString("hex") } }], predicateType: out ? "spur:output/v1" : "spur:decision/v1", predicate } };
  last[reg] = { seq: (l?.seq ?? 0) + 1, index: i };
  return [canonicalBytes(e), rec];
}
const levels: Uint8Array[][] = [[]]; const counts: number[] = [0];
const flush = (l: number) => { const h = levels[l]!; put(formatTilePath({ level: l, index: counts[l]!, width: h.length }), concatBytes(...h)); };
let prev = ""; let bundle: Uint8Array[] = [];
function rise(l: number, h: Uint8Array) { (levels[l] ??= []).push(h); counts[l] ??= 0; if (levels[l]!.length === 256) { flush(l); counts[l]!++; const up = subtreeRoot(levels[l]!); levels[l] = []; rise(l + 1, up); } }
for (let i = 0; i < N; i++) {
  const [b, rec] = entry(i, prev); prev = rec; bytes += b.length;
  bundle.push(b);
  if (bundle.length === 256 || i === N - 1) { put(formatBundlePath({ index: Math.floor(i / 256), width: bundle.length }), formatBundle(bundle)); bundle = []; }
  rise(0, leafHash(b));
}
for (let l = 0; l < levels.length; l++) if (levels[l]!.length) flush(l);
let right: Uint8Array | undefined;
for (const h of levels) { const all = right ? [...h, right] : h; right = all.length ? rootOf(all) : undefined; }
const text = formatCheckpoint({ origin: log.origin, size: N, root: right! });
put("checkpoint", formatNote(text, [log.key.sign(text)]));
put("vkey", log.key.vkey);
console.log(N, "entries", Math.round(bytes / N), "bytes each");
