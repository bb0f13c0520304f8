/**
 * What is plotted: the samples that the process has kept, and from then on one out of each view, made
 * as the process makes them (../samples.ts): rates over some seconds, and of ten seconds the highest.
 *
 * Both ends forget: memory is that of some thousand rows, however long the page stays open.
 */
import type { View, Wrote } from '../view.js';

/** What is plotted of one moment; null: not known. */
export interface PlottedSample {
  /** In ms. */
  at: number;
  lagSeconds: number | null;
  revisionsPerSecond: number | null;
  bytesPerSecond: number | null;
  journalBytes: number | null;
}

export type Plotted = Exclude<keyof PlottedSample, 'at'>;

/** How far back one looks. */
export type Span = 'fine' | 'coarse';

/** One a second for ten minutes, one each ten seconds for six hours. */
export const SPANS: Record<Span, { stepMs: number; lengthMs: number }> = {
  fine: { stepMs: 1000, lengthMs: 600_000 },
  coarse: { stepMs: 10_000, lengthMs: 6 * 3_600_000 },
};
const NAMES: Span[] = ['fine', 'coarse'];

/** As `/samples.json` has them: docs/watching.md. */
interface Served {
  columns: string[];
  coarse: (number | null)[][];
  fine: (number | null)[][];
}

/** Rates are told over so many views. */
const RATE_VIEWS = 6;

export class PlottedSamples {
  readonly #rows: Record<Span, PlottedSample[]> = { fine: [], coarse: [] };
  /** The last views of this run, oldest first. */
  #views: View[] = [];

  /** Takes what the process has kept in place of what is here of that time. */
  async load(): Promise<void> {
    const response = await fetch('samples.json');
    if (!response.ok) return;
    const served = (await response.json()) as Served;
    for (const span of NAMES) {
      const rows = rowsOf(served.columns, served[span]);
      const from = rows[0]?.at ?? Infinity;
      // An earlier run of the process is remembered by nobody but us.
      this.#rows[span] = [...this.#rows[span].filter(({ at }) => at < from), ...rows];
    }
  }

  add(view: View): void {
    const before = this.#views.filter(({ startedAt }) => startedAt === view.startedAt);
    this.#views = [...before.slice(1 - RATE_VIEWS), view];
    const sample = sampleOf(view, before[0]);
    for (const span of NAMES) this.#addTo(span, sample);
  }

  #addTo(span: Span, sample: PlottedSample): void {
    const rows = this.#rows[span];
    const { stepMs, lengthMs } = SPANS[span];
    const newest = rows.at(-1);
    // A little early is in time: the process's seconds are not exact.
    if (newest && sample.at - newest.at < stepMs * 0.9)
      rows[rows.length - 1] = higher(newest, sample);
    else rows.push(sample);
    while ((rows[0]?.at ?? Infinity) < sample.at - lengthMs) rows.shift();
  }

  newest(name: Plotted): number | null {
    return this.#rows.fine.at(-1)?.[name] ?? null;
  }

  /** Whether anything is known of it. */
  has(name: Plotted): boolean {
    return NAMES.some((span) => this.#rows[span].some((row) => row[name] !== null));
  }

  /** Times in seconds, and values; where samples are missing a null between them breaks the line. */
  columns(span: Span, name: Plotted): [number[], (number | null)[]] {
    const times: number[] = [];
    const values: (number | null)[] = [];
    let last: number | undefined;
    for (const row of this.#rows[span]) {
      if (last !== undefined && row.at - last > 3.5 * SPANS[span].stepMs) {
        times.push((last + 1) / 1000);
        values.push(null);
      }
      times.push(row.at / 1000);
      values.push(row[name]);
      last = row.at;
    }
    return [times, values];
  }
}

/** @param before a view of some seconds ago; rates are what was written since */
function sampleOf(view: View, before: View | undefined): PlottedSample {
  const at = Date.parse(view.at);
  const seconds = before ? (at - Date.parse(before.at)) / 1000 : 0;
  const rate = (written: (wrote: Wrote) => number): number | null => {
    if (!view.wrote || !before?.wrote || seconds <= 0) return null;
    return (written(view.wrote) - written(before.wrote)) / seconds;
  };
  return {
    at,
    lagSeconds: view.lag?.seconds ?? null,
    revisionsPerSecond: rate(({ revisions, fillers }) => revisions + fillers),
    bytesPerSecond: rate(({ bytes }) => bytes),
    journalBytes: view.journal?.bytes ?? null,
  };
}

function higher(a: PlottedSample, b: PlottedSample): PlottedSample {
  const of = (name: Plotted): number | null =>
    a[name] === null || b[name] === null ? (a[name] ?? b[name]) : Math.max(a[name], b[name]);
  return {
    at: a.at,
    lagSeconds: of('lagSeconds'),
    revisionsPerSecond: of('revisionsPerSecond'),
    bytesPerSecond: of('bytesPerSecond'),
    journalBytes: of('journalBytes'),
  };
}

function rowsOf(columns: readonly string[], rows: readonly (number | null)[][]): PlottedSample[] {
  return rows.map((row) => {
    const of = (name: keyof PlottedSample): number | null => row[columns.indexOf(name)] ?? null;
    return {
      at: of('at') ?? 0,
      lagSeconds: of('lagSeconds'),
      revisionsPerSecond: of('revisionsPerSecond'),
      bytesPerSecond: of('bytesPerSecond'),
      journalBytes: of('journalBytes'),
    };
  });
}
