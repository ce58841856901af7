import { train } from "../src/train.ts";
import { FIXTURE_DATASET, sha256, TINY_CONFIG } from "./fixture.ts";

// `node golden.ts`: the digest of the tiny training, for comparing engines and machines. The expected one is in train.test.ts.
const { weights } = await train(FIXTURE_DATASET, TINY_CONFIG);
process.stdout.write(`${sha256(weights)}\n`);
