/** How a measure went: its last values as a row of bars, each a share of the highest that is shown. */
const BARS = '▁▂▃▄▅▆▇█';
/** For terminals that know nothing else. */
const ASCII_BARS = '_.-~=+*#';

/** A wide terminal shows no more. */
const KEPT = 120;

export class Trend {
  readonly #values: number[] = [];

  /** @param value null: not known then, which is left out */
  add(value: number | null): void {
    if (value === null) return;
    this.#values.push(value);
    if (this.#values.length > KEPT) this.#values.shift();
  }

  /** Undefined before the first. */
  get last(): number | undefined {
    return this.#values.at(-1);
  }

  /** @param width columns at the most */
  bars(width: number, unicode: boolean): string {
    if (width <= 0) return '';
    const shown = this.#values.slice(-width);
    const highest = Math.max(...shown, 0);
    const bars = unicode ? BARS : ASCII_BARS;
    const level = (value: number) =>
      highest === 0 ? 0 : Math.ceil((value / highest) * (bars.length - 1));
    return shown.map((value) => bars[Math.max(0, level(value))]).join('');
  }
}
