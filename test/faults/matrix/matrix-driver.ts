// The steps of a ledger that fail, in one process: makes them fail one by one and tells of each in a line of JSON.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { random } from "../random.ts";
import { installSteps, passing, watch } from "../steps.ts";
import type { Claim, Head } from "../power/claims.ts";
import { describeStep, Fails, nameOf, parseFault, type MatrixFault } from "./faults.ts";

installSteps(); // before anything is loaded that takes hold of what it replaces

const { SHAPE } = await import("../../../packages/ledger/src/storage/rec-shape.ts");
// Runs of ids that merge in nearly every commit; by default the first would come after two million entries.
Object.assign(SHAPE, { bucketBits: 1, bucketIds: 4, pageIds: 5, fanoutBits: 1, filterBlocks: 1, pagesAtStart: 4 });
const { Core } = await import("../../../packages/ledger/src/core.ts");
const { copyPair, newPair, removeFolders, removeFolder } = await import("../../../packages/ledger/test/log-support.ts");
const { movedClock, policyOf, startRealWitness } = await import("../../../packages/ledger/test/witness-support.ts");
const { headIn } = await import("../power/claims.ts");
const { holdAgainst } = await import("../power/outside.ts");
const { almostFull, Story } = await import("./story.ts");

/** What the driver is told, in JSON: so many faults, chosen by a seed; or these. */
export interface MatrixOptions {
  readonly count: number;
  readonly seed: number;
  readonly names?: readonly string[];
}

/** One fault, as the driver tells of it. */
export interface MatrixResult {
  readonly name: string;
  /** The step that failed; none if the story had fewer steps this time. */
  readonly step?: string;
  readonly starts: number;
  readonly acknowledged: number;
  readonly heads: number;
  readonly faults: readonly string[];
}

const ORIGIN = "matrix.invalid/log";
const STORIES = ["creation", "life"] as const;
const folder = mkdtempSync(join(tmpdir(), "spur-matrix-"));
const started = await begin();
let nthWitness = 0;

/** A log that ends just before a bundle is full. */
async function begin(): Promise<{ pair: ReturnType<typeof newPair>; vkey: string }> {
  const pair = newPair();
  const core = await Core.open({ ...pair, origin: ORIGIN, now: () => performance.now() });
  core.commit(almostFull().map((draft) => ({ kind: "append", drafts: [draft] })));
  await core.publication.publish();
  await core.close();
  return { pair, vkey: core.info.vkey };
}

async function run(story: MatrixFault["story"], fault?: MatrixFault): Promise<MatrixResult & { steps: number }> {
  const pair = story === "creation" ? newPair() : copyPair(started.pair);
  // Real ones, which know nothing yet: what an earlier story showed to its own never happened here.
  const names = [nthWitness++, nthWitness++];
  const witnesses = await Promise.all(names.map((n) => startRealWitness(join(folder, String(n)), `w${n}.invalid`)));
  const clock = movedClock();
  const [claims, heads]: [Claim[], Head[]] = [[], []];
  const left = (bytes: Buffer): void => void heads.push(...[headIn(bytes)].filter((head) => head !== undefined));
  const ask = (url: string, init: RequestInit): Promise<Response> =>
    passing("request", url, () => {
      left(Buffer.from(init.body as string));
      return fetch(url, init);
    });
  const policy = policyOf(2, witnesses);
  const one = new Story({
    pair,
    claims,
    later: () => void (clock.by += 70_000),
    open() {
      const options = { ...pair, origin: ORIGIN, now: () => clock.now() };
      const vkey = story === "life" ? started.vkey : claims.flatMap((claim) => ("vkey" in claim ? [claim.vkey] : []))[0];
      if (vkey === undefined) return Core.open(options); // a new log: its witnesses have to be told its key first
      for (const witness of witnesses) witness.knows(ORIGIN, vkey);
      const limits = { graceMs: 100, requestMs: 2_000, roundMs: 3_000 };
      return Core.open({ ...options, witnesses: { policy, own: [], detectOnly: false }, witnessing: { outside: { clock, fetch: ask }, limits } });
    },
  }); // prettier-ignore
  const fails = new Fails(dirname(pair.data), fault);
  const faults: string[] = [];
  watch((step) => {
    // Readers may have got the checkpoint as soon as it is in its place.
    if (step.what === "rename" && step.when === "after" && step.path.endsWith("/log/checkpoint")) left(readFileSync(step.path)); // prettier-ignore
    fails.watcher(step);
  });
  try {
    await one[story]();
  } catch (error) {
    faults.push((error as Error).stack ?? String(error));
  } finally {
    watch(undefined);
    for (const witness of witnesses) await witness.stop();
  }
  const held = await holdAgainst(pair, { claims, heads });
  removeFolder(pair);
  for (const n of names) rmSync(join(folder, String(n)), { recursive: true, force: true });
  return {
    name: fault === undefined ? story : nameOf(fault),
    ...(fails.met === undefined ? {} : { step: describeStep(fails.met) }),
    starts: one.starts, acknowledged: held.acknowledged, heads: held.heads, steps: fails.steps, faults: [...faults, ...held.faults],
  }; // prettier-ignore
}

/** Every step of both stories, before and after, once and as a trouble that lasts. */
async function allFaults(): Promise<MatrixFault[]> {
  const all: MatrixFault[] = [];
  for (const story of STORIES) {
    const { steps, faults } = await run(story);
    if (faults.length > 0) throw new Error(`without any fault: ${faults.join("\n")}`);
    for (const times of [1, 4])
      for (const when of ["before", "after"] as const)
        for (let nth = 0; nth < steps; nth++)
          all.push({ story, when, nth, code: when === "before" ? "ENOSPC" : "EIO", times });
  }
  return all;
}

function chosen(all: MatrixFault[], { count, seed }: MatrixOptions): MatrixFault[] {
  const dice = random(seed);
  for (let at = all.length - 1; at > 0; at--) {
    const other = dice.below(at + 1);
    [all[at], all[other]] = [all[other] as MatrixFault, all[at] as MatrixFault];
  }
  return all.slice(0, count);
}

const options = JSON.parse(process.argv[2] as string) as MatrixOptions;
for (const fault of options.names?.map(parseFault) ?? chosen(await allFaults(), options)) {
  const result = await run(fault.story, fault);
  process.stdout.write(`${JSON.stringify(result satisfies MatrixResult)}\n`);
}
removeFolders();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
