/**
 * How long work shows that it is alive: one line on stderr, rewritten in place on a terminal, a new
 * line every few seconds elsewhere (in a log, a pipe, a pod).
 */
import { Writable } from 'node:stream';

const TERMINAL_MS = 200;
const LINES_MS = 5000;

/** Where the line is shown: what fails there is nothing to whoever works. */
export interface Shown {
  write: (text: string) => void;
}

export class ProgressLine {
  readonly #terminal = process.stderr.isTTY;
  /** Work that ends at once shows nothing. */
  #shownMs = Date.now();
  #open = false;

  /**
   * @param on whether anything is shown at all
   * @param stderr may be a terminal
   */
  constructor(
    private readonly on: boolean,
    private readonly stderr: Shown,
  ) {}

  /** Shows the text that `make` gives, if it is time for one; `final` shows it in any case. */
  show(make: () => string, final = false): void {
    const now = Date.now();
    const everyMs = this.#terminal ? TERMINAL_MS : LINES_MS;
    if (!this.on || (!final && now - this.#shownMs < everyMs)) return;
    this.#shownMs = now;
    const text = make();
    if (!this.#terminal) this.stderr.write(`${text}\n`);
    else this.stderr.write(`\r\x1b[K${text.slice(0, process.stderr.columns - 1)}`);
    this.#open = this.#terminal;
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#open) this.stderr.write('\r\x1b[K');
    this.#open = false;
  }

  /** Leaves the last text standing. */
  end(): void {
    if (this.#open) this.stderr.write('\n');
    this.#open = false;
  }

  /** Other text for people, which stays. */
  say(text: string): void {
    this.clear();
    this.stderr.write(text);
  }

  /** stderr for a logger: clears the line before it writes. */
  stream(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.say(chunk.toString());
        done();
      },
    });
  }
}

/** Turns totals that grow into a rate over the last few seconds. */
export class Rate {
  #samples: { total: number; ms: number }[] = [];

  /** Per second. */
  per(total: number, nowMs = Date.now()): number {
    this.#samples.push({ total, ms: nowMs });
    while (this.#samples.length > 2 && nowMs - (this.#samples[0]?.ms ?? 0) > 5000)
      this.#samples.shift();
    const first = this.#samples[0];
    if (!first || nowMs === first.ms) return 0;
    return ((total - first.total) * 1000) / (nowMs - first.ms);
  }
}
