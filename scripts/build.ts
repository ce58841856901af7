// `npm run build`: packages/verifier and packages/cli as JavaScript with types, in their `dist/`; the CLI's has verify.html too.
import { PUBLISHED, build } from "./package.ts";

for (const folder of PUBLISHED) {
  const startedMs = performance.now();
  build(folder);
  process.stdout.write(`built ${folder}/dist in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
}
