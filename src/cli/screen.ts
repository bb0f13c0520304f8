/**
 * A terminal that shows one picture, drawn anew in place. It is the terminal's second screen, as pagers use
 * it: at the end the first one is back as it was, and the last picture is written there once more.
 *
 * The terminal is set back whatever ends the process, but for kill -9. Ctrl-Z gives it back for as long as
 * the process is stopped. Lines are never wrapped by the terminal: one row too many would scroll.
 */
import { paint, type StyledLine } from './styled.js';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

interface ScreenOptions {
  write: (text: string) => void;
  /** Asked anew for each picture, since it may be resized. */
  size: () => { columns: number; rows: number };
  colours: boolean;
  /** Made for so many columns. */
  picture: (columns: number) => readonly StyledLine[];
}

export class Screen {
  #open = false;
  readonly #draw = () => {
    this.draw();
  };
  readonly #stop = () => {
    this.#leave();
    process.kill(process.pid, 'SIGSTOP');
  };
  readonly #leaveAtExit = () => {
    this.#leave();
  };

  constructor(private readonly o: ScreenOptions) {
    process.on('SIGTSTP', this.#stop).on('SIGCONT', this.#draw).on('SIGWINCH', this.#draw);
    process.once('exit', this.#leaveAtExit);
  }

  draw(): void {
    const { columns, rows } = this.o.size();
    const lines = this.#lines(columns);
    // What does not fit is below, where it matters least.
    const shown = lines.length > rows ? [...lines.slice(0, rows - 1), '…'] : lines;
    // Cleared before it is written: behind a full line the cursor stands on its last character.
    const text = shown.map((line) => `${REST_OF_LINE}${line}`).join('\r\n');
    const rest = shown.length < rows ? `\r\n${REST_OF_SCREEN}` : '';
    this.o.write(`${this.#open ? '' : ENTER}${HOME}${text}${rest}`);
    this.#open = true;
  }

  /** The last picture stays on the terminal. */
  end(): void {
    process.off('SIGTSTP', this.#stop).off('SIGCONT', this.#draw).off('SIGWINCH', this.#draw);
    process.off('exit', this.#leaveAtExit);
    this.#leave();
    this.o.write(`${this.#lines(this.o.size().columns).join('\n')}\n`);
  }

  #lines(columns: number): string[] {
    return this.o.picture(columns).map((line) => paint(line, columns, this.o.colours));
  }

  #leave(): void {
    if (this.#open) this.o.write(LEAVE);
    this.#open = false;
  }
}
