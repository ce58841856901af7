import { DemoError } from "./errors.ts";

/** All that decides a training but its data. Integers and strings only, so that it has one canonical spelling and one digest. */
export type TrainConfig = {
  readonly format: "spur-demo-train/v1";
  readonly seed: number;
  readonly steps: number;
  /** Tokens predicted, and learnt from one by one, in a step. */
  readonly stepTokens: number;
  readonly checkpointEvery: number;
  readonly evaluateEvery: number;
  /** Held-out tokens that an evaluation looks at, evenly spread over the held-out rows; the last one looks at ten times as many. */
  readonly evaluateTokens: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly hidden: number;
  readonly order: number;
  readonly directWeights: number;
  /** Decimals as strings. */
  readonly learningRate: string;
  readonly directLearningRate: string;
  readonly runDropPercent: number;
  readonly hiddenDropPercent: number;
};

const RANGES = {
  seed: [0, Number.MAX_SAFE_INTEGER],
  steps: [1, 10_000_000],
  stepTokens: [1, 1_000_000],
  checkpointEvery: [1, 10_000_000],
  evaluateEvery: [1, 10_000_000],
  evaluateTokens: [1, 10_000_000],
  vocabulary: [258, 16_384],
  context: [1, 64],
  hidden: [1, 1024],
  order: [0, 16],
  directWeights: [1, 1 << 26],
  runDropPercent: [0, 100],
  hiddenDropPercent: [0, 99],
} as const;

/** The demo's own training: 360,000 predictions, 7 s of one 2026 server core, whatever the size of the corpus; a segment between checkpoints, a quarter. */
export const DEMO_CONFIG: TrainConfig = {
  format: "spur-demo-train/v1",
  seed: 7,
  steps: 1800,
  stepTokens: 200,
  checkpointEvery: 450,
  evaluateEvery: 100,
  evaluateTokens: 2000,
  vocabulary: 1024,
  context: 8,
  hidden: 32,
  order: 5,
  directWeights: 1_048_576,
  learningRate: "0.07",
  directLearningRate: "0.15",
  runDropPercent: 30,
  hiddenDropPercent: 30,
};

/** The demo's training for these rows: the vocabulary grows with the number of different characters, which Chinese needs. */
export function demoConfig(rows: readonly { text: string; heldOut: boolean }[], seed: number): TrainConfig {
  const characters = new Set<string>();
  for (const row of rows) if (!row.heldOut) for (const character of row.text) characters.add(character);
  const vocabulary = Math.min(4096, Math.max(DEMO_CONFIG.vocabulary, 257 + Math.ceil(characters.size * 1.75)));
  return { ...DEMO_CONFIG, seed, vocabulary };
}

/** @throws DemoError `train/config` for a missing, unknown or senseless member: a training is described in full or not at all. */
export function checkConfig(value: unknown): TrainConfig {
  const refuse = (detail: string): never => {
    throw new DemoError("train/config", detail);
  };
  if (typeof value !== "object" || value === null) return refuse("not an object");
  const config = value as Record<string, unknown>;
  if (config["format"] !== "spur-demo-train/v1") refuse(`format ${JSON.stringify(config["format"])}`);
  for (const name of Object.keys(config))
    if (!Object.hasOwn(DEMO_CONFIG, name)) refuse(`unknown member ${JSON.stringify(name)}`);
  for (const [name, [least, most]] of Object.entries(RANGES)) {
    const number = config[name];
    if (!Number.isSafeInteger(number) || (number as number) < least || (number as number) > most)
      refuse(`${name} must be an integer from ${least} to ${most}`);
  }
  for (const name of ["learningRate", "directLearningRate"]) {
    const decimal = config[name];
    if (typeof decimal !== "string" || !/^(0|[1-9][0-9]{0,2})(\.[0-9]{1,9})?$/.test(decimal))
      refuse(`${name} must be a decimal in a string`);
  }
  return config as TrainConfig;
}

/** Members by name, integers and strings: RFC 8785 for what a config can hold. */
export function configText(config: TrainConfig): string {
  return JSON.stringify(Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))));
}
