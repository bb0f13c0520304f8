/** What a scenario finds, and the arithmetic on it. */

/** One comparison, or one figure of ours that stands for itself. */
export interface Row {
  scenario: string;
  /** What was measured, such as `100,000 keys, --from range`. */
  what: string;
  unit: 's' | 'rev/s' | 'ms' | 'µs' | 'MiB' | 'MiB/s';
  /** One figure a run. */
  ours: number[];
  /** What it is held against; empty where there is nothing. */
  against: string;
  theirs: number[];
  /** How the ratio is formed, run by run. `faster` is theirs / ours, `share` ours / theirs. */
  ratio: 'faster' | 'share';
  /** What the ratio should be. */
  goal?: { atLeast: number } | { atMost: number };
  /** Parts of the figures, for the second table: seconds, processor time, memory. */
  parts?: Record<string, number[]>;
}

/** A row as it is written down: with the circumstances. */
export interface Kept extends Row {
  /** The commit that was measured; a `+` behind it: with changes. */
  commit: string;
  at: string;
  fsync: boolean;
  /** Cores that others kept busy when the scenario began. */
  othersCores: number;
}

export interface Spread {
  min: number;
  median: number;
  max: number;
}

export function spread(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  if (min === undefined) return undefined;
  const half = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
  return { min, median, max: sorted.at(-1)! };
}

/** @param at 0.99 for the value that 99 % are not above */
export function percentile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * at) - 1)] ?? NaN;
}

/** The ratio of each run: what ran one after the other is compared, not the best of both. */
export function ratios({ ours, theirs, ratio }: Row): number[] {
  return ours
    .slice(0, theirs.length)
    .map((own, i) => (ratio === 'faster' ? theirs[i]! / own : own / theirs[i]!));
}

/** Undefined where there is no goal or nothing to compare. */
export function reached(row: Row): boolean | undefined {
  const median = spread(ratios(row))?.median;
  if (!row.goal || median === undefined) return undefined;
  return 'atLeast' in row.goal ? median >= row.goal.atLeast : median <= row.goal.atMost;
}

/** Collects figures over the runs of one row. */
export class Figures {
  readonly ours: number[] = [];
  readonly theirs: number[] = [];
  readonly parts: Record<string, number[]> = {};

  part(name: string, value: number): void {
    (this.parts[name] ??= []).push(value);
  }
}
