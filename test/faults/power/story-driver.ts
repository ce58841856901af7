// A real ledger with all its threads, and callers in its own process: a story to be recorded, cut off anywhere, or made to fail.
// Tells on its standard output, at once and unbuffered, what callers were promised (claims.ts).
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { startLedger } from "@spur/ledger/main";
import { random } from "../random.ts";
import { ORIGIN, type Claim } from "./claims.ts";
import { Callers } from "./callers.ts";

/** What the driver is told, as JSON. */
export interface StoryOptions {
  readonly data: string;
  readonly keys: string;
  readonly seed: number;
  readonly operations: number;
  /** Killed in the middle of it, or ended in good order. */
  readonly end: "kill" | "close";
  readonly callers: number;
  readonly publishEvery: number;
  /** File with the policy without whose witnesses nothing is published. */
  readonly policy?: string;
}

const options = JSON.parse(process.argv[2] as string) as StoryOptions;
const { data, keys, seed, operations, end, callers, publishEvery, policy } = options;
const tell = (claim: Claim): void => void writeSync(1, `${JSON.stringify(claim)}\n`);

try {
  const running = await startLedger({
    data, keys, port: 0, origin: ORIGIN, upstreams: [], discover: false, publishEvery, logLevel: "silent", env: {}, cwd: "/",
    ...(policy === undefined ? {} : { witnessPolicy: policy }),
  }); // prettier-ignore
  tell({ vkey: running.vkey });
  const story = new Callers(running, { data, keys, random: random(seed), tell });
  await story.go(operations, callers, end === "kill");
  if (end === "kill") process.kill(process.pid, "SIGKILL");
  await running.close();
  process.exit(0);
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  writeSync(2, `${code ?? "none"} ${message} ${createHash("sha256").update(message).digest("hex").slice(0, 4)}\n`);
  process.exit(code === undefined ? 1 : 3);
}
