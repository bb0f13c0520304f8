/**
 * stdout and stderr for who writes: whole lines, in order, and never an error.
 *
 * What cannot be written (a full disk, a reader or a terminal that is gone) must not end the work in the
 * middle of a line; who has to know is told (stopping.ts). Every write is tried, also after one that
 * failed: when a disk has room again the log goes on, with a line of its own.
 *
 * Node's own streams were dropped: they take a write that a nearly full disk has cut short for done, and
 * end for good at the first failure.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

export interface WriteFailure {
  error: NodeJS.ErrnoException;
  /** Nobody is there to read it: a pipe that was closed, a terminal that was taken away. */
  readerGone: boolean;
}

const PIPE_FULL_MS = 5;
/** Of one that must not wait. */
const WAITS_MS = 50;

export class Output {
  readonly #terminal: boolean;
  /** What went out last is a part of what was to. */
  #cut = false;
  #lost = false;
  /** The same, as something that answers where it would wait; undefined: it may wait. */
  #unwaited: number | undefined;

  /** @param onFailure called for every write that fails */
  constructor(
    private readonly fd: number,
    private readonly onFailure: (failure: WriteFailure) => void,
  ) {
    this.#terminal = isatty(fd);
  }

  /** Whether the last write failed. */
  get isLost(): boolean {
    return this.#lost;
  }

  /**
   * From now on a reader that has stopped (Ctrl-S, a hung tee) is not waited for: what it does not take is
   * lost, as on a full disk. Only where the system lets a pipe or a terminal be opened once more.
   */
  neverWait(): void {
    this.#unwaited ??= openUnwaited(this.fd, this.#terminal);
  }

  write(text: string): void {
    const bytes = Buffer.from(this.#cut ? `\n${text}` : text);
    let written = 0;
    try {
      const waitsMs = this.#unwaited === undefined ? Number.POSITIVE_INFINITY : WAITS_MS;
      const fd = this.#unwaited ?? this.fd;
      while (written < bytes.length) written += writeSome(fd, bytes.subarray(written), waitsMs);
      this.#cut = this.#lost = false;
    } catch (thrown) {
      this.#cut ||= written > 0;
      this.failed(thrown as NodeJS.ErrnoException);
    }
  }

  /** To be told what has become of what was written here by another way. */
  failed(error: NodeJS.ErrnoException): void {
    this.#lost = true;
    // A terminal that was taken away answers as a broken disk does.
    const readerGone = error.code === 'EPIPE' || (error.code === 'EIO' && this.#terminal);
    this.onFailure({ error, readerGone });
  }

  /** For whoever wants a stream. */
  stream(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.write(chunk.toString());
        done();
      },
    });
  }
}

/** What was handed to us is shared with others, who may count on it that it waits. */
function openUnwaited(fd: number, isTerminal: boolean): number | undefined {
  try {
    if (!isTerminal && !fstatSync(fd).isFIFO()) return undefined;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** A reader that is slow is waited for, as long as that may be. */
function writeSome(fd: number, bytes: Buffer, waitsMs: number): number {
  const started = performance.now();
  while (true)
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      if (performance.now() - started > waitsMs)
        throw Object.assign(new Error('nobody reads it'), { code: 'EAGAIN' });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_FULL_MS);
    }
}
