/**
 * How long work shows that it is alive: one line on stderr, rewritten in place on a terminal; elsewhere
 * (in a log, a pipe, a pod) a line of the log now and then.
 */
import { Writable } from 'node:stream';

const TERMINAL_MS = 200;
/** Of a terminal that does not say. */
const COLUMNS = 80;

interface ProgressOptions {
  /** To a terminal, or to where there is none: what fails there is nothing to whoever works. */
  write: (text: string) => void;
  /** Columns of the terminal; undefined where there is none. */
  columns: (() => number) | undefined;
  /** Elsewhere: writes a line of the log. */
  log: (text: string) => void;
  /** Elsewhere: how often; undefined: never. */
  everyMs: number | undefined;
}

export class ProgressLine {
  readonly #everyMs: number;
  /** Work that ends at once shows nothing. */
  #shownMs = Date.now();
  #open = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly o: ProgressOptions) {
    this.#everyMs = o.columns ? TERMINAL_MS : (o.everyMs ?? Number.POSITIVE_INFINITY);
  }

  /** Shows the text that `make` gives, if it is time for one; `final` shows it in any case. */
  show(make: () => string, final = false): void {
    const now = Date.now();
    if (this.#everyMs === Number.POSITIVE_INFINITY) return;
    if (!final && now - this.#shownMs < this.#everyMs) return;
    this.#shownMs = now;
    const { columns, write, log } = this.o;
    if (!columns) {
      log(make());
      return;
    }
    write(`\r\x1b[K${make().slice(0, (columns() || COLUMNS) - 1)}`);
    this.#open = true;
  }

  /** Shows what `make` gives again and again, where nothing else is shown; until the next one, or the end. */
  keep(make: (() => string) | undefined): void {
    clearInterval(this.#timer);
    if (make)
      this.#timer = setInterval(() => {
        this.show(make);
      }, TERMINAL_MS).unref();
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#open) this.o.write('\r\x1b[K');
    this.#open = false;
  }

  /** Leaves the last text standing; nothing is kept any more. */
  end(): void {
    this.keep(undefined);
    if (this.#open) this.o.write('\n');
    this.#open = false;
  }

  /** stderr for a logger: clears the line before it writes. */
  stream(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.clear();
        this.o.write(chunk.toString());
        done();
      },
    });
  }
}
