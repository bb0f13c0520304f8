/** Lag, rates and journal over the last minutes or hours, each in a plot of its own, by uPlot. */
import uPlot from 'uplot';
import { bytes, count, duration } from '../../text.js';
import { byId, fill, make, setText } from './elements.js';
import { SPANS, type Plotted, type PlottedSamples, type Span } from './plotted.js';
import { timeOfDay } from './times.js';

const HEIGHT = 132;

interface PlotText {
  name: Plotted;
  title: string;
  /** A value as people read it. */
  text: (value: number) => string;
  /** The axis ends here at the least, so that noise about zero looks like noise. */
  atLeast: number;
  /** What its axis is divided by: 10 or 2. */
  steps: number[] | undefined;
}

const KIB = 1024;
/** Round numbers of bytes. */
const BYTE_STEPS = [1, KIB, KIB ** 2, KIB ** 3, KIB ** 4].flatMap((unit) =>
  [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((n) => n * unit),
);

const PLOTS: PlotText[] = [
  { name: 'lagSeconds', title: 'Lag', text: seconds, atLeast: 1, steps: undefined },
  {
    name: 'revisionsPerSecond',
    title: 'Revisions a second',
    text: (value) => count(value < 10 ? Math.round(value * 10) / 10 : Math.round(value)),
    atLeast: 10,
    steps: undefined,
  },
  {
    name: 'bytesPerSecond',
    title: 'Written a second',
    text: size,
    atLeast: KIB,
    steps: BYTE_STEPS,
  },
  { name: 'journalBytes', title: 'Journal', text: size, atLeast: KIB * KIB, steps: BYTE_STEPS },
];

export class Plots {
  readonly #plots: Plot[];
  #span: Span = 'coarse';

  constructor(private readonly samples: PlottedSamples) {
    this.#plots = PLOTS.map((text) => new Plot(text, samples));
    fill(
      byId('plots-figures'),
      this.#plots.map(({ figure }) => figure),
    );
    for (const span of ['fine', 'coarse'] as const)
      byId(`span-${span}`).addEventListener('change', () => {
        this.#span = span;
        this.draw();
      });
    const colors = matchMedia('(prefers-color-scheme: dark)');
    for (const [target, event] of [
      [colors, 'change'],
      [window, 'resize'],
    ] as const)
      target.addEventListener(event, () => {
        this.draw();
      });
  }

  draw(): void {
    const some = PLOTS.some(({ name }) => this.samples.has(name));
    byId('plots').hidden = !some;
    if (document.hidden || !some) return;
    for (const plot of this.#plots) plot.draw(this.#span);
  }
}

class Plot {
  readonly figure: HTMLElement;
  readonly #readout = make('span', 'readout number');
  readonly #canvas = make('div', 'plot');
  #plot: uPlot | undefined;
  #span: Span = 'coarse';

  constructor(
    private readonly o: PlotText,
    private readonly samples: PlottedSamples,
  ) {
    this.#canvas.role = 'img';
    const caption = make('figcaption', '', make('span', '', o.title), this.#readout);
    this.figure = make('figure', '', caption, this.#canvas);
  }

  draw(span: Span): void {
    this.#span = span;
    this.figure.hidden = !this.samples.has(this.o.name);
    if (this.figure.hidden) return;
    const data = this.samples.columns(span, this.o.name);
    this.#plot ??= new uPlot(this.#options(), [[], []], this.#canvas);
    const width = this.#canvas.clientWidth;
    if (width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    this.#plot.setData(data);
    this.#canvas.ariaLabel = this.#inWords(data[1]);
    this.#read();
  }

  /** What stands above the plot: the value under the pointer, or else the last one. */
  #read(): void {
    const pointed = this.#plot?.cursor.idx ?? null;
    const time = pointed === null ? undefined : this.#plot?.data[0][pointed];
    if (pointed === null || time === undefined) {
      setText(this.#readout, this.#text(this.samples.newest(this.o.name)));
      return;
    }
    const value = this.#text(this.#plot?.data[1]?.[pointed] ?? null);
    setText(this.#readout, `${timeOfDay(new Date(time * 1000))}   ${value}`);
  }

  #text(value: number | null): string {
    return value === null ? 'not known' : this.o.text(value);
  }

  #inWords(values: readonly (number | null)[]): string {
    const most = values.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);
    const now = this.#text(this.samples.newest(this.o.name));
    return `${this.o.title}: ${now} now, ${this.o.text(most)} at the most`;
  }

  #options(): uPlot.Options {
    const axis = {
      stroke: () => color('--muted'),
      grid: { stroke: () => color('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    const { text, atLeast, steps } = this.o;
    return {
      width: this.#canvas.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 6, 0, 0],
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: { key: 'plots' },
        points: { size: 7 },
      },
      scales: {
        x: { range: (_, __, newest) => [newest - SPANS[this.#span].lengthMs / 1000, newest] },
        y: { range: (_, __, most) => [0, Math.max(most * 1.1, atLeast)] },
      },
      axes: [
        { ...axis, size: 22, space: 70, values: (_, at) => at.map((s) => clock(s)) },
        {
          ...axis,
          size: 58,
          gap: 4,
          space: 32,
          ...(steps ? { incrs: steps } : {}),
          // A round number is told as one.
          values: (_, at) => at.map((value) => text(value).replace('.0 ', ' ')),
        },
      ],
      series: [
        {},
        {
          stroke: () => color('--accent'),
          fill: () => color('--accent-wash'),
          width: 1.5,
          points: { show: false },
        },
      ],
      hooks: {
        setCursor: [
          () => {
            this.#read();
          },
        ],
      },
    };
  }
}

function color(name: string): string {
  return getComputedStyle(document.body).getPropertyValue(name);
}

/** `02:14` */
function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
  });
}

function seconds(value: number): string {
  return value === 0 ? '0 s' : duration(value);
}

function size(value: number): string {
  return value === 0 ? '0' : bytes(Math.round(value));
}
