/** How a watched view is shown as it goes on: a picture on a terminal, elsewhere a line now and then. */
import { Rate } from '../rate.js';
import type { Heard } from '../listen/looking.js';
import type { View } from '../listen/view.js';
import { bytes, count, duration } from '../text.js';
import type { Context } from './command.js';
import { Screen } from './screen.js';
import { labelled, type StyledLine } from './styled.js';
import { Trend } from './trend.js';
import { viewLines } from './viewlines.js';
import { clock, type Watched } from './watched.js';

/** So the time that writes are refused is seen to run. */
const DRAWN_EVERY_MS = 200;

/** Hears what is told of the command. */
export interface Watcher {
  heard: (heard: Heard) => void;
  end: () => void;
}

/** On a terminal. */
export class PictureWatcher implements Watcher {
  readonly #screen: Screen;
  readonly #timer: NodeJS.Timeout;
  #rates = newRates();
  #trends = newTrends();
  #view: View | undefined;
  /** When it came, by our clock (monotonic). */
  #cameMs = performance.now();
  /** Since we look, or since the last view came. */
  #gone: { sinceMs: number; why: string } | undefined;

  /** @param at where is looked, as the user knows it */
  constructor(
    private readonly at: string,
    terminal: NodeJS.WriteStream,
    write: (text: string) => void,
  ) {
    this.#screen = new Screen({
      write,
      size: () => ({ columns: terminal.columns || 80, rows: terminal.rows || 24 }),
      // Heeds NO_COLOR.
      colours: terminal.hasColors(),
      picture: (columns) => this.#picture(columns),
    });
    this.#timer = setInterval(() => {
      this.#screen.draw();
    }, DRAWN_EVERY_MS);
  }

  heard(heard: Heard): void {
    if ('gone' in heard) {
      this.#gone = { sinceMs: this.#gone?.sinceMs ?? this.#nowMs(), why: heard.gone };
    } else {
      if (heard.view.startedAt !== this.#view?.startedAt)
        [this.#trends, this.#rates] = [newTrends(), newRates()];
      this.#view = heard.view;
      this.#cameMs = performance.now();
      this.#gone = undefined;
      this.#saw(heard.view);
    }
    this.#screen.draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#screen.end();
  }

  /** By the clock of the machine that is looked at, as far as it is known. */
  #nowMs(): number {
    if (!this.#view) return Date.now();
    return Date.parse(this.#view.at) + (performance.now() - this.#cameMs);
  }

  #saw({ at, heads, lag, journal }: View): void {
    const rate = (side: 'source' | 'target') =>
      heads[side] === null ? null : this.#rates[side].per(heads[side], Date.parse(at));
    this.#trends.sourceRate.add(rate('source'));
    this.#trends.targetRate.add(rate('target'));
    this.#trends.lagSeconds.add(lag?.seconds ?? null);
    this.#trends.journalBytes.add(journal?.bytes ?? null);
  }

  #picture(columns: number): readonly StyledLine[] {
    const [nowMs, gone] = [this.#nowMs(), this.#gone ?? null];
    if (!this.#view) return waitingLines(this.at, nowMs, gone, columns);
    return viewLines({
      ...{ view: this.#view, nowMs, gone, columns, trends: this.#trends },
      unicode: isUnicode(),
    });
  }
}

function newRates(): Record<'source' | 'target', Rate> {
  return { source: new Rate(), target: new Rate() };
}

function newTrends(): Watched['trends'] {
  const [sourceRate, targetRate] = [new Trend(), new Trend()];
  return { sourceRate, targetRate, lagSeconds: new Trend(), journalBytes: new Trend() };
}

function isUnicode(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}

function waitingLines(
  at: string,
  nowMs: number,
  gone: Watched['gone'],
  columns: number,
): readonly StyledLine[] {
  if (!gone) return [[`asking ${at} …`]];
  const box = { columns, indent: 0 };
  return [
    ...labelled('', `WAITING for ${at}, ${duration((nowMs - gone.sinceMs) / 1000)}`, {
      ...box,
      style: 'busy',
    }),
    ...labelled('', gone.why, box),
    ...labelled('', 'Does the command run, and with --listen? It logs where it is shown.', box),
  ];
}

/** Where there is no terminal. */
export class LineWatcher implements Watcher {
  #printed: { atMs: number; key: string } | undefined;
  #gone = false;
  #startedAt: string | undefined;
  /** Of the process that is looked at. */
  #rate = new Rate();

  constructor(private readonly context: Pick<Context, 'json' | 'print' | 'note' | 'lineSeconds'>) {}

  heard(heard: Heard): void {
    if ('gone' in heard) {
      if (!this.#gone) this.context.note(`${heard.gone}; trying again`, true);
      this.#gone = true;
      return;
    }
    if (this.#gone) this.context.note('it answers again');
    this.#gone = false;
    this.#view(heard.view);
  }

  end(): void {
    // Each line stands for itself.
  }

  /** Objects as they come; lines when something else is to be said, and now and then. */
  #view(view: View): void {
    const { json, print, lineSeconds } = this.context;
    if (view.startedAt !== this.#startedAt) this.#rate = new Rate();
    this.#startedAt = view.startedAt;
    const { target } = view.heads;
    // From nothing to where it is found is no rate.
    const rate = target === null ? 0 : this.#rate.per(target, Date.parse(view.at));
    const step = view.night?.steps.find(({ state }) => state === 'now')?.name;
    const key = [view.startedAt, view.state, view.trouble?.code, step].join();
    const nowMs = performance.now();
    const due = !this.#printed || nowMs - this.#printed.atMs >= lineSeconds * 1000;
    if (!json && !due && key === this.#printed?.key) return;
    this.#printed = { atMs: nowMs, key };
    print(view, () => viewLine(view, step, rate));
  }
}

function viewLine(view: View, step: string | undefined, rate: number): string {
  const { at, command, state, heads, lag, journal, trouble, compaction } = view;
  const left = compaction?.leftSeconds ?? null;
  const parts = [
    state,
    ...(step === undefined ? [] : [`step ${step}`]),
    ...(lag ? [`lag ${count(lag.revisions)} rev, ${duration(lag.seconds)}`] : []),
    ...(trouble ? [`${trouble.message} [${trouble.code}]`] : []),
    ...(heads.target === null
      ? []
      : [`revision ${heads.target}`, `${count(Math.round(rate))} rev/s`]),
    ...(journal ? [`journal ${bytes(journal.bytes)}`] : []),
    ...(left === null ? [] : [`window ${duration(Math.max(0, left))}`]),
  ];
  return `${clock(at)} ${command}: ${parts.join('; ')}`;
}
