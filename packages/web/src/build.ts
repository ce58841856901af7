import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundlePages, MOST_VERIFY_BYTES } from "./bundle.ts";

// node packages/web/src/build.ts: dist/verify.html, dist/index.html and dist/digests.json, the same bytes on each build.
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const { verifyHtml, indexHtml } = bundlePages();
const files = { "index.html": Buffer.from(indexHtml), "verify.html": Buffer.from(verifyHtml) };
if (files["verify.html"].length > MOST_VERIFY_BYTES) {
  console.error(`verify.html has ${files["verify.html"].length} bytes; ${MOST_VERIFY_BYTES} are allowed`);
  process.exit(1);
}
mkdirSync(dist, { recursive: true });
const digests: Record<string, { sha256: string; bytes: number }> = {};
for (const [name, bytes] of Object.entries(files)) {
  put(name, bytes);
  digests[name] = { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
  console.log(`${digests[name].sha256}  ${name}  ${bytes.length} bytes`);
}
put("digests.json", `${JSON.stringify(digests, null, 2)}\n`);

/** Under another name first: a server that reads while we write sees the old page or the new one. */
function put(name: string, content: string | Uint8Array): void {
  writeFileSync(`${dist}${name}.new`, content);
  renameSync(`${dist}${name}.new`, `${dist}${name}`);
}
