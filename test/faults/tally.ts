/** What a kind of faults did, and what was found afterwards. */
export interface Tally {
  readonly injected: number;
  /** Ledgers that were started, or opened and audited. */
  readonly starts: number;
  /** Acknowledged entries that were looked for afterwards: an entry counts each time. */
  readonly acknowledged: number;
  /** Signed checkpoints that were held against the log afterwards. */
  readonly checkpoints: number;
  readonly faults: readonly string[];
  /** What is particular to the kind. */
  readonly note?: string;
}

/** A signature that another one contradicts is the worst: it cannot be taken back. */
const CONFLICT = /another history|another log|twice, differently|is not signed|other bytes than were acknowledged/;
/** What stops a ledger, and loses nothing by itself. */
const STOP = /does not start|it ended with|does not go on|not by its end|is refused|stopped/;

export type Sort = "conflicts" | "stops" | "lost";
export const sortOf = (fault: string): Sort =>
  CONFLICT.test(fault) ? "conflicts" : STOP.test(fault) ? "stops" : "lost";

const COLUMNS = ["faults", "starts", "acknowledged", "checkpoints", "conflicts", "lost", "stops"] as const;

/** A table with a row for each kind, and their sums. */
export function summary(tallies: ReadonlyMap<string, Tally>): string {
  const row = ({ injected, starts, acknowledged, checkpoints, faults }: Tally): number[] => {
    const count = (sort: Sort): number => faults.filter((fault) => sortOf(fault) === sort).length;
    return [injected, starts, acknowledged, checkpoints, count("conflicts"), count("lost"), count("stops")];
  };
  const rows = [...tallies].map(([kind, tally]) => [kind, row(tally)] as const);
  const sums = COLUMNS.map((_, i) => rows.reduce((sum, [, numbers]) => sum + (numbers[i] as number), 0));
  const line = (kind: string, cells: readonly (string | number)[]): string =>
    `${kind.padEnd(10)}${cells.map((cell) => String(cell).padStart(14)).join("")}\n`;
  return [line("", COLUMNS), ...rows.map(([kind, numbers]) => line(kind, numbers)), line("together", sums)].join("");
}

/** A line that is written over on a terminal, and written now and then elsewhere. */
export function progressLine(): (text: string) => void {
  let last = 0;
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, 150)}`);
    else if (performance.now() - last > 20_000) {
      last = performance.now();
      process.stderr.write(`     ${text}\n`);
    }
  };
}
