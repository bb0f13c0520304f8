/**
 * How a command has fared over the last hours, for plots: numbers in rings of a fixed size.
 *
 *     a view each second ─► fine (ten minutes) ─► of each ten the highest ─► coarse (six hours)
 *
 * The highest, and not the mean, because what somebody looks for is the lag that came and went. That is
 * about 200 KB, whatever is watched and for however long.
 */
import { Rate } from '../rate.js';
import { frozenSeconds } from './nightclock.js';
import type { View } from './view.js';

/** Of each row; `at` in ms since 1970. */
const COLUMNS = [
  ...(['at', 'source', 'target', 'lagRevisions', 'lagSeconds', 'revisionsPerSecond'] as const),
  ...(['bytesPerSecond', 'journalBytes', 'frozenSeconds'] as const),
];
type Sample = Record<(typeof COLUMNS)[number], number | null>;
type Row = (number | null)[];

const FINE = 600;
const COARSE = 2160;
const FINE_IN_COARSE = 10;

/** What `/samples.json` has: rows oldest first, null for what is not known. */
export interface SampleTable {
  columns: readonly string[];
  /** One each ten seconds, for the last six hours. */
  coarse: Row[];
  /** One a second, for the last ten minutes. */
  fine: Row[];
}

export class Samples {
  readonly #fine = new Ring(FINE);
  readonly #coarse = new Ring(COARSE);
  readonly #revisions = new Rate();
  readonly #bytes = new Rate();
  #highest: Row = [];
  #seen = 0;

  /** To be called each second. */
  add(view: View): void {
    const { wrote, heads, lag, journal, night } = view;
    const sample: Sample = {
      at: Date.parse(view.at),
      source: heads.source,
      target: heads.target,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag?.seconds ?? null,
      revisionsPerSecond: wrote && Math.round(this.#revisions.per(wrote.revisions + wrote.fillers)),
      bytesPerSecond: wrote && Math.round(this.#bytes.per(wrote.bytes)),
      journalBytes: journal?.bytes ?? null,
      frozenSeconds: night && frozenSeconds(night, view.at),
    };
    const row = COLUMNS.map((column) => sample[column]);
    this.#fine.add(row);
    this.#highest = row.map((value, i) => higher(value, this.#highest[i] ?? null));
    if (++this.#seen % FINE_IN_COARSE !== 0) return;
    this.#coarse.add(this.#highest);
    this.#highest = [];
  }

  get table(): SampleTable {
    return { columns: COLUMNS, coarse: this.#coarse.rows(), fine: this.#fine.rows() };
  }
}

function higher(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

class Ring {
  /** Row after row; NaN for what is not known. */
  readonly #cells: Float64Array;
  #added = 0;

  constructor(private readonly size: number) {
    this.#cells = new Float64Array(size * COLUMNS.length);
  }

  add(row: Row): void {
    const at = (this.#added++ % this.size) * COLUMNS.length;
    this.#cells.set(
      row.map((value) => value ?? NaN),
      at,
    );
  }

  rows(): Row[] {
    const held = Math.min(this.#added, this.size);
    return Array.from({ length: held }, (_, i) => {
      const at = ((this.#added - held + i) % this.size) * COLUMNS.length;
      const cells = [...this.#cells.subarray(at, at + COLUMNS.length)];
      return cells.map((value) => (Number.isNaN(value) ? null : value));
    });
  }
}
