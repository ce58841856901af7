import type { Figure } from "./figures.ts";

/** What a bench gets. */
export interface BenchContext {
  readonly runs: number;
  /** A folder of its own, on the disk that is measured; removed afterwards. */
  readonly folder: string;
  /** What kept durability from being measured, if anything did. */
  readonly noDurability?: string;
  /** One line of progress. */
  say(line: string): void;
}

/** One file of this folder measures one thing. */
export interface Bench {
  readonly name: string;
  /** What is measured and how, for whoever reads the figures. */
  readonly about: string;
  run(context: BenchContext): Promise<Figure[]>;
}
